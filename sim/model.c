/*
 * What the services should answer: a model of kv (of single-letter keys) and counter, written down independently of them, for the
 * operations that the workload uses. Commands are in model_command.c.
 *
 * A read is evaluated on any state, the present one or one of before, so that the ledger can ask where in the order it would be right.
 */
#include "counter/counter_codec.h"
#include "kv/kv_codec.h"
#include "kv/kv_command.h"
#include "world.h"

#define RESULT_MAX 4096u

void result_digest(struct digest *out, unsigned status, const void *data, size_t len)
{
    struct digest_state state;
    uint8_t head = (uint8_t)status;
    digest_begin(&state, "sim result");
    digest_add(&state, &head, 1);
    if (len)
        digest_add(&state, data, len);
    digest_end(&state, out);
}

/* --- keys ----------------------------------------------------------------------------------------------------------------- */

struct model_key *model_key_of(struct model_key *keys, struct slice name)
{
    if (name.len != 1 || name.data[0] < 'a' || name.data[0] >= 'a' + MODEL_KEYS)
        return NULL;
    return &keys[name.data[0] - 'a'];
}

void model_key_set(struct model_key *key, struct slice value, uint64_t expires_us)
{
    CHECK(value.len <= sizeof key->value);
    key->present = true;
    key->expires_us = expires_us;
    key->len = value.len;
    if (value.len)
        memcpy(key->value, value.data, value.len);
}

void model_key_clear(struct model_key *key)
{
    key->present = false;
    key->expires_us = 0;
}

bool model_key_add(struct model_key *key, int64_t delta, int64_t *sum)
{
    char text[80] = "0";
    char *end = text;
    if (key->present) {
        memcpy(text, key->value, key->len);
        text[key->len] = 0;
    }
    *sum = strtoll(text, &end, 10);
    if (end == text || *end)
        return false;
    *sum += delta;
    key->present = true;
    key->len = (size_t)snprintf((char *)key->value, sizeof key->value, "%lld", (long long)*sum);
    return true;
}

static struct kv_maybe value_of(const struct model_key *key)
{
    return (struct kv_maybe){key->present, {key->value, key->present ? key->len : 0}};
}

static bool same(const struct model_key *key, const struct kv_maybe *value)
{
    return key->present == value->present &&
           (!key->present ||
            (key->len == value->bytes.len && memcmp(key->value, value->bytes.data, key->len) == 0));
}

/* --- writes of kv_codec.h ----------------------------------------------------------------------------------------------------- */

/* One step: what a batch says of it, or the conflict. False: conflict. */
static bool step(struct model_key *key, const struct kv_step *s, struct kv_step_item *item,
                 struct kv_conflict *conflict)
{
    *item = (struct kv_step_item){.opcode = s->opcode, .existed = key->present};
    switch (s->opcode) {
    case KV_PUT:
        model_key_set(key, s->value.bytes, 0);
        return true;
    case KV_DELETE:
        model_key_clear(key);
        return true;
    case KV_INCREMENT:
        conflict->reason = KV_REASON_NOT_A_NUMBER;
        return model_key_add(key, s->delta, &item->number);
    default:
        conflict->reason = KV_REASON_DIFFERS;
        if (!same(key, &s->expected)) {
            conflict->current = value_of(key);
            return false;
        }
        if (s->value.present)
            model_key_set(key, s->value.bytes, 0);
        else
            model_key_clear(key);
        return true;
    }
}

static unsigned single(struct model_key *keys, const struct kv_step *s, uint8_t *out, size_t *len)
{
    struct model_key *key = model_key_of(keys, s->key);
    struct kv_step_item item;
    struct kv_conflict conflict = {.step = 0};
    if (!key)
        return REDOUBT_INVALID;
    if (!step(key, s, &item, &conflict)) {
        *len = kv_conflict_encode(out, RESULT_MAX, &conflict);
        return REDOUBT_CONFLICT;
    }
    if (s->opcode == KV_PUT)
        *len = kv_put_result_encode(out, RESULT_MAX, item.existed);
    if (s->opcode == KV_INCREMENT)
        *len = kv_increment_result_encode(out, RESULT_MAX, item.number);
    return s->opcode == KV_DELETE && !item.existed ? REDOUBT_NOT_FOUND : REDOUBT_OK;
}

/* All of it, or nothing. */
static unsigned batch(struct model_key *keys, struct kv_request *request, uint8_t *out, size_t *len)
{
    struct model_key before[MODEL_KEYS];
    struct writer w = writer_to(out, RESULT_MAX);
    struct kv_step s;
    memcpy(before, keys, sizeof before);
    kv_batch_result_begin(&w, request->count);
    for (uint32_t i = 0; kv_request_next(request, &s); i++) {
        struct model_key *key = model_key_of(keys, s.key);
        struct kv_step_item item;
        struct kv_conflict conflict = {.step = i};
        if (!key)
            return REDOUBT_INVALID;
        if (!step(key, &s, &item, &conflict)) {
            memcpy(keys, before, sizeof before);
            conflict.current = (struct kv_maybe){.present = false};
            *len = kv_conflict_encode(out, RESULT_MAX, &conflict);
            return REDOUBT_CONFLICT;
        }
        kv_batch_result_add(&w, &item);
    }
    CHECK(!w.bad);
    *len = w.len;
    return REDOUBT_OK;
}

