/*
 * Commands of Redis clients as operations of the service: what redis-server cannot tell us. Time that passes, leaves that move, memory
 * that runs out, keys that are named; and whether a result may be remembered.
 */
#include "kv_world.h"

#include "kv/kv_command.h"
#include "kv/kv_double.h"
#include "kv/kv_remember.h"

static uint64_t now_us = 1000000000000u;

/* Appends a command; words between spaces. */
static void put_words(struct writer *w, const char *line)
{
    char copy[512];
    struct slice arg[32];
    uint32_t args = 0;
    snprintf(copy, sizeof copy, "%s", line);
    char *name = strtok(copy, " ");
    int number = kv_command_find(text(name));
    for (uint32_t i = 0; number < 0 && i < KV_DO_COUNT; i++) /* hidden ones too */
        if (strcmp(kv_command_of(i)->name, name) == 0)
            number = (int)i;
    assert_true(number >= 0);
    for (char *word; (word = strtok(NULL, " "));)
        arg[args++] = text(word);
    put_u8(w, (uint8_t)number);
    put_u16(w, (uint16_t)args);
    for (uint32_t i = 0; i < args; i++)
        put_slice(w, arg[i]);
}

static size_t encode(struct world *w, const char *line)
{
    struct writer out = writer_to(w->request, REDOUBT_OP_MAX_BYTES);
    put_u8(&out, KV_COMMAND);
    put_u8(&out, 0);
    put_words(&out, line);
    return out.len;
}

static enum redoubt_status run_now(struct world *w, size_t bytes)
{
    struct redoubt_op op = {.data = w->request, .bytes = bytes, .seed = w->seed, .time_us = now_us};
    if (w->watch)
        digests_record(w);
    enum redoubt_status status = kv->execute(w->state, &op, &w->result);
    if (w->watch)
        digests_compare(w);
    if (status == REDOUBT_OK)
        assert_true(kv_reply_is_well_formed(w->result.data, w->result.bytes));
    return status;
}

/* The reply as text: lists in brackets. */
static const char *do_line(struct world *w, const char *line)
{
    static char shown[4096];
    struct kv_reply_item item;
    size_t len = 0;
    assert_int_equal(run_now(w, encode(w, line)), REDOUBT_OK);
    struct reader r = reader_of(w->result.data, w->result.bytes);
    shown[0] = '\0';
    while (reader_left(&r)) {
        assert_true(kv_reply_next(&r, &item));
        assert_true(len + item.bytes.len + 64 < sizeof shown);
        if (len)
            shown[len++] = ' ';
        if (item.kind == KV_REPLY_INTEGER)
            len += (size_t)snprintf(shown + len, 32, "%lld", (long long)item.integer);
        else if (item.kind == KV_REPLY_NIL || item.kind == KV_REPLY_NIL_ARRAY)
            len += (size_t)snprintf(shown + len, 8, "nil");
        else if (item.kind >= KV_REPLY_ARRAY)
            len += (size_t)snprintf(shown + len, 16, "*%u", item.count);
        else
            len += (size_t)snprintf(shown + len, item.bytes.len + 1, "%.*s", (int)item.bytes.len,
                                    (const char *)item.bytes.data);
    }
    shown[len] = '\0';
    return shown;
}

#define assert_line(w, line, expected) assert_string_equal(do_line(w, line), expected)

