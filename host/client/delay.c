#include "client/delay.h"

#include <stdlib.h>
#include <string.h>

void delay_init(struct delay *delay, uint64_t delay_us, uint64_t jitter_us)
{
    *delay = (struct delay){.delay_us = delay_us, .jitter_us = jitter_us, .random = 0x9e3779b97f4a7c15u};
}

void delay_deinit(struct delay *delay)
{
    for (size_t i = 0; i < delay->count; i++)
        free(delay->heap[i].data);
    free(delay->heap);
    *delay = (struct delay){.heap = NULL};
}

uint64_t delay_due(struct delay *delay, uint64_t now_us, uint64_t *last_us)
{
    delay->random ^= delay->random << 13;
    delay->random ^= delay->random >> 7;
    delay->random ^= delay->random << 17;
    uint64_t wait = delay->delay_us;
    if (delay->jitter_us) {
        uint64_t shift = delay->random % (2 * delay->jitter_us + 1);
        wait = wait + shift > delay->jitter_us ? wait + shift - delay->jitter_us : 0;
    }
    uint64_t due = now_us + wait;
    if (due < *last_us)
        due = *last_us;
    *last_us = due;
    return due;
}

static bool before(const struct delayed *a, const struct delayed *b)
{
    return a->due_us != b->due_us ? a->due_us < b->due_us : a->number < b->number;
}

static void swap(struct delayed *a, struct delayed *b)
{
    struct delayed c = *a;
    *a = *b;
    *b = c;
}

static void sift_up(struct delayed *heap, size_t at)
{
    for (; at > 0 && before(&heap[at], &heap[(at - 1) / 2]); at = (at - 1) / 2)
        swap(&heap[at], &heap[(at - 1) / 2]);
}

static void sift_down(struct delayed *heap, size_t count, size_t at)
{
    for (;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child < count && child <= 2 * at + 2; child++)
            if (before(&heap[child], &heap[least]))
                least = child;
        if (least == at)
            return;
        swap(&heap[at], &heap[least]);
        at = least;
    }
}

bool delay_push(struct delay *delay, struct delayed item)
{
    if (delay->count == delay->cap) {
        size_t cap = delay->cap ? 2 * delay->cap : 64;
        struct delayed *heap = realloc(delay->heap, cap * sizeof *heap);
        if (!heap)
            return false;
        delay->heap = heap;
        delay->cap = cap;
    }
    item.number = delay->number++;
    delay->heap[delay->count++] = item;
    sift_up(delay->heap, delay->count - 1);
    return true;
}

bool delay_pop(struct delay *delay, uint64_t now_us, struct delayed *item)
{
    if (delay->count == 0 || delay->heap[0].due_us > now_us)
        return false;
    *item = delay->heap[0];
    delay->heap[0] = delay->heap[--delay->count];
    sift_down(delay->heap, delay->count, 0);
    return true;
}

uint64_t delay_next(const struct delay *delay)
{
    return delay->count ? delay->heap[0].due_us : UINT64_MAX;
}

void delay_forget(struct delay *delay, const struct client_link *link)
{
    size_t kept = 0;
    for (size_t i = 0; i < delay->count; i++) {
        if (delay->heap[i].link == link)
            free(delay->heap[i].data);
        else
            delay->heap[kept++] = delay->heap[i];
    }
    delay->count = kept;
    for (size_t i = kept / 2; i-- > 0;)
        sift_down(delay->heap, kept, i);
}
