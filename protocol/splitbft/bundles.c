/*
 * Bundles that this host knows, found by digest, in a list by age until they are executed. An executed one stays for
 * peers that fetch it until its slot leaves the log or room is needed.
 *
 * Bounded: entries, bytes, and entries per origin. What own P refuses goes at once.
 */
#include "splitbft/broker.h"

void bundles_init(struct broker *b)
{
    b->bundle = arena_take(b->arena, BUNDLES_MAX * sizeof *b->bundle);
    b->bucket = arena_take(b->arena, BUNDLES_MAX * sizeof *b->bucket);
    for (uint32_t i = 0; i < BUNDLES_MAX; i++)
        b->bundle[i].next = i + 1 < BUNDLES_MAX ? i + 2 : 0;
    b->bundle_free = 1;
}

static uint32_t *bucket_of(struct broker *b, const struct digest *digest)
{
    return &b->bucket[digest_prefix(digest) % BUNDLES_MAX];
}

struct bundle_entry *bundles_find(struct broker *b, const struct digest *digest)
{
    for (uint32_t at = *bucket_of(b, digest); at; at = b->bundle[at - 1].next)
        if (digest_equal(&b->bundle[at - 1].digest, digest))
            return &b->bundle[at - 1];
    return NULL;
}

static uint32_t index_of(const struct broker *b, const struct bundle_entry *entry)
{
    return (uint32_t)(entry - b->bundle) + 1;
}

/* Two lists through the same links: what waits, by age, and what was executed, by when. */
static void list_add(struct broker *b, struct bundle_list *list, struct bundle_entry *entry)
{
    uint32_t index = index_of(b, entry);
    entry->queue_next = 0;
    entry->queue_prev = list->tail;
    if (list->tail)
        b->bundle[list->tail - 1].queue_next = index;
    else
        list->head = index;
    list->tail = index;
}

static void list_remove(struct broker *b, struct bundle_list *list, const struct bundle_entry *entry)
{
    if (entry->queue_prev)
        b->bundle[entry->queue_prev - 1].queue_next = entry->queue_next;
    else
        list->head = entry->queue_next;
    if (entry->queue_next)
        b->bundle[entry->queue_next - 1].queue_prev = entry->queue_prev;
    else
        list->tail = entry->queue_prev;
}

static void charge(struct broker *b, struct bundle_entry *entry)
{
    if (!entry->charged)
        b->origin[entry->origin].pending++;
    entry->charged = true;
}

static void discharge(struct broker *b, struct bundle_entry *entry)
{
    if (entry->charged)
        b->origin[entry->origin].pending--;
    entry->charged = false;
}

static void queue_remove(struct broker *b, struct bundle_entry *entry)
{
    list_remove(b, &b->queue, entry);
    discharge(b, entry);
}

static bool in_queue(const struct bundle_entry *entry)
{
    return entry->state == BUNDLE_QUEUED || entry->state == BUNDLE_PROPOSED || entry->state == BUNDLE_WANTED;
}

static void set_state(struct broker *b, struct bundle_entry *entry, enum bundle_state state)
{
    b->unproposed -= entry->state == BUNDLE_QUEUED;
    b->wanted -= entry->state == BUNDLE_WANTED;
    entry->state = state;
    b->unproposed += state == BUNDLE_QUEUED;
    b->wanted += state == BUNDLE_WANTED;
}

/* Bodies are stored in powers of two: whatever sizes come, each class fits the whole budget, so nothing is lost for good. */
static size_t stored_bytes(size_t len)
{
    size_t bytes = 256;
    while (bytes < len)
        bytes *= 2;
    return bytes;
}

static void drop_body(struct broker *b, struct bundle_entry *entry)
{
    if (!entry->frame.data)
        return;
    b->body_bytes -= stored_bytes(entry->frame.len);
    b->bodies--;
    arena_free(&b->body_arena, entry->frame.data, stored_bytes(entry->frame.len));
    entry->frame = (struct blob){0};
}

static void entry_remove(struct broker *b, struct bundle_entry *entry)
{
    uint32_t index = index_of(b, entry);
    uint32_t *link = bucket_of(b, &entry->digest);
    while (*link != index)
        link = &b->bundle[*link - 1].next;
    *link = entry->next;
    if (in_queue(entry))
        queue_remove(b, entry);
    else if (entry->state == BUNDLE_EXECUTED)
        list_remove(b, &b->done, entry);
    drop_body(b, entry);
    set_state(b, entry, BUNDLE_UNUSED);
    *entry = (struct bundle_entry){.next = b->bundle_free};
    b->bundle_free = index;
}

