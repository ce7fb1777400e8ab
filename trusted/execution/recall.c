/*
 * What E writes down, and how it comes back: a base (this START, the group's secret), then the batch of every slot that it
 * executed, and its stable certificates. Lists and bodies are the host's to keep; what E executes again must have the digests that
 * it sealed itself, so it comes to the state that it had. A saved checkpoint (save.c) saves it the way from slot 0.
 *
 * A CHECKPOINT leaves only behind the records of all slots below it: so what is stable can be executed again by f+1 correct E,
 * and P and C may forget it.
 */
#include "ordering/hello.h"
#include "execution/execution.h"

void execution_put_ordered(const struct execution *e, struct ordered_lists *lists)
{
    struct writer s = writer_to(lists->steps_bytes, sizeof lists->steps_bytes);
    struct writer o = writer_to(lists->ordered_bytes, sizeof lists->ordered_bytes);
    struct writer b = writer_to(lists->bodies_bytes, sizeof lists->bodies_bytes);
    struct writer *w = &b;
    configuration_put_ordered(&e->configuration, &s, &o);
    configuration_no last = configuration_ordered(&e->configuration);
    for (configuration_no n = last < STEP_BODIES ? 1 : last - STEP_BODIES + 1; n <= last; n++) {
        const struct step_body *step = &e->step_body[n % STEP_BODIES];
        if (step->number == n)
            known_body_put(
                w, &(struct known_body){.number = n, .slot = step->slot, .body = {step->body, step->len}});
    }
    CHECK(!s.bad && !o.bad && !b.bad);
    lists->steps = (struct slice){lists->steps_bytes, s.len};
    lists->ordered = (struct slice){lists->ordered_bytes, o.len};
    lists->bodies = (struct slice){lists->bodies_bytes, b.len};
}

static void write_base(struct execution *e, struct outbox *out)
{
    struct ordered_lists lists;
    struct writer w = writer_to(e->scratch, FRAME_MAX);
    execution_put_ordered(e, &lists);
    struct base base = {.slot = e->executed,
                        .whole = e->whole,
                        .start = {e->start, e->start_len},
                        .steps = lists.steps,
                        .ordered = lists.ordered,
                        .bodies = lists.bodies};
    memcpy(base.group_secret.bytes, e->group.secret, sizeof base.group_secret.bytes);
    base_put(&w, &base);
    CHECK(!w.bad);
    sealing_emit(&e->sealing, &e->auth, out, RECORD_BASE, e->executed, (struct slice){e->scratch, w.len});
    crypto_wipe(&base.group_secret, sizeof base.group_secret);
    crypto_wipe(e->scratch, w.len);
}

static void write_stable(struct execution *e, struct outbox *out)
{
    const struct certificate *certificate = &e->stable.certificate;
    uint8_t body[sizeof certificate->signers + 160];
    struct writer w = writer_to(body, sizeof body);
    e->write_stable = false;
    if (!certificate->slot)
        return;
    promises_put(&w, &(struct promises){.whole_above = !e->whole,
                                        .stable_slot = certificate->slot,
                                        .stable_root = certificate->root,
                                        .signers = certificate_signers(certificate)});
    CHECK(!w.bad);
    sealing_emit(&e->sealing, &e->auth, out, RECORD_STABLE, 0, (struct slice){body, w.len});
}

void execution_write_base(struct execution *e, struct outbox *out)
{
    if (!e->sealing.on || !e->group_known)
        return; /* without the key it could not go on from there */
    e->based = true;
    write_base(e, out);
    write_stable(e, out);
    e->written = e->executed;
}

void execution_write_learned(struct execution *e, const struct chain *chain, struct outbox *out)
{
    uint8_t body[CHAIN_STEPS_MAX * (RECONFIG_BYTES_MAX + 12) + sizeof e->stable.certificate.signers + 128];
    struct writer w = writer_to(body, sizeof body);
    if (!e->sealing.on || !e->based)
        return;
    chain_put(&w, chain);
    CHECK(!w.bad);
    sealing_emit(&e->sealing, &e->auth, out, RECORD_LEARNED, 0, (struct slice){body, w.len});
}

/* State came by transfer: what leads to it was never written, so it must be saved before this E vouches for anything. */
static void notice_jump(struct execution *e, struct outbox *out)
{
    if (e->written + 1 >= e->remembered_from)
        return;
    e->written = e->remembered_from - 1;
    e->save.behind = true;
    /* At once: the others may have come to the end of their window and wait for this E's word. */
    if (e->executed == e->checkpoint_slot && !e->in_slot && !e->freeze.active)
        save_begin(e, out);
    else
        e->save.wanted = true;
}

