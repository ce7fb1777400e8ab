/*
 * KV_COMMAND: what Redis clients want, as one operation.
 *
 *   request := 9, u8 0, command                                           one command
 *            | 9, u8 1, u16 conditions, condition*, u16 commands, command*      MULTI ... EXEC
 *   command   := u8 number, u16 arguments, (u32 len, bytes)*              the arguments behind the command's name
 *   condition := u16 key_len, key, mark[16]                               the key still is as it was when REDOUBT.WATCH gave this mark
 *
 * The result, with REDOUBT_OK, is a reply (kv_reply.h): that of the command, or an array of those of all commands, or nil_array when a
 * condition does not hold and nothing was done. As in Redis, a command that fails within MULTI leaves the others alone.
 */
#ifndef KV_COMMAND_H
#define KV_COMMAND_H

#include "kv_run.h"

#define KV_MARK_BYTES       16u
#define KV_CONDITIONS_MAX   1024u
#define KV_COMMANDS_MAX     1024u /* of one EXEC */
#define KV_COMMAND_HEAD     2u
#define KV_REPLY_ROOM_LEAST 128u /* there is room for so much when a command begins */

enum kv_command_flags {
    KV_FLAG_READ = 0,
    KV_FLAG_WRITE = 1,
    KV_FLAG_ALL = 2,    /* no keys in its arguments: all keys there are */
    KV_FLAG_HIDDEN = 4, /* for conversations, not for clients */
    KV_FLAG_TIME = 8,   /* its result is another one at another time */
};

/* X(NAME, "name", arity with the name (negative: at least), flags, first key, last key (negative: from the end), step)
 * The order makes the numbers in requests: new ones go to the end. */
