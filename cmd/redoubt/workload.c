#include "workload.h"

#include <stdlib.h>
#include <string.h>

#include "counter/counter_codec.h"
#include "kv/kv_codec.h"

#define TEXT_BYTES    65536u
#define LOAD_OP_BYTES (32u * 1024u) /* of one loading operation, unless a value alone is larger */
#define LOAD_OP_KEYS  256u
#define KEY_BYTES     WORKLOAD_KEY_BYTES

static const struct {
    const char *name;
    const char *service;
} kinds[] = {
    [WORKLOAD_COUNTER] = {"counter", "counter"},
    [WORKLOAD_YCSB_A] = {"ycsb-a", "kv"},
    [WORKLOAD_YCSB_B] = {"ycsb-b", "kv"},
    [WORKLOAD_YCSB_C] = {"ycsb-c", "kv"},
    [WORKLOAD_YCSB_F] = {"ycsb-f", "kv"},
    [WORKLOAD_GET] = {"get", "kv"},
    [WORKLOAD_SET] = {"set", "kv"},
};

enum workload_kind workload_kind_of(const char *name)
{
    for (int i = 0; i < WORKLOAD_NONE; i++)
        if (strcmp(name, kinds[i].name) == 0)
            return (enum workload_kind)i;
    return WORKLOAD_NONE;
}

const char *workload_service(enum workload_kind kind)
{
    return kinds[kind].service;
}

static uint64_t random_next(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* ------------------------------------------------------------------------------------------------ zipfian */

static double power_99(double x)
{
    double x3 = x * x * x;
    double x11 = x3 * x3 * x3 * x * x;
    double x33 = x11 * x11 * x11;
    return x33 * x33 * x33;
}

/* x^0.01 by Newton's method from a guess nearby (that of the number before). */
static double hundredth_root(double x, double guess)
{
    for (int i = 0; i < 8; i++) {
        double p = power_99(guess);
        double step = (p * guess - x) / (100 * p);
        guess -= step;
        if (step < 1e-13 && step > -1e-13)
            break;
    }
    return guess;
}

/* Vose's alias method: each draw costs one random number and one comparison, whatever the number of keys. */
static bool zipfian_init(struct workload *w)
{
    size_t n = (size_t)w->keys;
    double *weight = malloc(n * sizeof *weight);
    uint32_t *todo = malloc(n * sizeof *todo);
    w->alias = malloc(n * sizeof *w->alias);
    bool ok = weight && todo && w->alias;
    double sum = 0;
    double root = 1;
    for (size_t i = 0; ok && i < n; i++) {
        root = hundredth_root((double)(i + 1), root);
        weight[i] = root / (double)(i + 1); /* (i+1)^-0.99 */
        sum += weight[i];
    }
    /* `todo`: the light ones from the front, the heavy ones from the back. */
    size_t light = 0;
    size_t heavy = n;
    for (size_t i = 0; ok && i < n; i++) {
        weight[i] *= (double)n / sum;
        todo[weight[i] < 1 ? light++ : --heavy] = (uint32_t)i;
    }
    while (ok && light > 0 && heavy < n) {
        uint32_t small = todo[--light];
        uint32_t large = todo[heavy];
        w->alias[small] = (struct alias){(uint32_t)(weight[small] * 4294967295.0), large};
        weight[large] -= 1 - weight[small];
        if (weight[large] < 1) {
            heavy++;
            todo[light++] = large;
        }
    }
    while (ok && light > 0) {
        uint32_t i = todo[--light];
        w->alias[i] = (struct alias){UINT32_MAX, i};
    }
    for (; ok && heavy < n; heavy++)
        w->alias[todo[heavy]] = (struct alias){UINT32_MAX, todo[heavy]};
    free(weight);
    free(todo);
    return ok;
}

static uint64_t scatter(uint64_t rank)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a, as YCSB */
    for (int i = 0; i < 8; i++, rank >>= 8)
        hash = (hash ^ (rank & 0xff)) * 0x100000001b3u;
    return hash;
}

static uint64_t place_of(const struct workload *w, uint64_t draw)
{
    return ((draw >> 32) * w->keys) >> 32;
}

static void draw_ahead(struct workload *w)
{
    uint64_t draw = w->ahead[w->drawn++ % WORKLOAD_AHEAD] = random_next(&w->random);
    if (w->alias)
        __builtin_prefetch(&w->alias[place_of(w, draw)]);
}

