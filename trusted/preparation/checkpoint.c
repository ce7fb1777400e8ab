#include "preparation/preparation.h"

enum verdict preparation_on_checkpoint(struct preparation *p, const struct frame *frame)
{
    bool advanced;
    enum verdict verdict = stable_add(&p->stable, &p->auth, frame, &advanced);
    if (advanced)
        preparation_truncated(p);
    return verdict;
}
