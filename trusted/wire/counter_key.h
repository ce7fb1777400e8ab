/*
 * COUNTER-KEY: begins a counter compartment. Signed by the administrator (over an all-zero cluster id, like START: it names the
 * cluster itself); says which cluster, and that this very compartment (replica, epoch, and the box key that its HELLO showed) is
 * replica's counter, with so many pillars. The last three fields are the secret that all counters of the cluster share, sealed to
 * that box key: what carries it can neither read nor make one.
 */
#ifndef WIRE_COUNTER_KEY_H
#define WIRE_COUNTER_KEY_H

#include "wire/frame.h"

#define COUNTER_KEY_FIELDS(F)                                                                                \
    F(tag16, cluster)                                                                                        \
    F(u32, replica)                                                                                          \
    F(u64, epoch)                                                                                            \
    F(key, box_public)                                                                                       \
    F(u32, pillars) F(key, half0) F(key, half1) F(tag16, tail)
WIRE_STRUCT(counter_key, COUNTER_KEY_FIELDS)

/* On the message alone: from the administrator, signed, pillars in 1..PILLARS_MAX. The signature is not checked. */
enum verdict counter_key_check(const struct frame *frame, struct counter_key *key);

#endif
