/* Commands on strings: see Redis' own documentation of each; docs/REDIS.md says where these differ. */
#include "kv_command.h"
#include "kv_double.h"
#include "kv_expiry.h"
#include "kv_number.h"

static const struct slice nothing = {(const uint8_t *)"", 0};

/* The string under a key; empty when there is none. False: wrong type, and the reply says so. */
static bool find_string(struct kv_run *run, struct slice key, bool *there, struct slice *value)
{
    const struct kv_entry *entry;
    if (!kv_run_find_typed(run, key, KV_TYPE_STRING, &entry))
        return false;
    *there = entry != NULL;
    *value = entry ? kv_entry_value(entry) : nothing;
    return true;
}

static void reply_string(struct kv_run *run, bool there, struct slice value)
{
    if (there)
        kv_reply_bulk(&run->out, value);
    else
        kv_reply_nil(&run->out);
}

static uint64_t expiry_of(struct kv_run *run, struct slice key)
{
    const struct kv_entry *entry = kv_run_find(run, key);
    return entry ? kv_entry_expires(entry) : 0;
}

static bool put_string(struct kv_run *run, struct slice key, struct slice value, uint64_t expires_us)
{
    const struct kv_content content = {.value = value, .expires_us = expires_us};
    return kv_run_put(run, key, &content);
}

void kv_do_get(struct kv_run *run)
{
    struct slice value;
    bool there;
    if (find_string(run, run->arg[0], &there, &value))
        reply_string(run, there, value);
}

struct set_options {
    bool if_absent, if_present, get, keep_ttl, timed;
    uint32_t time_arg;
    enum kv_time_form form;
};

static bool set_options_read(const struct kv_run *run, struct set_options *o)
{
    for (uint32_t i = 2; i < run->args; i++) {
        bool more = i + 1 < run->args;
        if (kv_run_is(run, i, "nx") && !o->if_present)
            o->if_absent = true;
        else if (kv_run_is(run, i, "xx") && !o->if_absent)
            o->if_present = true;
        else if (kv_run_is(run, i, "get"))
            o->get = true;
        else if (kv_run_is(run, i, "keepttl") && !o->timed)
            o->keep_ttl = true;
        else if (more && !o->timed && !o->keep_ttl && kv_expiry_form(run, i, &o->form)) {
            o->timed = true;
            o->time_arg = ++i;
        } else
            return false;
    }
    return true;
}

void kv_do_set(struct kv_run *run)
{
    struct set_options o = {.timed = false};
    uint64_t expires_us = 0;
    struct slice key = run->arg[0], old = nothing;
    bool there;
    if (!set_options_read(run, &o)) {
        kv_run_error(run, KV_SYNTAX);
        return;
    }
    if (o.timed && !kv_expiry_read(run, o.time_arg, o.form, &expires_us))
        return;
    if (o.get) {
        if (!find_string(run, key, &there, &old))
            return;
        reply_string(run, there, old); /* before it goes */
    }
    if ((o.if_absent || o.if_present) && (kv_run_find(run, key) != NULL) == o.if_absent) {
        if (!o.get)
            kv_reply_nil(&run->out);
        return;
    }
    if (o.keep_ttl)
        expires_us = expiry_of(run, key);
    put_string(run, key, run->arg[1], expires_us);
    if (!o.get)
        kv_run_ok(run);
}

void kv_do_setnx(struct kv_run *run)
{
    bool there = kv_run_find(run, run->arg[0]) != NULL;
    if (!there)
        put_string(run, run->arg[0], run->arg[1], 0);
    kv_run_integer(run, !there);
}

static void set_timed(struct kv_run *run, enum kv_time_form form)
{
    uint64_t expires_us;
    if (!kv_expiry_read(run, 1, form, &expires_us))
        return;
    put_string(run, run->arg[0], run->arg[2], expires_us);
    kv_run_ok(run);
}

void kv_do_setex(struct kv_run *run)
{
    set_timed(run, KV_IN_S);
}

void kv_do_psetex(struct kv_run *run)
{
    set_timed(run, KV_IN_MS);
}

