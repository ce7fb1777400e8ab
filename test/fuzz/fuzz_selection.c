/*
 * The selection over any claims: it must not depend on the order of the VIEW-CHANGEs, and select only what was claimed.
 *
 * Input: u8 number of replicas, then per VIEW-CHANGE: u8 certificates, u8 claims, and three bytes each: slot, view, batch.
 */
#include "need.h"
#include "ordering/configuration.h"
#include "ordering/selection.h"

static uint8_t bytes[REPLICAS_MAX][64 * slot_view_BYTES];
static struct selection_input input[REPLICAS_MAX], backwards[REPLICAS_MAX];
static struct selection first, second;

static const uint8_t *read_one(const uint8_t *data, const uint8_t *end, uint32_t i)
{
    struct writer w = writer_to(bytes[i], sizeof bytes[i]);
    uint8_t certificates = *data++;
    unsigned claims = data < end ? *data++ % 64 : 0;
    slot_no slot = input[i].stable_slot = (certificates & 3) * CHECKPOINT_INTERVAL;
    input[i].parting_stable_slot = (certificates >> 2 & 3) * CHECKPOINT_INTERVAL;
    for (; claims && end - data >= 3; claims--, data += 3) {
        slot += 1 + data[0] % 8;
        struct slot_view claim = {.slot = slot, .view = data[1] % 4, .batch = {{(uint8_t)(1 + data[2] % 4)}}};
        if (slot > input[i].stable_slot + WINDOW)
            break;
        slot_view_put(&w, &claim);
    }
    input[i].claims = (struct slice){bytes[i], w.len};
    return data;
}

static bool claimed(uint32_t count, slot_no slot, const struct digest *batch)
{
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t k = 0; k < slot_view_count(input[i].claims); k++) {
            struct slot_view claim = slot_view_at(input[i].claims, k);
            if (claim.slot == slot && digest_equal(&claim.batch, batch))
                return true;
        }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = data + size;
    if (size < 2)
        return 0;
    uint32_t replicas = REPLICAS_MIN + *data++ % (REPLICAS_MAX - REPLICAS_MIN + 1), count = 0;
    uint32_t quorum = quorum_of(replicas);
    while (data < end && count < replicas)
        data = read_one(data, end, count++);
    for (uint32_t i = 0; i < count; i++)
        backwards[i] = input[count - 1 - i];
    bool found = selection_compute(&first, input, count, quorum);
    need(found == selection_compute(&second, backwards, count, quorum));
    if (!found)
        return 0;
    need(count >= quorum);
    need(first.stable_slot == second.stable_slot && first.count == second.count && first.count <= WINDOW);
    for (uint32_t i = 0; i < first.count; i++) {
        need(digest_equal(&first.batch[i], &second.batch[i]));
        need(digest_is_zero(&first.batch[i]) || claimed(count, first.stable_slot + 1 + i, &first.batch[i]));
    }
    return 0;
}
