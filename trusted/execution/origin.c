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
    if (!kept->present)
        return;
    kept_drop(&e->kept, kept->chunk);
    record->kept_bytes -= kept->len;
    e->kept_bytes -= kept->len;
    kept->present = false;
    kept->chunk = 0;
    kept->digested = false;
    record->dirty = true;
}

void origin_close(struct execution *e, origin_id origin)
{
    struct origin_record *record = &e->origin[origin];
    if (!record->open)
        return;
    for (unsigned i = 0; i < BUNDLE_WINDOW; i++)
        forget_reply(e, record, &record->kept[i]);
    e->kept_row_used[record->kept_row] = false;
    epoch_no epoch = mutant(MUTANT_EVICTION_FORGETS_EPOCH) ? 0 : record->epoch;
    crypto_wipe(record, sizeof *record);
    record->epoch = epoch;
    record->dirty = true;
    e->sessions--;
}

/* The open session that was idle longest, of those that keep at least so many bytes. ORIGINS_MAX: none. */
static origin_id idle_longest(const struct execution *e, size_t kept_bytes)
{
    origin_id victim = ORIGINS_MAX;
    for (origin_id i = 0; i < e->configuration.origins; i++) {
        const struct origin_record *record = &e->origin[i];
        if (!record->open || record->kept_bytes < kept_bytes)
            continue;
        const struct origin_record *best = victim < ORIGINS_MAX ? &e->origin[victim] : NULL;
        if (!best || record->last_slot < best->last_slot ||
            (record->last_slot == best->last_slot && record->last_index < best->last_index))
            victim = i;
    }
    return victim;
}

static bool session_keys(struct execution *e, struct origin_record *record)
{
    struct secret_key shared;
    if (!box_agree(&shared, &e->group, record->session_public.bytes))
        return false;
    key_derive(&record->content_key, &shared, "redoubt content", e->auth.cluster.bytes,
               sizeof e->auth.cluster.bytes);
    if (!box_agree(&shared, &e->auth.box, record->session_public.bytes))
        return false;
    key_derive(&record->reply_key, &shared, "redoubt reply", e->auth.cluster.bytes,
               sizeof e->auth.cluster.bytes);
    key_derive(&record->attest_key, &shared, "redoubt attest", e->auth.cluster.bytes,
               sizeof e->auth.cluster.bytes);
    key_derive(&record->read_key, &shared, "redoubt read", e->auth.cluster.bytes,
               sizeof e->auth.cluster.bytes);
    crypto_wipe(&shared, sizeof shared);
    return true;
}

static void session_add(struct execution *e, struct origin_record *record)
{
    uint32_t row = 0;
    while (row < SESSIONS_MAX && e->kept_row_used[row])
        row++;
    CHECK(row < SESSIONS_MAX);
    e->kept_row_used[row] = true;
    record->kept_row = row;
    record->kept = e->kept_row[row];
    memset(record->kept, 0, sizeof e->kept_row[row]);
    record->open = true;
    e->sessions++;
}

/* Whether a session opens must be the same at every E: a key that no agreement is possible with is refused by all. */
static bool origin_open(struct execution *e, origin_id origin, epoch_no epoch,
                        const struct key *session_public)
{
    struct origin_record *record = &e->origin[origin];
    origin_close(e, origin);
    record->epoch = epoch;
    record->dirty = true;
    record->session_public = *session_public;
    if (!session_keys(e, record)) {
        memset(&record->session_public, 0,
               sizeof record->session_public); /* a closed record is its epoch alone */
        return false;
    }
    while (e->sessions >= SESSIONS_MAX)
        origin_close(e, idle_longest(e, 0));
    session_add(e, record);
    return true;
}

/* Does executing this entry of a batch take its body? What was executed, is too old or of a closed epoch does not. */
bool origin_needs_body(const struct execution *e, const struct batch_entry *entry)
{
    if (entry->origin == ORIGIN_RECONFIG)
        return reconfig_needs_body(e, entry);
    if (entry->origin >= e->configuration.origins || !e->configuration.origin[entry->origin].present)
        return false;
    const struct origin_record *record = &e->origin[entry->origin];
    if (entry->epoch != record->epoch)
        return entry->epoch > record->epoch;
    if (!record->open)
        return false;
    if (entry->bundle_no > record->highest)
        return true;
    uint64_t behind = record->highest - entry->bundle_no;
    return behind < BUNDLE_WINDOW &&
           (!(record->window >> behind & 1) || mutant(MUTANT_BUNDLE_EXECUTES_TWICE));
}

