/*
 * What C committed to, written down before the COMMIT is sent and taken up again after a resume: per slot above its stable
 * checkpoint the batch that was prepared and the highest view, and the view that it left. An operation was answered because
 * 2f+1 C committed; f+1 of them are correct and have it on their disks, so any 2f+1 VIEW-CHANGEs of the resumed cluster
 * contain a claim to it.
 */
#include "confirmation/confirmation.h"

static struct slice list_prepared(const struct confirmation *c, uint8_t *to, size_t cap)
{
    struct writer w = writer_to(to, cap);
    for (slot_no slot = conf_stable_slot(c) + 1; slot <= conf_stable_slot(c) + WINDOW; slot++) {
        const struct conf_slot *s = &c->slot[slot % WINDOW];
        if (s->slot == slot && s->prepared)
            slot_view_put(&w, &(struct slot_view){.slot = slot, .view = s->view, .batch = s->batch});
    }
    CHECK(!w.bad);
    return (struct slice){to, w.len};
}

/* While nothing counts that this incarnation says, the records of the one before it may still be needed. */
static bool writes(const struct confirmation *c)
{
    return c->sealing.on && (auth_counts_above(&c->auth) != UINT64_MAX || mutant(MUTANT_LEARNER_WRITES));
}

void confirmation_write_all(struct confirmation *c, struct outbox *out)
{
    uint8_t prepared[WINDOW * slot_view_BYTES];
    uint8_t body[sizeof prepared + sizeof c->stable.certificate.signers + 160];
    const struct certificate *certificate = &c->stable.certificate;
    c->write_all = false;
    if (!writes(c))
        return;
    struct promises promises = {
        .cluster = c->configuration.cluster,
        .configuration = c->configuration.number,
        .whole_above = c->whole_above,
        .view = c->view,
        .stable_slot = certificate->slot,
        .stable_root = certificate->root,
        .signers = certificate_signers(certificate),
        .votes = list_prepared(c, prepared, sizeof prepared),
    };
    struct writer w = writer_to(body, sizeof body);
    promises_put(&w, &promises);
    CHECK(!w.bad);
    sealing_emit(&c->sealing, &c->auth, out, RECORD_PROMISES, certificate->slot, (struct slice){body, w.len});
}

void confirmation_write_prepared(struct confirmation *c, const struct vote *vote, struct outbox *out)
{
    uint8_t body[slot_view_BYTES];
    struct writer w = writer_to(body, sizeof body);
    if (!writes(c))
        return;
    if (c->write_all)
        confirmation_write_all(c, out);
    slot_view_put(&w, &(struct slot_view){.slot = vote->slot, .view = vote->view, .batch = vote->batch});
    sealing_emit(&c->sealing, &c->auth, out, RECORD_VOTE, vote->slot, (struct slice){body, w.len});
}

void confirmation_write_view(struct confirmation *c, struct outbox *out)
{
    uint8_t body[8];
    struct writer w = writer_to(body, sizeof body);
    if (!writes(c))
        return;
    if (c->write_all)
        confirmation_write_all(c, out);
    left_view_put(&w, &(struct left_view){.view = c->view});
    sealing_emit(&c->sealing, &c->auth, out, RECORD_VIEW, 0, (struct slice){body, w.len});
}

static bool take_prepared(struct confirmation *c, const struct slot_view *m)
{
    if (window_check(conf_stable_slot(c), m->slot) != VERDICT_ACCEPT)
        return false;
    struct conf_slot *s = conf_slot_at(c, m->slot);
    if (!s->prepared || m->view >= s->view) {
        s->prepared = true;
        s->view = m->view;
        s->batch = m->batch;
    }
    if (m->view > c->view)
        c->view = m->view;
    return true;
}

static bool take_promises(struct confirmation *c, struct slice plain)
{
    struct promises m;
    if (!promises_decode(plain, &m) || !slot_view_list_ok(m.votes, WINDOW))
        return false;
    memset(c->slot, 0, sizeof c->slot);
    stable_init(&c->stable);
    (void)stable_adopt(&c->stable, m.stable_slot, &m.stable_root, m.signers);
    c->view = m.view;
    c->recalled_cluster = m.cluster;
    c->recalled_configuration = m.configuration;
    c->whole_above = m.whole_above;
    for (uint32_t i = 0; i < slot_view_count(m.votes); i++) {
        struct slot_view prepared = slot_view_at(m.votes, i);
        if (!take_prepared(c, &prepared))
            return false;
    }
    return true;
}

