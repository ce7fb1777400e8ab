/*
 * Origins: sessions, exactly-once, and what is remembered for retransmission.
 *
 * An origin's first bundle of an epoch opens its session and closes lower epochs for ever. Each bundle number executes once.
 * Replies of the last BUNDLE_WINDOW bundles are kept, within a byte budget. When too many sessions are open the one
 * that was idle longest (in the order, so the same at every E) is closed; its epoch stays closed.
 */
#include "execution/execution.h"

static void forget_reply(struct execution *e, struct origin_record *record, struct kept_reply *kept)
{
    if (kept->results) {
        arena_free(e->arena, kept->results, kept->len);
        record->kept_bytes -= kept->len;
    }
    kept->results = NULL;
    kept->digested = false;
}

void origin_close(struct execution *e, origin_id origin)
{
    struct origin_record *record = &e->origin[origin];
    if (!record->open)
        return;
    for (unsigned i = 0; i < BUNDLE_WINDOW; i++)
        forget_reply(e, record, &record->kept[i]);
    arena_free(e->arena, record->kept, BUNDLE_WINDOW * sizeof *record->kept);
    epoch_no epoch = mutant(MUTANT_EVICTION_FORGETS_EPOCH) ? 0 : record->epoch;
    crypto_wipe(record, sizeof *record);
    record->epoch = epoch;
    record->dirty = true;
    e->sessions--;
}

static void evict_one(struct execution *e)
{
    origin_id victim = ORIGINS_MAX;
    for (origin_id i = 0; i < e->configuration.origins; i++) {
        const struct origin_record *record = &e->origin[i];
        if (!record->open)
            continue;
        const struct origin_record *best = victim < ORIGINS_MAX ? &e->origin[victim] : NULL;
        if (!best || record->last_slot < best->last_slot ||
            (record->last_slot == best->last_slot && record->last_index < best->last_index))
            victim = i;
    }
    if (victim < ORIGINS_MAX)
        origin_close(e, victim);
}

static bool session_keys(struct execution *e, struct origin_record *record)
{
    struct secret_key shared;
    if (!box_agree(&shared, &e->group, record->session_public.bytes))
        return false;
    key_derive(&record->content_key, &shared, "redoubt content", e->auth.cluster.bytes, sizeof e->auth.cluster.bytes);
    if (!box_agree(&shared, &e->auth.box, record->session_public.bytes))
        return false;
    key_derive(&record->reply_key, &shared, "redoubt reply", e->auth.cluster.bytes, sizeof e->auth.cluster.bytes);
    crypto_wipe(&shared, sizeof shared);
    return true;
}

/* Whether a session opens must be the same at every E: a key that no agreement is possible with is refused by all. */
static bool origin_open(struct execution *e, origin_id origin, epoch_no epoch, const struct key *session_public)
{
    struct origin_record *record = &e->origin[origin];
    origin_close(e, origin);
    record->epoch = epoch;
    record->dirty = true;
    record->session_public = *session_public;
    if (!session_keys(e, record)) {
        memset(&record->session_public, 0, sizeof record->session_public); /* a closed record is its epoch alone */
        return false;
    }
    while (e->sessions >= SESSIONS_MAX)
        evict_one(e);
    record->kept = arena_alloc(e->arena, BUNDLE_WINDOW * sizeof *record->kept);
    CHECK(record->kept != NULL);
    memset(record->kept, 0, BUNDLE_WINDOW * sizeof *record->kept);
    record->open = true;
    e->sessions++;
    return true;
}

enum admit origin_admit(struct execution *e, origin_id origin, epoch_no epoch, const struct bundle *bundle)
{
    if (origin >= e->configuration.origins || !e->configuration.origin[origin].present)
        return ADMIT_IGNORE;
    struct origin_record *record = &e->origin[origin];
    if (epoch < record->epoch || (epoch == record->epoch && !record->open))
        return ADMIT_IGNORE;
    if (epoch > record->epoch && !origin_open(e, origin, epoch, &bundle->session_public))
        return ADMIT_IGNORE;
    uint64_t number = bundle->bundle_no;
    if (number > record->highest) {
        uint64_t ahead = number - record->highest;
        record->window = ahead < BUNDLE_WINDOW ? record->window << ahead : 0;
        record->window |= 1;
        record->highest = number;
    } else {
        uint64_t behind = record->highest - number;
        if (behind >= BUNDLE_WINDOW)
            return ADMIT_STALE;
        if (record->window >> behind & 1 && !mutant(MUTANT_BUNDLE_EXECUTES_TWICE))
            return ADMIT_REPEAT;
        record->window |= 1ull << behind;
    }
    record->dirty = true;
    return ADMIT_EXECUTE;
}

struct kept_reply *origin_kept(struct execution *e, origin_id origin, uint64_t bundle_no)
{
    struct origin_record *record = &e->origin[origin];
    if (!record->open)
        return NULL;
    struct kept_reply *kept = &record->kept[bundle_no % BUNDLE_WINDOW];
    return kept->bundle_no == bundle_no && bundle_no ? kept : NULL;
}

/* Drops the results of the lowest numbers until the budget holds; the fact that they executed stays. */
static void shrink(struct execution *e, struct origin_record *record)
{
    uint64_t lowest = record->highest >= BUNDLE_WINDOW ? record->highest - BUNDLE_WINDOW + 1 : 1;
    for (uint64_t n = lowest; record->kept_bytes > REPLY_CACHE_BYTES && n < record->highest; n++) {
        struct kept_reply *kept = &record->kept[n % BUNDLE_WINDOW];
        if (kept->bundle_no == n)
            forget_reply(e, record, kept);
    }
}

