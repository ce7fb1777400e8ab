/* Commands on hashes. */
#include "kv_command.h"
#include "kv_double.h"
#include "kv_number.h"

/* False: too long for a piece's name, and the reply says so. */
static bool fields_fit(struct kv_run *run, uint32_t first, uint32_t step)
{
    for (uint32_t i = first; i < run->args; i += step) {
        if (run->arg[i].len > KV_KEY_MAX) {
            kv_run_error(run, KV_TOO_LARGE);
            return false;
        }
    }
    return true;
}

static struct kv_piece piece_of(const struct kv_opened *hash, struct slice field)
{
    struct kv_piece piece = kv_piece_of(hash->c.number, 'e');
    kv_piece_add(&piece, field);
    return piece;
}

/* The field's piece; NULL: there is none. */
static const struct kv_entry *find(const struct kv_run *run, const struct kv_opened *hash, struct slice field)
{
    if (!hash->exists || field.len > KV_KEY_MAX)
        return NULL;
    struct kv_piece piece = piece_of(hash, field);
    return kv_run_piece(run, &piece);
}

/* Returns whether it is new. */
static bool set_field(struct kv_run *run, struct kv_opened *hash, struct slice field, struct slice value)
{
    if (!kv_run_begin(run, hash))
        return false;
    struct kv_piece piece = piece_of(hash, field);
    bool fresh = !kv_run_piece(run, &piece);
    kv_run_piece_put(run, &piece, value);
    hash->c.count += fresh;
    return fresh;
}

static bool set_fields(struct kv_run *run, int64_t *added)
{
    struct kv_opened hash;
    *added = 0;
    if (run->args % 2 == 0) {
        kv_run_arity_error(run);
        return false;
    }
    if (!fields_fit(run, 1, 2) || !kv_run_open(run, run->arg[0], KV_TYPE_HASH, &hash))
        return false;
    for (uint32_t i = 1; i < run->args && !run->full; i += 2)
        *added += set_field(run, &hash, run->arg[i], run->arg[i + 1]);
    kv_run_save(run, &hash);
    return true;
}

void kv_do_hset(struct kv_run *run)
{
    int64_t added;
    if (set_fields(run, &added))
        kv_run_integer(run, added);
}

void kv_do_hmset(struct kv_run *run)
{
    int64_t added;
    if (set_fields(run, &added))
        kv_run_ok(run);
}

void kv_do_hsetnx(struct kv_run *run)
{
    struct kv_opened hash;
    if (!kv_run_open(run, run->arg[0], KV_TYPE_HASH, &hash))
        return;
    if (run->arg[1].len > KV_KEY_MAX) {
        kv_run_error(run, KV_TOO_LARGE);
        return;
    }
    bool there = find(run, &hash, run->arg[1]) != NULL;
    if (!there) {
        set_field(run, &hash, run->arg[1], run->arg[2]);
        kv_run_save(run, &hash);
    }
    kv_run_integer(run, !there);
}

static void reply_piece(struct kv_run *run, const struct kv_entry *piece)
{
    if (piece)
        kv_reply_bulk(&run->out, kv_entry_value(piece));
    else
        kv_reply_nil(&run->out);
}

void kv_do_hget(struct kv_run *run)
{
    struct kv_opened hash;
    if (kv_run_open(run, run->arg[0], KV_TYPE_HASH, &hash))
        reply_piece(run, find(run, &hash, run->arg[1]));
}

void kv_do_hmget(struct kv_run *run)
{
    struct kv_opened hash;
    if (!kv_run_open(run, run->arg[0], KV_TYPE_HASH, &hash))
        return;
    kv_reply_begin(&run->out, KV_REPLY_ARRAY, run->args - 1);
    for (uint32_t i = 1; i < run->args; i++)
        reply_piece(run, find(run, &hash, run->arg[i]));
}

static void reply_all(struct kv_run *run, enum kv_reply_kind kind, bool fields, bool values)
{
    struct kv_opened hash;
    struct kv_walk walk;
    struct slice field;
    if (!kv_run_open(run, run->arg[0], KV_TYPE_HASH, &hash))
        return;
    kv_reply_begin(&run->out, kind, hash.c.count);
    if (!hash.exists)
        return;
    struct kv_piece prefix = kv_piece_of(hash.c.number, 'e');
    kv_walk_start(&walk, run, &prefix);
    for (const struct kv_entry *at; (at = kv_walk_at(&walk, &field)) && !run->out.bad; kv_walk_on(&walk)) {
        if (fields)
            kv_reply_bulk(&run->out, field);
        if (values)
            kv_reply_bulk(&run->out, kv_entry_value(at));
    }
}

