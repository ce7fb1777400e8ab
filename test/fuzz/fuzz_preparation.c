/* Whole frames to Preparation, true and changed, also by senders with true keys; its invariants hold after each. */
#include "need.h"
#include "recorded.h"

static struct recording recording;
static size_t mark;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    recorded_make(KIND_PREPARATION, &recording);
    mark = cluster_mark(recorded_cluster);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = input_of(data, size, KIND_PREPARATION);
    struct recorded next;
    cluster_reborn(recorded_cluster, KIND_PREPARATION, 1);
    for (unsigned frames = 0; frames < 400 && recorded_next(&recording, &input, &next); frames++) {
        (void)cluster_give(recorded_cluster, KIND_PREPARATION, 1, (struct slice){next.data, next.len});
        cluster_flush(recorded_cluster, KIND_PREPARATION, 1);
    }
    cluster_forget(recorded_cluster);
    cluster_release(recorded_cluster, mark);
    return 0;
}
