/*
 * NEW-VIEW: made by the leader of a view from VIEW-CHANGEs of a quorum, computed again by everybody else. Who accepts it enters the view; or,
 * when it is past it already, builds on it, and issues its VIEW-CHANGE again from there.
 */
#include "hybster/orderer.h"

#include "counter/trinx.h"

static_assert(1 + REPLICAS_MAX * (WINDOW + PILLARS_MAX) <= COUNTER_CHECKS_MAX,
              "N checks a NEW-VIEW in one call");

static void stable_of(const struct change *changes, uint32_t count, struct certificate *highest)
{
    *highest = (struct certificate){0};
    for (uint32_t i = 0; i < count; i++) {
        const struct hybster_view_change *vc = &changes[i].vc;
        if (vc->stable_slot <= highest->slot || vc->signers.len > sizeof highest->signers)
            continue;
        highest->slot = vc->stable_slot;
        highest->root = vc->stable_root;
        highest->signers_len = vc->signers.len;
        memcpy(highest->signers, vc->signers.data, vc->signers.len);
    }
}

/* --- accepting ---------------------------------------------------------------------------------------------------- */

/* Of slots only what is final outlives a view. */
static void forget_votes(struct orderer *o)
{
    for (unsigned i = 0; i < WINDOW; i++) {
        struct hyb_slot *s = &o->slot[i];
        *s = (struct hyb_slot){.slot = s->slot,
                               .committed = s->committed,
                               .committed_batch = s->committed_batch,
                               .list = s->list};
    }
}

static void accept(struct orderer *o, const struct candidate *c, struct outbox *out)
{
    const struct certificate *stable = &c->stable;
    if (stable_adopt(&o->stable, stable->slot, &stable->root, certificate_signers(stable)))
        orderer_truncated(o);
    forget_votes(o);
    o->core = c->core;
    memset(o->asked, 0, sizeof o->asked);
    o->next_slot = o->core.base + o->core.count + 1;
    if (o->next_slot <= orderer_stable(o))
        o->next_slot = orderer_stable(o) + 1;
    orderer_emit(out, (struct slice){c->new_view.frame,
                                     c->new_view.len}); /* the host keeps it for those who lack it */
    o->view = o->view > o->core.view ? o->view : o->core.view;
    o->in_view = o->view == o->core.view && orderer_takes_part(o, o->view);
    o->change_due = o->view > o->core.view;
    orderer_tell_view(o, out);
}

/* --- the leader --------------------------------------------------------------------------------------------------- */

/* The own VIEW-CHANGE first: what it builds on is known here. Returns how many, and writes them to `list`. */
static uint32_t gather(const struct orderer *o, struct change *changes, struct writer *list)
{
    uint32_t count = 0, n = o->configuration.replicas;
    for (uint32_t i = 0; i < n && count < o->quorum; i++) {
        const struct kept *kept = &o->change[(o->config.replica + i) % n];
        struct frame frame;
        bool unanimous = kept->from == o->core.view || (i && mutant(MUTANT_HYBSTER_MIXED_FROM));
        if (kept->view != o->view || !unanimous) {
            if (i == 0)
                return 0;
            continue;
        }
        CHECK(frame_decode(kept->frame, kept->len, &frame) &&
              change_of(&frame, orderer_pillars(o), &changes[count]));
        if (!change_possible(&changes[count], &o->core)) /* it came before the last NEW-VIEW */
            continue;
        put_slice(list, frame.whole);
        count++;
    }
    return count;
}

