#include "kv_codec.h"

/*
 * request := u8 opcode, body
 *   get, delete   u16 key_len, key
 *   put           u16 key_len, u32 value_len, key, value
 *   increment     u16 key_len, i64 delta, key
 *   cas           u16 key_len, u8 flags, u32 expected_len, u32 value_len, key, expected, value
 *   multi-get     u16 count, (u16 key_len, key)*
 *   batch         u16 count, (u8 opcode, body)*           put, delete, increment, cas
 *   list          u8 flags, u32 limit, u16 prefix_len, u16 after_len, prefix, after
 */

#define CAS_EXPECTED 1u /* `expected` is a value, not absence */
#define CAS_VALUE    2u /* `value` is a value, not a deletion */
#define LIST_VALUES  1u
#define LIST_MORE    2u

static void key_len_put(struct writer *w, size_t key_len)
{
    if (key_len < 1 || key_len > KV_KEY_MAX)
        w->bad = true;
    put_u16(w, (uint16_t)key_len);
}

static void value_len_put(struct writer *w, size_t value_len)
{
    if (value_len > KV_VALUE_MAX)
        w->bad = true;
    put_u32(w, (uint32_t)value_len);
}

static size_t finish(const struct writer *w)
{
    return w->bad || w->len > REDOUBT_OP_MAX_BYTES ? 0 : w->len;
}

/* ---------------------------------------------------------------------------------------------- request bodies */

static void key_write(struct writer *w, enum kv_opcode opcode, const void *key, size_t key_len)
{
    put_u8(w, (uint8_t)opcode);
    key_len_put(w, key_len);
    put_raw(w, key, key_len);
}

static void put_write(struct writer *w, const void *key, size_t key_len, const void *value, size_t value_len)
{
    put_u8(w, KV_PUT);
    key_len_put(w, key_len);
    value_len_put(w, value_len);
    put_raw(w, key, key_len);
    put_raw(w, value, value_len);
}

static void increment_write(struct writer *w, const void *key, size_t key_len, int64_t delta)
{
    put_u8(w, KV_INCREMENT);
    key_len_put(w, key_len);
    put_u64(w, (uint64_t)delta);
    put_raw(w, key, key_len);
}

static void cas_write(struct writer *w, const void *key, size_t key_len, struct kv_maybe expected,
                      struct kv_maybe value)
{
    size_t expected_len = expected.present ? expected.bytes.len : 0;
    size_t value_len = value.present ? value.bytes.len : 0;
    put_u8(w, KV_CAS);
    key_len_put(w, key_len);
    put_u8(w, (uint8_t)((expected.present ? CAS_EXPECTED : 0u) | (value.present ? CAS_VALUE : 0u)));
    value_len_put(w, expected_len);
    value_len_put(w, value_len);
    put_raw(w, key, key_len);
    put_raw(w, expected.bytes.data, expected_len);
    put_raw(w, value.bytes.data, value_len);
}

size_t kv_get_encode(uint8_t *out, size_t cap, const void *key, size_t key_len)
{
    struct writer w = writer_to(out, cap);
    key_write(&w, KV_GET, key, key_len);
    return finish(&w);
}

size_t kv_delete_encode(uint8_t *out, size_t cap, const void *key, size_t key_len)
{
    struct writer w = writer_to(out, cap);
    key_write(&w, KV_DELETE, key, key_len);
    return finish(&w);
}

size_t kv_put_encode(uint8_t *out, size_t cap, const void *key, size_t key_len, const void *value,
                     size_t value_len)
{
    struct writer w = writer_to(out, cap);
    put_write(&w, key, key_len, value, value_len);
    return finish(&w);
}

size_t kv_increment_encode(uint8_t *out, size_t cap, const void *key, size_t key_len, int64_t delta)
{
    struct writer w = writer_to(out, cap);
    increment_write(&w, key, key_len, delta);
    return finish(&w);
}

size_t kv_cas_encode(uint8_t *out, size_t cap, const void *key, size_t key_len, struct kv_maybe expected,
                     struct kv_maybe value)
{
    struct writer w = writer_to(out, cap);
    cas_write(&w, key, key_len, expected, value);
    return finish(&w);
}

size_t kv_multi_get_encode(uint8_t *out, size_t cap, const struct slice *keys, size_t count)
{
    struct writer w = writer_to(out, cap);
    if (count > KV_STEPS_MAX)
        return 0;
    put_u8(&w, KV_MULTI_GET);
    put_u16(&w, (uint16_t)count);
    for (size_t i = 0; i < count; i++) {
        key_len_put(&w, keys[i].len);
        put_raw(&w, keys[i].data, keys[i].len);
    }
    return finish(&w);
}