void kv_do_getset(struct kv_run *run)
{
    struct slice old;
    bool there;
    if (!find_string(run, run->arg[0], &there, &old))
        return;
    reply_string(run, there, old);
    put_string(run, run->arg[0], run->arg[1], 0);
}

void kv_do_getdel(struct kv_run *run)
{
    struct slice old;
    bool there;
    if (!find_string(run, run->arg[0], &there, &old))
        return;
    reply_string(run, there, old);
    if (there)
        kv_run_remove(run, run->arg[0]);
}

void kv_do_getex(struct kv_run *run)
{
    struct slice value;
    bool there, persist = false, timed = false;
    enum kv_time_form form = KV_IN_S;
    uint64_t expires_us = 0;
    if (run->args == 2 && kv_run_is(run, 1, "persist"))
        persist = true;
    else if (run->args == 3 && kv_expiry_form(run, 1, &form))
        timed = true;
    else if (run->args != 1) {
        kv_run_error(run, KV_SYNTAX);
        return;
    }
    if (!find_string(run, run->arg[0], &there, &value))
        return;
    if (!there) {
        kv_reply_nil(&run->out);
        return;
    }
    if (timed && !kv_expiry_read(run, 2, form, &expires_us))
        return;
    kv_reply_bulk(&run->out, value);
    if (persist || timed)
        put_string(run, run->arg[0], value, expires_us);
}

/* Puts together a value of two pieces, with zeros between them if `at` lies behind the first; NULL: no memory. */
static uint8_t *joined(struct kv_run *run, struct slice a, size_t at, struct slice b, size_t len)
{
    const struct redoubt_env *env = run->store->env;
    uint8_t *value = env->alloc(env, len ? len : 1);
    if (!value) {
        run->full = true;
        return NULL;
    }
    memset(value, 0, len);
    if (a.len)
        memcpy(value, a.data, a.len);
    if (b.len)
        memcpy(value + at, b.data, b.len);
    return value;
}

static void overwrite(struct kv_run *run, struct slice old, size_t at, struct slice with)
{
    const struct redoubt_env *env = run->store->env;
    size_t len = at + with.len > old.len ? at + with.len : old.len;
    uint8_t *value = joined(run, old, at, with, len);
    if (!value)
        return;
    put_string(run, run->arg[0], (struct slice){value, len}, expiry_of(run, run->arg[0]));
    env->release(env, value, len ? len : 1);
    kv_run_integer(run, (int64_t)len);
}

void kv_do_append(struct kv_run *run)
{
    struct slice old;
    bool there;
    if (!find_string(run, run->arg[0], &there, &old))
        return;
    if (old.len + run->arg[1].len > KV_VALUE_MAX)
        kv_run_error(run, KV_TOO_LARGE);
    else
        overwrite(run, old, old.len, run->arg[1]);
}

void kv_do_setrange(struct kv_run *run)
{
    struct slice old, with = run->arg[2];
    int64_t offset;
    bool there;
    if (!kv_run_number(run, 1, &offset))
        return;
    if (offset < 0) {
        kv_run_error(run, "ERR offset is out of range");
        return;
    }
    if (!find_string(run, run->arg[0], &there, &old))
        return;
    if (with.len == 0)
        kv_run_integer(run, (int64_t)old.len);
    else if (offset > (int64_t)KV_VALUE_MAX || (size_t)offset + with.len > KV_VALUE_MAX)
        kv_run_error(run, KV_TOO_LARGE);
    else
        overwrite(run, old, (size_t)offset, with);
}

void kv_do_strlen(struct kv_run *run)
{
    struct slice value;
    bool there;
    if (find_string(run, run->arg[0], &there, &value))
        kv_run_integer(run, (int64_t)value.len);
}

