/* Commands on keys of any type. */
#include "kv_command.h"
#include "kv_expiry.h"
#include "kv_glob.h"
#include "kv_number.h"

#define SCAN_COUNT_MAX  10000
#define SCAN_LEAVES_MIN 16u   /* in one call, however small its COUNT */
#define LEAVES_TRIED    1024u /* by RANDOMKEY, before it takes another way */

static void delete_keys(struct kv_run *run)
{
    int64_t count = 0;
    for (uint32_t i = 0; i < run->args && !run->full; i++) {
        if (kv_run_find(run, run->arg[i])) {
            kv_run_remove(run, run->arg[i]);
            count++;
        }
    }
    kv_run_integer(run, count);
}

void kv_do_del(struct kv_run *run)
{
    delete_keys(run);
}

void kv_do_unlink(struct kv_run *run)
{
    delete_keys(run);
}

void kv_do_exists(struct kv_run *run)
{
    int64_t count = 0;
    for (uint32_t i = 0; i < run->args; i++)
        count += kv_run_find(run, run->arg[i]) != NULL;
    kv_run_integer(run, count);
}

void kv_do_touch(struct kv_run *run)
{
    kv_do_exists(run);
}

static const char *type_name(uint32_t mark)
{
    static const char *const name[] = {"string", "hash", "list", "set", "zset"};
    return name[mark & KV_TYPE_MASK];
}

void kv_do_type(struct kv_run *run)
{
    const struct kv_entry *entry = kv_run_find(run, run->arg[0]);
    kv_reply_simple(&run->out, entry ? type_name(entry->mark) : "none");
}

/* ------------------------------------------------------------------------------------------------ time */

#define NX 1u
#define XX 2u
#define GT 4u
#define LT 8u

/* False: the reply says what is wrong. */
static bool expire_options(struct kv_run *run, unsigned *options)
{
    static const char *const word[] = {"nx", "xx", "gt", "lt"};
    *options = 0;
    for (uint32_t i = 2; i < run->args; i++) {
        unsigned known = 4;
        for (unsigned k = 0; k < 4; k++)
            if (kv_run_is(run, i, word[k]))
                known = k;
        if (known == 4) {
            char text[160];
            struct writer w = writer_to(text, sizeof text);
            static const char before[] = "ERR Unsupported option ";
            put_raw(&w, before, sizeof before - 1);
            put_raw(&w, run->arg[i].data, run->arg[i].len < 128 ? run->arg[i].len : 128);
            kv_reply_begin(&run->out, KV_REPLY_ERROR, w.len);
            put_raw(&run->out, text, w.len);
            return false;
        }
        *options |= 1u << known;
    }
    if ((*options & NX) && (*options & (XX | GT | LT)))
        kv_run_error(run, "ERR NX and XX, GT or LT options at the same time are not compatible");
    else if ((*options & GT) && (*options & LT))
        kv_run_error(run, "ERR GT and LT options at the same time are not compatible");
    else
        return true;
    return false;
}

static bool put_again(struct kv_run *run, struct slice key, const struct kv_entry *entry, uint64_t expires_us)
{
    const struct kv_content content = {.value = kv_entry_value(entry),
                                       .mark = entry->mark & (uint8_t)~KV_EXPIRES & KV_MARKS,
                                       .expires_us = expires_us};
    return kv_run_put(run, key, &content);
}

static bool expiry_applies(const struct kv_entry *entry, unsigned options, int64_t when_ms)
{
    bool timed = entry->mark & KV_EXPIRES;
    int64_t current_ms = (int64_t)(kv_entry_expires(entry) / 1000);
    if (((options & NX) && timed) || ((options & XX) && !timed))
        return false;
    if ((options & GT) && (!timed || when_ms <= current_ms))
        return false;
    return !((options & LT) && timed && when_ms >= current_ms);
}

