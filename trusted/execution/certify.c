/*
 * What own Troxy is told, so that it can vouch for it (hybster with fast reads; troxy/witness.h). The digest of the history is ordered state,
 * like what is remembered of each bundle for another telling: an E whose state came by transfer goes on from it.
 */
#include "execution/execution.h"

void certify_note(struct execution *e, const struct touched *touched, uint32_t op)
{
    if (!e->configuration.certifies)
        return;
    struct raised raised = {.op = op, .all = touched->writes_all};
    for (uint64_t left = touched->written; left && !raised.all; left &= left - 1)
        raised.cell[raised.count++] = touched->cell[__builtin_ctzll(left)];
    struct writer w = writer_to(e->raised + e->raised_len, RAISED_BYTES_MAX - e->raised_len);
    raised_put(&w, &raised);
    CHECK(!w.bad);
    e->raised_len += w.len;
}

static struct local_certify step_of(const struct execution *e, origin_id origin,
                                    const struct kept_reply *kept)
{
    return (struct local_certify){.origin = origin,
                                  .epoch = e->origin[origin].epoch,
                                  .bundle_no = kept->bundle_no,
                                  .slot = kept->slot,
                                  .index = kept->index,
                                  .before = kept->before,
                                  .raised = kept->raised};
}

static void tell(struct execution *e, const struct local_certify *step, struct slice raised,
                 struct outbox *out)
{
    uint8_t body[128];
    struct writer w = writer_to(body, sizeof body);
    local_certify_put(&w, step);
    CHECK(!w.bad);
    auth_emit_plain(&e->auth, out, FRAME_LOCAL_CERTIFY, (struct slice){body, w.len}, raised);
}

void certify_bundle(struct execution *e, origin_id origin, uint64_t bundle_no, uint32_t index,
                    struct outbox *out)
{
    if (!e->configuration.certifies)
        return;
    struct kept_reply *kept = origin_kept(e, origin, bundle_no);
    struct slice raised = {e->raised, e->raised_len};
    CHECK(kept != NULL); /* just kept */
    kept->index = index;
    kept->before = e->versions.history;
    digest_of(&kept->raised, RAISED_TAG, raised.data, raised.len);
    const struct local_certify step = step_of(e, origin, kept);
    struct digest head;
    history_step(&step, &head);
    versions_set_history(&e->versions, &head);
    tell(e, &step, raised, out);
    e->raised_len = 0;
}

void certify_again(struct execution *e, origin_id origin, uint64_t bundle_no, struct outbox *out)
{
    const struct kept_reply *kept = origin_kept(e, origin, bundle_no);
    if (!e->configuration.certifies || !kept || kept->outcome != REPLY_EXECUTED)
        return;
    const struct local_certify step = step_of(e, origin, kept);
    tell(e, &step, (struct slice){NULL, 0}, out);
}