#define KV_COMMANDS(X)                                                                                       \
    X(GET, get, 2, KV_FLAG_READ, 1, 1, 1)                                                                    \
    X(SET, set, -3, KV_FLAG_WRITE, 1, 1, 1)                                                                  \
    X(SETNX, setnx, 3, KV_FLAG_WRITE, 1, 1, 1)                                                               \
    X(SETEX, setex, 4, KV_FLAG_WRITE, 1, 1, 1)                                                               \
    X(PSETEX, psetex, 4, KV_FLAG_WRITE, 1, 1, 1)                                                             \
    X(GETSET, getset, 3, KV_FLAG_WRITE, 1, 1, 1)                                                             \
    X(GETDEL, getdel, 2, KV_FLAG_WRITE, 1, 1, 1)                                                             \
    X(GETEX, getex, -2, KV_FLAG_WRITE, 1, 1, 1)                                                              \
    X(APPEND, append, 3, KV_FLAG_WRITE, 1, 1, 1)                                                             \
    X(STRLEN, strlen, 2, KV_FLAG_READ, 1, 1, 1)                                                              \
    X(GETRANGE, getrange, 4, KV_FLAG_READ, 1, 1, 1)                                                          \
    X(SUBSTR, substr, 4, KV_FLAG_READ, 1, 1, 1)                                                              \
    X(SETRANGE, setrange, 4, KV_FLAG_WRITE, 1, 1, 1)                                                         \
    X(INCR, incr, 2, KV_FLAG_WRITE, 1, 1, 1)                                                                 \
    X(DECR, decr, 2, KV_FLAG_WRITE, 1, 1, 1)                                                                 \
    X(INCRBY, incrby, 3, KV_FLAG_WRITE, 1, 1, 1)                                                             \
    X(DECRBY, decrby, 3, KV_FLAG_WRITE, 1, 1, 1)                                                             \
    X(INCRBYFLOAT, incrbyfloat, 3, KV_FLAG_WRITE, 1, 1, 1)                                                   \
    X(MGET, mget, -2, KV_FLAG_READ, 1, -1, 1)                                                                \
    X(MSET, mset, -3, KV_FLAG_WRITE, 1, -1, 2)                                                               \
    X(MSETNX, msetnx, -3, KV_FLAG_WRITE, 1, -1, 2)                                                           \
    X(DEL, del, -2, KV_FLAG_WRITE, 1, -1, 1)                                                                 \
    X(UNLINK, unlink, -2, KV_FLAG_WRITE, 1, -1, 1)                                                           \
    X(EXISTS, exists, -2, KV_FLAG_READ, 1, -1, 1)                                                            \
    X(TOUCH, touch, -2, KV_FLAG_READ, 1, -1, 1)                                                              \
    X(TYPE, type, 2, KV_FLAG_READ, 1, 1, 1)                                                                  \
    X(EXPIRE, expire, -3, KV_FLAG_WRITE, 1, 1, 1)                                                            \
    X(PEXPIRE, pexpire, -3, KV_FLAG_WRITE, 1, 1, 1)                                                          \
    X(EXPIREAT, expireat, -3, KV_FLAG_WRITE, 1, 1, 1)                                                        \
    X(PEXPIREAT, pexpireat, -3, KV_FLAG_WRITE, 1, 1, 1)                                                      \
    X(TTL, ttl, 2, KV_FLAG_READ, 1, 1, 1)                                                                    \
    X(PTTL, pttl, 2, KV_FLAG_READ, 1, 1, 1)                                                                  \
    X(EXPIRETIME, expiretime, 2, KV_FLAG_READ, 1, 1, 1)                                                      \
    X(PEXPIRETIME, pexpiretime, 2, KV_FLAG_READ, 1, 1, 1)                                                    \
    X(PERSIST, persist, 2, KV_FLAG_WRITE, 1, 1, 1)                                                           \
    X(KEYS, keys, 2, KV_FLAG_ALL, 0, 0, 0)                                                                   \
    X(SCAN, scan, -2, KV_FLAG_ALL, 0, 0, 0)                                                                  \
    X(RANDOMKEY, randomkey, 1, KV_FLAG_ALL | KV_FLAG_TIME, 0, 0, 0)                                          \
    X(RENAME, rename, 3, KV_FLAG_WRITE, 1, 2, 1)                                                             \
    X(RENAMENX, renamenx, 3, KV_FLAG_WRITE, 1, 2, 1)                                                         \
    X(DBSIZE, dbsize, 1, KV_FLAG_ALL, 0, 0, 0)                                                               \
    X(FLUSHALL, flushall, -1, KV_FLAG_WRITE | KV_FLAG_ALL, 0, 0, 0)                                          \
    X(FLUSHDB, flushdb, -1, KV_FLAG_WRITE | KV_FLAG_ALL, 0, 0, 0)                                            \
    X(TIME, time, 1, KV_FLAG_TIME, 0, 0, 0)                                                                  \
    X(HSET, hset, -4, KV_FLAG_WRITE, 1, 1, 1)                                                                \
    X(HMSET, hmset, -4, KV_FLAG_WRITE, 1, 1, 1)                                                              \
    X(HSETNX, hsetnx, 4, KV_FLAG_WRITE, 1, 1, 1)                                                             \
    X(HGET, hget, 3, KV_FLAG_READ, 1, 1, 1)                                                                  \
    X(HMGET, hmget, -3, KV_FLAG_READ, 1, 1, 1)                                                               \
    X(HGETALL, hgetall, 2, KV_FLAG_READ, 1, 1, 1)                                                            \
    X(HDEL, hdel, -3, KV_FLAG_WRITE, 1, 1, 1)                                                                \
    X(HLEN, hlen, 2, KV_FLAG_READ, 1, 1, 1)                                                                  \
    X(HSTRLEN, hstrlen, 3, KV_FLAG_READ, 1, 1, 1)                                                            \
    X(HEXISTS, hexists, 3, KV_FLAG_READ, 1, 1, 1)                                                            \
    X(HINCRBY, hincrby, 4, KV_FLAG_WRITE, 1, 1, 1)                                                           \
    X(HINCRBYFLOAT, hincrbyfloat, 4, KV_FLAG_WRITE, 1, 1, 1)                                                 \
    X(HKEYS, hkeys, 2, KV_FLAG_READ, 1, 1, 1)                                                                \
    X(HVALS, hvals, 2, KV_FLAG_READ, 1, 1, 1)                                                                \
    X(LPUSH, lpush, -3, KV_FLAG_WRITE, 1, 1, 1)                                                              \
    X(RPUSH, rpush, -3, KV_FLAG_WRITE, 1, 1, 1)                                                              \
    X(LPUSHX, lpushx, -3, KV_FLAG_WRITE, 1, 1, 1)                                                            \
    X(RPUSHX, rpushx, -3, KV_FLAG_WRITE, 1, 1, 1)                                                            \
    X(LPOP, lpop, -2, KV_FLAG_WRITE, 1, 1, 1)                                                                \
    X(RPOP, rpop, -2, KV_FLAG_WRITE, 1, 1, 1)                                                                \
    X(LLEN, llen, 2, KV_FLAG_READ, 1, 1, 1)                                                                  \
    X(LRANGE, lrange, 4, KV_FLAG_READ, 1, 1, 1)                                                              \
    X(LINDEX, lindex, 3, KV_FLAG_READ, 1, 1, 1)                                                              \
    X(LSET, lset, 4, KV_FLAG_WRITE, 1, 1, 1)                                                                 \
    X(LTRIM, ltrim, 4, KV_FLAG_WRITE, 1, 1, 1)                                                               \
    X(SADD, sadd, -3, KV_FLAG_WRITE, 1, 1, 1)                                                                \
    X(SREM, srem, -3, KV_FLAG_WRITE, 1, 1, 1)                                                                \
    X(SPOP, spop, -2, KV_FLAG_WRITE, 1, 1, 1)                                                                \
    X(SRANDMEMBER, srandmember, 2, KV_FLAG_TIME, 1, 1, 1)                                                    \
    X(SMEMBERS, smembers, 2, KV_FLAG_READ, 1, 1, 1)                                                          \
    X(SCARD, scard, 2, KV_FLAG_READ, 1, 1, 1)                                                                \
    X(SISMEMBER, sismember, 3, KV_FLAG_READ, 1, 1, 1)                                                        \
    X(SMISMEMBER, smismember, -3, KV_FLAG_READ, 1, 1, 1)                                                     \
    X(ZADD, zadd, -4, KV_FLAG_WRITE, 1, 1, 1)                                                                \
    X(ZINCRBY, zincrby, 4, KV_FLAG_WRITE, 1, 1, 1)                                                           \
    X(ZREM, zrem, -3, KV_FLAG_WRITE, 1, 1, 1)                                                                \
    X(ZSCORE, zscore, 3, KV_FLAG_READ, 1, 1, 1)                                                              \
    X(ZMSCORE, zmscore, -3, KV_FLAG_READ, 1, 1, 1)                                                           \
    X(ZCARD, zcard, 2, KV_FLAG_READ, 1, 1, 1)                                                                \
    X(ZRANGE, zrange, -4, KV_FLAG_READ, 1, 1, 1)                                                             \
    X(ZREVRANGE, zrevrange, -4, KV_FLAG_READ, 1, 1, 1)                                                       \
    X(ZPOPMIN, zpopmin, -2, KV_FLAG_WRITE, 1, 1, 1)                                                          \
    X(ZPOPMAX, zpopmax, -2, KV_FLAG_WRITE, 1, 1, 1)                                                          \
    X(WATCH, watch, -2, KV_FLAG_READ | KV_FLAG_HIDDEN, 1, -1, 1)                                             \
    X(FETCH, fetch, 2, KV_FLAG_READ | KV_FLAG_HIDDEN, 1, 1, 1)                                               \
    X(STORE, store, 4, KV_FLAG_WRITE | KV_FLAG_HIDDEN, 1, 1, 1)                                              \
    X(ERASE, erase, 3, KV_FLAG_WRITE | KV_FLAG_HIDDEN, 1, 1, 1)                                              \
    X(ADD, add, 4, KV_FLAG_WRITE | KV_FLAG_HIDDEN, 1, 1, 1)