/* The entry executed longest ago; one that a batch under way lists again is put behind the others. NULL: none. */
static struct bundle_entry *oldest_done(struct broker *b)
{
    for (uint32_t tries = 0; b->done.head && tries < 64; tries++) {
        struct bundle_entry *entry = &b->bundle[b->done.head - 1];
        if (entry->slot <= b->executed)
            return entry;
        list_remove(b, &b->done, entry);
        list_add(b, &b->done, entry);
    }
    return NULL;
}

/* Executed entries go when their slot is no longer kept. */
void bundles_forget_old(struct broker *b)
{
    struct bundle_entry *entry = oldest_done(b);
    while (entry && entry->slot + LOG_SLOTS <= b->executed) {
        entry_remove(b, entry);
        entry = oldest_done(b);
    }
}

/* Room for one more body: those executed longest ago go, though a peer that lags may then have to fetch state. */
static bool make_room(struct broker *b, size_t bytes)
{
    while (!b->bundle_free || b->body_bytes + stored_bytes(bytes) > b->config.body_bytes_max) {
        struct bundle_entry *entry = oldest_done(b);
        if (!entry)
            return false;
        entry_remove(b, entry);
    }
    return true;
}

static struct bundle_entry *entry_add(struct broker *b, const struct batch_entry *named,
                                      enum bundle_state state)
{
    const struct digest *digest = &named->bundle;
    if (!b->bundle_free && !make_room(b, 0))
        return NULL;
    uint32_t index = b->bundle_free;
    struct bundle_entry *entry = &b->bundle[index - 1];
    b->bundle_free = entry->next;
    uint32_t *bucket = bucket_of(b, digest);
    *entry = (struct bundle_entry){
        .digest = *digest,
        .origin = named->origin,
        .epoch = named->epoch,
        .bundle_no = named->bundle_no,
        .known_us = b->now_us,
        .next = *bucket,
    };
    *bucket = index;
    set_state(b, entry, state);
    if (in_queue(entry))
        list_add(b, &b->queue, entry);
    return entry;
}

struct bundle_entry *bundles_want(struct broker *b, const struct batch_entry *wanted, slot_no slot)
{
    struct bundle_entry *entry = bundles_find(b, &wanted->bundle);
    if (!entry && wanted->origin <= ORIGIN_RECONFIG && b->wanted < WANTED_MAX)
        entry = entry_add(b, wanted, BUNDLE_WANTED);
    if (entry && slot > entry->slot)
        entry->slot =
            slot; /* its body is needed until then, whatever P says and even if it was executed before */
    return entry;
}

void bundles_executed(struct broker *b, const struct batch_entry *executed, slot_no slot)
{
    struct bundle_entry *entry = bundles_find(b, &executed->bundle);
    if (!entry || entry->state == BUNDLE_EXECUTED)
        return;
    b->worked_us = b->now_us;
    if (entry->connection)
        b->origin[entry->origin].proven = entry->connection;
    /* One that had to be asked for signed says something about its origin, not about the primary. */
    if (entry->from_client && !entry->is_signed && b->now_us >= entry->known_us) {
        uint64_t latency = b->now_us - entry->known_us;
        b->latency_us = b->latency_us - b->latency_us / 8 + latency / 8;
        b->latency_samples++;
    }
    if (in_queue(entry))
        queue_remove(b, entry);
    set_state(b, entry, BUNDLE_EXECUTED);
    list_add(b, &b->done, entry);
    entry->slot = slot;
}

void bundles_drop(struct broker *b, struct bundle_entry *entry)
{
    entry_remove(b, entry);
}

/*
 * Listed in a batch under way, or, with hybster, own P may be about to list it: what was put forward is kept until it must have answered. P may refuse
 * the form held here, a replay's, and list the bundle all the same, having admitted it long ago. A leader of Hybster that has certified such
 * a PREPARE shows it in all its VIEW-CHANGEs, and without the body, which nobody else has, nobody ever builds on it. With splitbft and
 * pbft a later view leaves such a bundle out, and to keep what was refused would bring it into more batches.
 */
static bool is_under_way(const struct broker *b, const struct bundle_entry *entry)
{
    return entry->slot > b->executed || entry->listed_until > b->tick;
}