void execution_write_executed(struct execution *e, struct outbox *out)
{
    uint8_t batches[REMEMBERED_SLOTS * 32], body[sizeof batches + 16];
    if (!e->sealing.on || !e->started || !e->group_known)
        return;
    notice_jump(e, out);
    if (e->write_stable)
        write_stable(e, out);
    if (e->written >= e->executed)
        return;
    struct writer list = writer_to(batches, sizeof batches), w = writer_to(body, sizeof body);
    for (slot_no slot = e->written + 1; slot <= e->executed; slot++)
        put_digest(&list, &e->remembered[slot % REMEMBERED_SLOTS]);
    executed_slots_put(&w, &(struct executed_slots){.first = e->written + 1, .batches = {batches, list.len}});
    CHECK(!list.bad && !w.bad);
    e->written = e->executed;
    sealing_emit(&e->sealing, &e->auth, out, RECORD_EXECUTED, e->executed, (struct slice){body, w.len});
}

void group_key_known(struct execution *e)
{
    struct secret_key group;
    memcpy(group.bytes, e->group.secret, 32);
    key_derive(&e->seed_key, &group, "redoubt randomness", e->auth.cluster.bytes,
               sizeof e->auth.cluster.bytes);
    crypto_wipe(&group, sizeof group);
    e->group_known = true;
}

bool execution_keep_start(struct execution *e, struct slice start)
{
    if (start.len > START_BYTES_MAX)
        return false;
    if (!e->start)
        e->start = arena_take(e->arena, START_BYTES_MAX);
    memmove(e->start, start.data, start.len);
    e->start_len = start.len;
    return true;
}

/* ------------------------------------------------------------------------------------------------ coming back */

/* The host gives bodies, the record of the slots that they belong to, then the lists; so by the next record all of the last one
 * can have been executed. */
static void run_again(struct execution *e, struct outbox *out)
{
    while (execution_advance(e, out))
        ;
}

static bool take_bodies(struct execution *e, struct slice bodies)
{
    struct reader r = reader_of(bodies.data, bodies.len);
    memset(e->step_body, 0, sizeof e->step_body);
    while (reader_left(&r)) {
        struct known_body m;
        known_body_get(&r, &m);
        if (r.bad || m.body.len > RECONFIG_BYTES_MAX)
            return false;
        step_body_keep(e, m.number, m.slot, m.body);
    }
    return true;
}

bool execution_set_ordered(struct execution *e, struct slice steps, struct slice ordered, struct slice bodies)
{
    return configuration_set_ordered(&e->configuration, steps, ordered) && take_bodies(e, bodies);
}

/* What the ordered state knew may have come further by now than when this base was written: something was lacking then. */
static bool ordered_go_on(struct execution *e, const struct base *base, const struct configuration *before)
{
    struct configuration *c = &e->configuration;
    if (!configuration_set_ordered(c, base->steps, base->ordered))
        return false;
    if (!e->based || configuration_ordered(c) >= configuration_ordered(before))
        return take_bodies(e, base->bodies);
    c->number = configuration_ordered(before) + c->resumed;
    memcpy(c->step, before->step, sizeof c->step);
    memcpy(c->ordered, before->ordered, sizeof c->ordered);
    return true;
}

/* The platform may have been a member of other clusters, and of this one longer ago: lives come in their order. */
static bool base_load(struct execution *e, const struct base *base, const struct configuration *before)
{
    struct frame start;
    struct configuration *c = &e->configuration;
    if (!frame_decode(base->start.data, base->start.len, &start) ||
        configuration_load(c, &start, e->config.admin_public) != VERDICT_ACCEPT)
        return false;
    if (e->based && (c->resumed < e->recalled_resumes ||
                     memcmp(&c->cluster, &before->cluster, sizeof c->cluster) != 0))
        return false;
    return ordered_go_on(e, base, before);
}

