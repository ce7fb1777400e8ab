/*
 * What stock clients ask for: mostly reads, of few keys, in few forms, so that what one writes another has kept. Reads of one key, of
 * several, and of all there are; writes of one key, of several at once, and of all; keys whose time runs out.
 */
#include "kv/kv_codec.h"
#include "kv/kv_command.h"
#include "world.h"

#define VALUE_MAX 40u

/* --- commands of Redis clients ---------------------------------------------------------------------------------------------- */

static void command_put(struct writer *w, enum kv_command_number number, const char *const *arg,
                        uint16_t args)
{
    put_u8(w, (uint8_t)number);
    put_u16(w, args);
    for (uint16_t i = 0; i < args; i++)
        put_slice(w, (struct slice){(const uint8_t *)arg[i], strlen(arg[i])});
}

static struct writer command_begin(uint8_t *out, size_t cap, bool atomic, uint16_t commands)
{
    struct writer w = writer_to(out, cap);
    put_u8(&w, KV_COMMAND);
    put_u8(&w, atomic);
    if (atomic) {
        put_u16(&w, 0); /* conditions */
        put_u16(&w, commands);
    }
    return w;
}

static size_t command(uint8_t *out, size_t cap, enum kv_command_number number, const char *const *arg,
                      uint16_t args)
{
    struct writer w = command_begin(out, cap, false, 1);
    command_put(&w, number, arg, args);
    return w.bad ? 0 : w.len;
}

/* --- reads ---------------------------------------------------------------------------------------------------------------------- */

static size_t read_several(uint32_t form, uint8_t *out, size_t cap)
{
    static const char *const sets[] = {"ab", "bca", "kl", "abcdef"};
    const char *names = sets[form % 4];
    struct slice key[MODEL_KEYS];
    size_t count = strlen(names);
    for (size_t i = 0; i < count; i++)
        key[i] = (struct slice){(const uint8_t *)&names[i], 1};
    return kv_multi_get_encode(out, cap, key, count);
}

/* MULTI, MGET, GET, EXEC. */
static size_t read_exec(uint8_t *out, size_t cap)
{
    static const char *const two[] = {"b", "a"}, *const one[] = {"c"};
    struct writer w = command_begin(out, cap, true, 2);
    command_put(&w, KV_DO_MGET, two, 2);
    command_put(&w, KV_DO_GET, one, 1);
    return w.bad ? 0 : w.len;
}

static size_t read_draw(struct dice *d, const char key[2], uint8_t *out, size_t cap)
{
    uint32_t draw = dice_below(d, 20);
    if (draw < 11)
        return kv_get_encode(out, cap, key, 1);
    if (draw < 15)
        return read_several(dice_below(d, 4), out, cap);
    if (draw < 17)
        return kv_list_encode(out, cap, (struct slice){NULL, 0}, (struct slice){NULL, 0}, 100, true);
    if (draw < 18)
        return kv_list_encode(out, cap, (struct slice){(const uint8_t *)key, 1}, (struct slice){NULL, 0}, 100,
                              false);
    if (draw < 19)
        return command(out, cap, KV_DO_EXISTS, (const char *const[]){"a", "b", "k"}, 3);
    return read_exec(out, cap);
}

/* --- writes --------------------------------------------------------------------------------------------------------------------- */

/* Takes effect as a whole, or not at all: the last step is in conflict now and then. */
static size_t write_batch(struct dice *d, const char key[2], const char *value, uint8_t *out, size_t cap)
{
    struct kv_batch batch;
    char other = (char)('a' + dice_below(d, MODEL_KEYS));
    kv_batch_begin(&batch, out, cap);
    kv_batch_put(&batch, key, 1, value, strlen(value));
    kv_batch_delete(&batch, &other, 1);
    kv_batch_increment(&batch, dice_chance(d, 0.3) ? key : &other, 1, 1);
    return kv_batch_end(&batch);
}

