#include "kv_run.h"

#include "base/check.h"
#include "kv_command.h"
#include "kv_number.h"

#define REAPED_MAX 64u /* pieces that one operation drops */

/* ------------------------------------------------------------------------------------------------------- changes */

/* Where the next change is written down; NULL, and the run is full, when there is no memory for it. */
static struct kv_change *next_change(struct kv_run *run)
{
    const struct redoubt_env *env = run->store->env;
    if (run->made < run->room)
        return &run->change[run->made];
    struct kv_change *more = env->alloc(env, 2 * run->room * sizeof *more);
    if (!more) {
        run->full = true;
        return NULL;
    }
    memcpy(more, run->change, run->made * sizeof *more);
    if (run->change != run->few)
        env->release(env, run->change, run->room * sizeof *more);
    run->change = more;
    run->room *= 2;
    return &run->change[run->made];
}

static void forget_changes(struct kv_run *run)
{
    const struct redoubt_env *env = run->store->env;
    if (run->change != run->few)
        env->release(env, run->change, run->room * sizeof *run->change);
    run->change = run->few;
    run->room = KV_CHANGES_FEW;
    run->made = 0;
    run->collections = run->store->collections;
}

void kv_run_commit(struct kv_run *run)
{
    if (run->made)
        kv_changes_commit(run->store, run->change, run->made);
    forget_changes(run);
}

void kv_run_undo(struct kv_run *run)
{
    if (run->made)
        kv_changes_undo(run->store, run->change, run->made);
    run->store->collections = run->collections; /* leaf 0 was touched when it rose */
    run->full = false;
    forget_changes(run);
}

static bool set_at(struct kv_run *run, struct kv_place place, struct slice key,
                   const struct kv_content *content)
{
    struct kv_change *change = run->full ? NULL : next_change(run);
    if (!change)
        return false;
    if (kv_store_set(run->store, place, key, content, run->op->seed, change))
        run->made++;
    else
        run->full = true;
    return !run->full;
}

static bool remove_at(struct kv_run *run, struct kv_place place)
{
    struct kv_change *change = run->full ? NULL : next_change(run);
    if (!change)
        return false;
    kv_store_remove(run->store, place, change);
    run->made++;
    return true;
}

/* ---------------------------------------------------------------------------------------------------------- keys */

bool kv_run_spend(struct kv_run *run, uint64_t steps)
{
    if (steps >= run->left) {
        run->left = 0;
        run->too_long = true;
        return false;
    }
    run->left -= steps;
    return true;
}

uint64_t kv_run_now_ms(const struct kv_run *run)
{
    return run->op->time_us / 1000;
}

bool kv_is_over(const struct kv_entry *entry, uint64_t time_us)
{
    return (entry->mark & KV_EXPIRES) && kv_entry_expires(entry) <= time_us;
}

const struct kv_entry *kv_run_find(struct kv_run *run, struct slice key)
{
    const struct kv_entry *entry = kv_store_find(run->store, key).entry;
    if (!entry || !(entry->mark & KV_EXPIRES))
        return entry;
    run->is_volatile = true;
    return kv_is_over(entry, run->op->time_us) ? NULL : entry;
}

bool kv_run_find_typed(struct kv_run *run, struct slice key, uint8_t type, const struct kv_entry **entry)
{
    *entry = kv_run_find(run, key);
    if (!*entry || ((*entry)->mark & KV_TYPE_MASK) == type)
        return true;
    kv_run_error(run, KV_WRONG_TYPE);
    return false;
}

uint64_t kv_collection_at(struct kv_place place)
{
    if (!place.entry || (place.entry->mark & KV_TYPE_MASK) == KV_TYPE_STRING)
        return 0;
    return kv_collection_read(kv_entry_value(place.entry)).number;
}

static struct kv_piece dead_piece(uint64_t number)
{
    struct kv_piece piece = {.len = 0};
    kv_piece_add_u64(&piece, 0);
    kv_piece_add_u64(&piece, number);
    return piece;
}

bool kv_bury(struct kv_store *store, uint64_t number, const uint8_t *seed, struct kv_change *change)
{
    const struct kv_content content = {.mark = KV_DEAD};
    struct kv_piece piece = dead_piece(number);
    struct slice key = kv_piece_key(&piece);
    return kv_store_set(store, kv_store_find_inner(store, key), key, &content, seed, change);
}

static bool bury(struct kv_run *run, uint64_t number)
{
    const struct kv_content content = {.mark = KV_DEAD};
    struct kv_piece piece = dead_piece(number);
    struct slice key = kv_piece_key(&piece);
    return number == 0 || set_at(run, kv_store_find_inner(run->store, key), key, &content);
}

