/* Whole frames to the broker as if from its own compartments, and from peers: even then it only costs liveness. */
#include "broker_under_test.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = input_of(data, size, KIND_EXECUTION);
    struct recorded next;
    broker_new();
    for (unsigned i = 0; i < 300 && recorded_next(&recording, &input, &next); i++) {
        struct frame frame;
        struct slice bytes = {next.data, next.len};
        bool own = frame_decode(next.data, next.len, &frame) && frame.sender.id % 2 == 1;
        if (own)
            broker_event(EVENT_COMPARTMENT, frame.sender.kind, bytes);
        else
            broker_event(EVENT_PEER, next.from, bytes);
        now_us += 10000;
        broker_event(EVENT_TIMER, 0, (struct slice){NULL, 0});
    }
    cluster_release(recorded_cluster, mark);
    return 0;
}
