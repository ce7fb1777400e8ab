#include "kv_remember.h"

#include "base/check.h"

/*
 *   1 'k' H(key)     -> u64 turn, H(what), reply
 *   2 't' turn       -> H(key)                     in the order in which they came
 */
#define BY_KEY  1u
#define BY_TURN 2u

static struct kv_piece by_key(const uint8_t digest[REDOUBT_DIGEST_BYTES])
{
    struct kv_piece piece = kv_piece_of(BY_KEY, 'k');
    kv_piece_add(&piece, (struct slice){digest, REDOUBT_DIGEST_BYTES});
    return piece;
}

static struct kv_piece by_turn(uint64_t turn)
{
    struct kv_piece piece = kv_piece_of(BY_TURN, 't');
    kv_piece_add_u64(&piece, turn);
    return piece;
}

static void digest_of(const struct kv_run *run, struct slice bytes, uint8_t out[REDOUBT_DIGEST_BYTES])
{
    run->store->env->digest(out, bytes.data, bytes.len);
}

bool kv_remember_answers(struct kv_run *run, struct slice key, struct slice what)
{
    uint8_t digest[REDOUBT_DIGEST_BYTES], of_what[REDOUBT_DIGEST_BYTES];
    if (key.len == 0)
        return false;
    digest_of(run, key, digest);
    digest_of(run, what, of_what);
    struct kv_piece piece = by_key(digest);
    const struct kv_entry *entry = kv_run_piece(run, &piece);
    if (!entry)
        return false;
    struct slice value = kv_entry_value(entry);
    CHECK(value.len >= 8 + REDOUBT_DIGEST_BYTES);
    if (memcmp(value.data + 8, of_what, sizeof of_what) != 0)
        kv_run_error(run, KV_USED_OTHERWISE);
    else
        put_raw(&run->out, value.data + 8 + REDOUBT_DIGEST_BYTES, value.len - 8 - REDOUBT_DIGEST_BYTES);
    return true;
}

/* The first or the last turn there is; false: none. */
static bool turn_at(const struct kv_run *run, bool last, uint64_t *turn, uint8_t digest[REDOUBT_DIGEST_BYTES])
{
    struct kv_walk walk;
    struct slice name;
    struct kv_piece prefix = kv_piece_of(BY_TURN, 't');
    if (last)
        kv_walk_start_down(&walk, run, &prefix);
    else
        kv_walk_start(&walk, run, &prefix);
    const struct kv_entry *entry = kv_walk_at(&walk, &name);
    if (!entry)
        return false;
    CHECK(name.len == 8 && entry->value_len == REDOUBT_DIGEST_BYTES);
    *turn = 0;
    for (unsigned i = 0; i < 8; i++)
        *turn = *turn << 8 | name.data[i];
    memcpy(digest, entry->value, REDOUBT_DIGEST_BYTES);
    return true;
}

static void forget(struct kv_run *run, uint64_t turn, const uint8_t digest[REDOUBT_DIGEST_BYTES])
{
    struct kv_piece key = by_key(digest), place = by_turn(turn);
    kv_run_piece_remove(run, &key);
    kv_run_piece_remove(run, &place);
}

void kv_remember(struct kv_run *run, struct slice key, struct slice what, size_t begin)
{
    uint8_t digest[REDOUBT_DIGEST_BYTES], oldest[REDOUBT_DIGEST_BYTES];
    uint8_t value[8 + REDOUBT_DIGEST_BYTES + KV_REMEMBERED_REPLY_MAX];
    uint64_t first = 0, last = 0;
    if (key.len == 0 || run->full || run->out.bad)
        return;
    CHECK(run->out.len - begin <= KV_REMEMBERED_REPLY_MAX);
    bool any = turn_at(run, true, &last, oldest);
    if (any && turn_at(run, false, &first, oldest) && last - first + 1 >= KV_REMEMBERED_MAX)
        forget(run, first, oldest);
    struct writer w = writer_to(value, sizeof value);
    put_u64(&w, last + 1);
    digest_of(run, what, value + 8);
    (void)writer_take(&w, REDOUBT_DIGEST_BYTES);
    put_raw(&w, run->out.data + begin, run->out.len - begin);
    digest_of(run, key, digest);
    struct kv_piece piece = by_key(digest), place = by_turn(last + 1);
    kv_run_piece_put(run, &piece, (struct slice){value, w.len});
    kv_run_piece_put(run, &place, (struct slice){digest, sizeof digest});
}
