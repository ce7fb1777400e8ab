/*
 * The version cells, and where Troxies certify the digest of the history: of each cell, the last write that touched it (ordering/versions.h). They are part of the state, in records of fixed
 * size beside those of the origins; a record that nothing touched since the last checkpoint keeps its digest.
 */
#include "execution/execution.h"

#define VERSIONS_TAG "versions"
#define HEAD_RECORD  (VERSION_RECORDS - 1)

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "cells are digested and saved as they lie in memory");
static_assert(VERSION_CELLS % VERSION_LEAF_CELLS == 0, "records are full");

void versions_init(struct versions *v, struct arena *arena)
{
    v->cell = arena_take(arena, VERSION_CELLS * sizeof *v->cell);
    v->digest = arena_take(arena, VERSION_RECORDS * sizeof *v->digest);
    memset(v->dirty, 0xff, sizeof v->dirty);
}

static void mark(struct versions *v, uint32_t record)
{
    v->dirty[record / 64] |= 1ull << record % 64;
}

void versions_raise(struct versions *v, const struct touched *t, version_no to)
{
    if (mutant(MUTANT_VERSIONS_FORGOTTEN))
        return;
    if (t->writes_all || !mutant(MUTANT_WRITES_SPARE_THE_WHOLE))
        v->whole = to;
    mark(v, HEAD_RECORD);
    if (t->writes_all && !mutant(MUTANT_BROAD_WRITES_SPARE_CELLS))
        v->broad = to;
    for (uint64_t left = t->written; left; left &= left - 1) {
        uint32_t cell = t->cell[__builtin_ctzll(left)];
        v->cell[cell] = to;
        mark(v, cell / VERSION_LEAF_CELLS);
    }
}

version_no versions_highest(const struct versions *v, const uint32_t *cells, uint32_t count)
{
    version_no highest = v->broad;
    for (uint32_t i = 0; i < count; i++) {
        version_no version = cells[i] == VERSION_WHOLE ? v->whole : v->cell[cells[i]];
        highest = version > highest ? version : highest;
    }
    return highest;
}

/* --- as records of the state ------------------------------------------------------------------------------------------- */

static struct slice bytes_of(const struct versions *v, uint32_t record)
{
    if (record == HEAD_RECORD)
        return (struct slice){(const uint8_t *)&v->whole, versions_size(v, record)};
    return (struct slice){(const uint8_t *)&v->cell[record * VERSION_LEAF_CELLS],
                          VERSION_LEAF_CELLS * sizeof *v->cell};
}
static_assert(offsetof(struct versions, broad) == offsetof(struct versions, whole) + sizeof(version_no),
              "the head's two lie side by side");
static_assert(offsetof(struct versions, history) == offsetof(struct versions, broad) + sizeof(version_no),
              "and the history behind them");

void versions_refresh(struct versions *v)
{
    struct slice in[64];
    struct digest out[64];
    for (uint32_t word = 0; word * 64 < VERSION_RECORDS; word++) {
        size_t count = 0;
        uint64_t dirty = v->dirty[word];
        if (VERSION_RECORDS - word * 64 < 64)
            dirty &= (1ull << (VERSION_RECORDS - word * 64)) - 1;
        for (uint64_t left = dirty; left; left &= left - 1)
            in[count++] = bytes_of(v, word * 64 + (uint32_t)__builtin_ctzll(left));
        if (!count)
            continue;
        digest_many(out, VERSIONS_TAG, in, count);
        count = 0;
        for (uint64_t left = dirty; left; left &= left - 1)
            v->digest[word * 64 + (uint32_t)__builtin_ctzll(left)] = out[count++];
        v->dirty[word] = 0;
    }
}

size_t versions_size(const struct versions *v, uint32_t record)
{
    if (record == HEAD_RECORD)
        return 2 * sizeof(version_no) + (v->certifies ? sizeof v->history : 0);
    return VERSION_LEAF_CELLS * sizeof(version_no);
}

void versions_set_history(struct versions *v, const struct digest *head)
{
    v->history = *head;
    mark(v, HEAD_RECORD);
}

void versions_save(const struct versions *v, uint32_t record, struct writer *w)
{
    struct slice bytes = bytes_of(v, record);
    put_raw(w, bytes.data, bytes.len);
}

bool versions_saved_digest(const struct versions *v, uint32_t record, struct slice saved, struct digest *out)
{
    if (saved.len != versions_size(v, record))
        return false;
    digest_of(out, VERSIONS_TAG, saved.data, saved.len);
    return true;
}

bool versions_load(struct versions *v, uint32_t record, struct slice saved)
{
    if (saved.len != versions_size(v, record))
        return false;
    if (record == HEAD_RECORD) {
        memcpy(&v->whole, saved.data, sizeof v->whole);
        memcpy(&v->broad, saved.data + sizeof v->whole, sizeof v->broad);
        memcpy(&v->history, saved.data + 2 * sizeof v->whole, v->certifies ? sizeof v->history : 0);
    } else {
        memcpy(&v->cell[record * VERSION_LEAF_CELLS], saved.data, saved.len);
    }
    mark(v, record);
    return true;
}
