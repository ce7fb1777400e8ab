/* Whole frames to the broker from client connections. */
#include "broker_under_test.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    broker_run(data, size, EVENT_CLIENT);
    return 0;
}
