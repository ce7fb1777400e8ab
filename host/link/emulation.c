#include "link/emulation.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define BURST_BYTES (16u << 10) /* of the token bucket */
#define QUEUE_US    250000u     /* with a rate: what may queue up before it, besides what is on the line */
#define PIECE_US    1000u       /* with a rate: a piece arrives as one, so it must not take long */
#define LEAST_LIMIT (64u << 10)
#define LEAST_SHARE 4096u
#define HELD_COST                                                                                            \
    64u /* what holding a piece costs besides its bytes, so that many small ones are bounded, too */
#define RETRANSMIT_US   200000u
#define REPETITIONS_MAX 6u
#define NS_PER_S        1000000000u

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* splitmix64 */
static uint64_t random_next(struct emulation *e)
{
    uint64_t z = (e->random += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void emulation_init(struct emulation *e, const struct emulation_rules *rules)
{
    *e = (struct emulation){
        .rules = *rules, .random = rules->seed, .limit = EMULATION_TOTAL_MAX, .piece = EMULATION_READ_MAX};
    if (rules->bits_per_s == 0)
        return;
    e->piece = (size_t)least(most(rules->bits_per_s / 8 * PIECE_US / 1000000, EMULATION_SEGMENT),
                             EMULATION_READ_MAX);
    uint64_t line_us = rules->delay_us + rules->jitter_us + QUEUE_US;
    double bytes = (double)rules->bits_per_s / 8 * (double)line_us / 1e6;
    if (bytes < EMULATION_TOTAL_MAX)
        e->limit = (size_t)most((uint64_t)bytes, LEAST_LIMIT);
}

void emulation_deinit(struct emulation *e)
{
    CHECK(e->count == 0 && e->connections == 0);
    free(e->heap);
    e->heap = NULL;
}

/* ---------------------------------------------------------------- the heap */

static uint64_t due_of(const struct way *way)
{
    return way->first->due_us;
}

static void put_at(struct emulation *e, struct way *way, size_t place)
{
    e->heap[place - 1] = way;
    way->place = place;
}

static void sift_up(struct emulation *e, struct way *way, size_t place)
{
    for (; place > 1 && due_of(way) < due_of(e->heap[place / 2 - 1]); place /= 2)
        put_at(e, e->heap[place / 2 - 1], place);
    put_at(e, way, place);
}

static void sift_down(struct emulation *e, struct way *way, size_t place)
{
    for (size_t child; (child = 2 * place) <= e->count; place = child) {
        if (child < e->count && due_of(e->heap[child]) < due_of(e->heap[child - 1]))
            child++;
        if (due_of(way) <= due_of(e->heap[child - 1]))
            break;
        put_at(e, e->heap[child - 1], place);
    }
    put_at(e, way, place);
}

static void heap_add(struct emulation *e, struct way *way)
{
    CHECK(e->count < e->cap);
    e->count++;
    sift_up(e, way, e->count);
}

static void heap_remove(struct emulation *e, struct way *way)
{
    size_t place = way->place;
    struct way *last = e->heap[--e->count];
    way->place = 0;
    if (last == way)
        return;
    if (place > 1 && due_of(last) < due_of(e->heap[place / 2 - 1]))
        sift_up(e, last, place);
    else
        sift_down(e, last, place);
}

/* Its first has changed, or its being stopped. */
static void heap_update(struct emulation *e, struct way *way)
{
    bool wanted = way->first && !way->stopped;
    if (way->place && wanted)
        sift_down(e, way, way->place);
    else if (way->place)
        heap_remove(e, way);
    else if (wanted)
        heap_add(e, way);
}

/* ---------------------------------------------------------------- connections */

bool emulation_join(struct emulation *e, struct way ways[2])
{
    size_t needed = 2 * (e->connections + 1);
    if (needed > e->cap) {
        size_t cap = 2 * needed;
        struct way **heap = realloc(e->heap, cap * sizeof(struct way *));
        if (!heap)
            return false;
        e->heap = heap;
        e->cap = cap;
    }
    for (unsigned i = 0; i < 2; i++)
        ways[i] = (struct way){.direction = i};
    e->connections++;
    return true;
}

void emulation_leave(struct emulation *e, struct way ways[2])
{
    for (unsigned i = 0; i < 2; i++) {
        emulation_drop(e, &ways[i]);
        emulation_taken(e, &ways[i], ways[i].bytes);
    }
    e->connections--;
}

void emulation_stop(struct emulation *e, struct way *way, bool stopped)
{
    way->stopped = stopped;
    heap_update(e, way);
}

void emulation_drop(struct emulation *e, struct way *way)
{
    struct held *held = way->first;
    way->first = way->last = NULL;
    if (way->place)
        heap_remove(e, way);
    while (held) {
        struct held *next = held->next;
        emulation_taken(e, way, held->len + HELD_COST);
        free(held);
        held = next;
    }
}

/* ---------------------------------------------------------------- when it arrives */

/* When the last byte has left, if it may not leave faster than the rate. */
static uint64_t departure_us(struct emulation *e, unsigned direction, size_t len, uint64_t now_us)
{
    uint64_t rate = e->rules.bits_per_s;
    if (rate == 0 || len == 0)
        return now_us;
    uint64_t cost_ns = (uint64_t)len * 8 * NS_PER_S / rate,
             burst_ns = (uint64_t)BURST_BYTES * 8 * NS_PER_S / rate;
    uint64_t *bucket = &e->bucket_ns[direction];
    *bucket = most(*bucket, now_us * 1000) + cost_ns;
    return most(now_us, *bucket > burst_ns ? (*bucket - burst_ns) / 1000 : 0);
}

static uint64_t travel_us(struct emulation *e)
{
    uint64_t jitter = e->rules.jitter_us;
    return jitter ? e->rules.delay_us - jitter + random_next(e) % (2 * jitter + 1) : e->rules.delay_us;
}

static bool is_lost(struct emulation *e)
{
    if (e->rules.loss_ppm == 0 || random_next(e) % 1000000 >= e->rules.loss_ppm)
        return false;
    e->lost++;
    return true;
}

/* How much later a piece comes because segments of it were lost. */
static uint64_t repetition_us(struct emulation *e, size_t len)
{
    uint64_t longest = 0;
    for (size_t at = 0; at == 0 || at < len; at += EMULATION_SEGMENT) {
        uint64_t wait = 0, timeout = 2 * e->rules.delay_us + RETRANSMIT_US;
        for (unsigned i = 0; i < REPETITIONS_MAX && is_lost(e); i++, timeout *= 2)
            wait += timeout;
        longest = most(longest, wait);
    }
    return longest;
}

bool emulation_send(struct emulation *e, struct way *way, enum held_kind kind, const void *data, size_t len,
                    uint64_t now_us)
{
    struct held *held = malloc(sizeof *held + len);
    if (!held)
        return false;
    uint64_t due = departure_us(e, way->direction, len, now_us) + travel_us(e) + repetition_us(e, len);
    *held = (struct held){.due_us = most(due, way->not_before_us), .kind = kind, .len = len};
    if (len)
        memcpy(held->data, data, len);
    /* The answer to the call has to come back before anything can follow it. */
    way->not_before_us = held->due_us + (kind == HELD_CALL ? 2 * e->rules.delay_us : 0);
    way->bytes += len + HELD_COST;
    e->bytes[way->direction] += len + HELD_COST;
    e->most = (size_t)most(e->most, e->bytes[0] + e->bytes[1]);
    if (way->last)
        way->last->next = held;
    else
        way->first = held;
    way->last = held;
    if (way->first == held)
        heap_update(e, way);
    return true;
}

uint64_t emulation_next(const struct emulation *e)
{
    return e->count ? due_of(e->heap[0]) : UINT64_MAX;
}

struct way *emulation_due(const struct emulation *e, uint64_t now_us)
{
    return e->count && due_of(e->heap[0]) <= now_us ? e->heap[0] : NULL;
}

struct held *emulation_take(struct emulation *e, struct way *way)
{
    struct held *held = way->first;
    way->first = held->next;
    if (!way->first)
        way->last = NULL;
    heap_update(e, way);
    emulation_taken(e, way, HELD_COST);
    return held;
}

void emulation_taken(struct emulation *e, struct way *way, size_t len)
{
    CHECK(len <= way->bytes && way->bytes <= e->bytes[way->direction]);
    way->bytes -= len;
    e->bytes[way->direction] -= len;
}

size_t emulation_room(const struct emulation *e, const struct way *way)
{
    size_t share = (size_t)most(e->limit / most(e->connections, 1), LEAST_SHARE);
    size_t full = e->bytes[way->direction] >= e->limit ? share : EMULATION_WAY_MAX;
    return way->bytes >= full ? 0 : (size_t)least(least(share, e->piece), full - way->bytes);
}
