/*
 * LOCAL-COUNT: what a host wants of its counter compartment, many things in one call; and LOCAL-COUNTED, the answer. Both are
 * unauthenticated: they do not leave the machine, and what counts is the certificates inside.
 *
 * `number` is the host's own and comes back. `commands` are counter_command, at most COUNTER_COMMANDS_MAX, carried out in this order;
 * `checks` are counter_check, at most COUNTER_CHECKS_MAX; `signs` are digests, at most COUNTER_SIGNS_MAX. The answer has as many elements
 * in each list, in the same order: `made`, one byte (enum verdict) for each check, signatures.
 */
#ifndef WIRE_COUNTER_ASK_H
#define WIRE_COUNTER_ASK_H

#include "base/limits.h"
#include "wire/frame.h"

#define LOCAL_COUNT_FIELDS(F) F(u64, number) F(slice, commands) F(slice, checks) F(slice, signs)
WIRE_STRUCT(local_count, LOCAL_COUNT_FIELDS)

/* As struct trinx_command. */
#define COUNTER_COMMAND_FIELDS(F)                                                                            \
    F(u8, kind) F(u32, pillar) F(u32, counter) F(u64, view) F(u64, order) F(digest, digest)
WIRE_STRUCT(counter_command, COUNTER_COMMAND_FIELDS)
WIRE_LIST(counter_command, COUNTER_COMMAND_FIELDS)

/* As struct trinx_certificate, and the digest that it is meant to be of. */
#define COUNTER_CHECK_FIELDS(F)                                                                              \
    F(u32, replica)                                                                                          \
    F(u32, pillar)                                                                                           \
    F(u64, epoch)                                                                                            \
    F(tag16, life)                                                                                           \
    F(u8, kind)                                                                                              \
    F(u32, counter)                                                                                          \
    F(u64, view)                                                                                             \
    F(u64, order)                                                                                            \
    F(u64, previous_view)                                                                                    \
    F(u64, previous_order) F(u64, act_view) F(u64, act_order) F(tag16, mac) F(digest, digest)
WIRE_STRUCT(counter_check, COUNTER_CHECK_FIELDS)
WIRE_LIST(counter_check, COUNTER_CHECK_FIELDS)

/* To be signed, so that who holds no counter can verify it: see counter_signed_content in counter/compartment.h. */
#define COUNTER_SIGN_FIELDS(F) F(digest, digest)
WIRE_STRUCT(counter_sign, COUNTER_SIGN_FIELDS)
WIRE_LIST(counter_sign, COUNTER_SIGN_FIELDS)

/* All three lists: right size, not too long. */
enum verdict local_count_check(const struct frame *frame, struct local_count *count);

#endif
