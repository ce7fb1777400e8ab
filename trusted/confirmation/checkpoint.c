#include "confirmation/confirmation.h"

enum verdict confirmation_on_checkpoint(struct confirmation *c, const struct frame *frame, struct outbox *out)
{
    bool advanced;
    enum verdict verdict = stable_add(&c->stable, &c->auth, frame, &advanced);
    if (advanced) {
        confirmation_truncated(c);
        confirmation_try_view_change(c, out); /* claims that waited for PARTINGs may be settled now */
    }
    return verdict;
}