/* --- reads of kv_codec.h ------------------------------------------------------------------------------------------------------ */

static unsigned get(struct model_key *keys, struct slice name, uint8_t *out, size_t *len)
{
    const struct model_key *key = model_key_of(keys, name);
    if (!key)
        return REDOUBT_INVALID;
    if (!key->present)
        return REDOUBT_NOT_FOUND;
    memcpy(out, key->value, key->len);
    *len = key->len;
    return REDOUBT_OK;
}

static unsigned multi_get(struct model_key *keys, struct kv_request *request, uint8_t *out, size_t *len)
{
    struct writer w = writer_to(out, RESULT_MAX);
    struct kv_step s;
    kv_multi_get_result_begin(&w, request->count);
    while (kv_request_next(request, &s)) {
        const struct model_key *key = model_key_of(keys, s.key);
        if (!key)
            return REDOUBT_INVALID;
        struct kv_maybe value = value_of(key);
        kv_multi_get_result_add(&w, request->count, &value);
    }
    CHECK(!w.bad);
    *len = w.len;
    return REDOUBT_OK;
}

/* Without an end: the workload asks for more than there can be. */
static unsigned list(struct model_key *keys, const struct kv_request *request, uint8_t *out, size_t *len)
{
    struct writer w = writer_to(out, RESULT_MAX);
    uint32_t count = 0;
    if (request->limit < MODEL_KEYS || request->after.len)
        return REDOUBT_INVALID;
    kv_list_result_begin(&w, request->values);
    for (uint32_t i = 0; i < MODEL_KEYS; i++) {
        uint8_t name = (uint8_t)('a' + i);
        bool listed =
            request->prefix.len == 0 || (request->prefix.len == 1 && request->prefix.data[0] == name);
        if (!listed || !keys[i].present)
            continue;
        CHECK(kv_list_result_add(&w, (struct slice){&name, 1}, value_of(&keys[i]).bytes, request->values));
        count++;
    }
    kv_list_result_end(&w, count, request->values, false);
    *len = w.len;
    return REDOUBT_OK;
}

static unsigned kv_model(struct model_key *keys, uint64_t time_us, const uint8_t *data, size_t bytes,
                         uint8_t *out, size_t *len)
{
    struct kv_request request;
    *len = 0;
    if (bytes && data[0] == KV_COMMAND)
        return model_command(keys, time_us, data, bytes, out, RESULT_MAX, len);
    if (!kv_request_decode(&request, data, bytes))
        return REDOUBT_INVALID;
    switch (request.opcode) {
    case KV_GET:
        return get(keys, request.step.key, out, len);
    case KV_MULTI_GET:
        return multi_get(keys, &request, out, len);
    case KV_LIST:
        return list(keys, &request, out, len);
    case KV_BATCH:
        return batch(keys, &request, out, len);
    default:
        return single(keys, &request.step, out, len);
    }
}

/* --- the ledger's side ------------------------------------------------------------------------------------------------------ */

static unsigned counter_model(struct ledger *l, uint32_t origin, const struct counter_request *request,
                              uint8_t *out, size_t *len)
{
    l->global += request->amount;
    l->own[origin] += request->amount;
    struct counter_result numbers = {l->global, l->own[origin]};
    *len = counter_result_encode(out, RESULT_MAX, &numbers,
                                 request->reply_bytes ? request->reply_bytes : COUNTER_RESULT_BYTES);
    return REDOUBT_OK;
}

/* A key whose time is over is not there, for whoever comes from now on. */
static void expire(struct ledger *l, uint64_t time_us)
{
    for (uint32_t i = 0; i < MODEL_KEYS; i++)
        if (l->key[i].expires_us && l->key[i].expires_us <= time_us)
            model_key_clear(&l->key[i]);
}

void model_apply(struct world *w, uint32_t origin, uint64_t time_us, const uint8_t *request, size_t len,
                 struct digest *result)
{
    uint8_t out[RESULT_MAX];
    size_t out_len = 0;
    unsigned status = REDOUBT_INVALID;
    struct counter_request counter;
    expire(&w->ledger, time_us);
    if (w->options.service != SERVICE_COUNTER)
        status = kv_model(w->ledger.key, time_us, request, len, out, &out_len);
    else if (counter_request_decode(&counter, request, len))
        status = counter_model(&w->ledger, origin, &counter, out, &out_len);
    result_digest(result, status, out, out_len);
}

bool model_reads(const uint8_t *request, size_t len)
{
    struct kv_command_request command;
    struct kv_request kv;
    if (world_current->options.service == SERVICE_COUNTER || !len)
        return false;
    if (request[0] == KV_COMMAND)
        return kv_command_decode(&command, request, len) && !kv_command_writes(&command);
    return kv_request_decode(&kv, request, len) && !kv_opcode_writes(kv.opcode);
}

bool model_read_gives(struct model_key *keys, const uint8_t *request, size_t len,
                      const struct redoubt_outcome *told)
{
    uint8_t out[RESULT_MAX];
    size_t out_len = 0;
    unsigned status = kv_model(keys, 0, request, len, out, &out_len);
    return status == told->status && out_len == told->result_bytes &&
           (out_len == 0 || memcmp(out, told->result, out_len) == 0);
}
