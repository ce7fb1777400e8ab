/*
 * Service `kv`: a key-value store. Every operation costs what it reads and writes, plus O(log n).
 *
 * kv_codec.h has the requests, kv_store.h how the state lies in memory. Here is what operations mean.
 *
 * A batch is carried out step by step, each step seeing those before it; what a step replaced is kept until all have
 * succeeded, and put back, last step first, when one fails. `increment` treats an absent key as 0.
 *
 * Keys may also be collections, and may expire: kv_command.h. For the operations here a collection is no value: get, multi-get and
 * list do not show one, put replaces and delete removes it.
 *
 * Options: "memory_mb=N", the memory that keys, values and their upkeep may take, in MiB (default 1024).
 */
#include "kv_service.h"

#include <string.h>

#include "base/check.h"
#include "kv_codec.h"
#include "kv_command.h"
#include "kv_number.h"
#include "kv_store.h"

#define MEMORY_MB_DEFAULT 1024u
#define MEMORY_MB_MAX     (1024u * 1024u)

/* ------------------------------------------------------------------------------------------------------- options */

static bool options_read(const char *text, uint64_t *memory_mb)
{
    static const char name[] = "memory_mb=";
    size_t name_len = sizeof name - 1;
    size_t len = strlen(text);
    int64_t number;
    *memory_mb = MEMORY_MB_DEFAULT;
    if (len == 0)
        return true;
    if (len < name_len || memcmp(text, name, name_len) != 0)
        return false;
    if (!kv_number_read((const uint8_t *)text + name_len, len - name_len, &number))
        return false;
    *memory_mb = (uint64_t)number;
    return number >= 1 && number <= (int64_t)MEMORY_MB_MAX;
}

void *kv_create(const struct redoubt_env *env, const char *options)
{
    uint64_t memory_mb;
    if (!options_read(options, &memory_mb))
        return NULL;
    struct kv_store *store = env->alloc(env, sizeof *store);
    if (!store)
        return NULL;
    if (!kv_store_init(store, env, memory_mb << 20)) {
        env->release(env, store, sizeof *store);
        return NULL;
    }
    return store;
}

/* --------------------------------------------------------------------------------------------------------- reads */

static const struct kv_maybe absent;

/* A plain value is most often one without a mark. */
static struct kv_maybe value_of(const struct kv_entry *entry, const struct redoubt_op *op,
                                struct redoubt_result *result)
{
    if (entry->mark) {
        result->is_volatile = result->is_volatile || entry->mark & KV_EXPIRES;
        if ((entry->mark & KV_TYPE_MASK) != KV_TYPE_STRING || kv_is_over(entry, op->time_us))
            return absent;
    }
    return (struct kv_maybe){.present = true, .bytes = kv_entry_value(entry)};
}

static struct kv_maybe value_at(struct kv_place place, const struct redoubt_op *op,
                                struct redoubt_result *result)
{
    return place.entry ? value_of(place.entry, op, result) : absent;
}

static enum redoubt_status do_get(const struct kv_store *store, const struct kv_step *step,
                                  const struct redoubt_op *op, struct redoubt_result *result)
{
    struct kv_maybe value = value_at(kv_store_find(store, step->key), op, result);
    if (!value.present)
        return REDOUBT_NOT_FOUND;
    if (value.bytes.len)
        memcpy(result->data, value.bytes.data, value.bytes.len);
    result->bytes = value.bytes.len;
    return REDOUBT_OK;
}

static enum redoubt_status do_multi_get(const struct kv_store *store, struct kv_request *request,
                                        const struct redoubt_op *op, struct redoubt_result *result)
{
    struct writer out = writer_to(result->data, result->capacity);
    struct kv_step step;
    kv_multi_get_result_begin(&out, request->count);
    while (kv_request_next(request, &step)) {
        struct kv_maybe value = value_at(kv_store_find(store, step.key), op, result);
        kv_multi_get_result_add(&out, request->count, &value);
    }
    CHECK(!out.bad);
    result->bytes = out.len;
    return REDOUBT_OK;
}