static void keys_vanish_when_their_time_has_come(void **unused)
{
    (void)unused;
    struct world *w = world_new("");
    w->watch = true;
    assert_line(w, "set a 1 px 100", "OK");
    assert_true(w->result.is_volatile);
    assert_line(w, "rpush l 1 2 3", "3");
    assert_false(w->result.is_volatile);
    assert_line(w, "pexpire l 100", "1");
    assert_line(w, "set plain 1", "OK");
    assert_line(w, "get plain", "1");
    assert_false(w->result.is_volatile);
    assert_line(w, "pttl a", "100");
    now_us += 99999;
    assert_line(w, "get a", "1");
    assert_true(w->result.is_volatile);
    assert_line(w, "pttl a", "1");
    now_us++;
    assert_line(w, "get a", "nil");
    assert_true(w->result.is_volatile);
    assert_line(w, "exists a l", "0");
    assert_line(w, "type l", "none");
    assert_line(w, "keys *", "*1 plain");
    assert_line(w, "scan 0", "*2 0 *1 plain");
    assert_line(w, "ttl l", "-2");
    assert_value(w, "a", "1"); /* its time is 0 there: what is over is over by the operation's time alone */
    assert_line(w, "incr a", "1");
    assert_line(w, "lpush l x", "1");
    assert_line(w, "lrange l 0 -1", "*1 x");
    assert_line(w, "pttl l", "-1");
    kv_store_validate(w->store);
    /* Swept away by writes of others, with all pieces of theirs. */
    for (int i = 0; i < 200; i++) {
        char line[64];
        snprintf(line, sizeof line, "set k%d v px 10", i);
        assert_line(w, line, "OK");
    }
    assert_line(w, "hset h a 1 b 2", "2");
    assert_line(w, "pexpire h 10", "1");
    now_us += 1000000;
    for (int i = 0; i < 4000 && w->store->expiring + w->store->dead; i++) {
        for (unsigned b = 0; b < 8; b++)
            w->seed[b] = (uint8_t)random_next();
        assert_line(w, "set plain 1", "OK");
    }
    assert_int_equal(w->store->expiring, 0);
    assert_int_equal(w->store->clients, 3);
    assert_int_equal(w->store->keys, 4); /* and the element of the list */
    kv_store_validate(w->store);
    world_free(w);
}

static void pieces_of_what_is_gone_are_dropped(void **unused)
{
    (void)unused;
    static const char *const ways[] = {"del l", "set l x", "rename l2 l", "ltrim l 1 0", "getex nothing"};
    struct world *w = world_new("");
    w->watch = true;
    for (size_t way = 0; way < sizeof ways / sizeof *ways; way++) {
        for (int i = 0; i < 300; i++)
            do_line(w, "rpush l value");
        assert_line(w, "set l2 x", "OK");
        assert_int_equal(w->store->clients, 2);
        if (way == 4)
            put(w, "l", "by an operation of its own");
        else
            do_line(w, ways[way]);
        kv_store_validate(w->store);
        assert_true(way == 3 || w->store->dead == 1);
        for (int i = 0; i < 6; i++)
            do_line(w, "set l2 x");
        assert_int_equal(w->store->dead, 0);
        assert_int_equal(w->store->keys, w->store->clients);
        do_line(w, "del l l2");
    }
    assert_int_equal(w->store->used, 0);
    /* A batch that fails takes a collection's end back. */
    for (int i = 0; i < 10; i++)
        do_line(w, "rpush l value");
    struct kv_batch batch;
    kv_batch_begin(&batch, w->request, 200);
    kv_batch_delete(&batch, "l", 1);
    kv_batch_put(&batch, "l", 1, "x", 1);
    kv_batch_increment(&batch, "l", 1, 1);
    size_t bytes = kv_batch_end(&batch);
    assert_int_equal(run(w, bytes), REDOUBT_CONFLICT);
    assert_line(w, "llen l", "10");
    assert_int_equal(w->store->dead, 0);
    assert_int_equal(increment(w, "l", 1), REDOUBT_CONFLICT);
    assert_conflict(w, KV_REASON_WRONG_TYPE, 0, NULL);
    assert_int_equal(cas(w, "l", none, some("x")), REDOUBT_CONFLICT);
    assert_value(w, "l", NULL);
    assert_int_equal(del(w, "l"), REDOUBT_OK);
    assert_int_equal(w->store->used, 0);
    world_free(w);
}

static void fill_with_types(struct world *w)
{
    char line[128];
    for (int i = 0; i < 200; i++) {
        snprintf(line, sizeof line, "set s%d value%d", i, i);
        do_line(w, line);
        snprintf(line, sizeof line, "set x%d value%d pxat 99999999999999", i, i);
        do_line(w, line);
        snprintf(line, sizeof line, "lpush l%d a b c%d", i % 7, i);
        do_line(w, line);
        snprintf(line, sizeof line, "hset h%d f%d v%d g h", i % 5, i, i);
        do_line(w, line);
        snprintf(line, sizeof line, "sadd set%d m%d", i % 3, i);
        do_line(w, line);
        snprintf(line, sizeof line, "zadd z%d %d.5 m%d", i % 3, i, i);
        do_line(w, line);
        snprintf(line, sizeof line, "add counter 1 idempotency%d", i);
        do_line(w, line);
    }
    do_line(w, "pexpireat h1 88888888888888");
    do_line(w, "lpop l3");
    do_line(w, "del l4 set1");
}

