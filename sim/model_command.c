/*
 * What commands of Redis clients should answer (kv/kv_command.h), for those that the workload uses: on single-letter keys, of strings,
 * with times to live by the time of the batch.
 */
#include "kv/kv_command.h"
#include "world.h"

struct model_call {
    struct model_key *keys;
    uint64_t time_us;
    const struct slice *arg;
    uint32_t args;
    struct writer *out;
};

static void put_value(const struct model_call *c, const struct model_key *key)
{
    if (key->present)
        kv_reply_bulk(c->out, (struct slice){key->value, key->len});
    else
        kv_reply_nil(c->out);
}

static uint64_t in_ms(const struct model_call *c, struct slice text)
{
    char number[24] = {0};
    CHECK(text.len < sizeof number);
    memcpy(number, text.data, text.len);
    return (c->time_us / 1000 + strtoull(number, NULL, 10)) * 1000;
}

static void set(const struct model_call *c, struct model_key *key)
{
    CHECK(c->args == 2 || c->args == 4); /* with PX */
    model_key_set(key, c->arg[1], c->args == 4 ? in_ms(c, c->arg[3]) : 0);
    kv_reply_simple(c->out, "OK");
}

static void pexpire(const struct model_call *c, struct model_key *key)
{
    kv_reply_integer(c->out, key->present);
    if (key->present)
        key->expires_us = in_ms(c, c->arg[1]);
}

static void persist(const struct model_call *c, struct model_key *key)
{
    kv_reply_integer(c->out, key->expires_us != 0);
    key->expires_us = 0;
}

static void incr(const struct model_call *c, struct model_key *key)
{
    int64_t sum;
    if (model_key_add(key, 1, &sum))
        kv_reply_integer(c->out, sum);
    else
        kv_reply_error(c->out, "ERR value is not an integer or out of range");
}

/* Every argument is a key (MSET: with a value behind it). */
static bool of_many(const struct model_call *c, enum kv_command_number number)
{
    int64_t there = 0;
    if (number == KV_DO_MGET)
        kv_reply_begin(c->out, KV_REPLY_ARRAY, c->args);
    for (uint32_t i = 0; i < c->args; i += number == KV_DO_MSET ? 2 : 1) {
        struct model_key *key = model_key_of(c->keys, c->arg[i]);
        if (!key)
            return false;
        there += key->present;
        if (number == KV_DO_MGET)
            put_value(c, key);
        else if (number == KV_DO_MSET)
            model_key_set(key, c->arg[i + 1], 0);
        else if (number == KV_DO_DEL)
            model_key_clear(key);
    }
    if (number == KV_DO_MSET)
        kv_reply_simple(c->out, "OK");
    else if (number != KV_DO_MGET)
        kv_reply_integer(c->out, there);
    return true;
}

static bool of_one(const struct model_call *c, enum kv_command_number number)
{
    struct model_key *key = c->args ? model_key_of(c->keys, c->arg[0]) : NULL;
    if (!key)
        return false;
    if (number == KV_DO_GET)
        put_value(c, key);
    else if (number == KV_DO_SET)
        set(c, key);
    else if (number == KV_DO_INCR)
        incr(c, key);
    else if (number == KV_DO_PEXPIRE)
        pexpire(c, key);
    else if (number == KV_DO_PERSIST)
        persist(c, key);
    else
        return false;
    return true;
}

static bool run(const struct model_call *c, enum kv_command_number number)
{
    switch (number) {
    case KV_DO_MGET:
    case KV_DO_MSET:
    case KV_DO_DEL:
    case KV_DO_EXISTS:
        return of_many(c, number);
    case KV_DO_FLUSHALL:
        for (uint32_t i = 0; i < MODEL_KEYS; i++)
            model_key_clear(&c->keys[i]);
        kv_reply_simple(c->out, "OK");
        return true;
    default:
        return of_one(c, number);
    }
}

unsigned model_command(struct model_key *keys, uint64_t time_us, const uint8_t *data, size_t bytes,
                       uint8_t *out, size_t cap, size_t *len)
{
    struct kv_command_request request;
    struct slice arg[KV_ARGS_MAX];
    struct writer w = writer_to(out, cap);
    if (!kv_command_decode(&request, data, bytes) || request.conditions)
        return REDOUBT_INVALID;
    if (request.atomic)
        kv_reply_begin(&w, KV_REPLY_ARRAY, request.commands);
    for (uint32_t i = 0; i < request.commands; i++) {
        struct model_call call = {.keys = keys, .time_us = time_us, .arg = arg, .out = &w};
        const struct kv_command *command = kv_command_next(&request.command, arg, &call.args);
        if (!run(&call, (enum kv_command_number)(command - kv_command_of(0))))
            return REDOUBT_INVALID;
    }
    CHECK(!w.bad);
    *len = w.len;
    return REDOUBT_OK;
}
