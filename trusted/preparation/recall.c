/*
 * What P promised, written down before it is sent and taken up again after a resume: every (slot, batch, view) above its stable
 * checkpoint that it voted for, and the view that it left. Whatever of it is on the disk is at least what others have
 * seen, so the PARTING that P signs with its new key lists every vote that can have counted.
 */
#include "ordering/hello.h"
#include "preparation/preparation.h"

/* While nothing counts that this incarnation says, the records of the one before it may still be needed. */
static bool writes(const struct preparation *p)
{
    return p->sealing.on && (auth_counts_above(&p->auth) != UINT64_MAX || mutant(MUTANT_LEARNER_WRITES));
}

void preparation_write_all(struct preparation *p, struct outbox *out)
{
    uint8_t votes[PARTING_VOTES_MAX * slot_view_BYTES];
    uint8_t body[sizeof votes + sizeof p->stable.certificate.signers + 160];
    const struct certificate *certificate = &p->stable.certificate;
    p->write_all = false;
    if (!writes(p))
        return;
    struct promises promises = {
        .cluster = p->configuration.cluster,
        .configuration = p->configuration.number,
        .whole_above = p->whole_above,
        .view = p->view,
        .stable_slot = certificate->slot,
        .stable_root = certificate->root,
        .signers = certificate_signers(certificate),
        .votes = preparation_list_votes(p, votes, sizeof votes),
    };
    struct writer w = writer_to(body, sizeof body);
    promises_put(&w, &promises);
    CHECK(!w.bad);
    sealing_emit(&p->sealing, &p->auth, out, RECORD_PROMISES, certificate->slot, (struct slice){body, w.len});
}

void preparation_write_vote(struct preparation *p, slot_no slot, const struct digest *batch,
                            struct outbox *out)
{
    uint8_t body[slot_view_BYTES];
    struct writer w = writer_to(body, sizeof body);
    if (!writes(p))
        return;
    if (p->write_all)
        preparation_write_all(p, out);
    slot_view_put(&w, &(struct slot_view){.slot = slot, .view = p->view, .batch = *batch});
    sealing_emit(&p->sealing, &p->auth, out, RECORD_VOTE, slot, (struct slice){body, w.len});
}

void preparation_write_view(struct preparation *p, struct outbox *out)
{
    uint8_t body[8];
    struct writer w = writer_to(body, sizeof body);
    if (!writes(p))
        return;
    if (p->write_all)
        preparation_write_all(p, out);
    left_view_put(&w, &(struct left_view){.view = p->view});
    sealing_emit(&p->sealing, &p->auth, out, RECORD_VIEW, 0, (struct slice){body, w.len});
}

static bool take_vote(struct preparation *p, const struct slot_view *vote)
{
    if (window_check(prep_stable_slot(p), vote->slot) != VERDICT_ACCEPT)
        return false;
    preparation_add_vote(prep_slot_at(p, vote->slot), &vote->batch, vote->view);
    if (vote->view > p->view)
        p->view = vote->view;
    return true;
}

static bool take_promises(struct preparation *p, struct slice plain)
{
    struct promises m;
    if (!promises_decode(plain, &m) || !slot_view_list_ok(m.votes, PARTING_VOTES_MAX))
        return false;
    for (unsigned i = 0; i < WINDOW; i++)
        p->slot[i] = (struct prep_slot){.parked_list = p->slot[i].parked_list};
    stable_init(&p->stable);
    (void)stable_adopt(&p->stable, m.stable_slot, &m.stable_root, m.signers);
    p->view = m.view;
    p->recalled_cluster = m.cluster;
    p->recalled_configuration = m.configuration;
    p->whole_above = m.whole_above;
    p->next_slot = prep_stable_slot(p) + 1;
    for (uint32_t i = 0; i < slot_view_count(m.votes); i++) {
        struct slot_view vote = slot_view_at(m.votes, i);
        if (!take_vote(p, &vote))
            return false;
    }
    return true;
}

static bool take_record(struct preparation *p, unsigned kind, struct slice plain)
{
    struct slot_view vote;
    struct left_view left;
    switch (kind) {
    case RECORD_PROMISES:
        return take_promises(p, plain);
    case RECORD_VOTE:
        if (plain.len != slot_view_BYTES)
            return false;
        vote = slot_view_at(plain, 0);
        return take_vote(p, &vote);
    case RECORD_VIEW:
        if (!left_view_decode(plain, &left))
            return false;
        p->view = left.view > p->view ? left.view : p->view;
        return true;
    default:
        return false;
    }
}