void kv_do_getrange(struct kv_run *run)
{
    struct slice value;
    int64_t start, end;
    bool there;
    if (!kv_run_number(run, 1, &start) || !kv_run_number(run, 2, &end) ||
        !find_string(run, run->arg[0], &there, &value))
        return;
    int64_t len = (int64_t)value.len;
    if (start < 0 && end < 0 && start > end) {
        kv_reply_bulk(&run->out, nothing);
        return;
    }
    start = start < -len ? 0 : start < 0 ? start + len : start;
    end = end < -len ? 0 : end < 0 ? end + len : end;
    if (end >= len)
        end = len - 1;
    if (len == 0 || start > end)
        kv_reply_bulk(&run->out, nothing);
    else
        kv_reply_bulk(&run->out, (struct slice){value.data + start, (size_t)(end - start + 1)});
}

void kv_do_substr(struct kv_run *run)
{
    kv_do_getrange(run);
}

static void increment(struct kv_run *run, int64_t by)
{
    struct slice old;
    int64_t number = 0;
    uint8_t text[KV_NUMBER_MAX];
    bool there;
    if (!find_string(run, run->arg[0], &there, &old))
        return;
    if (there && !kv_number_read(old.data, old.len, &number)) {
        kv_run_error(run, KV_NOT_INTEGER);
        return;
    }
    if (!kv_number_add(number, by, &number)) {
        kv_run_error(run, KV_OVERFLOW);
        return;
    }
    put_string(run, run->arg[0], (struct slice){text, kv_number_write(text, number)},
               expiry_of(run, run->arg[0]));
    kv_run_integer(run, number);
}

void kv_do_incr(struct kv_run *run)
{
    increment(run, 1);
}

void kv_do_decr(struct kv_run *run)
{
    increment(run, -1);
}

void kv_do_incrby(struct kv_run *run)
{
    int64_t by;
    if (kv_run_number(run, 1, &by))
        increment(run, by);
}

void kv_do_decrby(struct kv_run *run)
{
    int64_t by;
    if (!kv_run_number(run, 1, &by))
        return;
    if (by == INT64_MIN)
        kv_run_error(run, "ERR decrement would overflow");
    else
        increment(run, -by);
}

void kv_do_incrbyfloat(struct kv_run *run)
{
    struct slice old;
    kv_decimal number = 0, by;
    uint8_t text[KV_DECIMAL_TEXT_MAX];
    bool there;
    if (!find_string(run, run->arg[0], &there, &old))
        return;
    if (kv_is_infinite(run->arg[1])) {
        kv_run_error(run, "ERR increment would produce NaN or Infinity");
        return;
    }
    if ((there && !kv_decimal_read(old, &number)) || !kv_decimal_read(run->arg[1], &by)) {
        kv_run_error(run, KV_NOT_FLOAT);
        return;
    }
    if (!kv_decimal_add(number, by, &number)) {
        kv_run_error(run, "ERR increment would produce NaN or Infinity");
        return;
    }
    struct slice value = {text, kv_decimal_write(text, number)};
    put_string(run, run->arg[0], value, expiry_of(run, run->arg[0]));
    kv_reply_bulk(&run->out, value);
}

void kv_do_mget(struct kv_run *run)
{
    kv_reply_begin(&run->out, KV_REPLY_ARRAY, run->args);
    for (uint32_t i = 0; i < run->args; i++) {
        const struct kv_entry *entry = kv_run_find(run, run->arg[i]);
        bool there = entry && (entry->mark & KV_TYPE_MASK) == KV_TYPE_STRING;
        reply_string(run, there, there ? kv_entry_value(entry) : nothing);
    }
}

static void set_many(struct kv_run *run)
{
    for (uint32_t i = 0; i < run->args && !run->full; i += 2)
        put_string(run, run->arg[i], run->arg[i + 1], 0);
}

void kv_do_mset(struct kv_run *run)
{
    if (run->args % 2) {
        kv_run_arity_error(run);
        return;
    }
    set_many(run);
    kv_run_ok(run);
}

void kv_do_msetnx(struct kv_run *run)
{
    bool any = false;
    if (run->args % 2) {
        kv_run_arity_error(run);
        return;
    }
    for (uint32_t i = 0; i < run->args; i += 2)
        any = any || kv_run_find(run, run->arg[i]);
    if (!any)
        set_many(run);
    kv_run_integer(run, !any);
}
