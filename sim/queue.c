#include "queue.h"

static bool before(const struct due *a, const struct due *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

void queue_free(struct queue *q)
{
    for (size_t i = 0; i < q->count; i++)
        parcel_drop(q->heap[i].parcel);
    free(q->heap);
    memset(q, 0, sizeof *q);
}

void queue_add(struct queue *q, const struct due *due)
{
    if (q->count == q->cap) {
        q->cap = q->cap ? 2 * q->cap : 1024;
        q->heap = realloc(q->heap, q->cap * sizeof *q->heap);
        CHECK(q->heap != NULL);
    }
    struct due entry = *due;
    entry.order = q->entered++;
    size_t at = q->count++;
    while (at && before(&entry, &q->heap[(at - 1) / 2])) {
        q->heap[at] = q->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    q->heap[at] = entry;
}

bool queue_take(struct queue *q, struct due *due)
{
    if (q->count == 0)
        return false;
    *due = q->heap[0];
    struct due last = q->heap[--q->count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= q->count)
            break;
        if (child + 1 < q->count && before(&q->heap[child + 1], &q->heap[child]))
            child++;
        if (!before(&q->heap[child], &last))
            break;
        q->heap[at] = q->heap[child];
        at = child;
    }
    if (q->count)
        q->heap[at] = last;
    return true;
}