static uint64_t key_draw(struct workload *w)
{
    uint64_t r = w->ahead[w->drawn % WORKLOAD_AHEAD];
    draw_ahead(w); /* takes its place */
    uint64_t slot = place_of(w, r);
    if (!w->alias)
        return slot;
    uint64_t rank = (uint32_t)r <= w->alias[slot].threshold ? slot : w->alias[slot].other;
    return scatter(rank) % w->keys;
}

/* ------------------------------------------------------------------------------------------------ operations */

bool workload_init(struct workload *w)
{
    uint64_t random = 1;
    w->op_cap = REDOUBT_OP_MAX_BYTES;
    w->op = malloc(w->op_cap);
    w->text = malloc(TEXT_BYTES + w->value_bytes);
    if (!w->op || !w->text)
        return false;
    for (size_t i = 0; i < TEXT_BYTES + w->value_bytes; i++)
        w->text[i] = (uint8_t)('a' + random_next(&random) % 26);
    bool zipfian = w->kind == WORKLOAD_YCSB_A || w->kind == WORKLOAD_YCSB_B || w->kind == WORKLOAD_YCSB_C ||
                   w->kind == WORKLOAD_YCSB_F;
    if (zipfian && !zipfian_init(w))
        return false;
    for (unsigned i = 0; i < WORKLOAD_AHEAD; i++)
        draw_ahead(w);
    return true;
}

void workload_deinit(struct workload *w)
{
    free(w->op);
    free(w->text);
    free(w->alias);
}

static void key_write(uint8_t key[KEY_BYTES], uint64_t number)
{
    memcpy(key, "user", 4);
    for (size_t i = KEY_BYTES; i-- > 4; number /= 10)
        key[i] = (uint8_t)('0' + number % 10);
}

static const uint8_t *value_draw(const struct workload *w, uint64_t *random)
{
    return w->text + random_next(random) % TEXT_BYTES;
}

static bool writes(enum workload_kind kind, uint64_t *random)
{
    switch (kind) {
    case WORKLOAD_YCSB_A:
        return random_next(random) % 100 < 50;
    case WORKLOAD_YCSB_B:
        return random_next(random) % 100 < 5;
    case WORKLOAD_SET:
        return true;
    default:
        return false;
    }
}

static size_t counter_next(struct workload *w)
{
    struct counter_request request = {
        .opcode = COUNTER_INCR, .amount = 1, .reply_bytes = w->reply_bytes, .padding_len = w->padding_bytes};
    return counter_request_encode(w->op, w->op_cap, &request);
}

size_t workload_next(struct workload *w, struct workload_caller *caller)
{
    if (w->kind == WORKLOAD_COUNTER)
        return counter_next(w);
    if (!caller->writes_next)
        caller->key = key_draw(w);
    key_write(w->key, caller->key);
    w->value = NULL;
    if (!caller->writes_next && !writes(w->kind, &caller->random))
        return kv_get_encode(w->op, w->op_cap, w->key, sizeof w->key);
    w->value = value_draw(w, &caller->random);
    return kv_put_encode(w->op, w->op_cap, w->key, sizeof w->key, w->value, w->value_bytes);
}

bool workload_complete(const struct workload *w, struct workload_caller *caller)
{
    if (w->kind != WORKLOAD_YCSB_F)
        return true;
    if (caller->writes_next) {
        caller->writes_next = false;
        return true;
    }
    caller->writes_next = random_next(&caller->random) % 100 < 50;
    return !caller->writes_next;
}

size_t workload_load(struct workload *w, uint64_t *at, struct workload_caller *caller)
{
    struct kv_batch batch;
    uint64_t fit = LOAD_OP_BYTES / (w->value_bytes + KEY_BYTES);
    fit = fit < 1 ? 1 : fit > LOAD_OP_KEYS ? LOAD_OP_KEYS : fit;
    kv_batch_begin(&batch, w->op, w->op_cap);
    for (uint64_t i = 0; i < fit && *at < w->keys; i++, (*at)++) {
        uint8_t key[KEY_BYTES];
        key_write(key, *at);
        kv_batch_put(&batch, key, sizeof key, value_draw(w, &caller->random), w->value_bytes);
    }
    return kv_batch_end(&batch);
}
