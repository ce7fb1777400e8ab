#include "kv_expiry.h"

#include "kv_command.h"
#include "kv_number.h"

#define LAST_MS (INT64_MAX / 1000)

static void refuse(struct kv_run *run)
{
    char text[96];
    struct writer w = writer_to(text, sizeof text);
    static const char before[] = "ERR invalid expire time in '", after[] = "' command";
    put_raw(&w, before, sizeof before - 1);
    put_raw(&w, run->command->name, strlen(run->command->name));
    put_raw(&w, after, sizeof after);
    kv_run_error(run, text);
}

bool kv_expiry_read_any(struct kv_run *run, uint32_t arg, enum kv_time_form form, int64_t *when_ms)
{
    int64_t now_ms = (int64_t)kv_run_now_ms(run);
    int64_t when;
    if (!kv_run_number(run, arg, &when))
        return false;
    bool good = true;
    if (form == KV_IN_S || form == KV_AT_S)
        good = !__builtin_mul_overflow(when, 1000, &when);
    if (form == KV_IN_S || form == KV_IN_MS) {
        good = good && !__builtin_add_overflow(when, now_ms, &when);
        run->is_volatile = true;
    }
    *when_ms = when;
    if (good && when <= LAST_MS)
        return true;
    refuse(run);
    return false;
}

bool kv_expiry_read(struct kv_run *run, uint32_t arg, enum kv_time_form form, uint64_t *expires_us)
{
    int64_t number, when_ms;
    if (!kv_run_number(run, arg, &number))
        return false;
    if (number <= 0) {
        refuse(run);
        return false;
    }
    if (!kv_expiry_read_any(run, arg, form, &when_ms))
        return false;
    *expires_us = (uint64_t)when_ms * 1000;
    return true;
}

bool kv_expiry_form(const struct kv_run *run, uint32_t arg, enum kv_time_form *form)
{
    static const char *const word[] = {"ex", "px", "exat", "pxat"};
    for (unsigned i = 0; i < 4; i++) {
        if (kv_run_is(run, arg, word[i])) {
            *form = (enum kv_time_form)i;
            return true;
        }
    }
    return false;
}
