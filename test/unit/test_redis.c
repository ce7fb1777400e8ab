/*
 * The same commands to redis-server and to ours, random ones from a seed that is printed: the replies must be equal. What has no
 * order in Redis (members of sets, fields of hashes, keys) is sorted before. Ours goes through the whole conversation.
 *
 * REDIS_SEED and REDIS_COMMANDS repeat or lengthen a run. Without redis-server the test is skipped.
 */
#include "testing.h"

#include <signal.h>
#include <time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <hiredis/hiredis.h>

#include "fake_front.h"
#include "kv/front/kv_front.h"
#include "kv/kv_store.h"

static char folder[] = "/tmp/redoubt-redis-XXXXXX";
static pid_t server;
static redisContext *redis;
static struct fake_front front;
static struct fake_connection *ours;
static uint64_t random_state;
static unsigned long commands_run;

/* ------------------------------------------------------------------------------------------------ both servers */

static bool start_server(void)
{
    char path[64];
    if (access("/usr/bin/redis-server", X_OK) != 0)
        return false;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/socket", folder);
    server = fork();
    assert_true(server >= 0);
    if (server == 0) {
        assert_non_null(freopen("/dev/null", "w", stdout));
        execl("/usr/bin/redis-server", "redis-server", "--port", "0", "--unixsocket", path, "--save", "",
              "--dir", folder, "--appendonly", "no", (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 200; i++) {
        redis = redisConnectUnix(path);
        if (redis && !redis->err)
            return true;
        if (redis)
            redisFree(redis);
        redis = NULL;
        usleep(50000);
    }
    fail_msg("redis-server does not listen");
    return false;
}

static int set_up(void **unused)
{
    (void)unused;
    if (start_server()) {
        fake_front_init(&front, kv_front.service, "memory_mb=64");
        ours = fake_connection_open(&front, kv_front.resp);
        front.time_us = (unsigned long)time(NULL) * 1000000u;
    }
    return 0;
}

static int tear_down(void **unused)
{
    (void)unused;
    if (!redis)
        return 0;
    redisFree(redis);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
    fake_front_free(&front);
    return 0;
}

/* ------------------------------------------------------------------------------------------------ replies */

struct shown {
    char text[1u << 20];
    size_t len;
};
static struct shown theirs_shown, ours_shown;

static void show_bytes(struct shown *s, const char *bytes, size_t len)
{
    assert_true(s->len + len + 64 < sizeof s->text);
    memcpy(s->text + s->len, bytes, len);
    s->len += len;
}

static int compare_replies(const void *a, const void *b)
{
    const redisReply *x = *(redisReply *const *)a, *y = *(redisReply *const *)b;
    size_t len = x->len < y->len ? x->len : y->len;
    int order = len ? memcmp(x->str, y->str, len) : 0;
    return order ? order : x->len < y->len ? -1 : x->len > y->len;
}

static int compare_pairs(const void *a, const void *b)
{
    return compare_replies(a, b);
}

static void show(struct shown *s, const redisReply *r, int sorted)
{
    char head[64];
    switch (r->type) {
    case REDIS_REPLY_INTEGER:
        show_bytes(s, head, (size_t)snprintf(head, sizeof head, ":%lld ", r->integer));
        break;
    case REDIS_REPLY_NIL:
        show_bytes(s, "nil ", 4);
        break;
    case REDIS_REPLY_ARRAY:
        show_bytes(s, head, (size_t)snprintf(head, sizeof head, "*%zu[ ", r->elements));
        if (sorted && r->elements)
            qsort(r->element, r->elements / (size_t)sorted, sizeof *r->element * (size_t)sorted,
                  sorted == 1 ? compare_replies : compare_pairs);
        for (size_t i = 0; i < r->elements; i++)
            show(s, r->element[i], 0);
        show_bytes(s, "] ", 2);
        break;
    default:
        show_bytes(s, head,
                   (size_t)snprintf(head, sizeof head, "%c%zu",
                                    r->type == REDIS_REPLY_ERROR    ? '-'
                                    : r->type == REDIS_REPLY_STATUS ? '+'
                                                                    : '$',
                                    (size_t)r->len));
        show_bytes(s, "\"", 1);
        show_bytes(s, r->str, (size_t)r->len);
        show_bytes(s, "\" ", 2);
    }
}

static redisReply *ask_ours(const char *bytes, size_t len)
{
    void *reply = NULL;
    fake_connection_forget_output(ours);
    fake_connection_feed(&front, ours, bytes, len);
    fake_front_run(&front, 1000);
    assert_false(ours->closed);
    redisReader *reader = redisReaderCreate();
    redisReaderFeed(reader, (const char *)ours->out, ours->out_len);
    assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
    assert_non_null(reply);
    void *more = NULL;
    assert_int_equal(redisReaderGetReply(reader, &more), REDIS_OK);
    assert_null(more);
    redisReaderFree(reader);
    return reply;
}

/* sorted: 0 as it is, 1 by elements, 2 by pairs. */
static void both(int argc, const char **argv, const size_t *lens, int sorted)
{
    char *bytes;
    int len = redisFormatCommandArgv(&bytes, argc, argv, lens);
    assert_true(len > 0);
    redisReply *theirs = redisCommandArgv(redis, argc, argv, lens);
    assert_non_null(theirs);
    redisReply *mine = ask_ours(bytes, (size_t)len);
    theirs_shown.len = ours_shown.len = 0;
    show(&theirs_shown, theirs, sorted);
    show(&ours_shown, mine, sorted);
    commands_run++;
    if (theirs_shown.len != ours_shown.len ||
        memcmp(theirs_shown.text, ours_shown.text, ours_shown.len) != 0) {
        for (int i = 0; i < argc; i++)
            print_error("%.*s ", (int)(lens[i] < 200 ? lens[i] : 200), argv[i]);
        print_error("\n  redis-server: %.*s\n  redoubt:      %.*s\n", (int)theirs_shown.len,
                    theirs_shown.text, (int)ours_shown.len, ours_shown.text);
        fail_msg("different replies after %lu commands", commands_run);
    }
    freeReplyObject(theirs);
    freeReplyObject(mine);
    free(bytes);
}

/* Words between spaces; `''` is an empty one. */
static void line(const char *text, int sorted)
{
    static char copy[8192];
    const char *argv[64];
    size_t lens[64];
    int argc = 0;
    snprintf(copy, sizeof copy, "%s", text);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " ")) {
        argv[argc] = strcmp(word, "''") == 0 ? "" : word;
        lens[argc] = strlen(argv[argc]);
        argc++;
    }
    both(argc, argv, lens, sorted);
}

