/*
 * A host that misbehaves, for demonstrations and tests: a filter on what the replica sends. It has no compartment's key,
 * so it does what a malicious host can do: drop, delay, tamper, replay. Compiled in always, asked for only where the
 * replica was started with --allow-faults. Nothing of it is in trusted/.
 *
 *   silent           sends nothing
 *   slow             sends everything 300 ms late
 *   corrupt-replies  flips bytes of the replies to clients
 *   lie              that, and beside each vote a forged one in another replica's name
 *   equivocate       as primary: shows a tampered or an old proposal to every second peer
 */
#ifndef HOST_FAULT_H
#define HOST_FAULT_H

#include "base/limits.h"
#include "base/types.h"

#define FAULT_NAMES "lie, equivocate, silent, slow, corrupt-replies or none"

enum fault_kind { FAULT_NONE, FAULT_LIE, FAULT_EQUIVOCATE, FAULT_SILENT, FAULT_SLOW, FAULT_CORRUPT_REPLIES };

const char *fault_name(enum fault_kind kind);
int fault_number(const char *name); /* -1: no such */

struct fault_outputs {
    void *context;
    void (*to_peer)(void *context, replica_id to, const struct slice *parts, unsigned count);
    void (*to_client)(void *context, uint32_t connection, const struct slice *parts, unsigned count);
};

struct delayed;

struct fault {
    enum fault_kind kind;
    replica_id self;
    uint32_t replicas;
    struct fault_outputs out;
    uint8_t *frame; /* FRAME_MAX bytes, allocated when first needed */
    uint8_t *old;   /* a proposal sent earlier */
    size_t old_len;
    struct delayed *first, **last;
    size_t delayed_bytes;
    uint64_t done; /* frames tampered with, dropped or delayed */
};

void fault_init(struct fault *fault, replica_id self, uint32_t replicas, const struct fault_outputs *out);
void fault_deinit(struct fault *fault);
void fault_set(struct fault *fault, enum fault_kind kind);

/* Instead of sending, while `kind` is not FAULT_NONE (or something is still delayed). */
void fault_to_peer(struct fault *fault, replica_id to, const struct slice *parts, unsigned count,
                   uint64_t now_us);
void fault_to_client(struct fault *fault, uint32_t connection, const struct slice *parts, unsigned count,
                     uint64_t now_us);
/* Sends what is due; true when there is more to come. */
bool fault_tick(struct fault *fault, uint64_t now_us);

static inline bool fault_active(const struct fault *fault)
{
    return fault->kind != FAULT_NONE || fault->first != NULL;
}

#endif