static void make(struct orderer *o, struct slice list)
{
    static const struct tag16 later;
    struct candidate *own = &o->own_candidate;
    uint8_t body[WINDOW * hybster_command_BYTES + 256], commands[WINDOW * hybster_command_BYTES];
    struct writer w = writer_to(body, sizeof body), c = writer_to(commands, sizeof commands);
    struct digest content;
    for (uint32_t i = 0; i < o->core.count; i++)
        hybster_command_put(&c, &(struct hybster_command){.batch = o->core.batch[i]});
    struct hybster_new_view nv = {.view = o->view,
                                  .from = o->core.view,
                                  .base = o->core.base,
                                  .commands = {commands, c.len},
                                  .core = own->core.digest};
    digest_of(&nv.view_changes, HYBSTER_VIEW_CHANGES_TAG, list.data, list.len);
    hybster_new_view_put(&w, &nv);
    CHECK(!w.bad && !c.bad);
    struct job *job = calls_begin(o, JOB_CERTIFY_NEW_VIEW, true);
    if (!job)
        return;
    own->busy = true;
    own->new_view.view = o->view;
    own->new_view.len = (uint32_t)frame_encode(
        own->new_view.frame, HYBSTER_NEW_VIEW_BYTES_MAX, FRAME_HYBSTER_NEW_VIEW, &o->counter, AUTH_COUNTER,
        (struct slice){body, w.len}, (struct slice){later.bytes, sizeof later.bytes}, list);
    CHECK(own->new_view.len > 0);
    job->view = o->view;
    orderer_content(o, FRAME_HYBSTER_NEW_VIEW, &o->counter, (struct slice){body, w.len}, &content);
    calls_certify(o, job, TRINX_INDEPENDENT, counted_core(o->view), &content);
}

void new_view_try(struct orderer *o)
{
    struct change changes[REPLICAS_MAX];
    struct writer list = writer_to(o->scratch, FRAME_MAX);
    if (o->view == o->core.view || o->own_candidate.busy || o->change_due || !orderer_leads(o, o->view))
        return;
    uint32_t count = gather(o, changes, &list);
    if (count < o->quorum)
        return;
    CHECK(!list.bad);
    core_select(&o->own_candidate.core, o->view, &o->core, changes, count);
    stable_of(changes, count, &o->own_candidate.stable);
    make(o, (struct slice){o->scratch, list.len});
}

void new_view_certified(struct orderer *o, const struct job *job, bool good, const struct tag16 *mac,
                        struct outbox *out)
{
    struct candidate *own = &o->own_candidate;
    struct frame frame;
    own->busy = false;
    if (!good || job->view <= o->core.view)
        return;
    CHECK(frame_decode(own->new_view.frame, own->new_view.len, &frame));
    memcpy(own->new_view.frame + (frame.auth.data - own->new_view.frame), mac->bytes, sizeof mac->bytes);
    accept(o, own, out);
}

/* --- the others ----------------------------------------------------------------------------------------------------- */

/* Those in the attachment, each possible and of another replica; how many certificates N is to check. */
static enum verdict changes_check(const struct orderer *o, const struct frame *frame,
                                  const struct hybster_new_view *nv, struct change *changes,
                                  struct frame *frames, uint32_t *count)
{
    uint32_t seen = 0;
    size_t at = 0;
    struct slice inner;
    for (*count = 0; frame_list_next(frame->attachment, &at, &inner); (*count)++) {
        struct frame *f = &frames[*count];
        struct change *change = &changes[*count];
        if (!frame_decode(inner.data, inner.len, f) || f->type != FRAME_HYBSTER_VIEW_CHANGE ||
            !change_of(f, orderer_pillars(o), change) || change->vc.view != nv->view ||
            f->sender.id >= o->configuration.replicas)
            return VERDICT_MALFORMED;
        if (seen >> f->sender.id & 1)
            return VERDICT_DUPLICATE;
        seen |= 1u << f->sender.id;
        enum verdict verdict = change_in_order(o, f, change, &o->from_core);
        if (verdict != VERDICT_ACCEPT)
            return verdict;
    }
    return *count >= o->quorum ? VERDICT_ACCEPT : VERDICT_MISMATCH;
}