/* ------------------------------------------------------------------------------------------------ fixed lines */

static void chosen_commands_have_equal_replies(void **unused)
{
    static const struct {
        const char *text;
        int sorted;
    } lines[] = {
        {"FLUSHALL", 0},
        {"GET a", 0},
        {"SET a 1", 0},
        {"SET a 2 NX", 0},
        {"SET b 2 XX", 0},
        {"SET a 3 NX GET", 0},
        {"SET b 3 NX GET", 0},
        {"SET a 4 XX GET", 0},
        {"SET a 1 EX 0", 0},
        {"SET a 1 EX -1", 0},
        {"SET a 1 EX x", 0},
        {"SET a 1 EX", 0},
        {"SET a 1 EX 10 PX 10", 0},
        {"SET a 1 KEEPTTL EX 10", 0},
        {"SET a 1 NX XX", 0},
        {"SET a 1 EX 9223372036854775807", 0},
        {"SET a 1 foo", 0},
        {"SET a", 0},
        {"set", 0},
        {"SET a 5 PXAT 99999999999999", 0},
        {"PEXPIRETIME a", 0},
        {"EXPIRETIME a", 0},
        {"SET a 6 KEEPTTL", 0},
        {"PEXPIRETIME a", 0},
        {"SET a 7", 0},
        {"TTL a", 0},
        {"SET a 8 EXAT 1", 0},
        {"GET a", 0},
        {"EXISTS a", 0},
        {"SETNX a x", 0},
        {"SETNX a y", 0},
        {"SETEX a 0 y", 0},
        {"SETEX a x y", 0},
        {"PSETEX a -5 y", 0},
        {"SETEX a 100 y", 0},
        {"TTL a", 0},
        {"GETSET a z", 0},
        {"TTL a", 0},
        {"GETDEL a", 0},
        {"GETDEL a", 0},
        {"GETEX a", 0},
        {"SET a q", 0},
        {"GETEX a PXAT 99999999999999", 0},
        {"PEXPIRETIME a", 0},
        {"GETEX a PERSIST", 0},
        {"PEXPIRETIME a", 0},
        {"GETEX a EX", 0},
        {"GETEX a EX 0", 0},
        {"GETEX a EX x", 0},
        {"GETEX a NX", 0},
        {"GETEX nokey EX 0", 0},
        {"APPEND a bcd", 0},
        {"STRLEN a", 0},
        {"GETRANGE a 0 -1", 0},
        {"GETRANGE a -3 -2", 0},
        {"GETRANGE a 5 1", 0},
        {"GETRANGE a 1 100", 0},
        {"GETRANGE a -100 1", 0},
        {"GETRANGE a -1 -100", 0},
        {"GETRANGE nokey 0 -1", 0},
        {"GETRANGE a x 1", 0},
        {"SUBSTR a 0 1", 0},
        {"SETRANGE a 6 xx", 0},
        {"GET a", 0},
        {"SETRANGE a -1 x", 0},
        {"SETRANGE a 1000000000000 x", 0},
        {"SETRANGE nokey 0 ''", 0},
        {"SETRANGE a x x", 0},
        {"INCR a", 0},
        {"SET n 10", 0},
        {"INCR n", 0},
        {"DECR n", 0},
        {"INCRBY n 5", 0},
        {"DECRBY n 7", 0},
        {"INCRBY n x", 0},
        {"INCRBY n 9223372036854775807", 0},
        {"DECRBY n -9223372036854775808", 0},
        {"SET n -9223372036854775808", 0},
        {"DECR n", 0},
        {"SET n 011", 0},
        {"INCR n", 0},
        {"SET n ''", 0},
        {"INCR n", 0},
        {"SET f 10.5", 0},
        {"INCRBYFLOAT f 0.1", 0},
        {"INCRBYFLOAT f -5", 0},
        {"SET f 5.0e3", 0},
        {"INCRBYFLOAT f 2.0e2", 0},
        {"INCRBYFLOAT f x", 0},
        {"INCRBYFLOAT a 1", 0},
        {"INCRBYFLOAT new 3.0", 0},
        {"INCRBYFLOAT new -3", 0},
        {"INCRBYFLOAT new 0.25", 0},
        {"INCRBYFLOAT new inf", 0},
        {"MSET x 1 y 2 z 3", 0},
        {"MGET x y nokey z", 0},
        {"MSET x", 0},
        {"MSET x 1 y", 0},
        {"MSETNX x 1 w 2", 0},
        {"MSETNX v 1 w 2", 0},
        {"MSETNX v 1 w", 0},
        {"DEL x y nokey", 0},
        {"UNLINK z z", 0},
        {"EXISTS v v w nokey", 0},
        {"TOUCH v nokey", 0},
        {"TYPE v", 0},
        {"TYPE nokey", 0},
        {"EXPIRE v 100", 0},
        {"TTL v", 0},
        {"EXPIRE v 10 NX", 0},
        {"EXPIRE v 10 GT", 0},
        {"EXPIRE v 1000 GT", 0},
        {"EXPIRE v 10000 LT", 0},
        {"EXPIRE v 500 LT", 0},
        {"EXPIRE w 10 XX", 0},
        {"EXPIRE w 10 GT", 0},
        {"EXPIRE w 10 LT", 0},
        {"EXPIRE w 10 NX XX", 0},
        {"EXPIRE w 10 GT LT", 0},
        {"EXPIRE w 10 foo", 0},
        {"EXPIRE w x", 0},
        {"EXPIRE w 9223372036854775807", 0},
        {"EXPIRE nokey 10", 0},
        {"PERSIST v", 0},
        {"PERSIST v", 0},
        {"PERSIST nokey", 0},
        {"TTL v", 0},
        {"PTTL nokey", 0},
        {"EXPIRETIME nokey", 0},
        {"EXPIRE v -1", 0},
        {"EXISTS v", 0},
        {"PEXPIREAT w 1", 0},
        {"EXISTS w", 0},
        {"DBSIZE", 0},
        {"KEYS *", 1},
        {"RENAME nokey x", 0},
        {"RENAME a a", 0},
        {"RENAME a b", 0},
        {"GET b", 0},
        {"RENAMENX b f", 0},
        {"RENAMENX b b2", 0},
        {"RENAMENX nokey f", 0},
        {"KEYS [bn]*", 1},
        {"KEYS ?", 1},
        {"SCAN x", 0},
        {"SCAN 0 COUNT 0", 0},
        {"SCAN 0 COUNT x", 0},
        {"SCAN 0 FOO", 0},
        {"SCAN 0 MATCH", 0},
        {"FLUSHALL foo", 0},
        /* hashes */
        {"HSET h a 1 b 2", 0},
        {"HSET h a 3 c 4", 0},
        {"HSET h a", 0},
        {"HSET h a 1 b", 0},
        {"HMSET h d 5", 0},
        {"HMSET h d", 0},
        {"HGET h a", 0},
        {"HGET h nokey", 0},
        {"HGET nokey a", 0},
        {"HMGET h a x b", 0},
        {"HMGET nokey a x", 0},
        {"HGETALL h", 2},
        {"HGETALL nokey", 2},
        {"HLEN h", 0},
        {"HKEYS h", 1},
        {"HVALS h", 1},
        {"HEXISTS h a", 0},
        {"HEXISTS h x", 0},
        {"HSTRLEN h a", 0},
        {"HSETNX h a 9", 0},
        {"HSETNX h e 9", 0},
        {"HINCRBY h a 5", 0},
        {"HINCRBY h new 5", 0},
        {"HINCRBY h a x", 0},
        {"HSET h s str", 0},
        {"HINCRBY h s 1", 0},
        {"HINCRBY h a 9223372036854775807", 0},
        {"HINCRBYFLOAT h a 0.5", 0},
        {"HINCRBYFLOAT h s 1", 0},
        {"HINCRBYFLOAT h a x", 0},
        {"HINCRBYFLOAT h a inf", 0},
        {"HDEL h a b nokey", 0},
        {"HDEL h c d e new s", 0},
        {"EXISTS h", 0},
        {"HDEL h a", 0},
        {"SET str x", 0},
        {"HSET str a 1", 0},
        {"HGET str a", 0},
        {"LPUSH str 1", 0},
        {"SADD str 1", 0},
        {"ZADD str 1 a", 0},
        /* lists */
        {"RPUSH l 1 2 3", 0},
        {"LPUSH l 0 -1", 0},
        {"LRANGE l 0 -1", 0},
        {"LRANGE l 1 2", 0},
        {"LRANGE l -2 100", 0},
        {"LRANGE l 3 1", 0},
        {"LRANGE l x 1", 0},
        {"LRANGE nokey 0 -1", 0},
        {"LLEN l", 0},
        {"LLEN nokey", 0},
        {"LINDEX l 0", 0},
        {"LINDEX l -1", 0},
        {"LINDEX l 100", 0},
        {"LINDEX l x", 0},
        {"LINDEX nokey 0", 0},
        {"LSET l 0 first", 0},
        {"LSET l 100 x", 0},
        {"LSET nokey 0 x", 0},
        {"LSET l x x", 0},
        {"LPOP l", 0},
        {"RPOP l 2", 0},
        {"LPOP l 0", 0},
        {"LPOP nokey 2", 0},
        {"LPOP nokey", 0},
        {"LPOP l -1", 0},
        {"LPOP l x", 0},
        {"LPOP l 1 2", 0},
        {"LTRIM l 0 0", 0},
        {"LRANGE l 0 -1", 0},
        {"LTRIM l 5 1", 0},
        {"EXISTS l", 0},
        {"LPUSHX l 1", 0},
        {"RPUSHX l 1", 0},
        {"GET l", 0},
        {"RPUSH l a b c d e f", 0},
        {"LTRIM l 1 -2", 0},
        {"LRANGE l 0 -1", 0},
        {"TYPE l", 0},
        {"GET l", 0},
        {"INCR l", 0},
        {"APPEND l x", 0},
        {"SET l x GET", 0},
        {"SETNX l x", 0},
        {"MGET l str", 0},
        {"STRLEN l", 0},
        {"GETDEL l", 0},
        {"HLEN l", 0},
        {"SCARD l", 0},
        {"ZCARD l", 0},
        {"RENAME l l2", 0},
        {"LRANGE l2 0 -1", 0},
        {"SET l2 gone", 0},
        {"RPUSH l x", 0},
        {"LRANGE l 0 -1", 0},
        /* sets */
        {"SADD s a b c a", 0},
        {"SADD s a d", 0},
        {"SCARD s", 0},
        {"SMEMBERS s", 1},
        {"SMEMBERS nokey", 1},
        {"SISMEMBER s a", 0},
        {"SISMEMBER s x", 0},
        {"SISMEMBER nokey x", 0},
        {"SMISMEMBER s a x d", 0},
        {"SREM s a x", 0},
        {"SPOP s 0", 0},
        {"SPOP nokey", 0},
        {"SPOP nokey 2", 0},
        {"SPOP s -1", 0},
        {"SPOP s x", 0},
        {"SPOP s 1 2", 0},
        {"SPOP s 100", 1},
        {"EXISTS s", 0},
        {"SRANDMEMBER nokey", 0},
        {"SCARD nokey", 0},
        /* sorted sets */
        {"ZADD z 1 a 2 b 3 c", 0},
        {"ZADD z 5 a", 0},
        {"ZADD z CH 6 a 7 d", 0},
        {"ZADD z NX 9 a 9 e", 0},
        {"ZADD z XX 1 a 9 x", 0},
        {"ZADD z GT 0 a", 0},
        {"ZADD z LT CH 0 a", 0},
        {"ZADD z NX XX 1 a", 0},
        {"ZADD z GT LT 1 a", 0},
        {"ZADD z NX GT 1 a", 0},
        {"ZADD z INCR 1 a 2 b", 0},
        {"ZADD z INCR 1.5 a", 0},
        {"ZADD z NX INCR 1 a", 0},
        {"ZADD z 1", 0},
        {"ZADD z 1 a 2", 0},
        {"ZADD z x a", 0},
        {"ZADD z nan a", 0},
        {"ZADD z inf i", 0},
        {"ZINCRBY z -inf i", 0},
        {"ZADD z -inf j", 0},
        {"ZSCORE z a", 0},
        {"ZSCORE z nokey", 0},
        {"ZMSCORE z a x b", 0},
        {"ZRANGE z 0 -1", 0},
        {"ZRANGE z 0 -1 WITHSCORES", 0},
        {"ZRANGE z 1 2 REV", 0},
        {"ZREVRANGE z 0 1 WITHSCORES", 0},
        {"ZRANGE z 5 1", 0},
        {"ZRANGE z -inf +inf BYSCORE", 0},
        {"ZRANGE z (2 9 BYSCORE WITHSCORES", 0},
        {"ZRANGE z 9 (2 BYSCORE REV", 0},
        {"ZRANGE z 0 100 BYSCORE LIMIT 1 2", 0},
        {"ZRANGE z 0 100 BYSCORE LIMIT 1 -1", 0},
        {"ZRANGE z 0 1 LIMIT 1 2", 0},
        {"ZRANGE z x 1", 0},
        {"ZRANGE z x 1 BYSCORE", 0},
        {"ZCARD z", 0},
        {"ZREM z a nokey", 0},
        {"ZPOPMIN z", 0},
        {"ZPOPMAX z", 0},
        {"ZPOPMIN z 2", 0},
        {"ZPOPMAX z 100", 0},
        {"ZPOPMIN z", 0},
        {"ZPOPMIN nokey 3", 0},
        {"ZPOPMIN z x", 0},
        {"EXISTS z", 0},
        {"ZINCRBY z 0.1 m", 0},
        {"ZINCRBY z 0.2 m", 0},
        {"ZADD z 1e300 big 1e-300 small 3.0000000000000004 odd", 0},
        {"ZRANGE z 0 -1 WITHSCORES", 0},
        {"ZADD z 123456789012345678 int", 0},
        {"ZSCORE z int", 0},
        {"ZADD z 0.000012345 p", 0},
        {"ZSCORE z p", 0},
        {"ZADD z -0.0 zero", 0},
        {"ZINCRBY z x m", 0},
        {"ZADD z 1e400 a", 0},
        /* all kinds of wrong */
        {"nosuchcommand", 0},
        {"nosuchcommand a b", 0},
        {"GET", 0},
        {"GET a b", 0},
        {"PING", 0},
        {"PING x", 0},
        {"PING x y", 0},
        {"ECHO x", 0},
        {"SELECT 0", 0},
        {"SELECT 99", 0},
        {"SELECT x", 0},
        {"EXEC", 0},
        {"DISCARD", 0},
        {"MULTI", 0},
        {"MULTI", 0},
        {"SET t 1", 0},
        {"INCR t", 0},
        {"LPUSH t x", 0},
        {"HGETALL h", 0},
        {"EXEC", 0},
        {"MULTI", 0},
        {"SET t 5", 0},
        {"nosuch", 0},
        {"EXEC", 0},
        {"GET t", 0},
        {"MULTI", 0},
        {"GET", 0},
        {"EXEC", 0},
        {"MULTI", 0},
        {"SET t 6", 0},
        {"DISCARD", 0},
        {"GET t", 0},
        {"MULTI", 0},
        {"EXEC", 0},
        {"WATCH t", 0},
        {"MULTI", 0},
        {"WATCH t", 0},
        {"GET t", 0},
        {"EXEC", 0},
        {"WATCH t", 0},
        {"SET t 7", 0},
        {"MULTI", 0},
        {"GET t", 0},
        {"EXEC", 0},
        {"WATCH t", 0},
        {"SET t 8", 0},
        {"UNWATCH", 0},
        {"MULTI", 0},
        {"GET t", 0},
        {"EXEC", 0},
        {"WATCH nokey", 0},
        {"SET nokey 1", 0},
        {"MULTI", 0},
        {"EXEC", 0},
        {"RPUSH wl 1", 0},
        {"WATCH wl", 0},
        {"LSET wl 0 2", 0},
        {"MULTI", 0},
        {"EXEC", 0},
        {"CLIENT SETNAME x", 0},
        {"CLIENT GETNAME", 0},
        {"CLIENT SETNAME", 0},
        {"CLIENT NO-EVICT on", 0},
        {"AUTH x", 0},
        {"AUTH default x", 0},
        {"HELLO 4", 0},
        {"HELLO x", 0},
        {"CONFIG GET save", 0},
        {"CONFIG GET appendonly", 0},
        {"FLUSHDB", 0},
        {"DBSIZE", 0},
    };
    (void)unused;
    if (!redis)
        skip();
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        line(lines[i].text, lines[i].sorted);
    kv_store_validate(front.state);
}

