/*
 * A wide-area link, emulated: bytes that are held back until they are due, in a heap by due time. For measuring only.
 * What goes one way over one link keeps its order (as TCP would), so a late frame holds up those behind it.
 */
#ifndef HOST_CLIENT_DELAY_H
#define HOST_CLIENT_DELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct client_link;

struct delayed {
    uint64_t due_us;
    uint64_t number; /* order among equals */
    struct client_link *link;
    uint64_t connection; /* of the link, when it was held back */
    bool inward;
    size_t len;
    uint8_t *data;
};

struct delay {
    uint64_t delay_us;
    uint64_t jitter_us; /* uniform, plus or minus */
    uint64_t random;
    uint64_t number;
    struct delayed *heap;
    size_t count;
    size_t cap;
};

static inline bool delay_on(const struct delay *delay)
{
    return delay->delay_us != 0 || delay->jitter_us != 0;
}

void delay_init(struct delay *delay, uint64_t delay_us, uint64_t jitter_us);
void delay_deinit(struct delay *delay);
/* When something that is sent now arrives, not before `*last_us`, which is moved up. */
uint64_t delay_due(struct delay *delay, uint64_t now_us, uint64_t *last_us);
/* Takes over `data` (from malloc); false when memory is lacking. */
bool delay_push(struct delay *delay, struct delayed item);
/* The next that is due; `item->data` is the caller's to free. */
bool delay_pop(struct delay *delay, uint64_t now_us, struct delayed *item);
/* UINT64_MAX: nothing is held back. */
uint64_t delay_next(const struct delay *delay);
/* Drops what belongs to a link that goes away. */
void delay_forget(struct delay *delay, const struct client_link *link);

#endif
