/*
 * The witness in a Troxy (hybster with fast reads): certifies that it was shown a bundle and everything before it, and says of version cells
 * how far up it was shown writes to them, their *floors*. Of f+1 replicas that reply and f+1 that attest the one in common may be
 * faulty, and its E says anything; its Troxy may be kept in the dark, or stopped, but does not lie. Pure.
 *
 *   local-certify   own E (on its host's word) executed a bundle: floors rise, then the certificate is made for the bundle's origin
 *   ask-attest      an origin asks for floors
 *
 * *Everything before it.* Floors of single bundles are not enough: W(a) is shown to T2 only, then W(b), made from a, to T1 and T2; who
 * read b would read the old a with T1 and T3. So a certificate names the *head*, the digest of the whole history up to its bundle
 * (wire/local_certify.h), and an origin counts f+1 certificates that name the same one. One of them is of a correct replica's, whose E makes the
 * true head, so all f+1 Troxies were given the true last step, and by induction all steps before it.
 *
 * *Gaps.* A step that does not go on from the own head (frames were dropped, E's state came by transfer, or the host lies) raises the floors of all
 * cells to its place: whatever was written before it lies below. One that comes without what it wrote, as repeats do, raises them to the end of
 * its bundle. So for every head that T ever certified: if it is the true one, its floors are not below any write up to there. No
 * step is refused, none has to be kept, and a T that was behind is level with the next.
 *
 * Which cells a step wrote is E's word, and not T's to check: it is in the head, and in the true one it is right.
 */
#ifndef TROXY_WITNESS_H
#define TROXY_WITNESS_H

#include "base/compartment.h"
#include "crypto/crypto.h"
#include "ordering/configuration.h"
#include "ordering/versions.h"

#define HEADS_KEPT 256u /* whose steps can be told again and raise nothing */

struct witness_peer {
    bool known;
    epoch_no epoch;
    struct secret_key shared, certify, attest; /* the last two of that epoch */
};

struct witness_counters {
    uint64_t certified, again, gaps, attested;
};

struct witness {
    const struct configuration *configuration;
    struct sender self;
    struct box_key box;
    struct digest head;
    version_no place;               /* of the last bundle of it */
    struct digest kept[HEADS_KEPT]; /* own heads, a ring */
    uint64_t heads;
    version_no *cell; /* VERSION_CELLS */
    version_no whole, broad;
    uint64_t counter;          /* numbers everything that it says */
    struct witness_peer *peer; /* ORIGINS_MAX */
    uint8_t *room;             /* of a question */
    struct witness_counters counters;
};

size_t witness_arena_bytes(void);
/* Draws its key, which lives as long as it does. */
struct witness *witness_new(struct arena *arena, replica_id replica);
/* False: the configuration does not list this key, so nothing that it says would count. The configuration is kept, not copied. */
bool witness_start(struct witness *w, const struct configuration *configuration);

enum verdict witness_on_certify(struct witness *w, const struct frame *frame, struct outbox *out);
enum verdict witness_on_ask(struct witness *w, const struct frame *frame, struct outbox *out);

void witness_validate(const struct witness *w);

#endif