/* ------------------------------------------------------------------------------------------------ random lines */

static unsigned below(unsigned bound)
{
    return (unsigned)(test_random(&random_state) % bound);
}

/* No WATCH: a key that got the value which it had is unchanged for ours (docs/REDIS.md).
 * K key, F field or member, V value, I integer, D double, R range index, T time far ahead or long gone, P pattern, E expiry option */
static const struct {
    const char *text;
    int sorted;
} shapes[] = {
    {"GET K", 0},
    {"SET K V", 0},
    {"SET K V", 0},
    {"SET K I", 0},
    {"SET K V NX", 0},
    {"SET K V XX GET", 0},
    {"SET K V PXAT T", 0},
    {"SET K V KEEPTTL", 0},
    {"SETNX K V", 0},
    {"GETSET K V", 0},
    {"GETDEL K", 0},
    {"GETEX K PXAT T", 0},
    {"GETEX K PERSIST", 0},
    {"APPEND K V", 0},
    {"STRLEN K", 0},
    {"GETRANGE K R R", 0},
    {"SETRANGE K S V", 0},
    {"INCR K", 0},
    {"DECR K", 0},
    {"INCRBY K I", 0},
    {"DECRBY K I", 0},
    {"MGET K K K", 0},
    {"MSET K V K V", 0},
    {"MSETNX K V K V", 0},
    {"DEL K", 0},
    {"DEL K K", 0},
    {"UNLINK K", 0},
    {"EXISTS K K", 0},
    {"TYPE K", 0},
    {"EXPIREAT K U E", 0},
    {"PEXPIREAT K T E", 0},
    {"PEXPIREAT K T", 0},
    {"PEXPIRETIME K", 0},
    {"EXPIRETIME K", 0},
    {"PERSIST K", 0},
    {"KEYS P", 1},
    {"RENAME K K", 0},
    {"RENAMENX K K", 0},
    {"HSET K F V", 0},
    {"HSET K F V F V", 0},
    {"HSETNX K F V", 0},
    {"HGET K F", 0},
    {"HMGET K F F", 0},
    {"HGETALL K", 2},
    {"HDEL K F", 0},
    {"HDEL K F F F", 0},
    {"HLEN K", 0},
    {"HEXISTS K F", 0},
    {"HINCRBY K F I", 0},
    {"HKEYS K", 1},
    {"HVALS K", 1},
    {"HSTRLEN K F", 0},
    {"LPUSH K V", 0},
    {"LPUSH K V V V", 0},
    {"RPUSH K V", 0},
    {"RPUSH K V V", 0},
    {"LPUSHX K V", 0},
    {"LPOP K", 0},
    {"RPOP K", 0},
    {"LPOP K S", 0},
    {"RPOP K S", 0},
    {"LLEN K", 0},
    {"LRANGE K R R", 0},
    {"LRANGE K 0 -1", 0},
    {"LINDEX K R", 0},
    {"LSET K R V", 0},
    {"LTRIM K R R", 0},
    {"SADD K F", 0},
    {"SADD K F F F", 0},
    {"SREM K F F", 0},
    {"SMEMBERS K", 1},
    {"SCARD K", 0},
    {"SISMEMBER K F", 0},
    {"SMISMEMBER K F F", 0},
    {"SPOP K 1000", 1},
    {"ZADD K D F", 0},
    {"ZADD K D F D F", 0},
    {"ZADD K O D F", 0},
    {"ZADD K INCR D F", 0},
    {"ZADD K O O D F", 0},
    {"ZSCORE K F", 0},
    {"ZMSCORE K F F", 0},
    {"ZREM K F F", 0},
    {"ZCARD K", 0},
    {"ZRANGE K R R", 0},
    {"ZRANGE K R R WITHSCORES", 0},
    {"ZRANGE K R R REV WITHSCORES", 0},
    {"ZRANGE K D D BYSCORE", 0},
    {"ZRANGE K D D BYSCORE REV LIMIT S S", 0},
    {"ZRANGE K (D D BYSCORE", 0},
    {"ZPOPMIN K", 0},
    {"ZPOPMAX K", 0},
    {"ZPOPMIN K S", 0},
    {"ZINCRBY K D F", 0},
    {"ZREVRANGE K R R", 0},
    {"MULTI", 0},
    {"EXEC", 0},
    {"EXEC", 0},
    {"EXEC", 0},
    {"DISCARD", 0},
    {"UNWATCH", 0},
    {"GET", 0},
    {"nosuch K V", 0},
    {"ZADD K V F", 0},
    {"LRANGE K V 1", 0},
};

