#include "ordering/hello.h"

enum verdict start_load(struct configuration *configuration, const struct auth *auth,
                        const struct compartment_config *config, const struct digest *head,
                        const struct frame *frame)
{
    enum verdict verdict = configuration_load(configuration, frame, config->admin_public);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    if (config->one_domain != one_domain_with(configuration->protocol))
        return VERDICT_MISMATCH;
    /* Listed with these very keys; or started anew since the manifest was signed: then it learns until a RECONFIG lists it. */
    if (auth->self.id >= configuration->replicas)
        return VERDICT_UNKNOWN_SENDER;
    const struct member_keys *latest = &configuration->member[member_row(auth->self.kind)][auth->self.id];
    if (auth->self.epoch > latest->epoch)
        return VERDICT_ACCEPT;
    const struct member_keys *me = configuration_member(configuration, &auth->self);
    if (!me || !auth_has_keys(auth, me))
        return VERDICT_UNKNOWN_SENDER;
    return digest_equal(&me->head, head) ? VERDICT_ACCEPT : VERDICT_MISMATCH;
}
