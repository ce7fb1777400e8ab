#include "wire/checkpoint.h"

WIRE_CODE(checkpoint, CHECKPOINT_FIELDS)
WIRE_CODE(signer, SIGNER_FIELDS)

enum verdict checkpoint_check(const struct frame *frame, struct checkpoint *checkpoint)
{
    if (!checkpoint_decode(frame->body, checkpoint))
        return VERDICT_MALFORMED;
    if (checkpoint->slot == 0 || checkpoint->slot % CHECKPOINT_INTERVAL != 0)
        return VERDICT_MALFORMED;
    return frame->sender.kind == KIND_EXECUTION ? VERDICT_ACCEPT : VERDICT_WRONG_KIND;
}
