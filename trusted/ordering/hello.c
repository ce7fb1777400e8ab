#include "ordering/hello.h"

void hello_emit(struct auth *auth, const struct compartment_config *config, const struct hello_head *head,
                struct outbox *out)
{
    struct hello hello = {.evidence = {NULL, 0},
                          .view = head->view,
                          .slot = head->slot,
                          .stable = head->stable,
                          .head = head->head};
    memcpy(hello.sign_public.bytes, auth->sign.public, 32);
    memcpy(hello.box_public.bytes, auth->box.public, 32);
    memcpy(hello.admin_public.bytes, config->admin_public, 32);
    uint8_t body[256];
    struct writer w = writer_to(body, sizeof body);
    hello_put(&w, &hello);
    /* Of no cluster yet, whatever the records said. */
    const struct tag16 cluster = auth->cluster;
    memset(&auth->cluster, 0, sizeof auth->cluster);
    auth_emit_signed(auth, out, FRAME_HELLO, (struct slice){body, w.len}, (struct slice){NULL, 0});
    auth->cluster = cluster;
}

enum verdict start_load(struct configuration *configuration, const struct auth *auth,
                        const struct compartment_config *config, const struct digest *head,
                        const struct frame *frame)
{
    enum verdict verdict = configuration_load(configuration, frame, config->admin_public);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    if (config->one_domain != (configuration->protocol == PROTOCOL_PBFT))
        return VERDICT_MISMATCH;
    /* Listed with these very keys; or started anew since the manifest was signed: then it learns until a RECONFIG lists it. */
    if (auth->self.id >= configuration->replicas)
        return VERDICT_UNKNOWN_SENDER;
    const struct member_keys *latest = &configuration->member[auth->self.kind - KIND_HOST][auth->self.id];
    if (auth->self.epoch > latest->epoch)
        return VERDICT_ACCEPT;
    const struct member_keys *me = configuration_member(configuration, &auth->self);
    if (!me || !auth_has_keys(auth, me))
        return VERDICT_UNKNOWN_SENDER;
    return digest_equal(&me->head, head) ? VERDICT_ACCEPT : VERDICT_MISMATCH;
}