static void expire(struct kv_run *run, enum kv_time_form form)
{
    unsigned options;
    int64_t when_ms;
    if (!expire_options(run, &options) || !kv_expiry_read_any(run, 1, form, &when_ms))
        return;
    const struct kv_entry *entry = kv_run_find(run, run->arg[0]);
    if (!entry || !expiry_applies(entry, options, when_ms)) {
        kv_run_integer(run, 0);
        return;
    }
    if (when_ms <= (int64_t)kv_run_now_ms(run))
        kv_run_remove(run, run->arg[0]);
    else
        put_again(run, run->arg[0], entry, (uint64_t)when_ms * 1000);
    kv_run_integer(run, 1);
}

void kv_do_expire(struct kv_run *run)
{
    expire(run, KV_IN_S);
}

void kv_do_pexpire(struct kv_run *run)
{
    expire(run, KV_IN_MS);
}

void kv_do_expireat(struct kv_run *run)
{
    expire(run, KV_AT_S);
}

void kv_do_pexpireat(struct kv_run *run)
{
    expire(run, KV_AT_MS);
}

static void tell_time(struct kv_run *run, bool absolute, bool seconds)
{
    const struct kv_entry *entry = kv_run_find(run, run->arg[0]);
    int64_t ms = entry ? (int64_t)(kv_entry_expires(entry) / 1000) : -2;
    if (entry && ms == 0) {
        ms = -1;
    } else if (entry) {
        if (!absolute)
            ms -= (int64_t)kv_run_now_ms(run);
        if (ms < 0)
            ms = 0;
        if (seconds)
            ms = (ms + 500) / 1000;
    }
    kv_run_integer(run, ms);
}

void kv_do_ttl(struct kv_run *run)
{
    tell_time(run, false, true);
}

void kv_do_pttl(struct kv_run *run)
{
    tell_time(run, false, false);
}

void kv_do_expiretime(struct kv_run *run)
{
    tell_time(run, true, true);
}

void kv_do_pexpiretime(struct kv_run *run)
{
    tell_time(run, true, false);
}

void kv_do_persist(struct kv_run *run)
{
    const struct kv_entry *entry = kv_run_find(run, run->arg[0]);
    bool timed = entry && (entry->mark & KV_EXPIRES);
    if (timed)
        put_again(run, run->arg[0], entry, 0);
    kv_run_integer(run, timed);
}

void kv_do_time(struct kv_run *run)
{
    uint8_t text[KV_NUMBER_MAX];
    uint64_t us = run->op->time_us;
    kv_reply_begin(&run->out, KV_REPLY_ARRAY, 2);
    kv_reply_bulk(&run->out, (struct slice){text, kv_number_write(text, (int64_t)(us / 1000000))});
    kv_reply_bulk(&run->out, (struct slice){text, kv_number_write(text, (int64_t)(us % 1000000))});
}

/* ------------------------------------------------------------------------------------------------ all keys */

static bool is_visible(struct kv_run *run, const struct kv_entry *entry)
{
    if (entry->mark & KV_EXPIRES)
        run->is_volatile = true;
    return !kv_is_over(entry, run->op->time_us);
}

void kv_do_keys(struct kv_run *run)
{
    struct slice prefix = kv_glob_prefix(run->arg[0]);
    struct kv_cursor cursor;
    uint64_t count = 0;
    size_t begin = kv_reply_begin(&run->out, KV_REPLY_ARRAY, 0);
    kv_cursor_seek(&cursor, &run->store->index, prefix, false);
    for (; cursor.next && !run->out.bad; kv_cursor_advance(&cursor)) {
        struct slice key = {cursor.next->key, cursor.next->key_len};
        if (key.len < prefix.len || (prefix.len && memcmp(key.data, prefix.data, prefix.len) != 0))
            break;
        bool matches = kv_glob_matches(run->arg[0], key, &run->left);
        if (!kv_run_spend(run, KV_WORK_ENTRY))
            return;
        if (matches && is_visible(run, cursor.next)) {
            kv_reply_bulk(&run->out, key);
            count++;
        }
    }
    kv_reply_end(&run->out, begin, count);
}

struct scan {
    struct slice match; /* data NULL: all */
    struct slice type;
    int64_t count;
};

