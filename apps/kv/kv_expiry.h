/*
 * Times that clients give, as Redis reads them. Inside they are microseconds since 1970; what lies beyond the year 290,000 is
 * refused as Redis refuses what does not fit its 64 bits.
 */
#ifndef KV_EXPIRY_H
#define KV_EXPIRY_H

#include "kv_run.h"

enum kv_time_form {
    KV_IN_S = 0, /* so many seconds from now */
    KV_IN_MS = 1,
    KV_AT_S = 2, /* seconds since 1970 */
    KV_AT_MS = 3,
};

/* Argument `arg` as the time at which a value that is written now expires. False: the reply says why. */
bool kv_expiry_read(struct kv_run *run, uint32_t arg, enum kv_time_form form, uint64_t *expires_us);
/* The same for EXPIRE, which takes times that are over. `when_ms` may be negative. */
bool kv_expiry_read_any(struct kv_run *run, uint32_t arg, enum kv_time_form form, int64_t *when_ms);
/* "ex", "px", "exat" or "pxat". */
bool kv_expiry_form(const struct kv_run *run, uint32_t arg, enum kv_time_form *form);

#endif
