#include "counter/trinx.h"

#include "base/check.h"
#include "counter/trinx_mutant.h"
#include "ordering/mutant.h"

#ifdef REDOUBT_MUTANTS
enum trinx_mutant trinx_mutant_on;
#endif

#define INPUT_BYTES 111u /* one block of the hash beside the key's; keep it at most 128 */

int trinx_compare(const struct trinx_value *a, const struct trinx_value *b)
{
    if (a->view != b->view && !trinx_mutant(TRINX_MUTANT_LOWER_VIEW))
        return a->view < b->view ? -1 : 1;
    if (a->order < b->order && !trinx_mutant(TRINX_MUTANT_LOWER_ORDER))
        return -1;
    return a->order != b->order;
}

struct tag16 trinx_life(const uint8_t box_public[32])
{
    struct tag16 life;
    memcpy(life.bytes, box_public, sizeof life.bytes);
    if (mutant(MUTANT_HYBSTER_LIFE_IGNORED))
        life = (struct tag16){{0}};
    return life;
}

enum verdict trinx_begin(struct trinx *t, const struct trinx_instance *self, uint32_t pillars,
                         const struct tag16 *cluster, const uint8_t group[32])
{
    if (t->begun && !trinx_mutant(TRINX_MUTANT_BEGUN_AGAIN))
        return VERDICT_DUPLICATE;
    if (pillars < 1 || pillars > PILLARS_MAX)
        return VERDICT_LIMIT;
    static const struct tag16 none;
    struct secret_key secret;
    memcpy(secret.bytes, group, sizeof secret.bytes);
    *t = (struct trinx){.begun = true, .self = *self, .pillars = pillars};
    /* The cluster is covered by the key. */
    key_derive(&t->key, &secret, "redoubt trinx 1",
               trinx_mutant(TRINX_MUTANT_CLUSTER_NOT_COVERED) ? &none : cluster, sizeof none);
    crypto_wipe(&secret, sizeof secret);
    return VERDICT_ACCEPT;
}

static void put_value(struct writer *w, const struct trinx_value *value)
{
    put_u64(w, value->view);
    put_u64(w, value->order);
}

/* Every field has a fixed size and place, so no two certificates have one encoding. */
static void encode(uint8_t input[INPUT_BYTES], const struct trinx_certificate *given,
                   const struct digest *digest)
{
    struct trinx_certificate c = *given;
    struct digest d = *digest;
    trinx_mutant_drop(&c, &d);
    struct writer w = writer_to(input, INPUT_BYTES);
    put_u8(&w, (uint8_t)c.kind);
    put_u32(&w, c.instance.replica);
    put_u8(&w, (uint8_t)c.instance.pillar);
    put_u64(&w, c.instance.epoch);
    put_raw(&w, c.instance.life.bytes, sizeof c.instance.life.bytes);
    put_u8(&w, (uint8_t)c.counter);
    put_value(&w, &c.value);
    put_value(&w, &c.previous);
    put_value(&w, &c.act);
    put_digest(&w, &d);
    CHECK(!w.bad && w.len == INPUT_BYTES);
}

/* Is there such a counter, and has the value a place in it? A MAC has neither. */
static bool place_possible(enum trinx_kind kind, uint32_t counter, const struct trinx_value *value)
{
    static const struct trinx_value zero;
    if (kind == TRINX_MAC)
        return counter == 0 && trinx_compare(value, &zero) == 0;
    return (kind == TRINX_INDEPENDENT || kind == TRINX_CONTINUING) && counter < PILLAR_COUNTERS;
}

static bool value_ends(const struct trinx_value *value)
{
    return value->view == UINT64_MAX || value->order == UINT64_MAX;
}

static bool too_low(const struct trinx_counter *counter, const struct trinx_command *command)
{
    int above = trinx_compare(&command->value, &counter->value);
    bool low = command->kind == TRINX_CONTINUING ? above < 0 : above <= 0;
    return trinx_mutant_low(command, above, low);
}

/* Moves the counter, or refuses to. */
static enum verdict move(struct trinx_counter *counter, const struct trinx_command *command,
                         struct trinx_certificate *c)
{
    const struct trinx_counter before = *counter;
    if (value_ends(&command->value) && !trinx_mutant(TRINX_MUTANT_OVERFLOW_TAKEN))
        return VERDICT_LIMIT;
    if (too_low(counter, command)) {
        trinx_mutant_refused(counter, command);
        return VERDICT_STALE;
    }
    counter->value = command->value;
    if (command->kind == TRINX_INDEPENDENT) {
        counter->act = command->value;
    } else {
        c->previous = before.value;
        c->act = before.act;
    }
    trinx_mutant_moved(counter, &before, command, c);
    return VERDICT_ACCEPT;
}

enum verdict trinx_certify(struct trinx *t, const struct trinx_command *command, struct trinx_certificate *c)
{
    *c = (struct trinx_certificate){.instance = t->self};
    enum verdict verdict = VERDICT_ACCEPT;
    if (!t->begun)
        verdict = VERDICT_EARLY;
    else if (command->pillar >= t->pillars ||
             !place_possible(command->kind, command->counter, &command->value))
        verdict = VERDICT_MALFORMED;
    else if (command->kind != TRINX_MAC)
        verdict =
            move(&t->counter[command->pillar][trinx_mutant(TRINX_MUTANT_ONE_COUNTER) ? 0 : command->counter],
                 command, c);
    if (verdict != VERDICT_ACCEPT && !trinx_mutant(TRINX_MUTANT_REFUSED_BUT_MADE)) {
        *c = (struct trinx_certificate){0};
        return verdict;
    }
    uint8_t input[INPUT_BYTES];
    c->instance.pillar = command->pillar;
    c->kind = command->kind;
    c->counter = command->counter;
    c->value = command->value;
    encode(input, c, &command->digest);
    mac_make(c->mac, &t->key, input, sizeof input);
    return verdict;
}

/* Could any instance have made it, whatever it was asked? */
static bool certificate_possible(const struct trinx_certificate *c)
{
    static const struct trinx_value zero;
    if (c->instance.pillar >= PILLARS_MAX || !place_possible(c->kind, c->counter, &c->value) ||
        value_ends(&c->value))
        return false;
    if (c->kind == TRINX_CONTINUING)
        return trinx_compare(&c->act, &c->previous) <= 0 && trinx_compare(&c->previous, &c->value) <= 0;
    return trinx_compare(&c->previous, &zero) == 0 && trinx_compare(&c->act, &zero) == 0;
}

enum verdict trinx_verify(const struct trinx *t, const struct trinx_certificate *c,
                          const struct digest *digest)
{
    if (!t->begun)
        return VERDICT_EARLY;
    if (!certificate_possible(c))
        return VERDICT_MALFORMED;
    uint8_t input[INPUT_BYTES];
    encode(input, c, digest);
    return mac_check(c->mac, &t->key, input, sizeof input) || trinx_mutant(TRINX_MUTANT_ANY_MAC)
               ? VERDICT_ACCEPT
               : VERDICT_BAD_MAC;
}

void trinx_validate(const struct trinx *t)
{
    for (uint32_t p = 0; p < PILLARS_MAX; p++)
        for (uint32_t i = 0; i < PILLAR_COUNTERS; i++)
            CHECK(trinx_compare(&t->counter[p][i].act, &t->counter[p][i].value) <= 0);
}