static bool take_record(struct confirmation *c, unsigned kind, struct slice plain)
{
    struct slot_view prepared;
    struct left_view left;
    switch (kind) {
    case RECORD_PROMISES:
        return take_promises(c, plain);
    case RECORD_VOTE:
        if (plain.len != slot_view_BYTES)
            return false;
        prepared = slot_view_at(plain, 0);
        return take_prepared(c, &prepared);
    case RECORD_VIEW:
        if (!left_view_decode(plain, &left))
            return false;
        c->view = left.view > c->view ? left.view : c->view;
        return true;
    default:
        return false;
    }
}

struct hello_head confirmation_head(const struct confirmation *c)
{
    struct hello_head head;
    if (!c->sealing.recalled)
        return (struct hello_head){0};
    head = (struct hello_head){.view = c->view, .stable = conf_stable_slot(c), .head = c->sealing.head};
    /* One that learned, or lost its log: what it lacks, others must have. */
    if (conf_stable_slot(c) < c->whole_above && !mutant(MUTANT_LEARNER_COUNTS))
        memset(&head.head, 0, sizeof head.head);
    return head;
}

enum verdict confirmation_on_recall(struct confirmation *c, const struct frame *frame, struct outbox *out)
{
    struct local_recall recall;
    unsigned kind;
    size_t len;
    if (!local_recall_decode(frame->body, &recall))
        return VERDICT_MALFORMED;
    if (c->started || !c->sealing.on)
        return VERDICT_UNEXPECTED;
    if (recall.what == RECALL_END) {
        struct hello_head head = confirmation_head(c);
        hello_emit(&c->auth, &c->config, &head, out);
        return VERDICT_ACCEPT;
    }
    if (recall.what != RECALL_RECORD || frame->attachment.len > CONF_SCRATCH_BYTES)
        return VERDICT_UNEXPECTED;
    if (!sealing_take(&c->sealing, frame->attachment, &kind, c->scratch, &len))
        return VERDICT_BAD_MAC;
    if (take_record(c, kind, (struct slice){c->scratch, len}))
        return VERDICT_ACCEPT;
    c->sealing.broken = true;
    return VERDICT_MALFORMED;
}

static bool start_follows(const struct confirmation *c, const struct configuration *configuration)
{
    return memcmp(configuration->cluster.bytes, c->recalled_cluster.bytes,
                  sizeof configuration->cluster.bytes) == 0 &&
           auth_counts_above(&c->auth) == 0 && configuration->number > c->recalled_configuration &&
           configuration->view > c->view;
}

/* An incarnation that learned, now that it is listed. */
void confirmation_listed(struct confirmation *c)
{
    slot_no above = auth_counts_above(&c->auth);
    c->write_all = true;
    if (c->whole_above == UINT64_MAX && above && above != UINT64_MAX)
        c->whole_above = above;
}

/* One without its log may have voted, before, for whatever lies within a window above the checkpoint at which the resumed cluster
 * goes on. */
void confirmation_entered(struct confirmation *c)
{
    if (c->whole_above != UINT64_MAX || auth_counts_above(&c->auth) != 0)
        return;
    c->whole_above = conf_stable_slot(c) + WINDOW;
    c->write_all = true;
}

/* Another number of replicas: everything up to the closed checkpoint is settled, and nothing above it was executed, so there is
 * nothing to claim. */
static void begin_resized(struct confirmation *c)
{
    memset(c->slot, 0, sizeof c->slot);
    stable_init(&c->stable);
    c->whole_above = 0;
}

enum verdict confirmation_resume(struct confirmation *c, struct outbox *out)
{
    const struct configuration *start = &c->configuration;
    if (c->sealing.recalled && (!start_follows(c, start) ||
                                (conf_stable_slot(c) > start->closed_slot && configuration_resizes(start))))
        return VERDICT_MISMATCH;
    if (!c->sealing.recalled)
        c->whole_above = start->resumed ? UINT64_MAX : auth_counts_above(&c->auth);
    if (configuration_resizes(start) && auth_counts_above(&c->auth) == 0)
        begin_resized(c);
    if (stable_begin(&c->stable, start))
        confirmation_truncated(c);
    c->started = true;
    c->view = c->configuration.view;
    c->view_change_due = c->view; /* 0: none, view 0 is entered as it is */
    confirmation_write_all(c, out);
    if (c->view) {
        confirmation_tell_view(c, out);
        confirmation_try_view_change(c, out);
    }
    return VERDICT_ACCEPT;
}
