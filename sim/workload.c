/*
 * What clients ask for: few keys, so that they meet; every written value is its own.
 */
#include "counter/counter_codec.h"
#include "kv/kv_codec.h"
#include "world.h"

/* In the plaintext of operations, never in a frame. */
#define SECRET "CONFIDENTIAL"

size_t workload_draw(struct world *w, uint32_t client, uint8_t *out, size_t cap)
{
    struct dice *d = &w->client_dice;
    char key = (char)('a' + dice_below(d, MODEL_KEYS));
    char value[40];
    int len = snprintf(value, sizeof value, SECRET "-%u-%u", client, w->client[client].issued);
    if (w->options.service == SERVICE_COUNTER) {
        struct counter_request request = {.opcode = dice_chance(d, 0.8) ? COUNTER_INCR : COUNTER_GET};
        request.amount = request.opcode == COUNTER_INCR ? 1 + dice_below(d, 9) : 0;
        request.reply_bytes = dice_chance(d, 0.1) ? 200 : 0;
        return counter_request_encode(out, cap, &request);
    }
    struct kv_maybe mine = {true, {(const uint8_t *)value, (size_t)len}}, none = {false, {NULL, 0}};
    switch (dice_below(d, 10)) {
    case 0:
    case 1:
    case 2:
        return kv_get_encode(out, cap, &key, 1);
    case 3:
    case 4:
    case 5:
        return kv_put_encode(out, cap, &key, 1, value, (size_t)len);
    case 6:
        return kv_delete_encode(out, cap, &key, 1);
    case 7:
        return kv_cas_encode(out, cap, &key, 1, none, mine);
    default:
        return kv_increment_encode(out, cap, &key, 1, (int64_t)dice_below(d, 100) - 20);
    }
}