static enum verdict place_check(const struct orderer *o, const struct frame *frame,
                                const struct hybster_new_view *nv)
{
    if (nv->view <= o->core.view)
        return VERDICT_STALE;
    if (frame->sender.id != primary_of(&o->configuration, nv->view) || frame->sender.id == o->config.replica)
        return VERDICT_UNEXPECTED;
    if (view_configuration(nv->view) > configuration_ordered(&o->configuration))
        return VERDICT_EARLY; /* whose counters are these? */
    if (!orderer_counts(o, &frame->sender, nv->view, 0))
        return VERDICT_UNKNOWN_SENDER;
    return VERDICT_ACCEPT;
}

/* A place for it, unless it is being checked already. */
static enum verdict place_find(struct orderer *o, const struct frame *frame, struct candidate **place)
{
    *place = NULL;
    for (unsigned i = 0; i < CANDIDATES; i++) {
        struct candidate *c = &o->candidate[i];
        if (c->busy && c->new_view.len == frame->whole.len &&
            memcmp(c->new_view.frame, frame->whole.data, frame->whole.len) == 0)
            return VERDICT_DUPLICATE;
        *place = c->busy ? *place : c;
    }
    return *place ? VERDICT_ACCEPT : VERDICT_LIMIT;
}

static enum verdict compute(struct orderer *o, const struct frame *frame, const struct hybster_new_view *nv,
                            struct candidate *c, struct change *changes, struct frame *frames,
                            uint32_t *count)
{
    core_load(&o->from_core, nv->from, nv->base, nv->commands);
    enum verdict verdict = changes_check(o, frame, nv, changes, frames, count);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    core_select(&c->core, nv->view, &o->from_core, changes, *count);
    stable_of(changes, *count, &c->stable);
    if (!orderer_counts_from(o, &frame->sender, nv->view, c->core.base))
        return VERDICT_MISMATCH; /* of a fresh counter: below its activation slot another one leads */
    return digest_equal(&c->core.digest, &nv->core) ? VERDICT_ACCEPT : VERDICT_MISMATCH;
}

enum verdict orderer_on_new_view(struct orderer *o, const struct frame *frame)
{
    struct hybster_new_view nv;
    struct change changes[REPLICAS_MAX];
    struct frame frames[REPLICAS_MAX];
    struct candidate *place;
    struct digest content;
    uint32_t count = 0;
    enum verdict verdict = hybster_new_view_check(frame, &nv);
    if (verdict == VERDICT_ACCEPT)
        verdict = place_check(o, frame, &nv);
    if (verdict == VERDICT_ACCEPT)
        verdict = place_find(o, frame, &place);
    if (verdict == VERDICT_ACCEPT)
        verdict = compute(o, frame, &nv, place, changes, frames, &count);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    struct job *job = calls_have_room(o, 1 + count * (WINDOW + orderer_pillars(o)))
                          ? calls_begin(o, JOB_CHECK_NEW_VIEW, false)
                          : NULL;
    if (!job)
        return VERDICT_LIMIT;
    place->busy = true;
    place->new_view.view = nv.view;
    place->new_view.len = (uint32_t)frame->whole.len;
    memcpy(place->new_view.frame, frame->whole.data, frame->whole.len);
    job->view = nv.view;
    job->place = (uint32_t)(place - o->candidate);
    memcpy(job->mac.bytes, frame->auth.data, sizeof job->mac.bytes);
    orderer_content(o, frame->type, &frame->sender, frame->body, &content);
    calls_check(o, job, TRINX_INDEPENDENT, &frame->sender, counted_core(nv.view), NULL, &job->mac, &content);
    for (uint32_t i = 0; i < count; i++)
        change_ask(o, job, &frames[i], &changes[i], true);
    return VERDICT_ACCEPT;
}

void new_view_checked(struct orderer *o, const struct job *job, bool good, struct outbox *out)
{
    struct candidate *place = &o->candidate[job->place];
    place->busy = false;
    if (good && job->view > o->core.view)
        accept(o, place, out);
}