size_t kv_list_encode(uint8_t *out, size_t cap, struct slice prefix, struct slice after, uint32_t limit,
                      bool values)
{
    struct writer w = writer_to(out, cap);
    if (prefix.len > KV_KEY_MAX || after.len > KV_KEY_MAX || limit == 0)
        return 0;
    put_u8(&w, KV_LIST);
    put_u8(&w, values ? LIST_VALUES : 0);
    put_u32(&w, limit);
    put_u16(&w, (uint16_t)prefix.len);
    put_u16(&w, (uint16_t)after.len);
    put_raw(&w, prefix.data, prefix.len);
    put_raw(&w, after.data, after.len);
    return finish(&w);
}

void kv_batch_begin(struct kv_batch *batch, uint8_t *out, size_t cap)
{
    *batch = (struct kv_batch){.out = writer_to(out, cap)};
    put_u8(&batch->out, KV_BATCH);
    put_u16(&batch->out, 0); /* the count, see kv_batch_end */
}

void kv_batch_put(struct kv_batch *batch, const void *key, size_t key_len, const void *value,
                  size_t value_len)
{
    batch->steps++;
    put_write(&batch->out, key, key_len, value, value_len);
}

void kv_batch_delete(struct kv_batch *batch, const void *key, size_t key_len)
{
    batch->steps++;
    key_write(&batch->out, KV_DELETE, key, key_len);
}

void kv_batch_increment(struct kv_batch *batch, const void *key, size_t key_len, int64_t delta)
{
    batch->steps++;
    increment_write(&batch->out, key, key_len, delta);
}

void kv_batch_cas(struct kv_batch *batch, const void *key, size_t key_len, struct kv_maybe expected,
                  struct kv_maybe value)
{
    batch->steps++;
    cas_write(&batch->out, key, key_len, expected, value);
}

size_t kv_batch_end(struct kv_batch *batch)
{
    if (batch->out.bad || batch->steps > KV_STEPS_MAX)
        return 0;
    struct writer count = writer_to(batch->out.data + 1, 2);
    put_u16(&count, (uint16_t)batch->steps);
    return finish(&batch->out);
}

/* ---------------------------------------------------------------------------------------------- reading requests */

static struct slice bytes_read(struct reader *r, size_t len, size_t min, size_t max)
{
    if (len < min || len > max)
        r->bad = true;
    const uint8_t *data = reader_take(r, len);
    return (struct slice){.data = data, .len = data ? len : 0};
}

static struct slice key_read(struct reader *r, size_t len)
{
    return bytes_read(r, len, 1, KV_KEY_MAX);
}

static struct kv_maybe value_read(struct reader *r, size_t len, bool present)
{
    if (!present && len)
        r->bad = true;
    return (struct kv_maybe){.present = present, .bytes = bytes_read(r, len, 0, KV_VALUE_MAX)};
}

static void cas_read(struct reader *r, struct kv_step *step)
{
    uint16_t key_len = get_u16(r);
    uint8_t flags = get_u8(r);
    uint32_t expected_len = get_u32(r);
    uint32_t value_len = get_u32(r);
    if (flags & ~(CAS_EXPECTED | CAS_VALUE))
        r->bad = true;
    step->key = key_read(r, key_len);
    step->expected = value_read(r, expected_len, flags & CAS_EXPECTED);
    step->value = value_read(r, value_len, flags & CAS_VALUE);
}

/* The body of an operation on one key; `step->opcode` is set. */
static void step_read(struct reader *r, struct kv_step *step)
{
    if (step->opcode == KV_CAS) {
        cas_read(r, step);
        return;
    }
    uint16_t key_len = get_u16(r);
    uint32_t value_len = step->opcode == KV_PUT ? get_u32(r) : 0;
    step->delta = step->opcode == KV_INCREMENT ? (int64_t)get_u64(r) : 0;
    step->key = key_read(r, key_len);
    if (step->opcode == KV_PUT)
        step->value = value_read(r, value_len, true);
}

bool kv_opcode_writes(enum kv_opcode opcode)
{
    return (opcode >= KV_PUT && opcode <= KV_CAS) || opcode == KV_BATCH;
}

bool kv_request_next(struct kv_request *request, struct kv_step *step)
{
    if (request->count == 0 || request->rest.bad)
        return false;
    request->count--;
    *step = (struct kv_step){.opcode = KV_GET};
    if (request->opcode == KV_BATCH) {
        step->opcode = (enum kv_opcode)get_u8(&request->rest);
        if (step->opcode < KV_PUT || step->opcode > KV_CAS)
            request->rest.bad = true;
    }
    step_read(&request->rest, step);
    return !request->rest.bad;
}