static size_t word_random(char *out, size_t cap, char kind)
{
    static const char *const doubles[] = {"0",    "1",   "-1",  "1.5",     "2", "3.25", "-inf",      "inf",
                                          "1e10", "0.1", "100", "-2.5e-3", "7", "1e21", "123456.789"};
    static const char *const odd[] = {"",    "x", "12", "-7", "9223372036854775807", "1.5", "with\r\nlines",
                                      "a\0b"};
    static const char *const patterns[] = {"*", "k*", "k1?", "k[0-4]", "*1", "k\\1", "[^k]*", "k[12", "**1*"};
    static const char *const options[] = {"NX", "XX", "GT", "LT", "CH", "INCR"};
    switch (kind) {
    case 'K':
        return (size_t)snprintf(out, cap, "k%u", below(14));
    case 'F':
        return (size_t)snprintf(out, cap, "f%u", below(12));
    case 'V':
        if (below(6) == 0) {
            unsigned which = below(8);
            size_t len = which == 7 ? 3 : strlen(odd[which]);
            memcpy(out, odd[which], len);
            return len;
        }
        if (below(30) == 0) {
            size_t len = 100 + below(3000);
            memset(out, 'v', len);
            return len;
        }
        return (size_t)snprintf(out, cap, "value%u", below(100));
    case 'I':
        return below(10) ? (size_t)snprintf(out, cap, "%d", (int)below(200) - 100)
                         : (size_t)snprintf(out, cap, "%s", odd[below(5)]);
    case 'D':
        return (size_t)snprintf(out, cap, "%s", doubles[below(15)]);
    case 'R':
        return (size_t)snprintf(out, cap, "%d", (int)below(14) - 7);
    case 'S':
        return (size_t)snprintf(out, cap, "%u", below(6));
    case 'T':
        return (size_t)snprintf(out, cap, "%s",
                                below(3)   ? "99999999999999"
                                : below(2) ? "98999999999999"
                                           : "1");
    case 'U':
        return (size_t)snprintf(out, cap, "%s", below(3) ? "99999999999" : below(2) ? "98999999999" : "1");
    case 'P':
        return (size_t)snprintf(out, cap, "%s", patterns[below(9)]);
    case 'E':
        return (size_t)snprintf(out, cap, "%s", options[below(4)]);
    default: /* 'O' */
        return (size_t)snprintf(out, cap, "%s", options[below(5)]);
    }
}

