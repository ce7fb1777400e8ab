#include "troxy/rounds.h"

#include "base/check.h"
#include "ordering/mutant.h"

#define LEAST_PATIENCE_US 2000u

void rounds_init(struct rounds *rs, struct round *round, const struct attestor *attestor, uint64_t attest_us)
{
    memset(rs, 0, sizeof *rs);
    rs->round = round;
    rs->attestor = *attestor;
    rs->typical_us = attest_us / 4 + 1;
}

static struct round *collecting(struct rounds *rs, bool make)
{
    struct round *unused = NULL;
    for (uint32_t i = 0; i < ROUNDS_MAX; i++) {
        struct round *r = &rs->round[i];
        if (r->used && !r->sent)
            return r;
        unused = r->used ? unused : r;
    }
    if (!unused || !make)
        return NULL;
    unused->used = true;
    unused->sent = false;
    unused->asked = unused->answered = 0;
    unused->count = unused->left = 0;
    unused->len = 0;
    return unused;
}

bool rounds_add(struct rounds *rs, void *asker, const uint32_t *cells, uint32_t count, version_no version,
                struct round_place *place)
{
    struct round *r = collecting(rs, true);
    if (!r || r->count == QUESTIONS_MAX)
        return false;
    struct writer w = writer_to(r->bytes + r->len, sizeof r->bytes - r->len);
    question_put(&w, cells, count);
    CHECK(!w.bad);
    r->len += w.len;
    *place = (struct round_place){(uint32_t)(r - rs->round), r->count};
    r->question[r->count++] = (struct round_question){.asker = asker, .version = version};
    r->left++;
    return true;
}

static void question_over(struct round *r, struct round_question *q)
{
    q->asker = NULL;
    if (--r->left == 0)
        r->used = false;
}

void rounds_give_up(struct rounds *rs, const struct round_place *place, const void *asker)
{
    struct round *r = &rs->round[place->round];
    CHECK(r->used && r->question[place->question].asker == asker);
    question_over(r, &r->question[place->question]);
}

/* --- asking ------------------------------------------------------------------------------------------------------------- */

/* Lower is asked first: those that are well, then the local one, then by lot. */
static uint32_t rank(const struct rounds *rs, replica_id replica, uint8_t lot, uint64_t now_us)
{
    return (uint32_t)(rs->well_us[replica] > now_us) << 16 | (uint32_t)(replica != rs->local) << 8 | lot;
}

static uint32_t wanted(const struct rounds *rs)
{
    return rs->attestors ? rs->attestors : rs->configuration->read_quorum;
}

static uint32_t choose(const struct rounds *rs, uint64_t now_us)
{
    uint8_t lot[REPLICAS_MAX];
    uint32_t chosen = 0, n = rs->configuration->replicas;
    crypto_random(lot, sizeof lot);
    for (uint32_t i = 0; i < wanted(rs); i++) {
        uint32_t best = UINT32_MAX;
        replica_id next = 0;
        for (replica_id r = 0; r < n; r++)
            if (!(chosen >> r & 1) && rank(rs, r, lot[r], now_us) < best) {
                best = rank(rs, r, lot[r], now_us);
                next = r;
            }
        chosen |= 1u << next;
    }
    return chosen;
}

static uint64_t patience(const struct rounds *rs)
{
    uint64_t us = 4 * rs->typical_us + LEAST_PATIENCE_US;
    return us < rs->attest_max_us ? us : rs->attest_max_us;
}

void rounds_flush(struct rounds *rs, uint64_t now_us)
{
    struct round *r = collecting(rs, false);
    if (!r)
        return;
    r->sent = true;
    r->nonce = mutant(MUTANT_NONCE_REUSED) ? 1 : ++rs->nonce;
    r->sent_us = now_us;
    r->due_us = now_us + patience(rs);
    r->asked = choose(rs, now_us);
    rs->rounds++;
    rs->questions += r->count;
    for (replica_id replica = 0; replica < rs->configuration->replicas; replica++)
        if (r->asked >> replica & 1)
            rs->attestor.ask(rs->attestor.self, replica, r->nonce, (struct slice){r->bytes, r->len});
}

/* --- answers ------------------------------------------------------------------------------------------------------------ */

static struct round *round_of(struct rounds *rs, uint64_t nonce)
{
    for (uint32_t i = 0; i < ROUNDS_MAX; i++)
        if (rs->round[i].used && rs->round[i].sent && rs->round[i].nonce == nonce)
            return &rs->round[i];
    return NULL;
}