static bool has_prefix(const struct kv_entry *entry, struct slice prefix)
{
    return prefix.len == 0 ||
           (entry->key_len >= prefix.len && memcmp(entry->key, prefix.data, prefix.len) == 0);
}

static enum redoubt_status do_list(const struct kv_store *store, const struct kv_request *request,
                                   const struct redoubt_op *op, struct redoubt_result *result)
{
    struct writer out = writer_to(result->data, result->capacity);
    struct slice prefix = request->prefix;
    struct slice after = request->after;
    bool beyond =
        after.len && (prefix.len == 0 || kv_key_compare(after.data, after.len, prefix.data, prefix.len) >= 0);
    uint32_t limit = request->limit < KV_LIST_MAX ? request->limit : KV_LIST_MAX;
    uint32_t count = 0;
    struct kv_cursor cursor;
    kv_list_result_begin(&out, request->values);
    kv_cursor_seek(&cursor, &store->index, beyond ? after : prefix, beyond);
    while (cursor.next && has_prefix(cursor.next, prefix) && count < limit) {
        struct slice key = {.data = cursor.next->key, .len = cursor.next->key_len};
        struct kv_maybe value = value_of(cursor.next, op, result);
        if (value.present && !kv_list_result_add(&out, key, value.bytes, request->values))
            break;
        count += value.present;
        kv_cursor_advance(&cursor);
    }
    kv_list_result_end(&out, count, request->values, cursor.next && has_prefix(cursor.next, prefix));
    CHECK(!out.bad);
    result->bytes = out.len;
    return REDOUBT_OK;
}

/* -------------------------------------------------------------------------------------------------------- writes */

/* What a step did or why it did not. */
struct outcome {
    enum redoubt_status status;
    uint32_t changes;
    bool existed;
    int64_t number;
    struct kv_conflict conflict;
};

static struct outcome conflict(enum kv_reason reason)
{
    return (struct outcome){.status = REDOUBT_CONFLICT, .conflict = {.reason = reason}};
}

/* The pieces of a collection that was replaced or removed; `outcome` is that of the change. */
static struct outcome bury(struct kv_store *store, uint64_t number, const struct redoubt_op *op,
                           struct kv_change *change, struct outcome outcome)
{
    if (number == 0)
        return outcome;
    if (kv_bury(store, number, op->seed, change ? change + 1 : NULL)) {
        outcome.changes++;
        if (change && store->used > store->limit) /* a batch may make many, and can be taken back */
            outcome.status = REDOUBT_FULL;
        return outcome;
    }
    if (!change)
        store->broken = true; /* no memory where there must be some */
    outcome.status = REDOUBT_FULL;
    return outcome;
}

static bool exists_at(struct kv_place place, const struct redoubt_op *op)
{
    return place.entry && !kv_is_over(place.entry, op->time_us);
}

static struct outcome put_at(struct kv_store *store, struct kv_place place, struct slice key,
                             struct slice value, const struct redoubt_op *op, struct kv_change *change)
{
    struct outcome outcome = {.status = REDOUBT_OK, .changes = 1, .existed = exists_at(place, op)};
    uint64_t number = kv_collection_at(place);
    if (!kv_store_put(store, place, key, value, op->seed, change))
        return (struct outcome){.status = REDOUBT_FULL};
    return bury(store, number, op, change, outcome);
}

static struct outcome remove_at(struct kv_store *store, struct kv_place place, const struct redoubt_op *op,
                                struct kv_change *change)
{
    struct outcome outcome = {.status = REDOUBT_OK, .changes = 1, .existed = true};
    if (!exists_at(place, op))
        return (struct outcome){.status = REDOUBT_OK};
    uint64_t number = kv_collection_at(place);
    kv_store_remove(store, place, change);
    return bury(store, number, op, change, outcome);
}

static bool is_collection(struct kv_place place, const struct redoubt_op *op)
{
    return exists_at(place, op) && (place.entry->mark & KV_TYPE_MASK) != KV_TYPE_STRING;
}