static void list_read(struct reader *r, struct kv_request *request)
{
    uint8_t flags = get_u8(r);
    request->limit = get_u32(r);
    uint16_t prefix_len = get_u16(r);
    uint16_t after_len = get_u16(r);
    request->prefix = bytes_read(r, prefix_len, 0, KV_KEY_MAX);
    request->after = bytes_read(r, after_len, 0, KV_KEY_MAX);
    request->values = flags & LIST_VALUES;
    if ((flags & ~LIST_VALUES) || request->limit == 0)
        r->bad = true;
}

bool kv_request_decode(struct kv_request *request, const uint8_t *data, size_t bytes)
{
    struct reader r = reader_of(data, bytes);
    *request = (struct kv_request){.opcode = (enum kv_opcode)get_u8(&r)};
    switch (request->opcode) {
    case KV_GET:
    case KV_PUT:
    case KV_DELETE:
    case KV_INCREMENT:
    case KV_CAS:
        request->step.opcode = request->opcode;
        step_read(&r, &request->step);
        return reader_done(&r);
    case KV_LIST:
        list_read(&r, request);
        return reader_done(&r);
    case KV_MULTI_GET:
    case KV_BATCH:
        break;
    default:
        return false;
    }
    request->count = get_u16(&r);
    request->rest = r;
    struct kv_request walk = *request;
    struct kv_step step;
    while (kv_request_next(&walk, &step))
        ;
    return reader_done(&walk.rest);
}

/* ---------------------------------------------------------------------------------------------- results */

static bool flag_read(struct reader *r)
{
    uint8_t flag = get_u8(r);
    if (flag > 1)
        r->bad = true;
    return flag == 1;
}

size_t kv_put_result_encode(uint8_t *out, size_t cap, bool replaced)
{
    struct writer w = writer_to(out, cap);
    put_u8(&w, replaced);
    return finish(&w);
}

bool kv_put_result_decode(const uint8_t *data, size_t bytes, bool *replaced)
{
    struct reader r = reader_of(data, bytes);
    *replaced = flag_read(&r);
    return reader_done(&r);
}

size_t kv_increment_result_encode(uint8_t *out, size_t cap, int64_t value)
{
    struct writer w = writer_to(out, cap);
    put_u64(&w, (uint64_t)value);
    return finish(&w);
}

bool kv_increment_result_decode(const uint8_t *data, size_t bytes, int64_t *value)
{
    struct reader r = reader_of(data, bytes);
    *value = (int64_t)get_u64(&r);
    return reader_done(&r);
}

size_t kv_conflict_encode(uint8_t *out, size_t cap, const struct kv_conflict *conflict)
{
    struct writer w = writer_to(out, cap);
    put_u8(&w, (uint8_t)conflict->reason);
    put_u16(&w, (uint16_t)conflict->step);
    put_u8(&w, conflict->current.present);
    if (conflict->current.present)
        put_raw(&w, conflict->current.bytes.data, conflict->current.bytes.len);
    return finish(&w);
}

bool kv_conflict_decode(const uint8_t *data, size_t bytes, struct kv_conflict *conflict)
{
    struct reader r = reader_of(data, bytes);
    conflict->reason = (enum kv_reason)get_u8(&r);
    conflict->step = get_u16(&r);
    bool present = flag_read(&r);
    if (conflict->reason < KV_REASON_NOT_A_NUMBER || conflict->reason > KV_REASON_WRONG_TYPE)
        r.bad = true;
    conflict->current = value_read(&r, reader_left(&r), present);
    return reader_done(&r);
}

/* multi-get result := u16 count, (u8 found, u32 value_len, value)*; both missing when absent, value when omitted */
#define MULTI_GET_HEAD 5u

void kv_multi_get_result_begin(struct writer *out, uint32_t count)
{
    put_u16(out, (uint16_t)count);
}

/* `items_left` counts the items after this one: room for their heads is kept, so that every key gets its answer. */
void kv_multi_get_result_add(struct writer *out, uint32_t items_left, const struct kv_maybe *value)
{
    if (!value->present) {
        put_u8(out, KV_ABSENT);
        return;
    }
    size_t room = out->cap - out->len;
    bool fits = value->bytes.len + MULTI_GET_HEAD * ((size_t)items_left + 1) <= room;
    put_u8(out, fits ? KV_PRESENT : KV_OMITTED);
    put_u32(out, (uint32_t)value->bytes.len);
    if (fits)
        put_raw(out, value->bytes.data, value->bytes.len);
}