/* All types and times move with their leaves, and a leaf with any byte changed is refused. */
static void leaves_of_all_types_move(void **unused)
{
    (void)unused;
    struct world *w = world_new(""), *other = world_new("");
    struct fake_sink sink;
    w->watch = true;
    fill_with_types(w);
    kv_store_validate(w->store);
    assert_true(copy_state(w, other));
    assert_true(leaves_equal(w, other));
    kv_store_validate(other->store);
    assert_int_equal(other->store->collections, w->store->collections);
    static const char *const questions[] = {"hgetall h1",
                                            "lrange l3 0 -1",
                                            "smembers set0",
                                            "zrange z1 0 -1 withscores",
                                            "pexpiretime h1",
                                            "keys *",
                                            "add counter 1 idempotency7",
                                            "llen l4"};
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
        char mine[4096];
        snprintf(mine, sizeof mine, "%s", strncmp(questions[i], "keys", 4) ? do_line(w, questions[i]) : "");
        if (mine[0])
            assert_line(other, questions[i], mine);
    }
    do_line(w, "lpush l4 new"), do_line(other, "lpush l4 new");
    assert_true(leaves_equal(w, other));
    fake_sink_init(&sink);
    uint8_t digest[REDOUBT_DIGEST_BYTES], changed[REDOUBT_DIGEST_BYTES];
    for (uint64_t leaf = 0; leaf < kv->leaf_count(w->state); leaf += 17) {
        save(w, leaf, &sink);
        assert_true(kv->saved_digest(w->state, leaf, sink.data, sink.bytes, digest));
        for (size_t at = 0; at < sink.bytes; at++) {
            sink.data[at] ^= (uint8_t)(1u << at % 8);
            if (kv->saved_digest(w->state, leaf, sink.data, sink.bytes, changed))
                assert_memory_not_equal(digest, changed, sizeof digest);
            sink.data[at] ^= (uint8_t)(1u << at % 8);
        }
    }
    fake_sink_free(&sink);
    uint64_t leaves_before = kv->leaf_count(w->state), collections = w->store->collections;
    assert_line(w, "flushall", "OK"); /* and touches what it empties */
    kv_store_validate(w->store);
    assert_int_equal(w->store->keys, 0);
    assert_int_equal(w->store->used, 0);
    assert_int_equal(w->store->collections, collections);
    assert_int_equal(kv->leaf_count(w->state), leaves_before);
    assert_line(w, "rpush l4 1", "1");
    assert_true(copy_state(w, other));
    assert_true(leaves_equal(w, other));
    world_free(w);
    world_free(other);
}

static void nothing_changes_when_there_is_no_room(void **unused)
{
    (void)unused;
    static const char *const lines[] = {
        "set new value",  "mset a1 x a2 y a3 z", "lpush l 1 2 3 4 5 6 7 8 9 10 11 12",
        "hset h f v g w", "sadd s a b c",        "zadd z 1 a 2 b 3 c",
        "append s0 more", "rename s1 s2",        "add counter 1 key",
        "store p1 *",     "sadd set0 fresh"};
    struct world *w = world_new("memory_mb=1");
    char line[128];
    w->watch = false;
    for (int i = 0;; i++) {
        snprintf(line, sizeof line, "set s%d value%d", i, i);
        if (strcmp(do_line(w, line), "OK") != 0)
            break;
        assert_true(i < 100000);
    }
    assert_string_equal(do_line(w, line), "OOM command not allowed when used memory > 'maxmemory'.");
    assert_line(w, "del s5", "1"); /* always goes */
    assert_line(w, "sadd set0 a", "OOM command not allowed when used memory > 'maxmemory'.");
    assert_line(w, "set s5 x", "OK");
    w->watch = true;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        if (strncmp(lines[i], "store", 5) == 0 || strncmp(lines[i], "append", 6) == 0 ||
            strncmp(lines[i], "rename", 6) == 0)
            continue;
        uint64_t used = w->store->used, keys = w->store->keys, live = w->fake.live_bytes,
                 collections = w->store->collections;
        assert_string_equal(do_line(w, lines[i]), "OOM command not allowed when used memory > 'maxmemory'.");
        assert_int_equal(w->store->used, used);
        assert_int_equal(w->store->keys, keys);
        assert_int_equal(w->store->collections, collections);
        assert_int_equal(w->fake.live_bytes, live);
        kv_store_validate(w->store);
    }
    world_free(w);
}