void kv_do_hgetall(struct kv_run *run)
{
    reply_all(run, KV_REPLY_MAP, true, true);
}

void kv_do_hkeys(struct kv_run *run)
{
    reply_all(run, KV_REPLY_ARRAY, true, false);
}

void kv_do_hvals(struct kv_run *run)
{
    reply_all(run, KV_REPLY_ARRAY, false, true);
}

void kv_do_hdel(struct kv_run *run)
{
    struct kv_opened hash;
    int64_t gone = 0;
    if (!kv_run_open(run, run->arg[0], KV_TYPE_HASH, &hash))
        return;
    for (uint32_t i = 1; i < run->args && !run->full; i++) {
        if (!find(run, &hash, run->arg[i]))
            continue;
        struct kv_piece piece = piece_of(&hash, run->arg[i]);
        kv_run_piece_remove(run, &piece);
        hash.c.count--;
        gone++;
    }
    if (gone)
        kv_run_save(run, &hash);
    kv_run_integer(run, gone);
}

void kv_do_hlen(struct kv_run *run)
{
    struct kv_opened hash;
    if (kv_run_open(run, run->arg[0], KV_TYPE_HASH, &hash))
        kv_run_integer(run, (int64_t)hash.c.count);
}

void kv_do_hstrlen(struct kv_run *run)
{
    struct kv_opened hash;
    if (!kv_run_open(run, run->arg[0], KV_TYPE_HASH, &hash))
        return;
    const struct kv_entry *piece = find(run, &hash, run->arg[1]);
    kv_run_integer(run, piece ? (int64_t)kv_entry_value(piece).len : 0);
}

void kv_do_hexists(struct kv_run *run)
{
    struct kv_opened hash;
    if (kv_run_open(run, run->arg[0], KV_TYPE_HASH, &hash))
        kv_run_integer(run, find(run, &hash, run->arg[1]) != NULL);
}

void kv_do_hincrby(struct kv_run *run)
{
    struct kv_opened hash;
    int64_t by, number = 0;
    uint8_t text[KV_NUMBER_MAX];
    if (!kv_run_number(run, 2, &by) || !kv_run_open(run, run->arg[0], KV_TYPE_HASH, &hash))
        return;
    const struct kv_entry *piece = find(run, &hash, run->arg[1]);
    struct slice old = piece ? kv_entry_value(piece) : (struct slice){0};
    if (run->arg[1].len > KV_KEY_MAX)
        kv_run_error(run, KV_TOO_LARGE);
    else if (piece && !kv_number_read(old.data, old.len, &number))
        kv_run_error(run, "ERR hash value is not an integer");
    else if (!kv_number_add(number, by, &number))
        kv_run_error(run, KV_OVERFLOW);
    else {
        set_field(run, &hash, run->arg[1], (struct slice){text, kv_number_write(text, number)});
        kv_run_save(run, &hash);
        kv_run_integer(run, number);
    }
}

void kv_do_hincrbyfloat(struct kv_run *run)
{
    struct kv_opened hash;
    kv_decimal by, number = 0;
    uint8_t text[KV_DECIMAL_TEXT_MAX];
    if (!kv_decimal_read(run->arg[2], &by)) {
        kv_run_error(run, kv_is_infinite(run->arg[2]) ? "ERR value is NaN or Infinity" : KV_NOT_FLOAT);
        return;
    }
    if (!kv_run_open(run, run->arg[0], KV_TYPE_HASH, &hash))
        return;
    const struct kv_entry *piece = find(run, &hash, run->arg[1]);
    if (run->arg[1].len > KV_KEY_MAX)
        kv_run_error(run, KV_TOO_LARGE);
    else if (piece && !kv_decimal_read(kv_entry_value(piece), &number))
        kv_run_error(run, "ERR hash value is not a float");
    else if (!kv_decimal_add(number, by, &number))
        kv_run_error(run, "ERR increment would produce NaN or Infinity");
    else {
        struct slice value = {text, kv_decimal_write(text, number)};
        set_field(run, &hash, run->arg[1], value);
        kv_run_save(run, &hash);
        kv_reply_bulk(&run->out, value);
    }
}