static bool scan_options(struct kv_run *run, struct scan *scan)
{
    *scan = (struct scan){.count = 10};
    for (uint32_t i = 1; i < run->args; i += 2) {
        bool more = i + 1 < run->args;
        if (more && kv_run_is(run, i, "match")) {
            scan->match = run->arg[i + 1];
        } else if (more && kv_run_is(run, i, "type")) {
            scan->type = run->arg[i + 1];
        } else if (more && kv_run_is(run, i, "count")) {
            if (!kv_run_number(run, i + 1, &scan->count))
                return false;
            if (scan->count < 1) {
                kv_run_error(run, KV_SYNTAX);
                return false;
            }
        } else {
            kv_run_error(run, KV_SYNTAX);
            return false;
        }
    }
    if (scan->count > SCAN_COUNT_MAX)
        scan->count = SCAN_COUNT_MAX;
    return true;
}

static bool same_word(struct slice text, const char *word)
{
    size_t len = strlen(word);
    if (text.len != len)
        return false;
    for (size_t i = 0; i < len; i++)
        if ((text.data[i] | 0x20) != (uint8_t)word[i])
            return false;
    return true;
}

static uint64_t scan_leaf(struct kv_run *run, const struct scan *scan, uint64_t number)
{
    const struct kv_leaf *leaf = kv_store_leaf(run->store, number);
    uint64_t found = 0;
    for (uint32_t slot = 0; slot < leaf->count; slot++) {
        const struct kv_entry *entry = kv_leaf_entries(leaf)[slot];
        struct slice key = {entry->key, entry->key_len};
        if (!kv_run_spend(run, KV_WORK_ENTRY))
            break;
        if ((entry->mark & KV_INNER) || !is_visible(run, entry))
            continue;
        if (scan->match.data && !kv_glob_matches(scan->match, key, &run->left))
            continue;
        if (scan->type.data && !same_word(scan->type, type_name(entry->mark)))
            continue;
        kv_reply_bulk(&run->out, key);
        found++;
    }
    return found;
}

/* The cursor is the next leaf. A leaf that is split moves keys upwards only, so none is missed that is there all the time. */
void kv_do_scan(struct kv_run *run)
{
    struct scan scan;
    uint64_t leaf = 0, found = 0, looked = 0, leaves = run->store->leaves;
    struct slice text = run->arg[0];
    uint8_t digits[KV_NUMBER_MAX];
    bool good = text.len > 0 && text.len <= 20;
    for (size_t i = 0; good && i < text.len; i++) {
        good = text.data[i] >= '0' && text.data[i] <= '9' && !__builtin_mul_overflow(leaf, 10u, &leaf) &&
               !__builtin_add_overflow(leaf, (uint64_t)(text.data[i] - '0'), &leaf);
    }
    if (!good) {
        kv_run_error(run, "ERR invalid cursor");
        return;
    }
    if (!scan_options(run, &scan))
        return;
    kv_reply_begin(&run->out, KV_REPLY_ARRAY, 2);
    size_t cursor = kv_reply_begin(&run->out, KV_REPLY_BULK, 10);
    uint8_t *room = writer_take(&run->out, 10); /* of always ten digits: it is written last */
    size_t begin = kv_reply_begin(&run->out, KV_REPLY_ARRAY, 0);
    (void)cursor;
    for (uint64_t n = 0; leaf < leaves && !run->out.bad && !run->too_long; leaf++, n++) {
        if (n >= SCAN_LEAVES_MIN && looked >= (uint64_t)scan.count)
            break;
        if (found >= (uint64_t)scan.count)
            break;
        looked += kv_store_leaf(run->store, leaf)->count;
        found += scan_leaf(run, &scan, leaf);
    }
    kv_reply_end(&run->out, begin, found);
    if (run->out.bad)
        return;
    uint64_t next = leaf < leaves ? leaf : 0;
    size_t len = kv_number_write(digits, (int64_t)next);
    /* Without leading zeros: clients compare with "0". */
    memmove(room + len, room + 10, run->out.len - (size_t)(room + 10 - run->out.data));
    memcpy(room, digits, len);
    run->out.len -= 10 - len;
    kv_reply_end(&run->out, cursor, len);
}