static bool take_base(struct execution *e, struct slice plain, struct outbox *out)
{
    struct base base;
    uint8_t public[32];
    struct configuration *before = (struct configuration *)(void *)e->scratch;
    if (e->based)
        run_again(e, out);
    e->recall_ended = false; /* what was lacking then may be there in the life that follows */
    *before = e->configuration;
    if (!base_decode(plain, &base) || !base_load(e, &base, before)) {
        e->configuration = *before;
        return false;
    }
    /* Of a checkpoint that was not saved to its end, behind a transfer: what follows builds on it, and counted for nothing. A later
     * life went on from here. */
    if (e->based && base.slot > e->executed) {
        e->configuration = *before;
        e->recall_ended = true;
        return true;
    }
    memcpy(public, e->configuration.group_public, sizeof public);
    box_keypair_from(&e->group, base.group_secret.bytes);
    if (memcmp(e->group.public, public, sizeof public) != 0)
        return false;
    auth_start(&e->auth, &e->configuration);
    for (origin_id i = 0; !e->based && i < ORIGINS_MAX; i++)
        e->origin[i].dirty = true;
    if (e->configuration.restored && !e->based)
        genesis_expect(e);
    e->based = true;
    group_key_known(e);
    e->recalled_resumes = e->configuration.resumed;
    e->whole = base.whole != 0;
    return execution_keep_start(e, base.start);
}

static bool take_executed(struct execution *e, struct slice plain, struct outbox *out)
{
    struct executed_slots m;
    if (!executed_slots_decode(plain, &m) || m.first == 0 || m.batches.len % 32 != 0)
        return false;
    run_again(e, out);
    struct reader r = reader_of(m.batches.data, m.batches.len);
    slot_no marked = e->executed;
    for (slot_no slot = m.first; reader_left(&r); slot++) {
        struct digest batch = get_digest(&r);
        if (slot <= e->executed || e->recall_ended)
            continue;
        /* A gap (state came by transfer and was not saved), or something is lacking: as far as this goes, it is right. */
        e->recall_ended = slot != marked + 1 || exec_place_check(e, slot) != VERDICT_ACCEPT;
        if (e->recall_ended)
            continue;
        struct exec_slot *s = exec_slot_at(e, slot);
        s->committed = true;
        s->batch = batch;
        marked = slot;
    }
    return true;
}

static bool take_stable(struct execution *e, struct slice plain, struct outbox *out)
{
    struct promises m;
    if (!promises_decode(plain, &m))
        return false;
    run_again(e, out);
    e->whole = m.whole_above == 0;
    if (stable_adopt(&e->stable, m.stable_slot, &m.stable_root, m.signers))
        execution_truncated(e);
    return true;
}

static bool take_learned(struct execution *e, struct slice plain, struct outbox *out)
{
    struct frame frame = {.type = FRAME_CONFIGURATION, .body = plain};
    struct chain chain;
    uint32_t count;
    if (chain_check(&frame, &chain, &count) != VERDICT_ACCEPT)
        return false;
    run_again(e, out);
    if (chain.first > configuration_ordered(&e->configuration) + 1)
        return false;
    execution_learn(e, &chain);
    return true;
}

static bool take_record(struct execution *e, unsigned kind, struct slice plain, struct outbox *out)
{
    switch (kind) {
    case RECORD_BASE:
        return take_base(e, plain, out);
    case RECORD_EXECUTED:
        return e->based && take_executed(e, plain, out);
    case RECORD_STABLE:
        return take_stable(e, plain, out);
    case RECORD_LEARNED:
        return e->based && take_learned(e, plain, out);
    default:
        return false;
    }
}

struct hello_head execution_head(const struct execution *e)
{
    if (!e->sealing.recalled)
        return (struct hello_head){0};
    struct hello_head head = {.slot = e->executed, .stable = exec_stable_slot(e), .head = e->sealing.head};
    if (!e->whole && !mutant(MUTANT_LEARNER_COUNTS))
        memset(&head.head, 0, sizeof head.head);
    return head;
}

/* Signed by epochs that this START or a RECONFIG since lists, all of them; or named by this START. */
static bool certificate_is_of_now(const struct execution *e)
{
    struct slice signers = certificate_signers(&e->stable.certificate);
    if (configuration_resizes(&e->configuration) && exec_stable_slot(e) == e->configuration.closed_slot)
        return true;
    if (signers.len == 0)
        return false;
    for (uint32_t i = 0; i < signer_count(signers); i++) {
        struct signer s = signer_at(signers, i);
        struct sender sender = {.kind = KIND_EXECUTION, .id = s.replica, .epoch = s.epoch};
        if (!configuration_member_ever(&e->configuration, &sender))
            return false;
    }
    return true;
}

/*
 * What an earlier life of this E vouched for lies at or below a certificate of now: E that have their logs sign, after a resume,
 * nothing below what they signed before it, and 2f+1 of now cannot do without them; and up to its activation slot nothing
 * of an epoch that a RECONFIG named is in force.
 */