/* What a value that is changed keeps of the old one: when it expires. */
static struct outcome replace_at(struct kv_store *store, struct kv_place place, struct slice key,
                                 struct slice value, const struct redoubt_op *op, struct kv_change *change)
{
    if (!exists_at(place, op) || !(place.entry->mark & KV_EXPIRES))
        return put_at(store, place, key, value, op, change);
    const struct kv_content content = {.value = value, .expires_us = kv_entry_expires(place.entry)};
    if (!kv_store_set(store, place, key, &content, op->seed, change))
        return (struct outcome){.status = REDOUBT_FULL};
    return (struct outcome){.status = REDOUBT_OK, .changes = 1, .existed = true};
}

static struct outcome increment_at(struct kv_store *store, struct kv_place place, const struct kv_step *step,
                                   const struct redoubt_op *op, struct kv_change *change,
                                   struct redoubt_result *result)
{
    struct kv_maybe old = value_at(place, op, result);
    int64_t number = 0;
    if (is_collection(place, op))
        return conflict(KV_REASON_WRONG_TYPE);
    if (old.present && !kv_number_read(old.bytes.data, old.bytes.len, &number))
        return conflict(KV_REASON_NOT_A_NUMBER);
    if (!kv_number_add(number, step->delta, &number))
        return conflict(KV_REASON_OVERFLOW);
    uint8_t text[KV_NUMBER_MAX];
    struct slice value = {.data = text, .len = kv_number_write(text, number)};
    struct outcome outcome = replace_at(store, place, step->key, value, op, change);
    outcome.number = number;
    return outcome;
}

static bool maybe_equal(struct kv_maybe a, struct kv_maybe b)
{
    if (a.present != b.present || a.bytes.len != b.bytes.len)
        return false;
    return a.bytes.len == 0 || memcmp(a.bytes.data, b.bytes.data, a.bytes.len) == 0;
}

static struct outcome cas_at(struct kv_store *store, struct kv_place place, const struct kv_step *step,
                             const struct redoubt_op *op, struct kv_change *change,
                             struct redoubt_result *result)
{
    struct kv_maybe current = value_at(place, op, result);
    if (is_collection(place, op))
        return conflict(KV_REASON_WRONG_TYPE);
    if (!maybe_equal(current, step->expected)) {
        struct outcome outcome = conflict(KV_REASON_DIFFERS);
        outcome.conflict.current = current;
        return outcome;
    }
    if (!step->value.present)
        return remove_at(store, place, op, change);
    return put_at(store, place, step->key, step->value.bytes, op, change);
}

static struct outcome apply(struct kv_store *store, const struct kv_step *step, const struct redoubt_op *op,
                            struct kv_change *change, struct redoubt_result *result)
{
    struct kv_place place = kv_store_find(store, step->key);
    switch (step->opcode) {
    case KV_PUT:
        return put_at(store, place, step->key, step->value.bytes, op, change);
    case KV_DELETE:
        return remove_at(store, place, op, change);
    case KV_INCREMENT:
        return increment_at(store, place, step, op, change, result);
    case KV_CAS:
        return cas_at(store, place, step, op, change, result);
    default:
        return (struct outcome){.status = REDOUBT_INVALID};
    }
}

static enum redoubt_status do_write(struct kv_store *store, const struct kv_step *step,
                                    const struct redoubt_op *op, struct redoubt_result *result)
{
    struct outcome outcome = apply(store, step, op, NULL, result);
    if (outcome.status == REDOUBT_CONFLICT)
        result->bytes = kv_conflict_encode(result->data, result->capacity, &outcome.conflict);
    if (outcome.status != REDOUBT_OK)
        return outcome.status;
    if (step->opcode == KV_DELETE && !outcome.existed)
        return REDOUBT_NOT_FOUND;
    if (step->opcode == KV_PUT)
        result->bytes = kv_put_result_encode(result->data, result->capacity, outcome.existed);
    if (step->opcode == KV_INCREMENT)
        result->bytes = kv_increment_result_encode(result->data, result->capacity, outcome.number);
    kv_tidy(store, op);
    return REDOUBT_OK;
}