/* And when the environment refuses memory, at whichever allocation. */
/* A grave may always be made where a key goes; where it stays, as what it holds is replaced, there must be room. */
static void graves_do_not_go_beyond_the_limit(void **unused)
{
    (void)unused;
    struct world *w = world_new("memory_mb=1");
    char line[64];
    unsigned count = 0;
    do
        snprintf(line, sizeof line, "rpush l%u x", count);
    while (strcmp(do_line(w, line), "1") == 0 && ++count < 10000);
    struct writer out = writer_to(w->request, REDOUBT_OP_MAX_BYTES);
    uint32_t keys = count < 2000 ? count : 2000;
    put_u8(&out, KV_COMMAND);
    put_u8(&out, 0);
    put_u8(&out, KV_DO_MSET);
    put_u16(&out, (uint16_t)(2 * keys));
    for (uint32_t i = 0; i < keys; i++) {
        snprintf(line, sizeof line, "l%u", i);
        put_slice(&out, text(line));
        put_slice(&out, text("v"));
    }
    assert_int_equal(run_now(w, out.len), REDOUBT_OK);
    assert_int_equal(w->result.data[0], KV_REPLY_ERROR);
    kv_store_validate(w->store);
    world_free(w);
}

static void refused_memory_changes_nothing(void **unused)
{
    (void)unused;
    static const char *const lines[] = {"mset a1 x a2 y a3 z",
                                        "lpush l 1 2 3 4 5 6 7 8 9 10 11 12",
                                        "hset h f v g w",
                                        "sadd s a b c",
                                        "zadd z 1 a 2 b 3 c",
                                        "append s0 more",
                                        "del big",
                                        "set big x"};
    struct world *w = world_new("");
    char line[64];
    for (int i = 0; i < 400; i++) { /* so that no leaf has to be split later, which must not lack memory */
        snprintf(line, sizeof line, "%s k%d%s", i < 200 ? "set" : "del", i % 200, i < 200 ? " x" : "");
        do_line(w, line);
    }
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        for (uint64_t allowed = 0; allowed < 100; allowed++) {
            do_line(w, "del a1 a2 a3 l h s z s0");
            do_line(w, "set s0 0123456789012345678901234567890123456789");
            do_line(w, "del big");
            do_line(w, "rpush big 1 2 3 4 5");
            do_line(w, "set s0 0123456789012345678901234567890123456789");
            uint64_t keys = w->store->keys;
            w->fake.allocs_left = allowed;
            bool done = strncmp(do_line(w, lines[i]), "OOM", 3) != 0;
            w->fake.allocs_left = UINT64_MAX;
            assert_false(w->store->broken);
            kv_store_validate(w->store);
            if (done)
                break;
            assert_int_equal(w->store->keys, keys);
            assert_true(allowed < 99);
        }
    }
    world_free(w);
}

