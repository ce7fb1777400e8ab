/*
 * Who says so: content digests, vectors of pairwise MACs, signatures. One `struct auth` per compartment (or client, or host
 * of an origin); it holds the private keys and the pairwise keys derived from them.
 *
 * Pairwise keys come from X25519 and cover cluster and both senders with their epochs, so a MAC of an old incarnation
 * verifies nowhere. In one fault domain (pbft, hybster) the compartments of a replica share their keys and a vector has
 * one MAC per replica.
 */
#ifndef ORDERING_AUTH_H
#define ORDERING_AUTH_H

#include "base/compartment.h"
#include "crypto/crypto.h"
#include "ordering/configuration.h"
#include "ordering/content.h"

#define MAC_ENTRY_FIELDS(F) F(u8, kind) F(u8, replica) F(tag16, mac)
WIRE_STRUCT(mac_entry, MAC_ENTRY_FIELDS)
WIRE_LIST(mac_entry, MAC_ENTRY_FIELDS)
#define MAC_VECTOR_MAX (3u * REPLICAS_MAX)
#define AUTH_BYTES_MAX (MAC_VECTOR_MAX * 18u)

struct pair_key {
    bool known;
    bool agreed;    /* `shared` holds the key agreement, which epochs of an origin do not change */
    epoch_no epoch; /* of the peer, for which `key` was derived */
    struct secret_key shared;
    struct secret_key key;
};

struct auth {
    struct sender self;
    bool one_domain; /* pbft, see the top */
    struct tag16 cluster;
    struct sign_key sign;
    struct box_key box;
    const struct configuration *configuration;
    struct pair_key member[MEMBER_KINDS][REPLICAS_MAX][2]; /* of its two latest epochs that were met */
    struct pair_key *origin; /* ORIGINS_MAX of them, or NULL where no origin is ever authenticated by MAC */
};

/* Kinds of receivers, as bits, for a vector that goes to every replica. */
enum { TO_P = 1, TO_C = 2, TO_E = 4 };

/* Draws fresh keys (or derives them from `domain_seed`, 32 bytes, when not NULL). */
void auth_init(struct auth *auth, struct sender self, const uint8_t *domain_seed);
/* With keys that exist already (an origin's long-term keys). */
void auth_init_with_keys(struct auth *auth, struct sender self, const struct sign_key *sign,
                         const struct box_key *box);
/* From now on messages of this configuration verify. */
void auth_start(struct auth *auth, const struct configuration *configuration);

/* Are these its own public keys? */
bool auth_has_keys(const struct auth *auth, const struct member_keys *keys);
/* What it says counts for slots above this one; UINT64_MAX: it is not listed (yet). */
slot_no auth_counts_above(const struct auth *auth);

/* Appends the MACs for these kinds at every replica, for the latest epoch of each (one's own compartments included, unless one_domain). */
void auth_put_vector(struct auth *auth, const struct digest *content, unsigned kinds, struct writer *w);
/* Appends one MAC, for one compartment. */
void auth_put_mac(struct auth *auth, const struct digest *content, enum kind kind, replica_id replica,
                  struct writer *w);
/* The MAC meant for this compartment, from a member of the configuration (its latest epoch) or from an origin. */
enum verdict auth_check_mac(struct auth *auth, const struct frame *frame);
/* ... from a member whose epoch is in force at `slot`: votes. */
enum verdict auth_check_mac_at(struct auth *auth, const struct frame *frame, slot_no slot);
/* The signature, by the sender's key in the configuration (its latest epoch). */
enum verdict auth_check_signature(const struct configuration *configuration, const struct frame *frame);
enum verdict auth_check_signature_at(const struct configuration *configuration, const struct frame *frame,
                                     slot_no slot);
/* ... of any epoch that is still listed: what it is worth is for the caller to say. */
enum verdict auth_check_signature_ever(const struct configuration *configuration, const struct frame *frame);

/* Signs a content digest as this sender. */
void auth_sign_content(const struct auth *auth, const struct digest *content,
                       uint8_t signature[SIGNATURE_BYTES]);

/*
 * A frame whose attachment is sealed under a key that its two ends share (of a session: ASK-ATTEST, ATTEST); type, sender and body are
 * authenticated with it. `counter` never repeats for a key and type. Its length; 0: it does not fit. The key is of one cluster.
 */
size_t auth_encode_sealed(uint8_t *out, size_t cap, enum frame_type type, const struct sender *sender,
                          const struct secret_key *key, uint64_t counter, struct slice body,
                          struct slice plain);
/* `out` takes the attachment's length. */
bool auth_open_sealed(const struct frame *frame, const struct secret_key *key, uint64_t counter, uint8_t *out,
                      struct slice *plain);

/* Keys of a certificate, and of an attestation, by a Troxy for an origin, of their agreement and the origin's epoch. They differ: what is said
 * out of what is kept must never pass for a reply. */
void certifier_keys(const struct tag16 *cluster, const struct secret_key *shared, epoch_no epoch,
                    struct secret_key *certify, struct secret_key *floors);

/* Pairwise key with the latest epoch of a member (state transfer); NULL when there is no such member. */
const struct secret_key *auth_pair_key(struct auth *auth, enum kind kind, replica_id replica);

/*
 * Sends a frame: body, authenticator, attachment into the outbox. `macs_to` are kinds of receivers (TO_*).
 */
void auth_emit_macs(struct auth *auth, struct outbox *out, enum frame_type type, struct slice body,
                    unsigned macs_to, struct slice attachment);
void auth_emit_mac(struct auth *auth, struct outbox *out, enum frame_type type, struct slice body,
                   enum kind kind, replica_id replica, struct slice attachment);
void auth_emit_signed(struct auth *auth, struct outbox *out, enum frame_type type, struct slice body,
                      struct slice attachment);
void auth_emit_plain(const struct auth *auth, struct outbox *out, enum frame_type type, struct slice body,
                     struct slice attachment);

#endif
