#include "troxy/attestor.h"

#include "base/check.h"

static void ask(struct client_core *core, replica_id replica, const struct secret_key *key, uint64_t nonce,
                struct slice questions)
{
    uint8_t body[32], frame[FRAME_HEADER_BYTES + sizeof body + QUESTIONS_BYTES_MAX + AEAD_TAG_BYTES];
    struct writer w = writer_to(body, sizeof body);
    ask_attest_put(&w, &(struct ask_attest){.replica = replica, .nonce = nonce});
    CHECK(!w.bad);
    size_t len = auth_encode_sealed(frame, sizeof frame, FRAME_ASK_ATTEST, &core->auth.self, key, nonce,
                                    (struct slice){body, w.len}, questions);
    CHECK(len > 0);
    core->wire.send(core->wire.context, replica, &(struct slice){frame, len}, 1);
}

/* An answer of somebody who may give one, by its key. */
static enum verdict open(const struct client_core *core, const struct frame *frame,
                         const struct attest *attest, const struct secret_key *key,
                         struct attestation *answer)
{
    if (attest->origin != core->auth.self.id || attest->epoch != core->auth.self.epoch)
        return VERDICT_STALE;
    answer->from = frame->sender.id;
    answer->nonce = attest->nonce;
    answer->number = attest->configuration;
    return auth_open_sealed(frame, key, attest->counter, answer->room, &answer->versions) ? VERDICT_ACCEPT
                                                                                          : VERDICT_BAD_MAC;
}

static void ask_execution(void *self, replica_id replica, uint64_t nonce, struct slice questions)
{
    struct client_core *core = self;
    if (core->reply_key_known[replica])
        ask(core, replica, &core->attest_key[replica], nonce, questions);
}

static enum verdict open_execution(void *self, const struct frame *frame, struct attestation *answer)
{
    struct client_core *core = self;
    struct attest attest;
    enum verdict verdict = attest_check(frame, &attest);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    if (frame->sender.kind != KIND_EXECUTION)
        return VERDICT_WRONG_KIND;
    if (!configuration_member(core->configuration, &frame->sender) ||
        !core->reply_key_known[frame->sender.id])
        return VERDICT_UNKNOWN_SENDER;
    return open(core, frame, &attest, &core->attest_key[frame->sender.id], answer);
}

struct attestor attestor_execution(struct client_core *core)
{
    return (struct attestor){.self = core, .ask = ask_execution, .open = open_execution};
}

static void ask_troxy(void *self, replica_id replica, uint64_t nonce, struct slice questions)
{
    struct client_core *core = self;
    ask(core, replica, &core->floors_key[replica], nonce, questions);
}

static enum verdict open_troxy(void *self, const struct frame *frame, struct attestation *answer)
{
    struct client_core *core = self;
    struct attest attest;
    enum verdict verdict = attest_check(frame, &attest);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    if (frame->sender.kind != KIND_TROXY)
        return VERDICT_WRONG_KIND;
    if (frame->sender.epoch != 0 || frame->sender.id >= core->configuration->replicas)
        return VERDICT_UNKNOWN_SENDER;
    return open(core, frame, &attest, &core->floors_key[frame->sender.id], answer);
}

struct attestor attestor_troxy(struct client_core *core)
{
    return (struct attestor){.self = core, .ask = ask_troxy, .open = open_troxy};
}