bool origin_settled(const struct execution *e, origin_id origin, epoch_no epoch, uint64_t bundle_no)
{
    const struct origin_record *record = &e->origin[origin];
    if (epoch != record->epoch || !record->open)
        return epoch <= record->epoch;
    if (bundle_no > record->highest)
        return false;
    uint64_t behind = record->highest - bundle_no;
    return behind >= BUNDLE_WINDOW || record->window >> behind & 1;
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

/* Results beyond the budgets go: of this origin the lowest numbers, of all origins those of the one idle longest. That a
 * bundle was executed stays known. What goes depends on the order alone, so it is the same at every E. */
static void shrink(struct execution *e, struct origin_record *record)
{
    uint64_t lowest = record->highest >= BUNDLE_WINDOW ? record->highest - BUNDLE_WINDOW + 1 : 1;
    for (uint64_t n = lowest; record->kept_bytes > REPLY_CACHE_BYTES && n < record->highest; n++) {
        struct kept_reply *kept = &record->kept[n % BUNDLE_WINDOW];
        if (kept->bundle_no == n)
            forget_reply(e, record, kept);
    }
    while (e->kept_bytes > KEPT_BYTES_MAX) {
        struct origin_record *idle = &e->origin[idle_longest(e, 1)];
        for (unsigned i = 0; i < BUNDLE_WINDOW; i++)
            forget_reply(e, idle, &idle->kept[i]);
    }
}

static void kept_set(struct execution *e, struct origin_record *record, struct kept_reply *kept,
                     const uint8_t *results, size_t len)
{
    kept->present = true;
    kept->len = (uint32_t)len;
    kept->chunk = kept_store(&e->kept, results, len);
    kept->digested = false;
    record->kept_bytes += len;
    e->kept_bytes += len;
}

/* What is kept from here on will mostly still be kept when the checkpoint wants its digest. */
static bool checkpoint_is_near(const struct execution *e)
{
    return CHECKPOINT_INTERVAL - e->executed % CHECKPOINT_INTERVAL <= BUNDLE_WINDOW;
}

void origin_keep(struct execution *e, origin_id origin, uint64_t bundle_no, enum reply_outcome outcome,
                 const uint8_t *results, size_t len)
{
    struct origin_record *record = &e->origin[origin];
    struct kept_reply *kept = &record->kept[bundle_no % BUNDLE_WINDOW];
    forget_reply(e, record, kept);
    *kept = (struct kept_reply){.bundle_no = bundle_no, .slot = e->executed + 1, .outcome = (uint8_t)outcome};
    if (len) {
        kept_set(e, record, kept, results, len);
        if (checkpoint_is_near(e)) {
            /* Now, while it is in the cache, and not all of them in the checkpoint's slot. */
            digest_of(&kept->digest, KEPT_TAG, results, len);
            kept->digested = true;
        }
        shrink(e, record);
    }
}

#define CERTIFIED_BYTES (4u + 2u * 32u)

/* What a record's digest covers: its head, and a line for each reply kept. */
struct record_head {
    epoch_no epoch;
    uint8_t open;
    struct key session_public;
    uint64_t highest;
    uint64_t window;
    slot_no last_slot;
    uint32_t last_index;
};

static struct record_head head_of(const struct origin_record *record)
{
    return (struct record_head){.epoch = record->epoch,
                                .open = record->open,
                                .session_public = record->session_public,
                                .highest = record->highest,
                                .window = record->window,
                                .last_slot = record->last_slot,
                                .last_index = record->last_index};
}

static void digest_head(struct digest_state *state, const struct record_head *h)
{
    uint8_t head[8 + 1 + 32 + 8 + 8 + 8 + 4];
    struct writer w = writer_to(head, sizeof head);
    put_u64(&w, h->epoch);
    put_u8(&w, h->open);
    put_raw(&w, h->session_public.bytes, 32);
    put_u64(&w, h->highest);
    put_u64(&w, h->window);
    put_u64(&w, h->last_slot);
    put_u32(&w, h->last_index);
    digest_begin(state, "origin");
    digest_add(state, head, w.len);
}

static void put_certified(struct writer *w, const struct kept_reply *kept)
{
    put_u32(w, kept->index);
    put_digest(w, &kept->before);
    put_digest(w, &kept->raised);
}

static void digest_line(struct digest_state *state, const struct kept_reply *kept, bool certifies)
{
    uint8_t line[8 + 8 + 1 + 1 + 32 + CERTIFIED_BYTES];
    struct writer w = writer_to(line, sizeof line);
    put_u64(&w, kept->bundle_no);
    put_u64(&w, kept->slot);
    put_u8(&w, kept->outcome);
    put_u8(&w, kept->present);
    put_digest(&w, &kept->digest);
    if (certifies)
        put_certified(&w, kept);
    digest_add(state, line, w.len);
}

static void origin_digest(struct execution *e, struct origin_record *record)
{
    struct record_head head = head_of(record);
    struct digest_state state;
    digest_head(&state, &head);
    for (unsigned i = 0; record->open && i < BUNDLE_WINDOW; i++) {
        struct kept_reply *kept = &record->kept[i];
        if (!kept->digested)
            kept_digest(&e->kept, kept->chunk, kept->present ? kept->len : 0, &kept->digest);
        kept->digested = true;
        digest_line(&state, kept, e->configuration.certifies);
    }
    digest_end(&state, &record->digest);
    record->dirty = false;
}

void origins_refresh(struct execution *e)
{
    for (origin_id i = 0; i < e->configuration.origins; i++)
        if (e->origin[i].dirty)
            origin_digest(e, &e->origin[i]);
}

/* --- saved and loaded, when state moves to another replica ----------------------------------------------------------------
 *
 *   record: u64 epoch, u8 open; if open: session_public, u64 highest, u64 window, u64 last_slot, u32 last_index, and
 *           BUNDLE_WINDOW times: u64 bundle_no (0: none, nothing follows), u64 slot, u8 outcome, u8 present, u32 length, results, and
 *           where Troxies certify: u32 index, digest before, digest raised
 */

size_t origin_size(const struct execution *e, origin_id origin)
{
    const struct origin_record *record = &e->origin[origin];
    size_t size = 9;
    if (!record->open)
        return size;
    size += 32 + 3 * 8 + 4 + record->kept_bytes;
    for (unsigned k = 0; k < BUNDLE_WINDOW; k++)
        size += record->kept[k].bundle_no ? 22 + (e->configuration.certifies ? CERTIFIED_BYTES : 0) : 8;
    return size;
}

void origin_save(const struct execution *e, origin_id origin, struct writer *w)
{
    const struct origin_record *record = &e->origin[origin];
    put_u64(w, record->epoch);
    put_u8(w, record->open);
    if (!record->open)
        return;
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
        put_u8(w, kept->present);
        put_u32(w, kept->present ? kept->len : 0);
        uint8_t *to = writer_take(w, kept->present ? kept->len : 0);
        if (to && kept->present)
            kept_copy(&e->kept, kept->chunk, kept->len, to);
        if (e->configuration.certifies)
            put_certified(w, kept);
    }
}

