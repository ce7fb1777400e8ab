/*
 * Micro-benchmark of the kv service alone, no replication: operations per second, cost of leaf digests, memory per key.
 *
 *     bench_kv [KEYS...]          (default 1000 1000000)
 *
 * Keys have 10 bytes, values 100. Keys are chosen uniformly. Memory is counted by the same arena that a compartment uses;
 * with HUGE_PAGES=1 in the environment, in huge pages where the kernel has them.
 */
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/arena.h"
#include "base/check.h"
#include "crypto/service.h"
#include "kv/kv.h"
#include "kv/kv_codec.h"

#define VALUE_BYTES 100
#define ARENA_BYTES ((size_t)4 << 30)
#define SLOT_OPS    4096u /* operations between two checkpoints in the digest measurement */

static struct arena arena;
static bool *dirty;
static uint64_t *dirty_list;
static uint64_t dirty_count;

static void *bench_alloc(const struct redoubt_env *env, size_t bytes)
{
    (void)env;
    return arena_alloc(&arena, bytes);
}

static void bench_release(const struct redoubt_env *env, void *memory, size_t bytes)
{
    (void)env;
    arena_free(&arena, memory, bytes);
}

static void bench_touch(const struct redoubt_env *env, uint64_t leaf)
{
    (void)env;
    if (dirty[leaf])
        return;
    dirty[leaf] = true;
    dirty_list[dirty_count++] = leaf;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint64_t random_next(void)
{
    static uint64_t x = 88172645463325252u;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return x >> 11;
}

static uint8_t request[1 << 16];
static struct redoubt_result result;

static void run(void *state, size_t bytes, enum redoubt_status expected)
{
    static const uint8_t seed[32];
    struct redoubt_op op = {.data = request, .bytes = bytes, .seed = seed};
    CHECK(redoubt_service_kv.execute(state, &op, &result) == expected);
}

static size_t key_of(uint64_t number, char key[16])
{
    return (size_t)snprintf(key, 16, "k%09" PRIu64, number);
}

static void put(void *state, uint64_t number)
{
    static uint8_t value[VALUE_BYTES];
    char key[16];
    memcpy(value, &number, sizeof number);
    value[8]++;
    run(state, kv_put_encode(request, sizeof request, key, key_of(number, key), value, sizeof value),
        REDOUBT_OK);
}

static void get(void *state, uint64_t number)
{
    char key[16];
    run(state, kv_get_encode(request, sizeof request, key, key_of(number, key)), REDOUBT_OK);
}

static void list(void *state, uint64_t number)
{
    char key[16];
    struct slice after = {.len = key_of(number, key), .data = (const uint8_t *)key};
    run(state, kv_list_encode(request, sizeof request, (struct slice){0}, after, 10, false), REDOUBT_OK);
}

static void clean(void)
{
    for (uint64_t i = 0; i < dirty_count; i++)
        dirty[dirty_list[i]] = false;
    dirty_count = 0;
}

static void digest_dirty(const void *state)
{
    uint8_t digest[REDOUBT_EXPECT_MAX][REDOUBT_DIGEST_BYTES];
    for (uint64_t i = 0; i < dirty_count; i += REDOUBT_EXPECT_MAX) {
        size_t count = dirty_count - i < REDOUBT_EXPECT_MAX ? dirty_count - i : REDOUBT_EXPECT_MAX;
        redoubt_service_kv.expect_leaves(state, dirty_list + i, count);
        redoubt_service_kv.leaf_digests(state, dirty_list + i, count, digest);
    }
    clean();
}

/* The same loop without the service, to be taken off. */
static double loop_cost(uint64_t keys, uint64_t ops)
{
    char key[16];
    double start = now();
    for (uint64_t i = 0; i < ops; i++)
        CHECK(kv_get_encode(request, sizeof request, key, key_of(random_next() % keys, key)));
    return now() - start;
}

static void measure(void *state, const char *what, void (*op)(void *, uint64_t), uint64_t keys, uint64_t ops)
{
    double overhead = loop_cost(keys, ops);
    double start = now();
    for (uint64_t i = 0; i < ops; i++)
        op(state, random_next() % keys);
    double each = (now() - start - overhead) / (double)ops;
    printf("  %-8s %8.0f ns  %10.0f ops/s\n", what, each * 1e9, 1 / each);
    clean();
}

/* Puts in groups that the service is told of in advance, as those of a bundle are. */
static void measure_groups(void *state, uint64_t keys, uint64_t ops)
{
    static uint8_t text[REDOUBT_EXPECT_MAX][256], value[VALUE_BYTES];
    struct redoubt_op op[REDOUBT_EXPECT_MAX] = {{0}};
    char key[16];
    double spent = 0;
    for (uint64_t i = 0; i < ops; i += REDOUBT_EXPECT_MAX) {
        for (uint32_t k = 0; k < REDOUBT_EXPECT_MAX; k++) {
            size_t key_len = key_of(random_next() % keys, key);
            op[k].data = text[k];
            op[k].bytes = kv_put_encode(text[k], sizeof text[k], key, key_len, value, sizeof value);
        }
        double start = now();
        redoubt_service_kv.expect(state, op, REDOUBT_EXPECT_MAX);
        for (uint32_t k = 0; k < REDOUBT_EXPECT_MAX; k++)
            CHECK(redoubt_service_kv.execute(state, &op[k], &result) == REDOUBT_OK);
        spent += now() - start;
    }
    printf("  %-8s %8.0f ns  %10.0f ops/s\n", "put x16", spent / (double)ops * 1e9, (double)ops / spent);
    clean();
}

static void measure_digests(void *state, uint64_t keys, uint64_t rounds)
{
    double spent = 0;
    uint64_t leaves = 0;
    for (uint64_t i = 0; i < rounds; i++) {
        for (uint32_t k = 0; k < SLOT_OPS && k < keys / 64 + 1; k++)
            put(state, random_next() % keys);
        leaves += dirty_count;
        double start = now();
        digest_dirty(state);
        spent += now() - start;
    }
    printf("  %-8s %8.0f ns per dirty leaf (%.2f changes a leaf)\n", "digest", spent / (double)leaves * 1e9,
           (double)(rounds * (SLOT_OPS < keys / 64 + 1 ? SLOT_OPS : keys / 64 + 1)) / (double)leaves);
}

static void bench(uint64_t keys)
{
    uint64_t ops = keys > 100000 ? 1000000 : 2000000;
    struct redoubt_env env = {
        .alloc = bench_alloc, .release = bench_release, .touch = bench_touch, .digest = service_digest, .digests = service_digests};
    void *memory =
        mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(memory != MAP_FAILED);
    if (getenv("HUGE_PAGES"))
        (void)madvise(memory, ARENA_BYTES, MADV_HUGEPAGE);
    arena_init(&arena, memory, ARENA_BYTES);
    dirty = calloc(keys + 16, sizeof *dirty);
    dirty_list = calloc(keys + 16, sizeof *dirty_list);
    void *state = redoubt_service_kv.create(&env, "memory_mb=4096");
    size_t empty = arena.live;
    CHECK(state && dirty && dirty_list);

    printf("%" PRIu64 " keys\n", keys);
    uint64_t stride = 7919; /* load in an order that is neither sorted nor random in memory */
    double longest = 0;
    double start = now();
    for (uint64_t i = 0; i < keys; i++) {
        double before = now();
        put(state, i * stride % keys);
        double took = now() - before;
        longest = took > longest ? took : longest;
    }
    double each = (now() - start) / (double)keys;
    printf("  %-8s %8.0f ns  %10.0f ops/s, longest %.0f us\n", "insert", each * 1e9, 1 / each, longest * 1e6);
    printf("  memory   %8.1f bytes a key (%.1f MB), arena used %.1f MB\n",
           (double)(arena.live - empty) / (double)keys, (double)(arena.live - empty) / 1e6,
           (double)arena.used / 1e6);
    digest_dirty(state);
    measure(state, "get", get, keys, ops);
    measure(state, "put", put, keys, ops);
    measure_groups(state, keys, ops);
    measure(state, "list 10", list, keys, ops / 4);
    measure_digests(state, keys, keys > 100000 ? 100 : 5000);
    munmap(memory, ARENA_BYTES);
    free(dirty);
    free(dirty_list);
}

int main(int argc, char **argv)
{
    static uint8_t space[REDOUBT_OP_MAX_BYTES];
    result = (struct redoubt_result){.data = space, .capacity = sizeof space};
    if (sodium_init() < 0)
        return 1;
    if (argc < 2) {
        bench(1000);
        bench(1000000);
    }
    for (int i = 1; i < argc; i++)
        bench(strtoull(argv[i], NULL, 10));
    return 0;
}
