/* Whole frames to the broker from its own compartments, which may be faulty, and from peers: it stays in one piece. */
#include "broker_under_test.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    broker_run(data, size, EVENT_COMPARTMENT);
    return 0;
}
