/*
 * TrInX against whoever may call anything in any order: every sequence of calls up to a small depth, over all of its interface, is
 * played beside a model of a few lines. The attacker owns the host: it starts copies, replays and swaps COUNTER-KEYs, forges some,
 * and asks for every kind of certificate of every counter; whatever it gets, it shows under every other name.
 *
 *   one counter compartment    all commands over two pillars, both counters, values below, at and above, and the last
 *   three of them              two copies of one incarnation, and a later one; all COUNTER-KEYs to all of them
 *   two clusters               with one secret
 *
 * Found must be nothing; and something for every seeded bug of counter/trinx_mutant.h.
 */
#include "testing.h"

#include "counter_world.h"

#include "counter/trinx_mutant.h"
#include "crypto/crypto_sim.h"

static const char *found; /* what the attacker got, or what was not as the model says */
static unsigned long calls;
static struct digest digest[2];

static void find(const char *what)
{
    if (!found)
        found = what;
}

/* ------------------------------------------------------------ the model, and what may never be */

#define PILLARS 2
#define DEPTH   4

struct model {
    bool begun;
    struct trinx_value value[PILLARS][PILLAR_COUNTERS], act[PILLARS][PILLAR_COUNTERS];
};

struct obtained {
    unsigned from; /* which compartment */
    struct trinx_certificate certificate;
    struct digest digest;
};

static struct obtained history[16];
static unsigned history_count;

static bool above(struct trinx_value a, struct trinx_value b)
{
    return a.view > b.view || (a.view == b.view && a.order > b.order);
}

static bool same(struct trinx_value a, struct trinx_value b)
{
    return a.view == b.view && a.order == b.order;
}

static enum verdict model_step(struct model *m, const struct trinx_command *command,
                               struct trinx_certificate *expected)
{
    struct trinx_value *value = &m->value[command->pillar][command->counter],
                       *act = &m->act[command->pillar][command->counter];
    *expected = (struct trinx_certificate){.kind = command->kind};
    if (!m->begun)
        return VERDICT_EARLY;
    if (command->kind == TRINX_MAC)
        return command->counter == 0 && same(command->value, (struct trinx_value){0, 0}) ? VERDICT_ACCEPT
                                                                                         : VERDICT_MALFORMED;
    if (command->value.view == UINT64_MAX || command->value.order == UINT64_MAX)
        return VERDICT_LIMIT;
    bool independent = command->kind == TRINX_INDEPENDENT;
    if (independent ? !above(command->value, *value) : above(*value, command->value))
        return VERDICT_STALE;
    if (independent)
        *act = command->value;
    else
        expected->previous = *value, expected->act = *act;
    *value = command->value;
    return VERDICT_ACCEPT;
}

/* Two Independent certificates of one instance, counter and value; whatever the model says. */
static void look_for_two(const struct obtained *last)
{
    const struct trinx_certificate *c = &last->certificate;
    if (c->kind != TRINX_INDEPENDENT)
        return;
    for (unsigned i = 0; i < history_count; i++) {
        const struct trinx_certificate *other = &history[i].certificate;
        if (history[i].from == last->from && other->kind == c->kind && other->counter == c->counter &&
            other->instance.pillar == c->instance.pillar && same(other->value, c->value))
            find("two Independent certificates of one value");
    }
}

/* The last value that this counter gave Independent, by what the attacker holds. */
static void look_at_act(const struct obtained *last)
{
    const struct trinx_certificate *c = &last->certificate;
    struct trinx_value act = {0, 0};
    for (unsigned i = 0; i < history_count; i++) {
        const struct trinx_certificate *other = &history[i].certificate;
        if (history[i].from == last->from && other->kind == TRINX_INDEPENDENT &&
            other->counter == c->counter && other->instance.pillar == c->instance.pillar)
            act = other->value;
    }
    if (c->kind == TRINX_CONTINUING && !same(act, c->act))
        find("a Continuing certificate hides an Independent one");
}