enum kv_command_number {
#define X(name, lower, arity, flags, first, last, step) KV_DO_##name,
    KV_COMMANDS(X)
#undef X
        KV_DO_COUNT
};

struct kv_command {
    const char *name;
    int arity;
    unsigned flags;
    int first;
    int last;
    int step;
    void (*run)(struct kv_run *run);
};

#define X(name, lower, arity, flags, first, last, step) void kv_do_##lower(struct kv_run *run);
KV_COMMANDS(X)
#undef X

/* NULL: there is none of that number. */
const struct kv_command *kv_command_of(uint32_t number);
/* By name, in letters of any case; -1: unknown, or hidden. */
int kv_command_find(struct slice name);
/* Does such a number of arguments (without the name) suit? */
bool kv_command_arity_fits(const struct kv_command *command, uint32_t args);
/* "ERR wrong number of arguments for 'NAME' command" */
void kv_command_arity_error(struct writer *w, const struct kv_command *command);
/* Walks the arguments that are keys: the first when *at is 0; false after the last. */
bool kv_command_next_key(const struct kv_command *command, uint32_t args, uint32_t *at, uint32_t *key);

/* A request, checked throughout: numbers, counts of arguments, lengths of keys. */
struct kv_command_request {
    bool atomic;
    uint32_t conditions;
    uint32_t commands;
    struct reader condition; /* the first of what follows */
    struct reader command;
};
bool kv_command_decode(struct kv_command_request *request, const uint8_t *data, size_t bytes);
struct kv_condition {
    struct slice key;
    const uint8_t *mark;
};
bool kv_condition_next(struct reader *r, struct kv_condition *condition);
/* `arg` has room for KV_ARGS_MAX. */
const struct kv_command *kv_command_next(struct reader *r, struct slice *arg, uint32_t *args);

/* What an operation names, see redoubt_service. */
bool kv_command_keys(const struct redoubt_op *op, struct redoubt_keys *keys);
/* More keys than fit stand for all keys. */
void kv_keys_add(struct redoubt_keys *keys, struct slice key, bool write);
/* The first key of a request of one command, if there is one; nothing else is checked. For `expect`. */
bool kv_command_first_key(const struct redoubt_op *op, struct slice *key);
bool kv_command_writes(const struct kv_command_request *request);
enum redoubt_status kv_command_execute(struct kv_store *store, const struct redoubt_op *op,
                                       struct redoubt_result *result);
enum redoubt_status kv_command_read(const struct kv_store *store, const struct redoubt_op *op,
                                    struct redoubt_result *result);

/* What a key is now, in 16 bytes; zeros when it is not there. */
void kv_mark_of(struct kv_run *run, struct slice key, uint8_t mark[KV_MARK_BYTES]);

#endif
