/*
 * A bundle under way: sealed operations, the authenticator in both its forms, and what replicas said about it so far.
 * Body and digest of a bundle number never change; what is sent again, with MACs or signed, is the same bundle.
 */
#ifndef ORIGIN_FLIGHT_H
#define ORIGIN_FLIGHT_H

#include "origin/queue.h"
#include "origin/votes.h"
#include "ordering/auth.h"

#define BUNDLE_BYTES    (8u + 32u + 4u + 32u) /* body of a BUNDLE */
#define FLIGHT_HEAD_MAX (FRAME_HEADER_BYTES + BUNDLE_BYTES + REPLICAS_MAX * (unsigned)mac_entry_BYTES)

struct client_flight {
    uint64_t bundle_no;
    struct client_chunk *chunk; /* its data is the ciphertext now */
    struct digest content;
    configuration_no number; /* that was held when it was first sent */
    uint64_t pick; /* modulo the number of replicas: who sends results in full */
    uint8_t body[BUNDLE_BYTES];
    uint8_t head[FLIGHT_HEAD_MAX]; /* frame header, body and MAC vector */
    size_t head_len;
    bool signed_once;
    uint8_t signature[SIGNATURE_BYTES];
    bool went_signed; /* all were sent the signed form: whoever connects is too */
    uint32_t asked;   /* hosts (bit each) that asked for the signature */
    uint64_t sent_us;
    uint64_t retry_us; /* next retransmission */
    uint64_t retry_after_us;
    uint64_t fetch_us; /* when full results are asked for, once the vote is over; UINT64_MAX before */
    unsigned fetches;
    struct client_votes votes;
};

/* Seals the operations and makes the frame's head. */
void client_flight_seal(struct client_flight *flight, struct auth *auth, const struct secret_key *content_key,
                        const uint8_t session_public[32], uint32_t flags);
/* The plaintext again, in place of the ciphertext: after this it can be sent no more. */
void client_flight_open(struct client_flight *flight, const struct auth *auth,
                        const struct secret_key *content_key);

/* The frame with its MAC vector, in two parts (head, attachment). */
void client_flight_parts(const struct client_flight *flight, struct slice parts[2]);
/* The frame with its signature; `head` keeps the first part. Returns true when the signature was made just now. */
bool client_flight_parts_signed(struct client_flight *flight, const struct auth *auth,
                                uint8_t head[FLIGHT_HEAD_MAX], struct slice parts[2]);

#endif
