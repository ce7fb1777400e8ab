#include "kv_http.h"

#include "kv_number.h"
#include "kv_remember.h"

static bool is_one_of(const uint8_t *tag, const uint8_t *tags, uint8_t count)
{
    for (uint8_t i = 0; i < count; i++)
        if (memcmp(tag, tags + (size_t)i * KV_TAG_BYTES, KV_TAG_BYTES) == 0)
            return true;
    return false;
}

bool kv_conditions_hold(struct slice conditions, const struct kv_current *current, bool *holds)
{
    struct reader r = reader_of(conditions.data, conditions.len);
    const uint8_t *tag = current->tag;
    *holds = true;
    while (reader_left(&r)) {
        uint8_t kind = get_u8(&r), count = get_u8(&r);
        const uint8_t *tags = reader_take(&r, (size_t)count * KV_TAG_BYTES);
        uint64_t date_s = kind == KV_IF_NO_LATER ? get_u64(&r) : 0;
        if (r.bad || count > KV_TAGS_MAX || (kind == KV_IF_NO_LATER && count != 0))
            return false;
        switch (kind) {
        case KV_IF_THERE:
            *holds = *holds && tag;
            break;
        case KV_IF_NOT_THERE:
            *holds = *holds && !tag;
            break;
        case KV_IF_ONE_OF:
            *holds = *holds && tag && is_one_of(tag, tags, count);
            break;
        case KV_IF_NONE_OF:
            *holds = *holds && !(tag && is_one_of(tag, tags, count));
            break;
        case KV_IF_NO_LATER:
            *holds = *holds && !(tag && current->dated && current->since_s > date_s);
            break;
        default:
            return false;
        }
    }
    return !r.bad;
}

/* The key as a string with its tag; false: another type, and the reply says so. */
static bool find(struct kv_run *run, const struct kv_entry **entry, uint8_t tag[KV_TAG_BYTES])
{
    if (!kv_run_find_typed(run, run->arg[0], KV_TYPE_STRING, entry))
        return false;
    kv_mark_of(run, run->arg[0], tag);
    return true;
}

void kv_do_fetch(struct kv_run *run)
{
    const struct kv_entry *entry;
    uint8_t tag[KV_TAG_BYTES];
    if (!find(run, &entry, tag))
        return;
    if (!entry) {
        kv_reply_nil(&run->out);
        return;
    }
    kv_reply_begin(&run->out, KV_REPLY_ARRAY, 2);
    kv_reply_bulk(&run->out, (struct slice){tag, sizeof tag});
    kv_reply_bulk(&run->out, kv_entry_value(entry));
}

/* The conditions of argument 1; false: they do not hold or are malformed, and it is answered. */
static bool may(struct kv_run *run, const struct kv_entry *entry, const uint8_t *tag)
{
    const struct kv_current current = {.tag = entry ? tag : NULL};
    bool holds;
    if (!kv_conditions_hold(run->arg[1], &current, &holds))
        kv_run_error(run, KV_SYNTAX);
    else if (!holds)
        kv_run_integer(run, 0);
    else
        return true;
    return false;
}

void kv_do_store(struct kv_run *run)
{
    const struct kv_entry *entry;
    const struct kv_content content = {.value = run->arg[2]};
    uint8_t tag[KV_TAG_BYTES];
    if (!find(run, &entry, tag) || !may(run, entry, tag) || !kv_run_put(run, run->arg[0], &content))
        return;
    kv_mark_of(run, run->arg[0], tag);
    kv_reply_begin(&run->out, KV_REPLY_ARRAY, 2);
    kv_run_integer(run, entry == NULL);
    kv_reply_bulk(&run->out, (struct slice){tag, sizeof tag});
}

void kv_do_erase(struct kv_run *run)
{
    const struct kv_entry *entry;
    uint8_t tag[KV_TAG_BYTES];
    if (!find(run, &entry, tag) || !may(run, entry, tag))
        return;
    if (entry && kv_run_remove(run, run->arg[0]))
        kv_run_integer(run, 1);
    else
        kv_reply_nil(&run->out);
}

void kv_do_add(struct kv_run *run)
{
    struct slice key = run->arg[2];
    uint8_t text[KV_KEY_MAX + KV_NUMBER_MAX + 16];
    struct writer what = writer_to(text, sizeof text);
    int64_t number;
    put_slice(&what, run->arg[0]);
    put_raw(&what, run->arg[1].data, run->arg[1].len <= KV_NUMBER_MAX ? run->arg[1].len : 0);
    struct slice request = {text, what.len};
    if (!kv_run_number(run, 1, &number) || kv_remember_answers(run, key, request))
        return;
    size_t begin = run->out.len;
    kv_do_incrby(run);
    kv_remember(run, key, request, begin);
}
