/*
 * Sealed records: how what a compartment promised outlives it. The key comes from the platform and is bound to replica and
 * kind; the host keeps the records and can read or change none of them.
 *
 *   record = salt (16) | counter (8) | kind (1) | ciphertext and tag
 *
 * Every life draws a salt, from which its key follows, and counts its records from 0; so no nonce repeats, not even when the
 * host runs two copies of one compartment. On the way back a record is taken only as the successor of the one before it,
 * or when it is full (it then stands for all before it): the host can drop records at the end (a rollback; resume assumes it of
 * at most f hosts), never in the middle.
 *
 * Keys are not sealed: a compartment that comes back has new ones, and no vote until a START names them.
 */
#ifndef ORDERING_SEALING_H
#define ORDERING_SEALING_H

#include "ordering/auth.h"
#include "wire/record.h"

#define SEALING_HEAD_BYTES     25u
#define SEALING_OVERHEAD_BYTES (SEALING_HEAD_BYTES + AEAD_TAG_BYTES)

struct sealing_life {
    uint8_t salt[16];
    uint64_t counter; /* of the last record, + 1 */
    struct secret_key key;
};

struct sealing {
    bool on; /* durability: sync */
    struct secret_key root;
    struct sealing_life writing, reading;
    struct sealing_life aside; /* for what is not in the row */
    bool recalled;             /* records were taken */
    bool broken;               /* one did not fit: nothing after it is taken */
    struct digest head;        /* over all that were taken since the last full one */
};

/* `config` says whether, and has the platform's secret. */
void sealing_init(struct sealing *sealing, const struct compartment_config *config);

/* Gives the host a record, to be durable before what is emitted next leaves. Nothing when sealing is off. */
void sealing_emit(struct sealing *sealing, const struct auth *auth, struct outbox *out, unsigned kind,
                  slot_no slot, struct slice plain);

/* The next record of an earlier life, into `plain` (at least as long as the record). False: refused, and all that follow. */
bool sealing_take(struct sealing *sealing, struct slice record, unsigned *kind, uint8_t *plain, size_t *len);

/* Seals outside the row; returns the length, plain.len + SEALING_OVERHEAD_BYTES. Open: false when it is not of this kind. */
size_t sealing_put(struct sealing *sealing, unsigned kind, struct slice plain, uint8_t *out);
bool sealing_get(const struct sealing *sealing, unsigned kind, struct slice record, uint8_t *plain,
                 size_t *len);

#endif