bool kv_run_put(struct kv_run *run, struct slice key, const struct kv_content *content)
{
    struct kv_place place = kv_store_find(run->store, key);
    uint64_t before = kv_collection_at(place);
    uint64_t after = content->mark == KV_TYPE_STRING ? 0 : kv_collection_read(content->value).number;
    if (!set_at(run, place, key, content) || before == after || !bury(run, before))
        return !run->full;
    if (before &&
        run->store->used > run->store->limit) /* the key stays, and beside it a grave is one entry more */
        run->full = true;
    return !run->full;
}

bool kv_run_remove(struct kv_run *run, struct slice key)
{
    struct kv_place place = kv_store_find(run->store, key);
    uint64_t number = kv_collection_at(place);
    return remove_at(run, place) && bury(run, number);
}

bool kv_run_drop(struct kv_run *run, struct slice key)
{
    return remove_at(run, kv_store_find(run->store, key));
}

/* --------------------------------------------------------------------------------------------------- collections */

bool kv_run_open(struct kv_run *run, struct slice key, uint8_t type, struct kv_opened *opened)
{
    const struct kv_entry *entry;
    *opened = (struct kv_opened){.key = key, .type = type};
    if (!kv_run_find_typed(run, key, type, &entry))
        return false;
    if (entry) {
        opened->exists = true;
        opened->expires_us = kv_entry_expires(entry);
        opened->c = kv_collection_read(kv_entry_value(entry));
    }
    return true;
}

static bool write_down(struct kv_run *run, const struct kv_opened *opened)
{
    uint8_t value[KV_COLLECTION_BYTES];
    kv_collection_write(value, &opened->c);
    const struct kv_content content = {
        .value = {value, sizeof value}, .mark = opened->type, .expires_us = opened->expires_us};
    return kv_run_put(run, opened->key, &content);
}

bool kv_run_begin(struct kv_run *run, struct kv_opened *opened)
{
    if (opened->exists)
        return true;
    run->store->env->touch(run->store->env, 0);
    opened->c = (struct kv_collection){.number = KV_NUMBERS_RESERVED + run->store->collections++};
    if (opened->type == KV_TYPE_LIST)
        opened->c.first = (uint64_t)1 << 63;
    opened->exists = true;
    return write_down(run, opened); /* before its pieces: the hash key is known then */
}

bool kv_run_save(struct kv_run *run, struct kv_opened *opened)
{
    if (run->full)
        return false;
    if (opened->c.count == 0)
        return kv_run_drop(run, opened->key);
    opened->c.version++;
    return write_down(run, opened);
}

struct kv_piece kv_piece_of(uint64_t number, uint8_t kind)
{
    struct kv_piece piece;
    piece.len = 0;
    kv_piece_add_u64(&piece, number);
    kv_piece_add(&piece, (struct slice){&kind, 1});
    return piece;
}

void kv_piece_add(struct kv_piece *piece, struct slice bytes)
{
    CHECK(bytes.len <= sizeof piece->key - piece->len);
    if (bytes.len)
        memcpy(piece->key + piece->len, bytes.data, bytes.len);
    piece->len += bytes.len;
}