/* After a state transfer nobody knows which of them were executed meanwhile: origins send again what they still miss. */
void bundles_drop_waiting(struct broker *b)
{
    for (uint32_t at = b->queue.head; at;) {
        struct bundle_entry *entry = &b->bundle[at - 1];
        at = entry->queue_next;
        if (!is_under_way(b, entry)) /* those listed above are needed still */
            entry_remove(b, entry);
    }
}

void bundles_requeue(struct broker *b)
{
    for (uint32_t at = b->queue.head; at; at = b->bundle[at - 1].queue_next)
        if (b->bundle[at - 1].state == BUNDLE_PROPOSED)
            set_state(b, &b->bundle[at - 1], BUNDLE_QUEUED);
}

/* P left some of what was proposed out, or had no slot for it. */
void bundles_requeue_unlisted(struct broker *b)
{
    for (uint32_t at = b->queue.head; at; at = b->bundle[at - 1].queue_next)
        if (b->bundle[at - 1].state == BUNDLE_PROPOSED && b->bundle[at - 1].slot <= b->executed)
            set_state(b, &b->bundle[at - 1], BUNDLE_QUEUED);
}

void bundles_drop_wanted(struct broker *b)
{
    for (uint32_t at = b->queue.head; at;) {
        struct bundle_entry *entry = &b->bundle[at - 1];
        at = entry->queue_next;
        if (entry->state == BUNDLE_WANTED && !entry->needed)
            entry_remove(b, entry);
    }
}

/* What nobody lists and nobody signed does not stay for ever: its origin sends it again, signed. Wanted bodies of slots
 * that are settled go too, and what own P refused and did not list either. */
void bundles_expire(struct broker *b)
{
    for (uint32_t at = b->queue.head; at;) {
        struct bundle_entry *entry = &b->bundle[at - 1];
        at = entry->queue_next;
        bool old = b->now_us - entry->known_us > EXPIRY_TIMEOUTS * b->timeout_us;
        bool over = entry->state == BUNDLE_WANTED || (entry->refused && entry->listed_until) ||
                    (old && !entry->signed_ok);
        if (over && !is_under_way(b, entry))
            entry_remove(b, entry);
    }
}

bool origin_on_signatures(const struct broker *b, origin_id origin)
{
    return b->origin[origin].on_signatures_until_us > b->now_us;
}

void broker_ask_signed(struct broker *b, struct bundle_entry *entry)
{
    uint8_t body[16];
    struct writer w = writer_to(body, sizeof body);
    sign_wanted_put(&w, &(struct sign_wanted){.origin = entry->origin, .bundle_no = entry->bundle_no});
    struct slice frame =
        broker_frame(b, FRAME_SIGN_WANTED, (struct slice){body, w.len}, (struct slice){NULL, 0});
    entry->asked_us = b->now_us;
    broker_send_origin(b, entry->origin, frame);
}

/* A P that is in no view has no use for bundles, and checking a signature takes as long as voting on a hundred: it would come to the
 * NEW-VIEW that it waits for behind all of them. It gets what still waits once it is there. */
static void give_to_p(struct broker *b, struct bundle_entry *entry, const struct frame *frame)
{
    bool shown = broker_is_hybster(b) && entry->slot > b->executed; /* the NEW-VIEW may wait for its word */
    entry->kept_from_p = !b->in_view && frame->type == FRAME_BUNDLE && !shown;
    if (!entry->kept_from_p)
        broker_give_stripped(b, KIND_PREPARATION, frame, false);
}

void bundles_authenticate(struct broker *b, struct bundle_entry *entry)
{
    struct frame frame;
    if (!entry->frame.data || entry->authentic)
        return;
    if (entry->kept_from_p && frame_decode(entry->frame.data, entry->frame.len, &frame)) {
        give_to_p(b, entry, &frame);
        return;
    }
    bool asked = entry->asked_us && b->now_us - entry->asked_us < b->timeout_us / 4;
    if (asked || (entry->is_signed && !entry->refused))
        return;
    broker_ask_signed(b, entry);
    ordering_fetch(b, FETCH_BUNDLE, &entry->digest);
}

void bundles_give_kept(struct broker *b)
{
    for (uint32_t at = b->queue.head; at; at = b->bundle[at - 1].queue_next) {
        struct bundle_entry *entry = &b->bundle[at - 1];
        struct frame frame;
        if (entry->kept_from_p && frame_decode(entry->frame.data, entry->frame.len, &frame))
            give_to_p(b, entry, &frame);
    }
}

