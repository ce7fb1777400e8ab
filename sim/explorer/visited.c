/* Visited: see visited.h. The all-zero entry means empty; a fingerprint of zero is stored as one. */
#include "visited.h"

#include <stdlib.h>

enum { CAPACITY_FIRST = 1 << 16 };

int visited_init(struct visited *visited, size_t memory_max_bytes)
{
    size_t capacity_max = CAPACITY_FIRST;

    /* While a table grows the old one is held too: half as much again. */
    while (capacity_max * 2 * sizeof(struct fingerprint) * 3 / 2 <= memory_max_bytes)
        capacity_max *= 2;
    *visited = (struct visited){.capacity = CAPACITY_FIRST, .capacity_max = capacity_max};
    visited->table = calloc(visited->capacity, sizeof *visited->table);
    return visited->table == NULL ? -1 : 0;
}

void visited_deinit(struct visited *visited)
{
    free(visited->table);
    visited->table = NULL;
}

static bool is_empty(struct fingerprint f)
{
    return f.high == 0 && f.low == 0;
}

/* The fingerprint's place: where it is, or the empty one where it belongs. */
static struct fingerprint *place(struct fingerprint *table, size_t capacity, struct fingerprint f)
{
    size_t at = (size_t)f.low & (capacity - 1);

    while (!is_empty(table[at]) && (table[at].high != f.high || table[at].low != f.low))
        at = (at + 1) & (capacity - 1);
    return &table[at];
}

static int grow(struct visited *visited)
{
    size_t capacity = visited->capacity * 2;
    struct fingerprint *table;

    if (capacity > visited->capacity_max)
        return -1;
    table = calloc(capacity, sizeof *table);
    if (table == NULL)
        return -1;
    for (size_t i = 0; i < visited->capacity; i++)
        if (!is_empty(visited->table[i]))
            *place(table, capacity, visited->table[i]) = visited->table[i];
    free(visited->table);
    visited->table = table;
    visited->capacity = capacity;
    return 0;
}

enum visited_add visited_add(struct visited *visited, struct fingerprint fingerprint)
{
    struct fingerprint *at;

    if (is_empty(fingerprint))
        fingerprint.low = 1;
    at = place(visited->table, visited->capacity, fingerprint);
    if (!is_empty(*at))
        return VISITED_KNOWN;
    /* Above three quarters the probes get long. */
    if (visited->count >= visited->capacity / 4 * 3) {
        if (grow(visited) < 0)
            return VISITED_FULL;
        at = place(visited->table, visited->capacity, fingerprint);
    }
    *at = fingerprint;
    visited->count++;
    return VISITED_NEW;
}