bool kv_multi_get_result_next(struct kv_items *items, struct kv_value_item *item)
{
    if (items->count == 0 || items->in.bad)
        return false;
    items->count--;
    *item = (struct kv_value_item){.found = (enum kv_found)get_u8(&items->in)};
    if (item->found > KV_OMITTED)
        items->in.bad = true;
    if (item->found != KV_ABSENT)
        item->value_len = get_u32(&items->in);
    if (item->value_len > KV_VALUE_MAX)
        items->in.bad = true;
    if (item->found == KV_PRESENT)
        item->value = reader_take(&items->in, item->value_len);
    return !items->in.bad;
}

bool kv_multi_get_result_open(struct kv_items *items, const uint8_t *data, size_t bytes)
{
    *items = (struct kv_items){.in = reader_of(data, bytes)};
    items->count = get_u16(&items->in);
    struct kv_items walk = *items;
    struct kv_value_item item;
    while (kv_multi_get_result_next(&walk, &item))
        ;
    return reader_done(&walk.in);
}

/* batch result := u16 count, (u8 opcode, u8 existed, [i64 number: increments only])* */

void kv_batch_result_begin(struct writer *out, uint32_t count)
{
    put_u16(out, (uint16_t)count);
}

void kv_batch_result_add(struct writer *out, const struct kv_step_item *item)
{
    put_u8(out, (uint8_t)item->opcode);
    put_u8(out, item->existed);
    if (item->opcode == KV_INCREMENT)
        put_u64(out, (uint64_t)item->number);
}

bool kv_batch_result_next(struct kv_items *items, struct kv_step_item *item)
{
    if (items->count == 0 || items->in.bad)
        return false;
    items->count--;
    *item = (struct kv_step_item){.opcode = (enum kv_opcode)get_u8(&items->in)};
    if (item->opcode < KV_PUT || item->opcode > KV_CAS)
        items->in.bad = true;
    item->existed = flag_read(&items->in);
    if (item->opcode == KV_INCREMENT)
        item->number = (int64_t)get_u64(&items->in);
    return !items->in.bad;
}

bool kv_batch_result_open(struct kv_items *items, const uint8_t *data, size_t bytes)
{
    *items = (struct kv_items){.in = reader_of(data, bytes)};
    items->count = get_u16(&items->in);
    struct kv_items walk = *items;
    struct kv_step_item item;
    while (kv_batch_result_next(&walk, &item))
        ;
    return reader_done(&walk.in);
}

/* list result := u8 flags, u32 count, (u16 key_len, key, [u32 value_len, value])* */
#define LIST_HEAD 5u

void kv_list_result_begin(struct writer *out, bool values)
{
    kv_list_result_end(out, 0, values, false); /* a place for what is known at the end */
    out->len = LIST_HEAD;
}

bool kv_list_result_add(struct writer *out, struct slice key, struct slice value, bool values)
{
    size_t need = 2 + key.len + (values ? 4 + value.len : 0);
    if (need > out->cap - out->len)
        return false;
    put_u16(out, (uint16_t)key.len);
    put_raw(out, key.data, key.len);
    if (values)
        put_slice(out, value);
    return true;
}

void kv_list_result_end(struct writer *out, uint32_t count, bool values, bool more)
{
    struct writer head = writer_to(out->data, LIST_HEAD);
    put_u8(&head, (uint8_t)((values ? LIST_VALUES : 0u) | (more ? LIST_MORE : 0u)));
    put_u32(&head, count);
}

bool kv_list_result_next(struct kv_items *items, struct kv_list_item *item)
{
    if (items->count == 0 || items->in.bad)
        return false;
    items->count--;
    *item = (struct kv_list_item){.key = {0}};
    uint16_t key_len = get_u16(&items->in);
    item->key = key_read(&items->in, key_len);
    if (items->values) {
        uint32_t value_len = get_u32(&items->in);
        item->value = value_read(&items->in, value_len, true);
    }
    return !items->in.bad;
}

bool kv_list_result_open(struct kv_items *items, const uint8_t *data, size_t bytes)
{
    *items = (struct kv_items){.in = reader_of(data, bytes)};
    uint8_t flags = get_u8(&items->in);
    items->count = get_u32(&items->in);
    items->values = flags & LIST_VALUES;
    items->more = flags & LIST_MORE;
    if (flags & ~(LIST_VALUES | LIST_MORE))
        items->in.bad = true;
    struct kv_items walk = *items;
    struct kv_list_item item;
    while (kv_list_result_next(&walk, &item))
        ;
    return reader_done(&walk.in);
}