/* Carries out steps until one fails; `*made` changes are in `changes` then. */
static struct outcome batch_apply(struct kv_store *store, struct kv_request *request,
                                  const struct redoubt_op *op, struct kv_change *changes, uint32_t *made,
                                  struct writer *out, struct redoubt_result *result)
{
    struct outcome outcome = {.status = REDOUBT_OK};
    struct kv_step step;
    for (uint32_t i = 0; kv_request_next(request, &step); i++) {
        outcome = apply(store, &step, op, &changes[*made], result);
        *made += outcome.changes;
        if (outcome.status != REDOUBT_OK) {
            outcome.conflict.step = i;
            outcome.conflict.current.present = false; /* it may be about to be undone */
            return outcome;
        }
        struct kv_step_item item = {
            .opcode = step.opcode, .existed = outcome.existed, .number = outcome.number};
        kv_batch_result_add(out, &item);
    }
    return outcome;
}

static enum redoubt_status do_batch(struct kv_store *store, struct kv_request *request,
                                    const struct redoubt_op *op, struct redoubt_result *result)
{
    uint32_t each = store->keys > store->clients ? 2 : 1; /* a collection that goes is a second change */
    size_t bytes = ((size_t)request->count * each + 1) * sizeof(struct kv_change);
    struct kv_change *changes = store->env->alloc(store->env, bytes);
    struct writer out = writer_to(result->data, result->capacity);
    uint32_t made = 0;
    if (!changes)
        return REDOUBT_FULL;
    kv_batch_result_begin(&out, request->count);
    struct outcome outcome = batch_apply(store, request, op, changes, &made, &out, result);
    CHECK(!out.bad);
    if (outcome.status == REDOUBT_OK) {
        kv_changes_commit(store, changes, made);
        result->bytes = out.len;
        if (made) /* one of no steps names no key: tidying would change what DBSIZE reads behind everyone's back */
            kv_tidy(store, op);
    } else {
        kv_changes_undo(store, changes, made);
        if (outcome.status == REDOUBT_CONFLICT)
            result->bytes = kv_conflict_encode(result->data, result->capacity, &outcome.conflict);
    }
    store->env->release(store->env, changes, bytes);
    return outcome.status;
}

/* ---------------------------------------------------------------------------------------------------- the service */

static enum redoubt_status read_request(const struct kv_store *store, struct kv_request *request,
                                        const struct redoubt_op *op, struct redoubt_result *result)
{
    switch (request->opcode) {
    case KV_GET:
        return do_get(store, &request->step, op, result);
    case KV_MULTI_GET:
        return do_multi_get(store, request, op, result);
    case KV_LIST:
        return do_list(store, request, op, result);
    default:
        return REDOUBT_INVALID;
    }
}

static bool is_command(const struct redoubt_op *op)
{
    return op->bytes > 0 && op->data[0] == KV_COMMAND;
}

static void open_result(struct redoubt_result *result)
{
    CHECK(result->capacity >= REDOUBT_OP_MAX_BYTES);
    result->bytes = 0;
    result->is_volatile = false;
}

static bool open_request(struct kv_request *request, const struct redoubt_op *op)
{
    return op->bytes <= REDOUBT_OP_MAX_BYTES && kv_request_decode(request, op->data, op->bytes);
}

static enum redoubt_status kv_execute(void *state, const struct redoubt_op *op, struct redoubt_result *result)
{
    struct kv_store *store = state;
    struct kv_request request;
    open_result(result);
    if (is_command(op))
        return store->broken ? REDOUBT_FULL : kv_command_execute(store, op, result);
    if (!open_request(&request, op))
        return REDOUBT_INVALID;
    if (store->broken)
        return REDOUBT_FULL;
    if (!kv_opcode_writes(request.opcode))
        return read_request(store, &request, op, result);
    if (request.opcode == KV_BATCH)
        return do_batch(store, &request, op, result);
    return do_write(store, &request.step, op, result);
}