static void keys_are_named_exactly(void **unused)
{
    (void)unused;
    struct world *w = world_new("");
    static struct redoubt_keys keys;
    static const struct {
        const char *line;
        uint32_t count;
        uint32_t writes;
        bool reads_all;
        bool writes_all;
    } cases[] = {
        {"get a", 1, 0, false, false},
        {"set a b", 1, 1, false, false},
        {"mset a 1 b 2 c 3", 3, 3, false, false},
        {"mget a b c", 3, 0, false, false},
        {"rename a b", 2, 2, false, false},
        {"hset h f v", 1, 1, false, false},
        {"zrange z 0 1", 1, 0, false, false},
        {"keys *", 0, 0, true, false},
        {"flushall", 0, 0, true, true},
        {"dbsize", 0, 0, true, false},
        {"time", 0, 0, false, false},
        {"fetch a", 1, 0, false, false},
        {"spop s", 1, 1, false, false},
        {"del a b", 2, 2, false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct redoubt_op op = {.data = w->request, .bytes = encode(w, cases[i].line), .seed = w->seed};
        uint32_t writes = 0;
        assert_true(kv->keys(&op, &keys));
        for (uint32_t k = 0; k < keys.count; k++)
            writes += keys.entry[k].write;
        assert_int_equal(keys.count, cases[i].count);
        assert_int_equal(writes, cases[i].writes);
        assert_int_equal(keys.reads_all, cases[i].reads_all);
        assert_int_equal(keys.writes_all, cases[i].writes_all);
        bool reads = !writes && !cases[i].writes_all;
        assert_int_equal(kv->read(w->state, &op, &w->result), reads ? REDOUBT_OK : REDOUBT_INVALID);
    }
    world_free(w);
}

/* --- what may be kept: a result stays what it is until something writes what `keys` names --------------------------------------------- */

#define KEPT_READS 64u

struct kept_read {
    char line[64];
    uint64_t version;
    size_t len;
    uint8_t result[4096];
    bool kept;
};

static struct {
    uint64_t key[256], whole, broad; /* places of the last writes; by a key's first byte */
    struct kept_read read[KEPT_READS];
    uint64_t place;
    uint32_t dice;
} kept;

static uint32_t draw(uint32_t below)
{
    kept.dice = kept.dice * 1664525u + 1013904223u;
    return (kept.dice >> 8) % below;
}

/* As trusted/execution has it, without collisions. Returns the version of a read, or 0. */
static uint64_t settle_version(const struct redoubt_keys *keys)
{
    bool writes = keys->writes_all;
    uint64_t version = kept.broad;
    kept.place++;
    for (uint32_t i = 0; i < keys->count; i++) {
        uint64_t *at = &kept.key[keys->entry[i].key[0]];
        writes = writes || keys->entry[i].write;
        version = *at > version ? *at : version;
        *at = keys->entry[i].write ? kept.place : *at;
    }
    kept.broad = keys->writes_all ? kept.place : kept.broad;
    if (keys->reads_all && kept.whole > version)
        version = kept.whole;
    kept.whole = writes ? kept.place : kept.whole;
    return writes ? 0 : version;
}

/* Runs what stands in the request; what was kept under the same version must be the same still. */
static void run_and_compare(struct world *w, size_t bytes, struct kept_read *read)
{
    static struct redoubt_keys keys;
    for (unsigned i = 0; i < sizeof w->seed; i++)
        w->seed[i] = (uint8_t)draw(256);
    struct redoubt_op op = {.data = w->request, .bytes = bytes, .seed = w->seed, .time_us = now_us};
    assert_true(kv->keys(&op, &keys));
    assert_int_equal(kv->execute(w->state, &op, &w->result), REDOUBT_OK);
    uint64_t version = settle_version(&keys);
    if (!read)
        return;
    if (read->kept && read->version == version &&
        (read->len != w->result.bytes || memcmp(read->result, w->result.data, read->len) != 0))
        fail_msg("\"%s\" changed, though nobody wrote what it reads", read->line);
    read->kept = !w->result.is_volatile && w->result.bytes <= sizeof read->result;
    read->version = version;
    read->len = w->result.bytes;
    if (read->kept)
        memcpy(read->result, w->result.data, read->len);
}

static void line_with_keys(const char *from, char *to)
{
    for (; *from; from++)
        *to++ = *from == '@' ? (char)('a' + draw(5)) : *from;
    *to = '\0';
}

static void what_is_kept_stays_right(void **unused)
{
    (void)unused;
    static const char *const writes[] = {
        "set @ 1",       "set @ 2 ex 1",   "set @ 3 keepttl",  "append @ x", "incr @",         "del @ @",
        "mset @ 1 @ 2",  "rename @ @",     "renamenx @ @",     "expire @ 1", "pexpire @ 20",   "persist @",
        "getex @ px 30", "getdel @",       "hset @ f 1",       "hdel @ f",   "rpush @ 1 2 3",  "lpop @ 2",
        "ltrim @ 1 1",   "sadd @ 1 2 3 4", "spop @",           "srem @ 1",   "zadd @ 1 m 2 n", "zpopmin @",
        "zincrby @ 3 m", "add @ 1 @",      "setrange @ 2 xyz", "lset @ 0 9", "flushall",
    };
    static const char *const reads[] = {
        "get a",
        "get b",
        "mget a b c d e",
        "strlen c",
        "exists a b c d e",
        "type a",
        "type d",
        "ttl a",
        "pttl b",
        "keys *",
        "keys a*",
        "scan 0",
        "scan 0 type string",
        "dbsize",
        "hgetall a",
        "hlen b",
        "lrange a 0 9",
        "llen c",
        "smembers a",
        "smembers b",
        "scard c",
        "zrange a 0 9",
        "zscore b m",
        "zcard c",
        "watch a b",
        "fetch a",
        "expiretime c",
        "randomkey",
        "srandmember a",
        "getrange d 0 4",
    };
    enum { WRITES = sizeof writes / sizeof *writes, READS = sizeof reads / sizeof *reads };
    _Static_assert((unsigned)READS <= KEPT_READS, "each has a place");
    struct world *w = world_new("");
    memset(&kept, 0, sizeof kept);
    for (unsigned turn = 0; turn < 5000; turn++) {
        char line[64];
        now_us += draw(2) * draw(50000);
        if (draw(3) == 0) {
            struct kv_batch batch; /* of no steps: names nothing, so it may do nothing */
            kv_batch_begin(&batch, w->request, 100);
            run_and_compare(w, kv_batch_end(&batch), NULL);
        } else {
            line_with_keys(writes[draw(WRITES - (draw(10) != 0))], line);
            run_and_compare(w, encode(w, line), NULL);
        }
        for (unsigned r = 0; r < READS; r++) {
            strcpy(kept.read[r].line, reads[r]);
            run_and_compare(w, encode(w, reads[r]), &kept.read[r]);
        }
    }
    kv_store_validate(w->store);
    world_free(w);
}

/* Every cut and, in its lengths, every changed byte of a request is refused, or is another request that does no harm. */
/* A command of a native client, who is bound by nothing but the size of an operation: its last argument is `len` bytes. */
static size_t encode_long(struct world *w, enum kv_command_number number, const char *key, const char *field,
                          size_t len)
{
    struct writer out = writer_to(w->request, REDOUBT_OP_MAX_BYTES);
    put_u8(&out, KV_COMMAND);
    put_u8(&out, 0);
    put_u8(&out, (uint8_t)number);
    put_u16(&out, field ? 3 : 2);
    put_slice(&out, text(key));
    if (field)
        put_slice(&out, text(field));
    put_u32(&out, (uint32_t)len);
    memset(writer_take(&out, len), 'x', len);
    assert_false(out.bad);
    return out.len;
}

/* What is stored must fit through kv_leaf_load, or no replica ever gets that leaf again. */
static void values_have_a_mebibyte_at_most(void **unused)
{
    (void)unused;
    static const struct {
        enum kv_command_number number;
        const char *field;
    } put[] = {
        {KV_DO_SET, NULL}, {KV_DO_GETSET, NULL}, {KV_DO_RPUSH, NULL}, {KV_DO_HSET, "f"}, {KV_DO_STORE, ""}};
    struct world *w = world_new("");
    for (unsigned i = 0; i < sizeof put / sizeof *put; i++) {
        char key[8];
        snprintf(key, sizeof key, "k%u", i);
        assert_int_equal(run_now(w, encode_long(w, put[i].number, key, put[i].field, KV_VALUE_MAX)),
                         REDOUBT_OK);
        assert_int_equal(run_now(w, encode_long(w, put[i].number, key, put[i].field, KV_VALUE_MAX + 1)),
                         REDOUBT_INVALID);
        assert_int_equal(run_now(w, encode_long(w, put[i].number, key, put[i].field, KV_VALUE_MAX + 4000)),
                         REDOUBT_INVALID);
    }
    struct world *other = world_new("");
    struct fake_sink sink;
    fake_sink_init(&sink);
    assert_true(kv->reset(other->state, kv->leaf_count(w->state), false));
    for (uint64_t leaf = 0; leaf < kv->leaf_count(w->state); leaf++) {
        fake_sink_clear(&sink);
        kv->leaf_save(w->state, leaf, &sink.sink);
        assert_true(kv->leaf_load(other->state, leaf, sink.data, sink.bytes));
    }
    fake_sink_free(&sink);
    world_free(other);
    world_free(w);
}

/* A pattern that is looked at again for each byte of each key: as long as the longest operation otherwise. */
static void what_takes_too_long_is_refused(void **unused)
{
    (void)unused;
    static char key[KV_KEY_MAX + 1];
    struct world *w = world_new("");
    size_t pattern = 900000;
    for (unsigned i = 0; i < 4; i++) {
        memset(key, 'a', KV_KEY_MAX);
        key[0] = (char)('a' + i);
        assert_int_equal(run_now(w, encode_long(w, KV_DO_SET, key, NULL, 10)), REDOUBT_OK);
    }
    /* Twice in one list: they share what one operation may take; and what costs little goes on. */
    struct writer out = writer_to(w->request, REDOUBT_OP_MAX_BYTES);
    put_u8(&out, KV_COMMAND);
    put_u8(&out, 1);
    put_u16(&out, 0);
    put_u16(&out, 4);
    put_words(&out, "keys *");
    put_u8(&out, KV_DO_KEYS);
    put_u16(&out, 1);
    put_u32(&out, (uint32_t)pattern);
    uint8_t *text_of = writer_take(&out, pattern);
    memset(text_of, 'x', pattern);
    memcpy(text_of, "*[", 2);
    put_words(&out, "keys *");
    put_words(&out, "set b 1");
    assert_int_equal(run_now(w, out.len), REDOUBT_OK);
    struct reader r = reader_of(w->result.data, w->result.bytes);
    struct kv_reply_item item;
    assert_true(kv_reply_next(&r, &item) && item.count == 4);
    assert_true(kv_reply_next(&r, &item) && item.kind == KV_REPLY_ARRAY && item.count == 4);
    for (unsigned i = 0; i < 4; i++)
        assert_true(kv_reply_next(&r, &item));
    for (unsigned i = 0; i < 2; i++)
        assert_true(kv_reply_next(&r, &item) && item.kind == KV_REPLY_ERROR && item.bytes.len > 8 &&
                    memcmp(item.bytes.data, "ERR this", 8) == 0);
    assert_true(kv_reply_next(&r, &item) && item.kind == KV_REPLY_SIMPLE);
    assert_true(reader_done(&r));
    world_free(w);
}

static void malformed_requests_are_refused(void **unused)
{
    (void)unused;
    struct world *w = world_new("");
    struct writer out = writer_to(w->request, REDOUBT_OP_MAX_BYTES);
    put_u8(&out, KV_COMMAND);
    put_u8(&out, 1);
    put_u16(&out, 1);
    put_u16(&out, 3);
    put_raw(&out, "key", 3);
    put_raw(&out, "0123456789abcdef", 16);
    put_u16(&out, 2);
    put_words(&out, "set key value");
    put_words(&out, "hset h f v");
    size_t bytes = out.len;
    assert_int_equal(run_now(w, bytes), REDOUBT_OK);
    assert_int_equal(w->result.data[0], KV_REPLY_NIL_ARRAY);
    uint8_t good[256];
    memcpy(good, w->request, bytes);
    for (size_t cut = 1; cut < bytes; cut++)
        assert_int_equal(run_now(w, cut), REDOUBT_INVALID);
    w->request[bytes] = 0;
    assert_int_equal(run_now(w, bytes + 1), REDOUBT_INVALID);
    for (size_t at = 0; at < bytes; at++)
        for (unsigned bit = 0; bit < 8; bit++) {
            memcpy(w->request, good, bytes);
            w->request[at] ^= (uint8_t)(1u << bit);
            struct redoubt_op op = {.data = w->request, .bytes = bytes, .seed = w->seed, .time_us = now_us};
            static struct redoubt_keys keys;
            if (w->request[0] == KV_COMMAND)
                assert_int_equal(kv->keys(&op, &keys), run_now(w, bytes) == REDOUBT_OK);
        }
    kv_store_validate(w->store);
    world_free(w);
}

static void results_are_remembered(void **unused)
{
    (void)unused;
    struct world *w = world_new("");
    char line[64];
    assert_line(w, "add n 5 key1", "5");
    assert_line(w, "add n 5 key1", "5");
    assert_line(w, "add n 6 key1", KV_USED_OTHERWISE);
    assert_line(w, "add m 5 key1", KV_USED_OTHERWISE);
    assert_line(w, "add n 5 key2", "10");
    for (unsigned i = 0; i < KV_REMEMBERED_MAX - 1; i++) {
        snprintf(line, sizeof line, "add other 1 x%u", i);
        do_line(w, line);
    }
    assert_line(w, "add n 5 key2", "10"); /* the last that is kept */
    assert_int_equal(w->store->keys - w->store->clients, 2 * KV_REMEMBERED_MAX);
    assert_line(w, "add n 5 key1", "15"); /* forgotten */
    assert_line(w, "add n 5 key2", "20");
    assert_int_equal(w->store->keys - w->store->clients, 2 * KV_REMEMBERED_MAX);
    kv_store_validate(w->store);
    world_free(w);
}

static void doubles_have_the_texts_that_c_gives_them(void **unused)
{
    (void)unused;
    static const char *const fixed[] = {"0",
                                        "1",
                                        "-1",
                                        "0.1",
                                        "3.0000000000000004",
                                        "1e22",
                                        "1e23",
                                        "123456789012345678",
                                        "5e-324",
                                        "2.2250738585072014e-308",
                                        "2.2250738585072011e-308",
                                        "1.7976931348623157e308",
                                        "9007199254740993",
                                        "9007199254740992.5",
                                        "0.000099999999999999995",
                                        "99999999999999999",
                                        "1e17",
                                        "1e16",
                                        "12345678901234567890123456789012345678901234567890",
                                        "4.9e-324",
                                        "1e-5"};
    uint8_t out[KV_DOUBLE_TEXT_MAX];
    char expected[64];
    double number, theirs;
    for (unsigned i = 0; i < 200000; i++) {
        char digits[64];
        if (i < sizeof fixed / sizeof *fixed) {
            snprintf(digits, sizeof digits, "%s", fixed[i]);
        } else if (i % 2) {
            uint64_t bits = random_next();
            memcpy(&number, &bits, sizeof bits);
            if (!(number - number == 0))
                continue;
            snprintf(digits, sizeof digits, "%.*g", (int)(1 + below(19)), number);
        } else {
            snprintf(digits, sizeof digits, "%s%u.%ue%d", below(2) ? "-" : "", below(100000), below(1000000),
                     (int)below(40) - 20);
        }
        theirs = strtod(digits, NULL);
        if (!(theirs - theirs == 0) || (theirs == 0 && strpbrk(digits, "123456789")))
            continue;
        assert_true(kv_double_read(text(digits), &number));
        assert_memory_equal(&number, &theirs, sizeof number);
        size_t len = kv_double_write(out, number);
        assert_int_equal(snprintf(expected, sizeof expected, "%.17g", number), len);
        assert_memory_equal(out, expected, len);
        if (number != 0)
            assert_true(kv_double_of_order(kv_double_order(number)) == number);
    }
    static const char *const bad[] = {"",   "-",  ".",     "e5",     "1e",   "1e+",   "nan", "0x10",
                                      "1 ", " 1", "1e400", "1e-400", "inf1", "1.2.3", "--1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(kv_double_read(text(bad[i]), &number));
    assert_true(kv_double_read(text("-Infinity"), &number) && number < -1e308);
    assert_true(kv_double_order(-1.0) < kv_double_order(0.0) &&
                kv_double_order(0.0) < kv_double_order(1e-300));
    assert_true(kv_double_order(-0.0) == kv_double_order(0.0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_vanish_when_their_time_has_come),
        cmocka_unit_test(pieces_of_what_is_gone_are_dropped),
        cmocka_unit_test(leaves_of_all_types_move),
        cmocka_unit_test(nothing_changes_when_there_is_no_room),
        cmocka_unit_test(graves_do_not_go_beyond_the_limit),
        cmocka_unit_test(refused_memory_changes_nothing),
        cmocka_unit_test(keys_are_named_exactly),
        cmocka_unit_test(values_have_a_mebibyte_at_most),
        cmocka_unit_test(what_takes_too_long_is_refused),
        cmocka_unit_test(what_is_kept_stays_right),
        cmocka_unit_test(malformed_requests_are_refused),
        cmocka_unit_test(results_are_remembered),
        cmocka_unit_test(doubles_have_the_texts_that_c_gives_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