static void settle(struct rounds *rs, struct round *r, struct round_question *q, enum round_answer answer)
{
    void *asker = q->asker;
    version_no version = q->version;
    question_over(r, q);
    rs->settled(rs->context, asker, answer, version);
}

static void question_count(struct rounds *rs, struct round *r, struct round_question *q, version_no version)
{
    uint32_t quorum = wanted(rs) - (mutant(MUTANT_READ_QUORUM_ONE_SHORT) ? 1 : 0);
    if (q->answers == 0 && !rs->floors)
        q->version = version;
    q->answers++;
    if (rs->floors ? version > q->version : version != q->version)
        settle(rs, r, q, ROUND_DIFFER);
    else if (q->answers >= quorum)
        settle(rs, r, q, ROUND_AGREED);
}

enum verdict rounds_on_frame(struct rounds *rs, const struct frame *frame, uint64_t now_us)
{
    struct attestation a;
    enum verdict verdict = rs->attestor.open(rs->attestor.self, frame, &a);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    if (a.number != rs->configuration->number && !mutant(MUTANT_ANY_NUMBER_COUNTS))
        return a.number > rs->configuration->number ? VERDICT_EARLY : VERDICT_STALE;
    struct round *r = round_of(rs, a.nonce);
    rs->stale += !r;
    if (!r)
        return VERDICT_STALE;
    if (!(r->asked >> a.from & 1) || a.versions.len != 8 * (size_t)r->count)
        return VERDICT_UNEXPECTED;
    if (r->answered >> a.from & 1 && !mutant(MUTANT_ATTESTOR_COUNTED_TWICE))
        return VERDICT_DUPLICATE;
    r->answered |= 1u << a.from;
    rs->well_us[a.from] = 0;
    if (r->answered == r->asked && now_us >= r->sent_us)
        rs->typical_us = (7 * rs->typical_us + (now_us - r->sent_us)) / 8 + 1;
    struct reader versions = reader_of(a.versions.data, a.versions.len);
    for (uint32_t i = 0; i < r->count && r->used; i++) {
        version_no version = get_u64(&versions);
        if (r->question[i].asker)
            question_count(rs, r, &r->question[i], version);
    }
    return VERDICT_ACCEPT;
}

/* --- time --------------------------------------------------------------------------------------------------------------- */

static void round_silent(struct rounds *rs, struct round *r)
{
    for (uint32_t i = 0; i < r->count && r->used; i++)
        if (r->question[i].asker)
            settle(rs, r, &r->question[i], ROUND_SILENT);
}

void rounds_on_timer(struct rounds *rs, uint64_t now_us)
{
    for (uint32_t i = 0; i < ROUNDS_MAX; i++) {
        struct round *r = &rs->round[i];
        if (!r->used || !r->sent || r->due_us > now_us)
            continue;
        for (replica_id replica = 0; replica < REPLICAS_MAX; replica++)
            if ((r->asked & ~r->answered) >> replica & 1)
                rs->well_us[replica] = now_us + rs->sick_us;
        if (4 * rs->typical_us < rs->attest_max_us)
            rs->typical_us *= 2;
        round_silent(rs, r);
    }
}

uint64_t rounds_next_timer(const struct rounds *rs)
{
    uint64_t at = UINT64_MAX;
    for (uint32_t i = 0; i < ROUNDS_MAX; i++)
        if (rs->round[i].used && rs->round[i].sent && rs->round[i].due_us < at)
            at = rs->round[i].due_us;
    return at;
}

void rounds_drop(struct rounds *rs, const struct configuration *configuration)
{
    rs->configuration = configuration;
    for (uint32_t i = 0; i < ROUNDS_MAX; i++)
        if (rs->round[i].used)
            round_silent(rs, &rs->round[i]);
}

void rounds_validate(const struct rounds *rs)
{
    uint32_t unsent = 0;
    for (uint32_t i = 0; i < ROUNDS_MAX; i++) {
        const struct round *r = &rs->round[i];
        uint32_t left = 0;
        if (!r->used)
            continue;
        for (uint32_t q = 0; q < r->count; q++)
            left += r->question[q].asker != NULL;
        unsent += !r->sent;
        CHECK(left == r->left && left > 0 && r->count <= QUESTIONS_MAX);
        CHECK((r->answered & ~r->asked) == 0);
    }
    CHECK(unsent <= 1);
}