void execution_watch_whole(struct execution *e)
{
    slot_no slot = exec_stable_slot(e), above = auth_counts_above(&e->auth);
    bool here = e->based && !state_unusable(e) && !e->save.behind && e->written == e->executed;
    if (e->whole || !here || slot == 0 || slot < above || slot > e->executed || !certificate_is_of_now(e))
        return;
    e->whole = true;
    e->write_stable = true;
}

static enum verdict on_record(struct execution *e, struct slice record, struct outbox *out)
{
    unsigned kind;
    size_t len;
    /* Executing uses the other buffers: a record is opened into the one that replies are made in, which nobody wants yet. */
    if (record.len > REPLY_BODY_MAX)
        return VERDICT_LIMIT;
    uint8_t *plain = arena_alloc(e->arena, record.len);
    if (!plain)
        return VERDICT_LIMIT;
    bool taken = sealing_take(&e->sealing, record, &kind, plain, &len);
    bool fits = taken && take_record(e, kind, (struct slice){plain, len}, out);
    if (taken && !fits)
        e->sealing.broken = true;
    crypto_wipe(plain, record.len);
    arena_free(e->arena, plain, record.len);
    return fits ? VERDICT_ACCEPT : taken ? VERDICT_MALFORMED : VERDICT_BAD_MAC;
}

enum verdict execution_on_recall(struct execution *e, const struct frame *frame, struct outbox *out)
{
    struct local_recall recall;
    if (!local_recall_decode(frame->body, &recall))
        return VERDICT_MALFORMED;
    if (e->started || !e->sealing.on)
        return VERDICT_UNEXPECTED;
    struct hello_head head;
    switch (recall.what) {
    case RECALL_RECORD:
        return on_record(e, frame->attachment, out);
    case RECALL_LEAF:
    case RECALL_ORIGINS:
    case RECALL_SAVED:
        return save_on_recall(e, &recall, frame->attachment);
    case RECALL_END:
        run_again(e, out);
        checkpoint_advance(e, UINT64_MAX, out);
        head = execution_head(e);
        hello_emit(&e->auth, &e->config, &head, out);
        return VERDICT_ACCEPT;
    default:
        return VERDICT_MALFORMED;
    }
}

/* Who has no log begins without a state, and gets it from the others. */
bool execution_start_follows(const struct execution *e, const struct configuration *c,
                             const struct tag16 *cluster)
{
    if (!e->sealing.recalled)
        return true;
    bool listed = auth_counts_above(&e->auth) != UINT64_MAX;
    return e->based && !state_unusable(e) &&
           memcmp(c->cluster.bytes, cluster->bytes, sizeof cluster->bytes) == 0 &&
           (listed ? c->resumed > e->recalled_resumes : c->resumed >= e->recalled_resumes) &&
           memcmp(c->group_public, e->group.public, 32) == 0;
}

/* The closed checkpoint is what this E executed, or lies ahead of it: then it is fetched. */
bool execution_resizes(const struct execution *e, const struct configuration *recalled)
{
    const struct configuration *c = &e->configuration;
    if (c->closed_slot == recalled->closed_slot)
        return c->replicas == recalled->replicas && digest_equal(&c->closed_root, &recalled->closed_root);
    if (mutant(MUTANT_CLOSED_ELSEWHERE) || mutant(MUTANT_CLOSE_IGNORED))
        return true;
    if (c->closed_slot < recalled->closed_slot || e->executed > c->closed_slot)
        return false;
    return e->executed < c->closed_slot ||
           (e->checkpoint_slot == c->closed_slot && digest_equal(&e->root, &c->closed_root));
}

bool execution_walk_again(struct execution *e, const struct configuration *recalled)
{
    struct configuration *c = &e->configuration;
    if (!configuration_agrees(recalled, c))
        return false;
    while (configuration_ordered(c) < configuration_ordered(recalled)) {
        configuration_no number = configuration_ordered(c) + 1;
        const struct step_body *step = &e->step_body[number % STEP_BODIES];
        uint8_t list[RECONFIG_BYTES_MAX + 12];
        struct writer w = writer_to(list, sizeof list);
        if (step->number != number)
            return false;
        put_u64(&w, step->slot);
        put_slice(&w, (struct slice){step->body, step->len});
        configuration_walk(c, &(struct chain){.first = number, .steps = {list, w.len}});
    }
    return configuration_agrees(recalled, c);
}
