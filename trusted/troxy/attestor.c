#include "troxy/attestor.h"

#include "base/check.h"

static void ask(void *self, replica_id replica, uint64_t nonce, struct slice questions)
{
    struct client_core *core = self;
    uint8_t body[32], frame[FRAME_HEADER_BYTES + sizeof body + QUESTIONS_BYTES_MAX + AEAD_TAG_BYTES];
    struct writer w = writer_to(body, sizeof body);
    if (!core->reply_key_known[replica])
        return;
    ask_attest_put(&w, &(struct ask_attest){.replica = replica, .nonce = nonce});
    CHECK(!w.bad);
    size_t len =
        auth_encode_sealed(frame, sizeof frame, FRAME_ASK_ATTEST, &core->auth.self,
                           &core->attest_key[replica], nonce, (struct slice){body, w.len}, questions);
    CHECK(len > 0);
    core->wire.send(core->wire.context, replica, &(struct slice){frame, len}, 1);
}

static enum verdict open(void *self, const struct frame *frame, struct attestation *answer)
{
    struct client_core *core = self;
    struct attest attest;
    enum verdict verdict = attest_check(frame, &attest);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    replica_id from = frame->sender.id;
    if (!configuration_member(core->configuration, &frame->sender) || !core->reply_key_known[from])
        return VERDICT_UNKNOWN_SENDER;
    if (attest.origin != core->auth.self.id || attest.epoch != core->auth.self.epoch)
        return VERDICT_STALE;
    answer->from = from;
    answer->nonce = attest.nonce;
    answer->number = attest.configuration;
    return auth_open_sealed(frame, &core->attest_key[from], attest.counter, answer->room, &answer->versions)
               ? VERDICT_ACCEPT
               : VERDICT_BAD_MAC;
}

struct attestor attestor_execution(struct client_core *core)
{
    return (struct attestor){.self = core, .ask = ask, .open = open};
}