/* Under every other name; `verify` says whether that passes. */
static void show_as_others(const struct obtained *last,
                           bool (*verify)(void *, const struct trinx_certificate *, const struct digest *),
                           void *with)
{
    const struct trinx_certificate *right = &last->certificate;
    static const struct trinx_value values[] = {{0, 0}, {0, 1}, {0, 2},          {1, 0},
                                                {1, 1}, {2, 0}, {UINT64_MAX, 0}, {0, UINT64_MAX}};
    struct trinx_certificate c;
    if (!verify(with, right, &last->digest))
        find("a certificate does not verify");
#define AS(field, other)                                                                                     \
    c = *right;                                                                                              \
    c.field = other;                                                                                         \
    if (memcmp(&c.field, &right->field, sizeof c.field) != 0 && verify(with, &c, &last->digest))             \
        find("passes with another " #field);
    for (unsigned kind = 0; kind < 5; kind++) {
        AS(kind, (enum trinx_kind)kind)
        c.previous = c.act = (struct trinx_value){0, 0}; /* stripped to what that kind may have */
        if (c.kind == TRINX_MAC)
            c.counter = 0, c.value = c.act;
        if (c.kind != right->kind && verify(with, &c, &last->digest))
            find("passes as another kind");
    }
    for (uint32_t i = 0; i < 4; i++) {
        AS(instance.replica, i)
        AS(instance.pillar, i)
        AS(instance.epoch, i)
        AS(counter, i)
    }
    AS(instance.pillar, right->instance.pillar + 256)
    AS(counter, right->counter + 256)
    for (unsigned i = 0; i < sizeof values / sizeof *values; i++) {
        AS(value, values[i])
        AS(previous, values[i])
        AS(act, values[i])
    }
    AS(instance.life.bytes[0], (uint8_t)(right->instance.life.bytes[0] ^ 1))
    AS(mac[0], (uint8_t)(right->mac[0] ^ 1))
#undef AS
    for (int i = 0; i < 2; i++)
        if (!digest_equal(&digest[i], &last->digest) && verify(with, right, &digest[i]))
            find("passes for another digest");
}

static void obtain(unsigned from, const struct trinx_command *command, const struct trinx_certificate *c,
                   bool (*verify)(void *, const struct trinx_certificate *, const struct digest *),
                   void *with)
{
    struct obtained last = {from, *c, command->digest};
    look_for_two(&last);
    look_at_act(&last);
    if (history_count < 2 || history_count == DEPTH - 1) /* the rest would say the same again */
        show_as_others(&last, verify, with);
    history[history_count] = last;
}

/* ------------------------------------------------------------ one compartment's counters, all commands */

static bool core_verifies(void *with, const struct trinx_certificate *c, const struct digest *d)
{
    return trinx_verify(with, c, d) == VERDICT_ACCEPT;
}

static const struct {
    uint32_t pillar, counter;
} places[] = {{0, 0}, {0, 1}, {1, 0}};
static const struct trinx_value values[] = {{0, 1}, {1, 0}, {1, 1}, {0, UINT64_MAX}};

static void one_call(const struct trinx *before, const struct model *model,
                     const struct trinx_command *command, unsigned depth);

static void all_calls(const struct trinx *t, const struct model *model, unsigned depth)
{
    if (depth == DEPTH)
        return;
    one_call(t, model, &(struct trinx_command){TRINX_MAC, 1, 0, {0, 0}, digest[0]}, depth);
    one_call(t, model, &(struct trinx_command){TRINX_MAC, 0, 1, {0, 0}, digest[0]}, depth);
    for (unsigned p = 0; p < sizeof places / sizeof *places; p++)
        for (unsigned v = 0; v < sizeof values / sizeof *values; v++) {
            struct trinx_command command = {TRINX_CONTINUING, places[p].pillar, places[p].counter, values[v],
                                            digest[0]};
            one_call(t, model, &command, depth);
            command.kind = TRINX_INDEPENDENT;
            one_call(t, model, &command, depth);
            command.digest = digest[1];
            if (p == 0)
                one_call(t, model, &command, depth);
        }
}

static void one_call(const struct trinx *before, const struct model *model,
                     const struct trinx_command *command, unsigned depth)
{
    static const uint8_t zero[MAC_BYTES];
    struct trinx t = *before;
    struct model m = *model;
    struct trinx_certificate c, expected;
    unsigned had = history_count;
    if (found)
        return;
    calls++;
    enum verdict right = model_step(&m, command, &expected), verdict = trinx_certify(&t, command, &c);
    if (verdict != right)
        find("another verdict than the model's");
    if (verdict != VERDICT_ACCEPT && memcmp(c.mac, zero, sizeof zero) != 0)
        find("a certificate of what was refused");
    if (verdict == VERDICT_ACCEPT) {
        if (!same(c.previous, expected.previous) || !same(c.act, expected.act))
            find("it shows something else than the model");
        obtain(0, command, &c, core_verifies, &t);
        history_count++;
    }
    if (trinx_mutant_on == TRINX_MUTANT_NONE)
        trinx_validate(&t);
    all_calls(&t, &m, depth + 1);
    history_count = had;
}

static void explore_one(void)
{
    struct trinx t = {.begun = false};
    struct model m = {.begun = false};
    struct trinx_instance self = {.replica = 1, .epoch = 2, .life = {{7}}};
    uint8_t group[32];
    struct tag16 cluster = {{9}};
    crypto_random(group, sizeof group);
    one_call(&t, &m, &(struct trinx_command){TRINX_INDEPENDENT, 0, 0, {0, 1}, digest[0]}, DEPTH - 1);
    if (trinx_begin(&t, &self, PILLARS, &cluster, group) != VERDICT_ACCEPT)
        find("it does not begin");
    m.begun = true;
    all_calls(&t, &m, 0);
}

/* ------------------------------------------------------------ three compartments, all keys */

#define COMPARTMENTS 3

static struct counter_world world;
static struct counter_under_test compartment[COMPARTMENTS];
static struct model compartment_model[COMPARTMENTS];
#define KEYS                                                                                                 \
    (COMPARTMENTS +                                                                                          \
     2) /* one that is forged, and one of another incarnation; both sealed to the first compartment */
static uint8_t key_frame[KEYS][512];
static size_t key_len[KEYS];
static uint8_t kept[DEPTH + 1][COMPARTMENTS][65536];

static bool compartment_verifies(void *with, const struct trinx_certificate *c, const struct digest *d)
{
    return counter_verify(with, c, d) == VERDICT_ACCEPT;
}

static void keep(unsigned depth, unsigned i)
{
    assert_true(compartment[i].arena.used <= sizeof kept[depth][i]);
    memcpy(kept[depth][i], compartment[i].memory, compartment[i].arena.used);
}

static void put_back(unsigned depth, unsigned i)
{
    memcpy(compartment[i].memory, kept[depth][i], compartment[i].arena.used);
}

static void play(unsigned depth);

static void give_key(unsigned to, unsigned key, unsigned depth)
{
    struct model before = compartment_model[to];
    calls++;
    bool right = key == to,
         taken = counter_give(&compartment[to], key_frame[key], key_len[key]) == VERDICT_ACCEPT;
    if (taken != (right && !before.begun))
        find(taken ? "a COUNTER-KEY is taken that must not be" : "its COUNTER-KEY is not taken");
    if (taken)
        compartment_model[to].begun = true;
    play(depth + 1);
    compartment_model[to] = before;
}

static void ask(unsigned of, enum trinx_kind kind, struct trinx_value value, unsigned which, unsigned depth)
{
    struct trinx_command command = {kind, 0, 0, value, digest[which]};
    struct model before = compartment_model[of];
    struct trinx_certificate c, expected;
    unsigned had = history_count;
    calls++;
    enum verdict right = model_step(&compartment_model[of], &command, &expected);
    enum verdict verdict = counter_certify(&compartment[of], &command, &c);
    if (verdict != right)
        find("another verdict than the model's");
    if (verdict == VERDICT_ACCEPT) {
        obtain(of, &command, &c, compartment_verifies, &compartment[of]);
        for (unsigned i = 0; i < COMPARTMENTS; i++) { /* shown as the same of another instance */
            struct trinx_certificate twin = c;
            twin.instance.replica = compartment[i].replica;
            twin.instance.epoch = compartment[i].epoch;
            twin.instance.life = trinx_life(compartment[i].box_public);
            if (i != of && compartment_verifies(&compartment[of], &twin, &command.digest))
                find("passes as another instance's");
            if (compartment_model[i].begun && !compartment_verifies(&compartment[i], &c, &command.digest))
                find("another compartment does not verify it");
        }
        history_count++;
    }
    play(depth + 1);
    compartment_model[of] = before;
    history_count = had;
}

static void play(unsigned depth)
{
    static const struct trinx_value one = {0, 1}, next = {1, 0};
    if (depth == DEPTH)
        return;
    for (unsigned i = 0; i < COMPARTMENTS && !found; i++) {
        keep(depth, i);
        for (unsigned key = 0; key < KEYS; key++) {
            give_key(i, key, depth);
            put_back(depth, i);
        }
        ask(i, TRINX_INDEPENDENT, one, 0, depth);
        put_back(depth, i);
        ask(i, TRINX_INDEPENDENT, one, 1, depth);
        put_back(depth, i);
        ask(i, TRINX_CONTINUING, next, 0, depth);
        put_back(depth, i);
    }
}

static void explore_three(void)
{
    counter_world_init(&world);
    for (unsigned i = 0; i < COMPARTMENTS; i++) {
        counter_start(&compartment[i], &world, 1, i < 2 ? 1 : 2);
        compartment_model[i] = (struct model){.begun = false};
        struct counter_key m = counter_key_for(&world, &compartment[i], PILLARS);
        key_len[i] = counter_key_frame(&world, &m, NULL, key_frame[i]);
    }
    struct counter_world own = world; /* the attacker's own administrator, secret and cluster */
    counter_world_init(&own);
    struct counter_key forged = counter_key_for(&own, &compartment[0], PILLARS);
    key_len[COMPARTMENTS] = counter_key_frame(&own, &forged, NULL, key_frame[COMPARTMENTS]);
    struct counter_key other = counter_key_for(&world, &compartment[0], PILLARS);
    other.epoch = compartment[2].epoch;
    key_len[COMPARTMENTS + 1] = counter_key_frame(&world, &other, NULL, key_frame[COMPARTMENTS + 1]);
    play(0);
    for (unsigned i = 0; i < COMPARTMENTS; i++)
        counter_stop(&compartment[i]);
}

/* ------------------------------------------------------------ two clusters */

static void explore_clusters(void)
{
    struct trinx t[2] = {{.begun = false}, {.begun = false}};
    struct trinx_instance self = {.replica = 1, .epoch = 2, .life = {{7}}};
    uint8_t group[32] = {1};
    struct trinx_certificate c;
    for (int i = 0; i < 2; i++)
        if (trinx_begin(&t[i], &self, 1, &(struct tag16){{(uint8_t)i}}, group) != VERDICT_ACCEPT)
            find("it does not begin");
    struct trinx_command command = {TRINX_INDEPENDENT, 0, 0, {0, 1}, digest[0]};
    if (trinx_certify(&t[0], &command, &c) == VERDICT_ACCEPT && core_verifies(&t[1], &c, &digest[0]))
        find("passes in another cluster");
}

static void explore(enum trinx_mutant mutant)
{
    crypto_sim_reset(1);
    digest_of(&digest[0], "test", "one", 3);
    digest_of(&digest[1], "test", "two", 3);
    trinx_mutant_on = mutant;
    found = NULL;
    calls = 0;
    history_count = 0;
    explore_clusters();
    if (!found)
        explore_one();
    if (!found)
        explore_three();
    trinx_mutant_on = TRINX_MUTANT_NONE;
}

static void nothing_in_any_order_of_calls(void **state)
{
    (void)state;
    explore(TRINX_MUTANT_NONE);
    print_message("%lu calls\n", calls);
    if (found)
        fail_msg("%s", found);
    assert_in_range(calls, 1000000, UINT32_MAX);
}

static void every_seeded_bug_is_found(void **state)
{
    (void)state;
    static const char *const names[] = {"none",
#define M(name) #name,
                                        TRINX_MUTANTS(M)
#undef M
    };
    unsigned missed = 0;
    for (int mutant = 1; mutant < TRINX_MUTANT_COUNT; mutant++) {
        explore((enum trinx_mutant)mutant);
        print_message("%-22s %s (%lu calls)\n", names[mutant], found ? found : "NOT FOUND", calls);
        missed += !found;
    }
    assert_int_equal(missed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_in_any_order_of_calls),
        cmocka_unit_test(every_seeded_bug_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