/* A RECONFIG bears its authority in its body. */
static bool signed_form(const struct frame *frame)
{
    return frame->auth_kind == AUTH_SIGNATURE || frame->type == FRAME_RECONFIG;
}

static bool keep_body(struct broker *b, struct bundle_entry *entry, const struct frame *frame)
{
    drop_body(b, entry);
    entry->frame.data = arena_alloc(&b->body_arena, stored_bytes(frame->whole.len));
    if (!entry->frame.data)
        return false;
    memcpy(entry->frame.data, frame->whole.data, frame->whole.len);
    entry->frame.len = (uint32_t)frame->whole.len;
    b->body_bytes += stored_bytes(frame->whole.len);
    b->bodies++;
    entry->is_signed = signed_form(frame);
    entry->signed_ok = false;
    entry->refused = false;
    return true;
}

/* Only what a list named: nobody is charged for it, and P, whose keys are new, has not admitted it. */
void bundles_recall(struct broker *b, struct slice bytes)
{
    struct frame frame;
    struct bundle bundle;
    struct reconfig reconfig;
    struct digest digest;
    if (!frame_decode(bytes.data, bytes.len, &frame) || (bundle_check(&frame, &bundle) != VERDICT_ACCEPT &&
                                                         reconfig_check(&frame, &reconfig) != VERDICT_ACCEPT))
        return;
    auth_content(&b->cluster, frame.type, &frame.sender, frame.body, &digest);
    struct bundle_entry *entry = bundles_find(b, &digest);
    if (!entry || entry->frame.data || !make_room(b, bytes.len))
        return;
    entry = bundles_find(b, &digest); /* it may be what made room */
    if (!entry || !keep_body(b, entry, &frame))
        return;
    if (entry->state == BUNDLE_WANTED)
        set_state(b, entry, BUNDLE_QUEUED);
    entry->persisted = true;
    entry->refused = true; /* unless it is ordered, its origin has to send it again */
}

void bundles_hand_on(struct broker *b)
{
    uint32_t sent = 0;
    for (uint32_t at = b->queue.head; at && sent < HANDED_ON_MAX; at = b->bundle[at - 1].queue_next) {
        struct bundle_entry *entry = &b->bundle[at - 1];
        if (b->now_us - entry->known_us < b->timeout_us / 4)
            break; /* by age: the rest is younger */
        if (!entry->signed_ok || !entry->from_client || entry->handed_on || entry->slot > b->executed)
            continue;
        entry->handed_on = true;
        sent++;
        broker_send(b, PEER_ALL, blob_slice(&entry->frame));
    }
}

/* A bundle that is known already: a retransmission, or its signed form. */
void broker_ask_reply(struct broker *b, origin_id origin, epoch_no epoch, uint64_t bundle_no)
{
    uint8_t body[8], question[64];
    struct sender sender = {.kind = KIND_ORIGIN, .id = origin, .epoch = epoch};
    struct writer w = writer_to(body, sizeof body);
    fetch_reply_put(&w, &(struct fetch_reply){.bundle_no = bundle_no});
    size_t len = frame_encode(question, sizeof question, FRAME_FETCH_REPLY, &sender, AUTH_NONE,
                              (struct slice){body, w.len}, (struct slice){NULL, 0}, (struct slice){NULL, 0});
    broker_give(b, KIND_EXECUTION, (struct slice){question, len}, false);
}

/* Own E will not execute it (again): no reason to wait, or to change views. Seldom, so a walk through what waits will do. */
enum verdict broker_on_settled(struct broker *b, const struct frame *frame)
{
    struct local_settled settled;
    if (!local_settled_decode(frame->body, &settled))
        return VERDICT_MALFORMED;
    for (uint32_t at = b->queue.head; at; at = b->bundle[at - 1].queue_next) {
        struct bundle_entry *entry = &b->bundle[at - 1];
        if (entry->origin != settled.origin || entry->epoch != settled.epoch ||
            entry->bundle_no != settled.bundle_no || !entry->is_signed)
            continue;
        struct batch_entry settle = {.bundle = entry->digest};
        bundles_executed(b, &settle, entry->slot > b->executed ? entry->slot : b->executed);
        return VERDICT_ACCEPT;
    }
    return VERDICT_STALE;
}