void kv_piece_add_u64(struct kv_piece *piece, uint64_t number)
{
    uint8_t bytes[8];
    for (unsigned i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(number >> (56 - 8 * i));
    kv_piece_add(piece, (struct slice){bytes, sizeof bytes});
}

struct slice kv_piece_key(const struct kv_piece *piece)
{
    return (struct slice){piece->key, piece->len};
}

const struct kv_entry *kv_run_piece(const struct kv_run *run, const struct kv_piece *piece)
{
    return kv_store_find_inner(run->store, kv_piece_key(piece)).entry;
}

static bool put_piece(struct kv_run *run, const struct kv_piece *piece, struct slice value, bool always)
{
    const struct kv_content content = {.value = value, .mark = KV_PIECE, .always = always};
    struct slice key = kv_piece_key(piece);
    return set_at(run, kv_store_find_inner(run->store, key), key, &content);
}

bool kv_run_piece_put(struct kv_run *run, const struct kv_piece *piece, struct slice value)
{
    return put_piece(run, piece, value, false);
}

bool kv_run_piece_keep(struct kv_run *run, const struct kv_piece *piece, struct slice value)
{
    return put_piece(run, piece, value, true);
}

bool kv_run_piece_remove(struct kv_run *run, const struct kv_piece *piece)
{
    struct kv_place place = kv_store_find_inner(run->store, kv_piece_key(piece));
    CHECK(place.entry != NULL);
    return remove_at(run, place);
}

void kv_walk_start(struct kv_walk *walk, const struct kv_run *run, const struct kv_piece *prefix)
{
    walk->prefix = *prefix;
    kv_cursor_seek(&walk->cursor, &run->store->inner, kv_piece_key(prefix), false);
}

void kv_walk_start_down(struct kv_walk *walk, const struct kv_run *run, const struct kv_piece *prefix)
{
    struct kv_piece behind = *prefix;
    walk->prefix = *prefix;
    behind.key[behind.len - 1]++; /* a kind: never the last byte there is */
    kv_cursor_seek_down(&walk->cursor, &run->store->inner, kv_piece_key(&behind));
}

const struct kv_entry *kv_walk_at(const struct kv_walk *walk, struct slice *name)
{
    const struct kv_entry *entry = walk->cursor.next;
    const struct kv_piece *prefix = &walk->prefix;
    if (!entry || entry->key_len < prefix->len || memcmp(entry->key, prefix->key, prefix->len) != 0)
        return NULL;
    *name = (struct slice){entry->key + prefix->len, entry->key_len - prefix->len};
    return entry;
}

void kv_walk_on(struct kv_walk *walk)
{
    kv_cursor_advance(&walk->cursor);
}

void kv_walk_down(struct kv_walk *walk)
{
    kv_cursor_retreat(&walk->cursor);
}

/* -------------------------------------------------------------------------------------------------------- tidying */

static uint64_t read_u64(const uint8_t *bytes)
{
    uint64_t number = 0;
    for (unsigned i = 0; i < 8; i++)
        number = number << 8 | bytes[i];
    return number;
}

static void remove_entry(struct kv_store *store, const struct kv_entry *entry)
{
    kv_store_remove(store, kv_store_find_inner(store, (struct slice){entry->key, entry->key_len}), NULL);
}

/* Pieces of the collection that died first (of those with the least number), and its grave when none is left. */
static void reap(struct kv_store *store)
{
    const struct kv_piece graves = {.len = 8};
    struct kv_cursor cursor;
    for (uint32_t i = 0; i < REAPED_MAX && store->dead; i++) {
        kv_cursor_seek(&cursor, &store->inner, (struct slice){graves.key, graves.len}, false);
        const struct kv_entry *grave = cursor.next;
        CHECK(grave && grave->mark == KV_DEAD && grave->key_len == 16);
        struct slice number = {grave->key + 8, 8};
        kv_cursor_seek(&cursor, &store->inner, number, false);
        bool left = cursor.next && memcmp(cursor.next->key, number.data, 8) == 0;
        remove_entry(store, left ? cursor.next : grave);
    }
}

/* One leaf, by the seed: in the long run all of them have their turn. */
static void sweep(struct kv_store *store, const struct redoubt_op *op)
{
    uint64_t number = read_u64(op->seed) % store->leaves;
    const struct kv_leaf *leaf = kv_store_leaf(store, number);
    for (uint32_t slot = leaf->count; slot-- > 0;) {
        struct kv_entry *entry = kv_leaf_entries(leaf)[slot];
        if (!kv_is_over(entry, op->time_us))
            continue;
        struct kv_place place = {
            .entry = entry, .leaf = number, .tag = kv_leaf_tags(leaf)[slot], .slot = slot};
        uint64_t collection = kv_collection_at(place);
        kv_store_remove(store, place, NULL);
        if (collection && !kv_bury(store, collection, op->seed, NULL))
            store->broken = true;
        return; /* slots have moved */
    }
}

void kv_tidy(struct kv_store *store, const struct redoubt_op *op)
{
    if (store->dead)
        reap(store);
    if (store->expiring)
        sweep(store, op);
    kv_store_grow(store);
}

/* ---------------------------------------------------------------------------------------------- arguments, replies */

void kv_run_error(struct kv_run *run, const char *text)
{
    kv_reply_error(&run->out, text);
}

void kv_run_arity_error(struct kv_run *run)
{
    char text[96];
    struct writer w = writer_to(text, sizeof text);
    kv_command_arity_error(&w, run->command);
    put_u8(&w, 0);
    kv_run_error(run, text);
}

void kv_run_ok(struct kv_run *run)
{
    kv_reply_simple(&run->out, "OK");
}

void kv_run_integer(struct kv_run *run, int64_t number)
{
    kv_reply_integer(&run->out, number);
}

bool kv_run_number(struct kv_run *run, uint32_t arg, int64_t *number)
{
    if (kv_number_read(run->arg[arg].data, run->arg[arg].len, number))
        return true;
    kv_run_error(run, KV_NOT_INTEGER);
    return false;
}

bool kv_run_is(const struct kv_run *run, uint32_t arg, const char *word)
{
    struct slice text = run->arg[arg];
    if (text.len != strlen(word))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if ((c >= 'A' && c <= 'Z' ? c | 0x20 : c) != (uint8_t)word[i])
            return false;
    }
    return true;
}