void origin_keep(struct execution *e, origin_id origin, uint64_t bundle_no, enum reply_outcome outcome,
                 const uint8_t *results, size_t len)
{
    struct origin_record *record = &e->origin[origin];
    struct kept_reply *kept = &record->kept[bundle_no % BUNDLE_WINDOW];
    forget_reply(e, record, kept);
    *kept = (struct kept_reply){
        .bundle_no = bundle_no, .slot = e->executed + 1, .outcome = (uint8_t)outcome, .len = (uint32_t)len};
    if (len) {
        kept->results = arena_alloc(e->arena, len);
        CHECK(kept->results != NULL); /* the arena holds a reserve for replies beyond what the service may take */
        memcpy(kept->results, results, len);
        record->kept_bytes += len;
        shrink(e, record);
    }
}

static void record_digest(struct execution *e, struct origin_record *record)
{
    (void)e;
    uint8_t head[8 + 1 + 32 + 8 + 8 + 8 + 4];
    struct writer w = writer_to(head, sizeof head);
    put_u64(&w, record->epoch);
    put_u8(&w, record->open);
    put_raw(&w, record->session_public.bytes, 32);
    put_u64(&w, record->highest);
    put_u64(&w, record->window);
    put_u64(&w, record->last_slot);
    put_u32(&w, record->last_index);
    struct digest_state state;
    digest_begin(&state, "redoubt origin");
    digest_add(&state, head, w.len);
    for (unsigned i = 0; record->open && i < BUNDLE_WINDOW; i++) {
        struct kept_reply *kept = &record->kept[i];
        if (!kept->digested)
            digest_of(&kept->digest, "redoubt kept", kept->results, kept->results ? kept->len : 0);
        kept->digested = true;
        uint8_t line[8 + 8 + 1 + 1 + 32];
        struct writer k = writer_to(line, sizeof line);
        put_u64(&k, kept->bundle_no);
        put_u64(&k, kept->slot);
        put_u8(&k, kept->outcome);
        put_u8(&k, kept->results != NULL);
        put_digest(&k, &kept->digest);
        digest_add(&state, line, k.len);
    }
    digest_end(&state, &record->digest);
    record->dirty = false;
}

void origins_digest(struct execution *e, struct digest *out)
{
    struct digest_state state;
    digest_begin(&state, "redoubt origins");
    for (origin_id i = 0; i < e->configuration.origins; i++) {
        if (e->origin[i].dirty)
            record_digest(e, &e->origin[i]);
        digest_add(&state, e->origin[i].digest.bytes, 32);
    }
    digest_end(&state, out);
}

void origins_save(struct execution *e, struct writer *w)
{
    for (origin_id i = 0; i < e->configuration.origins; i++) {
        const struct origin_record *record = &e->origin[i];
        put_u64(w, record->epoch);
        put_u8(w, record->open);
        if (!record->open)
            continue;
        put_raw(w, record->session_public.bytes, 32);
        put_u64(w, record->highest);
        put_u64(w, record->window);
        put_u64(w, record->last_slot);
        put_u32(w, record->last_index);
        for (unsigned k = 0; k < BUNDLE_WINDOW; k++) {
            const struct kept_reply *kept = &record->kept[k];
            put_u64(w, kept->bundle_no);
            if (!kept->bundle_no)
                continue;
            put_u64(w, kept->slot);
            put_u8(w, kept->outcome);
            put_u8(w, kept->results != NULL);
            put_slice(w, (struct slice){kept->results, kept->results ? kept->len : 0});
        }
    }
}

static bool kept_load(struct execution *e, struct origin_record *record, unsigned index, struct reader *r)
{
    struct kept_reply *kept = &record->kept[index];
    uint64_t bundle_no = get_u64(r);
    if (!bundle_no)
        return !r->bad;
    slot_no slot = get_u64(r);
    uint8_t outcome = get_u8(r);
    bool present = get_u8(r) == 1;
    struct slice results = get_slice(r);
    if (r->bad || bundle_no % BUNDLE_WINDOW != index || results.len > REPLY_BODY_MAX || (!present && results.len))
        return false;
    *kept = (struct kept_reply){.bundle_no = bundle_no, .slot = slot, .outcome = outcome, .len = (uint32_t)results.len};
    if (present) {
        kept->results = arena_alloc(e->arena, results.len);
        if (!kept->results)
            return false;
        memcpy(kept->results, results.data, results.len);
        record->kept_bytes += results.len;
    }
    return true;
}

bool origins_load(struct execution *e, struct reader *r)
{
    for (origin_id i = 0; i < e->configuration.origins; i++)
        origin_close(e, i); /* all of them first: together with those to come they would be too many */
    for (origin_id i = 0; i < e->configuration.origins; i++) {
        struct origin_record *record = &e->origin[i];
        memset(record, 0, sizeof *record);
        record->epoch = get_u64(r);
        record->dirty = true;
        bool open = get_u8(r) == 1;
        if (!open)
            continue;
        get_raw(r, record->session_public.bytes, 32);
        if (r->bad || e->sessions >= SESSIONS_MAX || !session_keys(e, record))
            return false;
        record->highest = get_u64(r);
        record->window = get_u64(r);
        record->last_slot = get_u64(r);
        record->last_index = get_u32(r);
        record->kept = arena_alloc(e->arena, BUNDLE_WINDOW * sizeof *record->kept);
        if (!record->kept)
            return false;
        memset(record->kept, 0, BUNDLE_WINDOW * sizeof *record->kept);
        record->open = true;
        e->sessions++;
        for (unsigned k = 0; k < BUNDLE_WINDOW; k++)
            if (!kept_load(e, record, k, r))
                return false;
    }
    return !r->bad;
}
