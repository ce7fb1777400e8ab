#include "wire/chain.h"

#include "wire/checkpoint.h"
#include "wire/reconfig.h"

WIRE_CODE(chain, CHAIN_FIELDS)
WIRE_CODE(ask_chain, ASK_CHAIN_FIELDS)
WIRE_CODE(group_key, GROUP_KEY_FIELDS)

bool chain_step_next(struct slice steps, size_t *at, struct chain_step *step)
{
    if (*at >= steps.len)
        return false;
    struct reader r = reader_of(steps.data + *at, steps.len - *at);
    step->slot = get_u64(&r);
    step->body = get_slice(&r);
    if (r.bad) {
        *at = SIZE_MAX;
        return false;
    }
    *at += 12 + step->body.len;
    return true;
}

enum verdict chain_check(const struct frame *frame, struct chain *chain, uint32_t *count)
{
    size_t at = 0;
    struct chain_step step;
    struct reconfig reconfig;
    slot_no last = 0;
    *count = 0;
    if (!chain_decode(frame->body, chain) || frame->attachment.len ||
        chain->slot % CHECKPOINT_INTERVAL != 0 || !signer_list_ok(chain->signers, REPLICAS_MAX) ||
        chain->slot > UINT64_MAX / 2)
        return VERDICT_MALFORMED;
    while (chain_step_next(chain->steps, &at, &step)) {
        if (reconfig_body_check(step.body, &reconfig) != VERDICT_ACCEPT || step.slot <= last ||
            step.slot > chain->slot || reconfig.configuration + 1 != chain->first + *count)
            return VERDICT_MALFORMED;
        last = step.slot;
        if (++*count > CHAIN_STEPS_MAX)
            return VERDICT_LIMIT;
    }
    return at == SIZE_MAX || *count == 0 ? VERDICT_MALFORMED : VERDICT_ACCEPT;
}
