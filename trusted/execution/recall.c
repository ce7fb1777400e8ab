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

static void write_base(struct execution *e, struct outbox *out)
{
    struct base base = {.slot = e->executed, .start = {e->start, e->start_len}};
    struct writer w = writer_to(e->scratch, FRAME_MAX);
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
    promises_put(&w, &(struct promises){.stable_slot = certificate->slot,
                                        .stable_root = certificate->root,
                                        .signers = certificate_signers(certificate)});
    CHECK(!w.bad);
    sealing_emit(&e->sealing, &e->auth, out, RECORD_STABLE, 0, (struct slice){body, w.len});
}

void execution_write_base(struct execution *e, struct outbox *out)
{
    if (!e->sealing.on)
        return;
    write_base(e, out);
    write_stable(e, out);
    e->written = e->executed;
}

/* State came by transfer: what leads to it was never written, so it must be saved before this E vouches for anything. */
static void notice_jump(struct execution *e, struct outbox *out)
{
    if (e->written + 1 >= e->remembered_from)
        return;
    e->written = e->remembered_from - 1;
    save_all_again(e);
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
    if (!e->sealing.on || !e->started)
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

static bool take_base(struct execution *e, struct slice plain, struct outbox *out)
{
    struct base base;
    struct frame start;
    uint8_t public[32];
    if (e->based)
        run_again(e, out);
    e->recall_ended = false; /* what was lacking then may be there in the life that follows */
    if (!base_decode(plain, &base) || (e->based && base.slot > e->executed) ||
        !frame_decode(base.start.data, base.start.len, &start) ||
        configuration_load(&e->configuration, &start, e->config.admin_public) != VERDICT_ACCEPT)
        return false;
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
    e->recalled_configuration = e->configuration.number;
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
    if (stable_adopt(&e->stable, m.stable_slot, &m.stable_root, m.signers))
        execution_truncated(e);
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
    default:
        return false;
    }
}

struct hello_head execution_head(const struct execution *e)
{
    if (!e->sealing.recalled)
        return (struct hello_head){0};
    return (struct hello_head){.slot = e->executed, .stable = exec_stable_slot(e), .head = e->sealing.head};
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

bool execution_start_follows(const struct execution *e, const struct configuration *c,
                             const struct tag16 *cluster)
{
    if (!e->sealing.recalled)
        return c->resumed == 0; /* without a state and the group's key there is nothing to go on from */
    return e->based && !state_unusable(e) &&
           memcmp(c->cluster.bytes, cluster->bytes, sizeof cluster->bytes) == 0 &&
           c->number > e->recalled_configuration && memcmp(c->group_public, e->group.public, 32) == 0;
}
