/*
 * TrInX, the trusted counters of Hybster (section "TrInX" of docs/HYBSTER.md): what keeps a replica that lies in everything else
 * from saying two things about one place in the order.
 *
 * A compartment of kind KIND_COUNTER holds one instance for each pillar, each with some counters of 128 bits, read as
 * [view|order]. Its host gives it a digest and gets a certificate of one of three kinds, which cannot be taken for each other:
 *
 *   Independent(c, v)  v above the counter's value, which it becomes. So no two of one value of one counter.
 *   Continuing(c, v)   v at or above the counter's value, which it becomes. Shows the value before (`previous`), and `act`: the
 *                      last value that was ever given to Independent on this counter. So a replica that leaves for a view shows
 *                      how far it voted, however many views it left since.
 *   MAC                no counter: this replica says so, to all replicas alike.
 *
 * Certificates are MACs under one key that all counter compartments of a cluster share, so anyone of them verifies what any other
 * made, and no host can make one. They cover cluster, kind, instance, counter, values and digest. An instance is (replica, pillar,
 * epoch, life): `life` is of the keys that the compartment drew when it started, so two copies of it are two instances, and one that
 * was restarted, whose counters begin at [0|0] again, is another one than before. Which instance counts is for the configuration
 * to say; what a verifier compares is what its host passes to it.
 *
 * Values end one short of UINT64_MAX in either half: a command beyond is refused, so nothing that adds one to a value wraps.
 * Pure; no memory but the struct's.
 */
#ifndef COUNTER_TRINX_H
#define COUNTER_TRINX_H

#include "base/limits.h"
#include "base/verdict.h"
#include "crypto/crypto.h"
#include "wire/schema.h"

/* On the wire; 0 is none. */
enum trinx_kind { TRINX_INDEPENDENT = 1, TRINX_CONTINUING = 2, TRINX_MAC = 3 };

struct trinx_value {
    view_no view;
    slot_no order;
};

struct trinx_instance {
    replica_id replica;
    uint32_t pillar;
    epoch_no epoch;
    struct tag16 life; /* see trinx_life */
};

struct trinx_command {
    enum trinx_kind kind;
    uint32_t pillar;
    uint32_t counter;         /* 0 for MAC */
    struct trinx_value value; /* [0|0] for MAC */
    struct digest digest;     /* of what is certified; its own domain is the caller's to keep */
};

struct trinx_certificate {
    struct trinx_instance instance;
    enum trinx_kind kind;
    uint32_t counter;
    struct trinx_value value;
    struct trinx_value previous, act; /* Continuing only; else [0|0] */
    uint8_t mac[MAC_BYTES];
};

struct trinx_counter {
    struct trinx_value value;
    struct trinx_value act;
};

struct trinx {
    bool begun;
    struct trinx_instance self; /* `pillar` is not used */
    uint32_t pillars;
    struct secret_key key;
    struct trinx_counter counter[PILLARS_MAX][PILLAR_COUNTERS];
};

/* -1, 0, 1: as numbers of 128 bits. */
int trinx_compare(const struct trinx_value *a, const struct trinx_value *b);
/* What of a compartment's box key (as HELLO shows it, and the configuration lists it) its instances are named by. */
struct tag16 trinx_life(const uint8_t box_public[32]);

/* All counters at [0|0]. Once: DUPLICATE after that. LIMIT: pillars not in 1..PILLARS_MAX. `group` is the secret that all counter
 * compartments of this cluster share; it is not kept, and what is made of it never leaves. */
enum verdict trinx_begin(struct trinx *trinx, const struct trinx_instance *self, uint32_t pillars,
                         const struct tag16 *cluster, const uint8_t group[32]);

/* ACCEPT; or EARLY: not begun. MALFORMED: no such kind, pillar or counter, or a MAC with a value. STALE: the value is too low
 * LIMIT: it is at the end. Nothing changes then, and the certificate is all zero. */
enum verdict trinx_certify(struct trinx *trinx, const struct trinx_command *command,
                           struct trinx_certificate *certificate);

/* Did that instance certify this digest, so? ACCEPT, EARLY: not begun, MALFORMED: it never makes such, or BAD_MAC. */
enum verdict trinx_verify(const struct trinx *trinx, const struct trinx_certificate *certificate,
                          const struct digest *digest);

/* Every invariant; fails a CHECK. */
void trinx_validate(const struct trinx *trinx);

#endif
