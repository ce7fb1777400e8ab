#include "application/call.h"

void call_run_put(struct writer *w, const struct call_run *run)
{
    put_u8(w, (uint8_t)run->mode);
    put_u8(w, run->follows);
    put_u32(w, run->op.origin);
    put_u64(w, run->op.slot);
    put_u32(w, run->op.index);
    put_u64(w, run->op.time_us);
    if (run->op.seed) {
        put_raw(w, run->op.seed, 32);
        return;
    }
    static const uint8_t none[32];
    put_raw(w, none, sizeof none);
}

bool call_run_get(struct reader *r, struct call_run *run)
{
    *run = (struct call_run){.mode = (enum run_mode)get_u8(r)};
    run->follows = get_u8(r) != 0;
    run->op.origin = get_u32(r);
    run->op.slot = get_u64(r);
    run->op.index = get_u32(r);
    run->op.time_us = get_u64(r);
    run->op.seed = reader_take(r, 32);
    return !r->bad && run->mode >= RUN_EXECUTE && run->mode <= RUN_READ_ONLY;
}
