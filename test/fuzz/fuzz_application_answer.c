/*
 * Whatever an application answers to Execution: it is used, or it ends the compartment; and what is used is within its bounds.
 */
#include <setjmp.h>

#include "application/proxy.h"
#include "need.h"

static jmp_buf ended;
static struct reader script;
static uint8_t *frame; /* one, of exactly its size */
static void *proxy;
static uint64_t sum;

static void swallow(void *context, const struct slice *parts, unsigned count)
{
    (void)context;
    for (unsigned i = 0; i < count; i++)
        sum += look_at(parts[i].data, parts[i].len);
}

static void fail(void *context, const char *what)
{
    (void)context, (void)what;
    longjmp(ended, 1);
}

static struct slice receive(void *context)
{
    uint16_t len = get_u16(&script);
    const uint8_t *data = reader_take(&script, len);
    if (!data)
        fail(context, "silence");
    free(frame);
    frame = malloc(len ? len : 1);
    need(frame != NULL);
    memcpy(frame, data, len);
    return (struct slice){frame, len};
}

/* As the engine does, it wants all that can be had of a leaf that is touched. */
static void sink_write(struct redoubt_sink *sink, const void *data, size_t bytes)
{
    (void)sink;
    need(bytes > 0 && bytes <= LEAF_BYTES_MAX);
    sum += look_at(data, bytes);
}

static void on_touch(const struct redoubt_env *env, uint64_t leaf)
{
    struct redoubt_sink sink = {.write = sink_write};
    uint8_t digest[REDOUBT_DIGEST_BYTES];
    (void)env;
    need(leaf < LEAVES_MAX);
    if (!proxy)
        return; /* within create */
    if (sum & 1)
        application_proxy.leaf_digest(proxy, leaf, digest);
    if (sum & 2)
        application_proxy.leaf_save(proxy, leaf, &sink);
}

static void *alloc(const struct redoubt_env *env, size_t bytes)
{
    static _Alignas(64) uint8_t memory[PROXY_BYTES];
    (void)env;
    need(bytes <= sizeof memory);
    return memory;
}

static void release(const struct redoubt_env *env, void *memory, size_t bytes)
{
    (void)env, (void)memory, (void)bytes;
}

static void one_call(unsigned which)
{
    static uint8_t room[REPLY_BODY_MAX + OP_MAX], seed[32];
    static const uint8_t operations[] = {1, 0, 0, 0, 'a', 2, 0, 0, 0, 'b', 'c'};
    struct redoubt_result result = {.data = room, .capacity = OP_MAX};
    struct redoubt_op op = {.data = operations, .bytes = sizeof operations, .seed = seed};
    struct redoubt_sink sink = {.write = sink_write};
    struct redoubt_keys keys;
    struct writer w = writer_to(room, REPLY_BODY_MAX);
    const struct call_run run = {.mode = RUN_EXECUTE, .op = op};
    const struct call_run second = {.mode = RUN_EXECUTE, .follows = true, .op = op};
    const uint64_t leaves[] = {0, 3};
    struct slice touched = {NULL, 0};
    switch (which % 10) {
    case 0:
        application_apart.begin(proxy, &run, (struct slice){operations, sizeof operations});
        application_apart.begin(proxy, &second, (struct slice){operations, sizeof operations});
        need(application_apart.finish(proxy, (struct slice){operations, sizeof operations}, &w, &touched));
        need(!w.bad && w.len >= 12);
        sum += look_at(touched.data, touched.len);
        (void)application_apart.finish(proxy, (struct slice){operations, sizeof operations}, &w, &touched);
        break;
    case 1:
        need(application_proxy.execute(proxy, &op, &result) <= REDOUBT_FULL && result.bytes <= OP_MAX);
        break;
    case 2:
        need(application_proxy.read(proxy, &op, &result) <= REDOUBT_FULL && result.bytes <= OP_MAX);
        break;
    case 3:
        if (application_proxy.keys(&op, &keys))
            for (uint32_t i = 0; i < keys.count; i++)
                sum += look_at(keys.entry[i].key, keys.entry[i].bytes);
        break;
    case 4:
        application_proxy.expect_leaves(proxy, leaves, 2);
        break;
    case 5:
        application_proxy.leaf_digest(proxy, 1, room);
        break;
    case 6:
        application_proxy.leaf_save(proxy, 1, &sink);
        break;
    case 7:
        if (application_proxy.reset(proxy, 7, true))
            need(application_proxy.leaf_count(proxy) == 7);
        break;
    case 8:
        (void)application_proxy.saved_digest(proxy, 1, operations, sizeof operations, room);
        break;
    default:
        (void)application_proxy.leaf_load(proxy, 1, operations, sizeof operations);
    }
    need(application_proxy.leaf_count(proxy) <= LEAVES_MAX);
}

/* Input: (u16 length, frame)*: the answers, to CREATE first; a byte before the answers to each call says which it is. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct application_link link = {.send = swallow, .receive = receive, .fail = fail};
    const struct redoubt_env env = {.alloc = alloc, .release = release, .touch = on_touch};
    script = reader_of(data, size);
    sum = size;
    application_proxy_use(&link);
    proxy = NULL;
    if (!setjmp(ended)) {
        proxy = application_proxy.create(&env, "options");
        for (int i = 0; proxy && i < 8 && reader_left(&script); i++)
            one_call(get_u8(&script));
    }
    free(frame);
    frame = NULL;
    return 0;
}