/* Names more keys than an operation may name one by one: it counts as one that writes all. */
static size_t write_more_than_fit(struct dice *d, uint8_t *out, size_t cap)
{
    struct kv_batch batch;
    char first = (char)('a' + dice_below(d, 3));
    kv_batch_begin(&batch, out, cap);
    for (uint32_t i = 0; i <= REDOUBT_KEYS_MAX; i++) {
        char key = (char)(first + (int)(i % 2));
        kv_batch_delete(&batch, &key, 1);
    }
    return kv_batch_end(&batch);
}

/* MULTI, GET, SET, EXEC: reads and writes. */
static size_t write_exec(const char key[2], const char *value, uint8_t *out, size_t cap)
{
    struct writer w = command_begin(out, cap, true, 3);
    command_put(&w, KV_DO_GET, (const char *const[]){"a"}, 1);
    command_put(&w, KV_DO_SET, (const char *const[]){key, value}, 2);
    command_put(&w, KV_DO_INCR, (const char *const[]){"b"}, 1);
    return w.bad ? 0 : w.len;
}

static size_t write_timed(struct dice *d, const char key[2], const char *value, uint8_t *out, size_t cap)
{
    char ms[16];
    snprintf(ms, sizeof ms, "%u", 1 + dice_below(d, dice_chance(d, 0.5) ? 200 : 1500));
    switch (dice_below(d, 5)) {
    case 0:
        return command(out, cap, KV_DO_PEXPIRE, (const char *const[]){key, ms}, 2);
    case 1:
        return command(out, cap, KV_DO_PERSIST, (const char *const[]){key}, 1);
    default:
        return command(out, cap, KV_DO_SET, (const char *const[]){key, value, "px", ms}, 4);
    }
}

static size_t write_several(struct dice *d, const char key[2], const char *value, uint8_t *out, size_t cap)
{
    switch (dice_below(d, 5)) {
    case 0:
        return command(out, cap, KV_DO_MSET, (const char *const[]){key, value, "b", value}, 4);
    case 1:
        return command(out, cap, KV_DO_DEL, (const char *const[]){key, "c"}, 2);
    case 2:
        return write_exec(key, value, out, cap);
    default:
        return write_batch(d, key, value, out, cap);
    }
}

static size_t write_single(struct dice *d, const char key[2], const char *value, uint8_t *out, size_t cap)
{
    struct kv_maybe mine = {true, {(const uint8_t *)value, strlen(value)}}, none = {false, {NULL, 0}};
    switch (dice_below(d, 4)) {
    case 0:
        return kv_increment_encode(out, cap, key, 1, 1);
    case 1:
        return kv_cas_encode(out, cap, key, 1, none, mine);
    case 2:
        return kv_delete_encode(out, cap, key, 1);
    default:
        return kv_put_encode(out, cap, key, 1, value, strlen(value));
    }
}

static size_t write_draw(struct dice *d, const char key[2], const char *value, uint8_t *out, size_t cap)
{
    uint32_t draw = dice_below(d, 20);
    if (draw < 10)
        return write_single(d, key, value, out, cap);
    if (draw < 14)
        return write_several(d, key, value, out, cap);
    if (draw < 18)
        return write_timed(d, key, value, out, cap);
    if (draw < 19)
        return write_more_than_fit(d, out, cap);
    return command(out, cap, KV_DO_FLUSHALL, NULL, 0);
}

size_t request_draw(struct world *w, uint32_t s, uint8_t *out, size_t cap)
{
    struct dice *d = &w->troxy_dice;
    static const char hot[] = "aabbckl";
    char key[2] = {dice_chance(d, 0.8) ? hot[dice_below(d, 7)] : (char)('a' + dice_below(d, MODEL_KEYS)), 0};
    char value[VALUE_MAX];
    if (dice_chance(d, s < STOCK_MAX ? w->stock[s].reads : 0.2))
        return read_draw(d, key, out, cap);
    snprintf(value, sizeof value, "CONFIDENTIAL-s%u-%llu", s, (unsigned long long)w->ledger.ops);
    return write_draw(d, key, value, out, cap);
}