static enum redoubt_status kv_read(const void *state, const struct redoubt_op *op,
                                   struct redoubt_result *result)
{
    struct kv_request request;
    open_result(result);
    if (is_command(op))
        return kv_command_read(state, op, result);
    if (!open_request(&request, op))
        return REDOUBT_INVALID;
    return read_request(state, &request, op, result);
}

static bool kv_keys(const struct redoubt_op *op, struct redoubt_keys *keys)
{
    struct kv_request request;
    struct kv_step step;
    keys->count = 0;
    keys->reads_all = keys->writes_all = false;
    if (is_command(op))
        return kv_command_keys(op, keys);
    if (!open_request(&request, op))
        return false;
    bool write = kv_opcode_writes(request.opcode);
    if (request.opcode == KV_LIST)
        keys->reads_all = true;
    else if (request.opcode == KV_MULTI_GET || request.opcode == KV_BATCH)
        while (kv_request_next(&request, &step))
            kv_keys_add(keys, step.key, write);
    else
        kv_keys_add(keys, request.step.key, write);
    return true;
}

static void kv_expect(const void *state, const struct redoubt_op *ops, size_t count)
{
    struct slice key[REDOUBT_EXPECT_MAX];
    struct kv_request request;
    size_t keys = 0;
    for (size_t i = 0; i < count; i++)
        if (is_command(&ops[i]))
            keys += kv_command_first_key(&ops[i], &key[keys]);
        else if (kv_request_decode(&request, ops[i].data, ops[i].bytes) && request.opcode != KV_LIST &&
                 request.opcode != KV_MULTI_GET && request.opcode != KV_BATCH)
            key[keys++] = request.step.key;
    kv_store_expect(state, key, keys);
}

void kv_expect_leaves(const void *state, const uint64_t *leaves, size_t count)
{
    kv_store_expect_leaves(state, leaves, count);
}

uint64_t kv_leaf_count(const void *state)
{
    const struct kv_store *store = state;
    return store->leaves;
}

void kv_service_leaf_digest(const void *state, uint64_t leaf, uint8_t out[REDOUBT_DIGEST_BYTES])
{
    kv_leaves_digest(state, &leaf, 1, (uint8_t(*)[REDOUBT_DIGEST_BYTES])out);
}

void kv_service_leaf_digests(const void *state, const uint64_t *leaves, size_t count,
                             uint8_t (*out)[REDOUBT_DIGEST_BYTES])
{
    kv_leaves_digest(state, leaves, count, out);
}

void kv_service_leaf_save(const void *state, uint64_t leaf, struct redoubt_sink *sink)
{
    kv_leaf_save(state, leaf, sink);
}

bool kv_reset(void *state, uint64_t leaf_count, bool keep)
{
    return kv_store_reset(state, leaf_count, keep);
}

bool kv_service_saved_digest(const void *state, uint64_t leaf, const uint8_t *data, size_t bytes,
                             uint8_t out[REDOUBT_DIGEST_BYTES])
{
    return kv_leaf_saved_digest(state, leaf, data, bytes, out);
}

bool kv_service_leaf_load(void *state, uint64_t leaf, const uint8_t *data, size_t bytes)
{
    return kv_leaf_load(state, leaf, data, bytes);
}

const struct redoubt_service redoubt_service_kv = {
    .abi = REDOUBT_APP_ABI,
    .name = "kv",
    .create = kv_create,
    .execute = kv_execute,
    .read = kv_read,
    .keys = kv_keys,
    .leaf_count = kv_leaf_count,
    .leaf_digest = kv_service_leaf_digest,
    .leaf_save = kv_service_leaf_save,
    .reset = kv_reset,
    .saved_digest = kv_service_saved_digest,
    .leaf_load = kv_service_leaf_load,
    .expect = kv_expect,
    .expect_leaves = kv_expect_leaves,
    .leaf_digests = kv_service_leaf_digests,
};
