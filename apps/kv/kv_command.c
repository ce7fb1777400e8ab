#include "kv_command.h"

#include "base/check.h"

static const struct kv_command commands[] = {
#define X(name, lower, arity, flags, first, last, step)                                                      \
    {#lower, arity, flags, first, last, step, kv_do_##lower},
    KV_COMMANDS(X)
#undef X
};

#define REPLY_TOO_LARGE "ERR the reply is longer than 1 MiB; ask for less at once"
#define TOO_LONG        "ERR this takes too long for one operation; ask for less at once"
#define NO_ROOM         "OOM command not allowed when used memory > 'maxmemory'."

const struct kv_command *kv_command_of(uint32_t number)
{
    return number < KV_DO_COUNT ? &commands[number] : NULL;
}

static bool is_name(struct slice text, const char *name)
{
    size_t i = 0;
    for (; i < text.len && name[i]; i++) {
        uint8_t c = text.data[i];
        if ((c >= 'A' && c <= 'Z' ? c | 0x20 : c) != (uint8_t)name[i])
            return false;
    }
    return i == text.len && !name[i];
}

int kv_command_find(struct slice name)
{
    for (uint32_t i = 0; i < KV_DO_COUNT; i++)
        if (is_name(name, commands[i].name))
            return commands[i].flags & KV_FLAG_HIDDEN ? -1 : (int)i;
    return -1;
}

bool kv_command_arity_fits(const struct kv_command *command, uint32_t args)
{
    int64_t given = (int64_t)args + 1;
    return command->arity < 0 ? given >= -command->arity : given == command->arity;
}

void kv_command_arity_error(struct writer *w, const struct kv_command *command)
{
    static const char before[] = "ERR wrong number of arguments for '", after[] = "' command";
    put_raw(w, before, sizeof before - 1);
    put_raw(w, command->name, strlen(command->name));
    put_raw(w, after, sizeof after - 1);
}

/* Arguments are counted from the name, which is 0; `*key` from the first behind it. */
bool kv_command_next_key(const struct kv_command *command, uint32_t args, uint32_t *at, uint32_t *key)
{
    int64_t last = command->last < 0 ? (int64_t)args + 1 + command->last : command->last;
    int64_t next = (int64_t)command->first + (int64_t)*at * command->step;
    if (command->first == 0 || next > last || next > (int64_t)args)
        return false;
    *key = (uint32_t)next - 1;
    ++*at;
    return true;
}

/* ------------------------------------------------------------------------------------------------ requests */

bool kv_condition_next(struct reader *r, struct kv_condition *condition)
{
    condition->key.len = get_u16(r);
    condition->key.data = reader_take(r, condition->key.len);
    condition->mark = reader_take(r, KV_MARK_BYTES);
    return !r->bad && condition->key.len >= 1 && condition->key.len <= KV_KEY_MAX;
}

const struct kv_command *kv_command_next(struct reader *r, struct slice *arg, uint32_t *args)
{
    const struct kv_command *command = kv_command_of(get_u8(r));
    *args = get_u16(r);
    if (r->bad || !command || *args > KV_ARGS_MAX || !kv_command_arity_fits(command, *args))
        return NULL;
    for (uint32_t i = 0; i < *args; i++) {
        arg[i] = get_slice(r);
        if (r->bad ||
            arg[i].len > KV_VALUE_MAX) /* a longer one would be stored, but no leaf with it loaded */
            return NULL;
    }
    for (uint32_t at = 0, key; kv_command_next_key(command, *args, &at, &key);)
        if (arg[key].len < 1 || arg[key].len > KV_KEY_MAX)
            return NULL;
    return command;
}

bool kv_command_decode(struct kv_command_request *request, const uint8_t *data, size_t bytes)
{
    struct reader r = reader_of(data, bytes);
    struct slice arg[KV_ARGS_MAX];
    struct kv_condition condition;
    uint32_t args;
    uint8_t opcode = get_u8(&r), atomic = get_u8(&r);
    if (bytes > REDOUBT_OP_MAX_BYTES || r.bad || opcode != KV_COMMAND || atomic > 1)
        return false;
    *request = (struct kv_command_request){.atomic = atomic, .commands = 1};
    request->conditions = atomic ? get_u16(&r) : 0;
    request->condition = r;
    if (request->conditions > KV_CONDITIONS_MAX)
        return false;
    for (uint32_t i = 0; i < request->conditions; i++)
        if (!kv_condition_next(&r, &condition))
            return false;
    if (atomic)
        request->commands = get_u16(&r);
    request->command = r;
    if (r.bad || request->commands > KV_COMMANDS_MAX)
        return false;
    for (uint32_t i = 0; i < request->commands; i++)
        if (!kv_command_next(&r, arg, &args))
            return false;
    return reader_done(&r);
}

bool kv_command_writes(const struct kv_command_request *request)
{
    struct reader r = request->command;
    struct slice arg[KV_ARGS_MAX];
    uint32_t args;
    for (uint32_t i = 0; i < request->commands; i++) {
        const struct kv_command *command = kv_command_next(&r, arg, &args);
        CHECK(command != NULL);
        if (command->flags & KV_FLAG_WRITE)
            return true;
    }
    return false;
}

void kv_keys_add(struct redoubt_keys *keys, struct slice key, bool write)
{
    if (keys->count == REDOUBT_KEYS_MAX) {
        keys->reads_all = true;
        keys->writes_all = keys->writes_all || write;
        return;
    }
    keys->entry[keys->count].key = key.data;
    keys->entry[keys->count].bytes = key.len;
    keys->entry[keys->count].write = write;
    keys->count++;
}

static void name_keys(struct redoubt_keys *keys, const struct kv_command *command, const struct slice *arg,
                      uint32_t args)
{
    bool write = command->flags & KV_FLAG_WRITE;
    if (command->flags & KV_FLAG_ALL) {
        keys->reads_all = true;
        keys->writes_all = keys->writes_all || write;
    }
    for (uint32_t at = 0, key; kv_command_next_key(command, args, &at, &key);)
        kv_keys_add(keys, arg[key], write);
}

bool kv_command_keys(const struct redoubt_op *op, struct redoubt_keys *keys)
{
    struct kv_command_request request;
    struct kv_condition condition;
    struct slice arg[KV_ARGS_MAX];
    uint32_t args;
    if (!kv_command_decode(&request, op->data, op->bytes))
        return false;
    for (uint32_t i = 0; i < request.conditions && kv_condition_next(&request.condition, &condition); i++)
        kv_keys_add(keys, condition.key, false);
    for (uint32_t i = 0; i < request.commands; i++) {
        const struct kv_command *command = kv_command_next(&request.command, arg, &args);
        CHECK(command != NULL);
        name_keys(keys, command, arg, args);
    }
    return true;
}

bool kv_command_first_key(const struct redoubt_op *op, struct slice *key)
{
    struct reader r = reader_of(op->data, op->bytes);
    uint8_t opcode = get_u8(&r), atomic = get_u8(&r);
    const struct kv_command *command = kv_command_of(get_u8(&r));
    uint16_t args = get_u16(&r);
    *key = get_slice(&r);
    return !r.bad && opcode == KV_COMMAND && !atomic && args && command && command->first == 1;
}

/* ------------------------------------------------------------------------------------------------ executing */

static void fail(struct kv_run *run, size_t begin, const char *why)
{
    kv_run_undo(run);
    run->out.len = begin;
    run->out.bad = false;
    run->too_long = false;
    kv_run_error(run, why);
}

/* `reserve`: what must stay free in the reply, for the commands behind this one. */
static void run_one(struct kv_run *run, size_t reserve)
{
    size_t begin = run->out.len, cap = run->out.cap;
    run->out.cap = cap - reserve;
    if (run->command->flags & KV_FLAG_TIME)
        run->is_volatile = true;
    run->command->run(run);
    if (run->full)
        fail(run, begin, NO_ROOM);
    else if (run->too_long)
        fail(run, begin, TOO_LONG);
    else if (run->out.bad)
        fail(run, begin, REPLY_TOO_LARGE);
    else
        kv_run_commit(run);
    run->out.cap = cap;
    CHECK(!run->out.bad);
}

void kv_mark_of(struct kv_run *run, struct slice key, uint8_t mark[KV_MARK_BYTES])
{
    const struct redoubt_env *env = run->store->env;
    const struct kv_entry *entry = kv_run_find(run, key);
    uint8_t text[REDOUBT_DIGEST_BYTES + 1], digest[REDOUBT_DIGEST_BYTES];
    memset(mark, 0, KV_MARK_BYTES);
    if (!entry || !kv_run_spend(run, KV_WORK_ENTRY + entry->value_len / 8))
        return;
    env->digest(text, entry->value_len ? entry->value : text, entry->value_len);
    text[REDOUBT_DIGEST_BYTES] = (uint8_t)entry->mark;
    env->digest(digest, text, sizeof text);
    memcpy(mark, digest, KV_MARK_BYTES);
    mark[0] |= 1; /* not all zeros */
}

static bool conditions_hold(struct kv_run *run, struct kv_command_request *request)
{
    struct kv_condition condition;
    uint8_t mark[KV_MARK_BYTES];
    for (uint32_t i = 0; i < request->conditions && kv_condition_next(&request->condition, &condition); i++) {
        kv_mark_of(run, condition.key, mark);
        if (memcmp(mark, condition.mark, sizeof mark) != 0)
            return false;
    }
    return true;
}

static void run_all(struct kv_run *run, struct kv_command_request *request)
{
    struct slice arg[KV_ARGS_MAX];
    if (!conditions_hold(run, request)) {
        kv_reply_nil_array(&run->out);
        return;
    }
    if (request->atomic)
        kv_reply_begin(&run->out, KV_REPLY_ARRAY, request->commands);
    for (uint32_t i = 0; i < request->commands; i++) {
        run->command = kv_command_next(&request->command, arg, &run->args);
        CHECK(run->command != NULL);
        run->arg = arg;
        run_one(run, (size_t)(request->commands - 1 - i) * KV_REPLY_ROOM_LEAST);
        run->arg = NULL;
    }
}

static void run_request(struct kv_store *store, const struct redoubt_op *op,
                        struct kv_command_request *request, struct redoubt_result *result)
{
    struct kv_run run;
    run.store = store;
    run.op = op;
    run.out = writer_to(result->data, REDOUBT_OP_MAX_BYTES);
    run.is_volatile = run.full = run.too_long = false;
    run.left = KV_WORK_MAX;
    run.made = 0;
    run.room = KV_CHANGES_FEW;
    run.collections = store->collections;
    run.change = run.few;
    run_all(&run, request);
    result->bytes = run.out.len;
    result->is_volatile = run.is_volatile;
}

enum redoubt_status kv_command_execute(struct kv_store *store, const struct redoubt_op *op,
                                       struct redoubt_result *result)
{
    struct kv_command_request request;
    if (!kv_command_decode(&request, op->data, op->bytes))
        return REDOUBT_INVALID;
    bool writes = kv_command_writes(&request);
    run_request(store, op, &request, result);
    if (writes)
        kv_tidy(store, op);
    return REDOUBT_OK;
}

enum redoubt_status kv_command_read(const struct kv_store *store, const struct redoubt_op *op,
                                    struct redoubt_result *result)
{
    struct kv_command_request request;
    if (!kv_command_decode(&request, op->data, op->bytes) || kv_command_writes(&request))
        return REDOUBT_INVALID;
    run_request((struct kv_store *)(uintptr_t)store, op, &request, result); /* nothing but reads */
    return REDOUBT_OK;
}