static enum verdict again(struct broker *b, struct bundle_entry *entry, const struct frame *frame,
                          uint32_t connection, bool from_client)
{
    bool is_signed = signed_form(frame);
    if (entry->state == BUNDLE_EXECUTED) {
        if (from_client) /* it lacks replies: E has them */
            broker_ask_reply(b, entry->origin, entry->epoch, entry->bundle_no);
        return VERDICT_DUPLICATE;
    }
    bool better = !entry->authentic && ((is_signed && !entry->is_signed) || entry->refused);
    if (entry->state != BUNDLE_WANTED && !better)
        return VERDICT_DUPLICATE;
    if (from_client) {
        entry->from_client = true;
        entry->connection = entry->connection ? entry->connection : connection + 1;
    }
    if (entry->state == BUNDLE_PROPOSED && entry->slot <= b->executed)
        set_state(b, entry, BUNDLE_QUEUED); /* P left it out; now it may be admitted */
    if (entry->state == BUNDLE_WANTED) {
        if (!make_room(b, frame->whole.len) || !keep_body(b, entry, frame))
            return VERDICT_LIMIT;
        set_state(b, entry, BUNDLE_QUEUED);
        charge(b, entry);
        durable_bundle(b, entry); /* it is listed */
        if (entry->wanted_by_e)
            broker_give(b, KIND_EXECUTION, frame->whole, false);
        entry->wanted_by_e = false;
        give_to_p(b, entry, frame);
        ordering_retry(b);
        return VERDICT_ACCEPT;
    } else if (!keep_body(b, entry, frame)) {
        return VERDICT_LIMIT;
    }
    charge(b, entry);
    give_to_p(b, entry, frame);
    return VERDICT_ACCEPT;
}

static enum verdict take(struct broker *b, const struct frame *frame, const struct batch_entry *named,
                         bool alone, uint32_t from, bool from_client)
{
    struct bundle_entry *entry = bundles_find(b, &named->bundle);
    if (entry && entry->unsure && signed_form(frame)) {
        entry_remove(
            b,
            entry); /* its origin still waits: should it have been executed, E says so when it is ordered again */
        entry = NULL;
    }
    if (entry)
        return again(b, entry, frame, from, from_client);
    if (b->origin[named->origin].pending >= BUNDLES_PER_ORIGIN || !make_room(b, frame->whole.len))
        return VERDICT_LIMIT;
    entry = entry_add(b, named, BUNDLE_QUEUED);
    if (!entry)
        return VERDICT_LIMIT;
    charge(b, entry);
    entry->connection = from_client ? from + 1 : 0;
    entry->alone = alone;
    entry->from_client = from_client;
    if (!keep_body(b, entry, frame)) {
        entry_remove(b, entry);
        return VERDICT_LIMIT;
    }
    give_to_p(b, entry, frame);
    if (!entry->is_signed && origin_on_signatures(b, named->origin))
        broker_ask_signed(b, entry);
    return VERDICT_ACCEPT;
}

/* The administrator comes as a client does: the signature is looked at before anything is kept or passed on. Whoever sends a wrong one is
 * disconnected, so that each look costs him a connection. */
static enum verdict from_administrator(const struct broker *b, const struct reconfig *reconfig)
{
    if (reconfig->signature.len == 0)
        return VERDICT_MISMATCH;
    if (reconfig->configuration < configuration_ordered(&b->held))
        return VERDICT_STALE;
    enum verdict verdict = reconfig_admissible(b->configuration, reconfig);
    return verdict == VERDICT_BAD_SIGNATURE ? VERDICT_MISMATCH : verdict;
}

/* Who tries again means the later attempt: earlier ones that nobody listed go. Else they would pile up, and the primary would propose
 * one that the others' P have long replaced. False: a later one is here. */
static bool latest_attempt(struct broker *b, const struct reconfig *reconfig)
{
    for (uint32_t at = b->queue.head, next; at; at = next) {
        struct bundle_entry *entry = &b->bundle[at - 1];
        struct frame frame;
        struct reconfig other;
        next = entry->queue_next;
        if (entry->origin != ORIGIN_RECONFIG || entry->state != BUNDLE_QUEUED || entry->refused ||
            entry->slot > b->executed || !frame_decode(entry->frame.data, entry->frame.len, &frame) ||
            reconfig_check(&frame, &other) != VERDICT_ACCEPT || other.replica != reconfig->replica ||
            (other.size == 0) != (reconfig->size == 0) ||
            (other.signature.len == 0) != (reconfig->signature.len == 0))
            continue;
        if (other.attempt > reconfig->attempt && other.configuration >= reconfig->configuration) {
            if (entry->signed_ok)
                return false;
            continue; /* own P has not said yet that it is one */
        }
        if (reconfig_admissible(&b->held, reconfig) != VERDICT_ACCEPT)
            return true; /* own P will say so: what anybody makes up displaces nothing */
        bundles_drop(b, entry);
    }
    return true;
}