static void random_line(const char *text, int sorted)
{
    static char room[16][4096];
    const char *argv[16];
    size_t lens[16];
    int argc = 0;
    while (*text) {
        size_t word = strcspn(text, " ");
        bool open = word == 2 && text[0] == '(';
        argv[argc] = room[argc];
        if (word == 1 || open) {
            room[argc][0] = '(';
            if (word == 1 && text[0] == '0')
                lens[argc] = (size_t)snprintf(room[argc], 8, "0");
            else
                lens[argc] = open + word_random(room[argc] + open, sizeof *room - 1, text[open]);
        } else {
            memcpy(room[argc], text, word);
            lens[argc] = word;
        }
        argc++;
        text += word + (text[word] == ' ');
    }
    both(argc, argv, lens, sorted);
}

static void random_commands_have_equal_replies(void **unused)
{
    (void)unused;
    const char *seed = getenv("REDIS_SEED"), *most = getenv("REDIS_COMMANDS");
    if (!redis)
        skip();
    random_state = seed ? strtoul(seed, NULL, 0) : (unsigned long)time(NULL);
    unsigned long count = most ? strtoul(most, NULL, 0) : 30000;
    printf("REDIS_SEED=%llu\n", (unsigned long long)random_state);
    bool multi = false;
    line("FLUSHALL", 0);
    for (unsigned long i = 0; i < count; i++) {
        unsigned shape = below(sizeof shapes / sizeof *shapes);
        if (strcmp(shapes[shape].text, "MULTI") == 0)
            multi = true;
        if (strcmp(shapes[shape].text, "EXEC") == 0 || strcmp(shapes[shape].text, "DISCARD") == 0)
            multi = false;
        if (multi &&
            (shapes[shape].sorted || strcmp(shapes[shape].text, "UNWATCH") == 0)) /* an order, or a refusal */
            continue;
        random_line(shapes[shape].text, shapes[shape].sorted);
        if (i % 2000 == 1999)
            kv_store_validate(front.state);
    }
    kv_store_validate(front.state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chosen_commands_have_equal_replies),
        cmocka_unit_test(random_commands_have_equal_replies),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
