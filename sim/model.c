/*
 * What the services should answer: a model of kv (one key per operation) and counter, written down independently of
 * them, for the operations that the workload uses.
 */
#include "counter/counter_codec.h"
#include "kv/kv_codec.h"
#include "world.h"

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

static void set(struct model_key *key, struct slice value)
{
    CHECK(value.len <= sizeof key->value);
    key->present = true;
    key->len = value.len;
    memcpy(key->value, value.data, value.len);
}

static bool same(const struct model_key *key, const struct kv_maybe *value)
{
    return key->present == value->present &&
           (!key->present ||
            (key->len == value->bytes.len && memcmp(key->value, value->bytes.data, key->len) == 0));
}

static unsigned conflict(uint8_t *out, size_t *len, enum kv_reason reason, const struct model_key *current)
{
    struct kv_conflict c = {.reason = reason};
    if (current)
        c.current =
            (struct kv_maybe){current->present, {current->value, current->present ? current->len : 0}};
    *len = kv_conflict_encode(out, 256, &c);
    return REDOUBT_CONFLICT;
}

static unsigned increment(struct model_key *key, int64_t delta, uint8_t *out, size_t *len)
{
    char text[80] = "0";
    char *end = text;
    if (key->present) {
        memcpy(text, key->value, key->len);
        text[key->len] = 0;
    }
    long long number = strtoll(text, &end, 10);
    if (end == text || *end)
        return conflict(out, len, KV_REASON_NOT_A_NUMBER, NULL);
    number += delta;
    key->present = true;
    key->len = (size_t)snprintf((char *)key->value, sizeof key->value, "%lld", number);
    *len = kv_increment_result_encode(out, 256, number);
    return REDOUBT_OK;
}

static unsigned kv_model(struct ledger *l, const struct kv_step *step, uint8_t *out, size_t *len)
{
    if (step->key.len != 1 || step->key.data[0] < 'a' || step->key.data[0] >= 'a' + MODEL_KEYS)
        return REDOUBT_INVALID;
    struct model_key *key = &l->key[step->key.data[0] - 'a'];
    bool existed = key->present;
    *len = 0;
    switch (step->opcode) {
    case KV_GET:
        if (!existed)
            return REDOUBT_NOT_FOUND;
        memcpy(out, key->value, key->len);
        *len = key->len;
        return REDOUBT_OK;
    case KV_PUT:
        set(key, step->value.bytes);
        *len = kv_put_result_encode(out, 256, existed);
        return REDOUBT_OK;
    case KV_DELETE:
        key->present = false;
        return existed ? REDOUBT_OK : REDOUBT_NOT_FOUND;
    case KV_INCREMENT:
        return increment(key, step->delta, out, len);
    case KV_CAS:
        if (!same(key, &step->expected))
            return conflict(out, len, KV_REASON_DIFFERS, key);
        if (step->value.present)
            set(key, step->value.bytes);
        else
            key->present = false;
        return REDOUBT_OK;
    default:
        return REDOUBT_INVALID;
    }
}

static unsigned counter_model(struct ledger *l, uint32_t origin, const struct counter_request *request,
                              uint8_t *out, size_t *len)
{
    l->global += request->amount;
    l->own[origin] += request->amount;
    struct counter_result numbers = {l->global, l->own[origin]};
    *len = counter_result_encode(out, 256, &numbers,
                                 request->reply_bytes ? request->reply_bytes : COUNTER_RESULT_BYTES);
    return REDOUBT_OK;
}

void model_apply(struct world *w, uint32_t origin, const uint8_t *request, size_t len, struct digest *result)
{
    uint8_t out[256];
    size_t out_len = 0;
    unsigned status = REDOUBT_INVALID;
    struct counter_request counter;
    struct kv_request kv;
    if (w->options.service == SERVICE_COUNTER) {
        if (counter_request_decode(&counter, request, len))
            status = counter_model(&w->ledger, origin, &counter, out, &out_len);
    } else if (kv_request_decode(&kv, request, len)) {
        status = kv_model(&w->ledger, &kv.step, out, &out_len);
    }
    result_digest(result, status, out, out_len);
}

char model_get_key(const uint8_t *request, size_t len)
{
    struct kv_request kv;
    if (world_current->options.service == SERVICE_COUNTER || !kv_request_decode(&kv, request, len) ||
        kv.opcode != KV_GET || kv.step.key.len != 1 || kv.step.key.data[0] < 'a' ||
        kv.step.key.data[0] >= 'a' + MODEL_KEYS)
        return 0;
    return (char)kv.step.key.data[0];
}

void model_get(const struct model_key *key, struct digest *result)
{
    if (key && key->present)
        result_digest(result, REDOUBT_OK, key->value, key->len);
    else
        result_digest(result, REDOUBT_NOT_FOUND, NULL, 0);
}
