/* Whole frames to the broker from hosts of other replicas, any of which may lie. */
#include "broker_under_test.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    broker_run(data, size, EVENT_PEER);
    return 0;
}