static bool read_head(struct reader *r, struct record_head *h)
{
    memset(h, 0, sizeof *h);
    h->epoch = get_u64(r);
    h->open = get_u8(r);
    if (r->bad || h->open > 1)
        return false;
    if (!h->open)
        return true;
    get_raw(r, h->session_public.bytes, 32);
    h->highest = get_u64(r);
    h->window = get_u64(r);
    h->last_slot = get_u64(r);
    h->last_index = get_u32(r);
    return !r->bad;
}

/* One reply; `*results` are its bytes. */
static bool read_reply(const struct execution *e, struct reader *r, unsigned index, struct kept_reply *kept,
                       struct slice *results)
{
    *kept = (struct kept_reply){.bundle_no = get_u64(r)};
    *results = (struct slice){NULL, 0};
    if (!kept->bundle_no)
        return !r->bad;
    kept->slot = get_u64(r);
    kept->outcome = get_u8(r);
    uint8_t present = get_u8(r);
    *results = get_slice(r);
    kept->present = present == 1;
    if (e->configuration.certifies) {
        kept->index = get_u32(r);
        get_raw(r, kept->before.bytes, sizeof kept->before.bytes);
        get_raw(r, kept->raised.bytes, sizeof kept->raised.bytes);
    }
    return !r->bad && present <= 1 && kept->bundle_no % BUNDLE_WINDOW == index &&
           results->len <= REPLY_BODY_MAX && (kept->present || !results->len);
}

bool origin_saved_digest(const struct execution *e, struct slice saved, struct digest *out)
{
    struct reader r = reader_of(saved.data, saved.len);
    struct record_head head;
    struct digest_state state;
    if (!read_head(&r, &head))
        return false;
    digest_head(&state, &head);
    for (unsigned i = 0; head.open && i < BUNDLE_WINDOW; i++) {
        struct kept_reply kept;
        struct slice results;
        if (!read_reply(e, &r, i, &kept, &results))
            return false;
        digest_of(&kept.digest, KEPT_TAG, results.data, results.len);
        digest_line(&state, &kept, e->configuration.certifies);
    }
    digest_end(&state, out);
    return reader_done(&r);
}

void origin_clear(struct execution *e, origin_id origin)
{
    origin_close(e, origin);
    memset(&e->origin[origin], 0, sizeof e->origin[origin]);
    e->origin[origin].dirty = true;
}

bool origin_load(struct execution *e, origin_id origin, struct slice saved)
{
    struct reader r = reader_of(saved.data, saved.len);
    struct origin_record *record = &e->origin[origin];
    struct record_head head;
    origin_clear(e, origin);
    if (!read_head(&r, &head))
        return false;
    record->epoch = head.epoch;
    record->session_public = head.session_public;
    record->highest = head.highest;
    record->window = head.window;
    record->last_slot = head.last_slot;
    record->last_index = head.last_index;
    if (!head.open)
        return true;
    if (e->sessions >= SESSIONS_MAX || !session_keys(e, record))
        return false;
    session_add(e, record);
    for (unsigned k = 0; k < BUNDLE_WINDOW; k++) {
        struct slice results;
        struct kept_reply kept;
        if (!read_reply(e, &r, k, &kept, &results) || e->kept_bytes + results.len > KEPT_BYTES_MAX)
            return false;
        bool present = kept.present;
        kept.present = false;
        record->kept[k] = kept;
        if (present)
            kept_set(e, record, &record->kept[k], results.data, results.len);
    }
    return true;
}