/* Ordered like a bundle of a reserved origin. What own P refuses goes at once. */
enum verdict broker_on_reconfig(struct broker *b, const struct frame *frame, unsigned from)
{
    struct reconfig reconfig;
    struct batch_entry named = {.origin = ORIGIN_RECONFIG, .bundle_no = RECONFIG_BUNDLE_NO};
    enum verdict verdict = reconfig_check(frame, &reconfig);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    named.epoch = reconfig.configuration;
    auth_content(&b->cluster, frame->type, &frame->sender, frame->body, &named.bundle);
    if (from == FROM_CLIENT &&
        !bundles_find(b, &named.bundle)) /* once: who repeats a true one costs no more */
        verdict = from_administrator(b, &reconfig);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    if (!bundles_find(b, &named.bundle) && !latest_attempt(b, &reconfig))
        return VERDICT_STALE;
    if (from == FROM_LAUNCHER) /* the administrator shows it to everybody himself */
        broker_send(b, PEER_ALL, frame->whole);
    return take(b, frame, &named, false, 0, false);
}

enum verdict broker_on_bundle(struct broker *b, const struct frame *frame, uint32_t from, bool from_client)
{
    struct bundle bundle;
    struct digest digest;
    enum verdict verdict = bundle_check(frame, &bundle);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    origin_id origin = frame->sender.id;
    if (origin >= b->configuration->origins || !b->configuration->origin[origin].present)
        return VERDICT_UNKNOWN_SENDER;
    if (frame->attachment.len == 0)
        return VERDICT_MALFORMED;
    b->counters.bundles_received++;
    if (from_client)
        b->origin[origin].claimed = from + 1;
    auth_content(&b->cluster, frame->type, &frame->sender, frame->body, &digest);
    struct batch_entry named = {
        .origin = origin, .epoch = frame->sender.epoch, .bundle_no = bundle.bundle_no, .bundle = digest};
    return take(b, frame, &named, bundle.flags & BUNDLE_ALONE, from, from_client);
}

/* Own P's word on a bundle: it came signed, or it was refused. */
enum verdict broker_on_admitted(struct broker *b, const struct frame *frame)
{
    struct local_admitted admitted;
    if (!local_admitted_decode(frame->body, &admitted) || admitted.origin > ORIGIN_RECONFIG)
        return VERDICT_MALFORMED;
    struct bundle_entry *entry = bundles_find(b, &admitted.bundle);
    if (!entry || !in_queue(entry) || entry->is_signed != (admitted.is_signed != 0))
        return VERDICT_STALE;
    /* Too old is what only who signed can be. */
    if (broker_is_hybster(b) && admitted.is_signed &&
        (admitted.verdict == VERDICT_ACCEPT || admitted.verdict == VERDICT_STALE))
        entry->authentic = true;
    if (admitted.verdict != VERDICT_ACCEPT) {
        b->counters.bundles_refused++;
        entry->refused = true;
        if (!entry->is_signed)
            broker_ask_signed(b, entry);
        if (entry->listed_until)
            entry->listed_until = b->tick + LISTING_TICKS; /* P says so before it comes to the proposal */
        if (!is_under_way(b, entry)) {
            entry_remove(b, entry); /* no batch lists it; its origin may send it again, signed */
            return VERDICT_ACCEPT;
        }
        if (!entry->listed_until)
            return VERDICT_ACCEPT;
        discharge(b, entry); /* what anybody makes up displaces nothing */
        if (entry->slot <= b->executed)
            entry->signed_ok = false; /* no timer runs for what P may not list */
        return VERDICT_ACCEPT;
    }
    if (entry->signed_ok)
        return VERDICT_DUPLICATE;
    entry->signed_ok = true;
    entry->signed_us = b->now_us;
    /* Whoever starts a timer makes sure that the primary knows what is waited for. With hybster timers run for all bundles, and nearly all came
     * to everybody: those that wait are handed on later. */
    replica_id primary = primary_of(b->configuration, b->view);
    if (entry->from_client && broker_is_hybster(b))
        entry->handed_on = false;
    else if (entry->from_client)
        broker_send(b, PEER_ALL, blob_slice(&entry->frame));
    else if (primary != b->config.replica)
        broker_send(b, primary, blob_slice(&entry->frame));
    return VERDICT_ACCEPT;
}