static uint64_t read_seed(const uint8_t *seed)
{
    uint64_t number = 0;
    for (unsigned i = 0; i < 8; i++)
        number = number << 8 | seed[i];
    return number;
}

static const struct kv_entry *random_in(struct kv_run *run, uint64_t number, uint64_t random)
{
    const struct kv_leaf *leaf = kv_store_leaf(run->store, number);
    for (uint32_t i = 0; i < leaf->count; i++) {
        const struct kv_entry *entry = kv_leaf_entries(leaf)[(random + i) % leaf->count];
        if (!(entry->mark & KV_INNER) && is_visible(run, entry))
            return entry;
    }
    return NULL;
}

/* From a random leaf on; when leaves hold hardly anything but pieces of collections, from a random place in the order of keys. */
void kv_do_randomkey(struct kv_run *run)
{
    uint64_t random = read_seed(run->op->seed), leaves = run->store->leaves;
    const struct kv_entry *found = NULL;
    struct kv_cursor cursor;
    for (uint64_t i = 0; !found && i < leaves && i < LEAVES_TRIED && kv_run_spend(run, KV_WORK_ENTRY); i++)
        found = random_in(run, (random + i) % leaves, random >> 32);
    if (!found) {
        kv_cursor_seek(&cursor, &run->store->index, (struct slice){run->op->seed, 8}, false);
        for (uint32_t i = 0; i < 2 && !found; i++) {
            for (; cursor.next && !found && kv_run_spend(run, KV_WORK_ENTRY); kv_cursor_advance(&cursor))
                found = is_visible(run, cursor.next) ? cursor.next : NULL;
            kv_cursor_seek(&cursor, &run->store->index, (struct slice){NULL, 0}, false);
        }
    }
    if (found)
        kv_reply_bulk(&run->out, (struct slice){found->key, found->key_len});
    else
        kv_reply_nil(&run->out);
}

static void rename_key(struct kv_run *run, bool if_absent)
{
    struct slice from = run->arg[0], to = run->arg[1];
    const struct kv_entry *entry = kv_run_find(run, from);
    bool same = kv_key_compare(from.data, from.len, to.data, to.len) == 0;
    if (!entry) {
        kv_run_error(run, KV_NO_KEY);
        return;
    }
    bool taken = kv_run_find(run, to) != NULL;
    if (!same && !(if_absent && taken)) {
        put_again(run, to, entry, kv_entry_expires(entry));
        if (!run->full)
            kv_run_drop(run, from);
    }
    if (if_absent)
        kv_run_integer(run, !taken);
    else
        kv_run_ok(run);
}

void kv_do_rename(struct kv_run *run)
{
    rename_key(run, false);
}

void kv_do_renamenx(struct kv_run *run)
{
    rename_key(run, true);
}

void kv_do_dbsize(struct kv_run *run)
{
    kv_run_integer(run, (int64_t)run->store->clients);
}

/* For good: it cannot fail. What kv_remember.h keeps goes with it. */
void kv_do_flushall(struct kv_run *run)
{
    if (run->args > 1 || (run->args == 1 && !kv_run_is(run, 0, "sync") && !kv_run_is(run, 0, "async"))) {
        kv_run_error(run, KV_SYNTAX);
        return;
    }
    kv_store_empty_all(run->store);
    kv_run_ok(run);
}

void kv_do_flushdb(struct kv_run *run)
{
    kv_do_flushall(run);
}

void kv_do_watch(struct kv_run *run)
{
    uint8_t mark[KV_MARK_BYTES];
    kv_reply_begin(&run->out, KV_REPLY_ARRAY, run->args);
    for (uint32_t i = 0; i < run->args && !run->too_long; i++) {
        kv_mark_of(run, run->arg[i], mark);
        kv_reply_bulk(&run->out, (struct slice){mark, sizeof mark});
    }
}