struct hello_head preparation_head(const struct preparation *p)
{
    struct hello_head head;
    if (!p->sealing.recalled)
        return (struct hello_head){0};
    head = (struct hello_head){.view = p->view, .stable = prep_stable_slot(p), .head = p->sealing.head};
    /* One that learned, or lost its log: what it lacks, others must have. */
    if (prep_stable_slot(p) < p->whole_above && !mutant(MUTANT_LEARNER_COUNTS))
        memset(&head.head, 0, sizeof head.head);
    return head;
}

enum verdict preparation_on_recall(struct preparation *p, const struct frame *frame, struct outbox *out)
{
    struct local_recall recall;
    unsigned kind;
    size_t len;
    if (!local_recall_decode(frame->body, &recall))
        return VERDICT_MALFORMED;
    if (p->started || !p->sealing.on)
        return VERDICT_UNEXPECTED;
    if (recall.what == RECALL_END) {
        struct hello_head head = preparation_head(p);
        hello_emit(&p->auth, &p->config, &head, out);
        return VERDICT_ACCEPT;
    }
    if (recall.what != RECALL_RECORD || frame->attachment.len > FRAME_MAX)
        return VERDICT_UNEXPECTED;
    if (!sealing_take(&p->sealing, frame->attachment, &kind, p->scratch, &len))
        return VERDICT_BAD_MAC;
    if (take_record(p, kind, (struct slice){p->scratch, len}))
        return VERDICT_ACCEPT;
    p->sealing.broken = true;
    return VERDICT_MALFORMED;
}

/* Does this START go on from what was recalled? One that found a cluster anew would make P vote twice. */
static bool start_follows(const struct preparation *p, const struct configuration *c)
{
    return memcmp(c->cluster.bytes, p->recalled_cluster.bytes, sizeof c->cluster.bytes) == 0 &&
           auth_counts_above(&p->auth) == 0 && c->number > p->recalled_configuration && c->view > p->view;
}

/* An incarnation that learned, now that it is listed. */
void preparation_listed(struct preparation *p)
{
    slot_no above = auth_counts_above(&p->auth);
    p->write_all = true;
    if (p->whole_above == UINT64_MAX && above && above != UINT64_MAX)
        p->whole_above = above;
}

/* One without its log may have voted, before, for whatever lies within a window above the checkpoint at which the resumed cluster
 * goes on. */
void preparation_entered(struct preparation *p)
{
    if (p->whole_above != UINT64_MAX || auth_counts_above(&p->auth) != 0)
        return;
    p->whole_above = prep_stable_slot(p) + WINDOW;
    p->write_all = true;
}

/* Another number of replicas: everything up to the closed checkpoint is settled, and nothing above it was executed, so nobody is bound
 * by a vote any more. */
static void begin_resized(struct preparation *p)
{
    for (unsigned i = 0; i < WINDOW; i++)
        p->slot[i] = (struct prep_slot){.parked_list = p->slot[i].parked_list};
    stable_init(&p->stable);
    p->whole_above = 0;
}

enum verdict preparation_resume(struct preparation *p, struct outbox *out)
{
    const struct configuration *c = &p->configuration;
    if (p->sealing.recalled &&
        (!start_follows(p, c) || (prep_stable_slot(p) > c->closed_slot && configuration_resizes(c))))
        return VERDICT_MISMATCH;
    if (!p->sealing.recalled)
        p->whole_above = c->resumed ? UINT64_MAX : auth_counts_above(&p->auth);
    if (configuration_resizes(c) && auth_counts_above(&p->auth) == 0)
        begin_resized(p);
    if (stable_begin(&p->stable, c))
        preparation_truncated(p);
    p->started = true;
    p->view = p->configuration.view;
    /* View 0 needs no NEW-VIEW, for the first epochs only: who starts anew may have voted there. */
    p->in_view = p->view == 0 && auth_counts_above(&p->auth) == 0;
    preparation_write_all(p, out);
    if (p->view)
        preparation_part(p, out);
    preparation_tell_view(p, out);
    return VERDICT_ACCEPT;
}
