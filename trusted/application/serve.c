#include "application/serve.h"

#include "base/check.h"
#include "crypto/service.h"
#include "wire/reply.h"

/* ------------------------------------------------------------ the environment */

static void *env_alloc(const struct redoubt_env *env, size_t bytes)
{
    struct application *a = env->engine;
    void *memory = arena_alloc(a->arena, bytes);
    a->refused |= memory == NULL;
    return memory;
}

static void env_release(const struct redoubt_env *env, void *memory, size_t bytes)
{
    struct application *a = env->engine;
    arena_free(a->arena, memory, bytes);
}

static void require(struct application *a, bool good, const char *what)
{
    if (!good) {
        a->link.fail(a->link.context, what);
        CHECK(false); /* it never returns */
    }
}

/* ------------------------------------------------------------ answers */

static void answer(struct application *a, enum answer kind, struct slice head, struct slice data)
{
    uint8_t which = (uint8_t)kind;
    const struct slice parts[] = {{&which, 1}, head, data};
    a->link.send(a->link.context, parts, 3);
}

static const struct slice nothing = {NULL, 0};

static void events_send(struct application *a)
{
    if (a->events)
        answer(a, ANSWER_TOUCHES, (struct slice){a->event, a->events}, nothing);
    a->events = 0;
    a->last_touched = UINT64_MAX;
}

static void done(struct application *a, enum call call, struct slice data)
{
    uint8_t room[9];
    struct writer w = writer_to(room, sizeof room);
    events_send(a);
    put_u8(&w, (uint8_t)call);
    put_u64(&w, a->state ? a->service->leaf_count(a->state) : 0);
    answer(a, ANSWER_DONE, (struct slice){room, w.len}, data);
}

static void done_if(struct application *a, enum call call, bool good)
{
    uint8_t byte = good;
    done(a, call, (struct slice){&byte, 1});
}

static void collect_write(struct redoubt_sink *sink, const void *data, size_t bytes)
{
    struct application *a = sink->context;
    a->outgoing_needed += bytes;
    if (bytes && bytes <= sizeof a->out - a->outgoing) {
        memcpy(a->out + a->outgoing, data, bytes);
        a->outgoing += bytes;
    }
}

static void leaf_send(struct application *a, uint64_t leaf)
{
    struct redoubt_sink sink = {.context = a, .write = collect_write};
    a->outgoing = a->outgoing_needed = 0;
    a->service->leaf_save(a->state, leaf, &sink);
    require(a, a->outgoing == a->outgoing_needed, "a leaf is larger than 64 MiB");
    size_t at = 0;
    do {
        uint8_t room[16];
        struct writer w = writer_to(room, sizeof room);
        size_t left = a->outgoing - at, len = left < CALL_PIECE_BYTES ? left : CALL_PIECE_BYTES;
        put_u64(&w, leaf);
        put_u32(&w, (uint32_t)a->outgoing);
        put_u32(&w, (uint32_t)at);
        answer(a, ANSWER_LEAF, (struct slice){room, w.len}, (struct slice){a->out + at, len});
        at += len;
    } while (at < a->outgoing);
}

/* ------------------------------------------------------------ touches */

static bool bit_take(uint64_t *map, uint64_t i)
{
    bool was = map[i / 64] >> (i % 64) & 1;
    map[i / 64] &= ~(1ull << i % 64);
    return was;
}

static void env_touch(const struct redoubt_env *env, uint64_t leaf)
{
    struct application *a = env->engine;
    require(a, leaf < LEAVES_MAX, "the service touched a leaf beyond the last that there may be");
    require(a, a->changing, "the service touched a leaf while it was only read");
    bool digest = leaf < a->freeze_leaves && bit_take(a->pending, leaf);
    bool bytes = leaf < a->serve_leaves && !(a->saved[leaf / 64] >> (leaf % 64) & 1);
    if (leaf == a->last_touched && !digest && !bytes)
        return;
    if (a->events + CALL_TOUCH_BYTES > sizeof a->event)
        events_send(a);
    if (bytes) {
        a->saved[leaf / 64] |= 1ull << leaf % 64;
        events_send(a);
        leaf_send(a, leaf);
    }
    struct writer w = writer_to(a->event + a->events, sizeof a->event - a->events);
    put_u64(&w, leaf);
    put_u8(&w, (uint8_t)((digest ? TOUCH_DIGEST : 0) | (bytes ? TOUCH_BYTES : 0)));
    if (digest) {
        uint8_t *to = writer_take(&w, REDOUBT_DIGEST_BYTES);
        CHECK(to != NULL);
        a->service->leaf_digest(a->state, leaf, to);
    }
    a->events += w.len;
    a->last_touched = leaf;
}

/* ------------------------------------------------------------ calls */

static void on_create(struct application *a, struct reader *r)
{
    char options[4096];
    size_t len = reader_left(r);
    require(a, !a->state && len < sizeof options, "created twice, or with too many options");
    if (len)
        memcpy(options, reader_take(r, len), len);
    options[len] = '\0';
    a->changing = true;
    a->state = a->service->create(&a->env, options);
    a->changing = false;
    done_if(a, CALL_CREATE, a->state != NULL);
}

/* One operation; its result goes behind the others. As Execution does it for a service of its own. */
static void run_one(struct application *a, enum run_mode mode, const struct redoubt_op *op, struct writer *w,
                    struct writer *touched)
{
    struct redoubt_result result = {.data = w->data + w->len + 6, .capacity = OP_MAX, .bytes = 0};
    struct touched touches;
    unsigned status;
    touched_by(&touches, a->service, op);
    if (w->len > RESULTS_SOFT_MAX) {
        status = RESULT_RETRY;
    } else {
        a->refused = false;
        status = mode == RUN_EXECUTE ? a->service->execute(a->state, op, &result)
                                     : a->service->read(a->state, op, &result);
        require(a, !a->refused, "memory ran out below the service's own limit");
        if (mode == RUN_READ_ONLY && status == REDOUBT_INVALID)
            status = REDOUBT_DENIED;
    }
    CHECK(result.bytes <= OP_MAX);
    put_u8(w, (uint8_t)status);
    put_u8(w, RESULT_FULL);
    put_u32(w, (uint32_t)result.bytes);
    CHECK(writer_take(w, result.bytes) != NULL || result.bytes == 0);
    touches.is_volatile = result.is_volatile;
    touched_put(touched, &touches);
}

static void run_done(struct application *a, struct slice results, struct slice touched)
{
    uint8_t which = ANSWER_DONE, room[9 + 4];
    struct writer w = writer_to(room, sizeof room);
    events_send(a);
    put_u8(&w, CALL_RUN);
    put_u64(&w, a->service->leaf_count(a->state));
    put_u32(&w, (uint32_t)results.len);
    const struct slice parts[] = {{&which, 1}, {room, w.len}, results, touched};
    a->link.send(a->link.context, parts, 4);
}

static void on_run(struct application *a, struct reader *r)
{
    struct call_run run;
    struct writer w = writer_to(a->result, sizeof a->result), t = writer_to(a->touched, sizeof a->touched);
    require(a, call_run_get(r, &run), "a malformed call");
    if (!run.follows)
        a->group_bytes = 0;
    if (a->group_bytes > RUN_GROUP_BYTES) {
        done(a, CALL_RUN, nothing);
        return;
    }
    a->changing = run.mode == RUN_EXECUTE;
    while (reader_left(r)) {
        struct redoubt_op op[REDOUBT_EXPECT_MAX];
        size_t count = 0;
        for (; count < REDOUBT_EXPECT_MAX && reader_left(r); count++) {
            struct slice data = get_slice(r);
            op[count] = run.op;
            op[count].data = data.data;
            op[count].bytes = data.len;
            run.op.index++;
        }
        require(a, !r->bad, "a malformed call");
        if (a->service->expect && count > 1)
            a->service->expect(a->state, op, count);
        for (size_t i = 0; i < count; i++)
            run_one(a, run.mode, &op[i], &w, &t);
    }
    a->changing = false;
    require(a, !t.bad, "more operations than a bundle may have");
    a->group_bytes += w.len + t.len;
    run_done(a, (struct slice){a->result, w.len}, (struct slice){a->touched, t.len});
}

static void on_keys(struct application *a, struct reader *r)
{
    struct call_run run;
    struct redoubt_keys keys = {.count = 0};
    require(a, call_run_get(r, &run), "a malformed call");
    run.op.bytes = reader_left(r);
    run.op.data = reader_take(r, run.op.bytes);
    bool good = a->service->keys(&run.op, &keys);
    struct writer w = writer_to(a->result, sizeof a->result);
    put_u8(&w, good);
    put_u8(&w, keys.reads_all);
    put_u8(&w, keys.writes_all);
    for (uint32_t i = 0; i < keys.count && i < REDOUBT_KEYS_MAX; i++) {
        put_u32(&w, (uint32_t)(keys.entry[i].key - run.op.data));
        put_u32(&w, (uint32_t)keys.entry[i].bytes);
        put_u8(&w, keys.entry[i].write);
    }
    done(a, CALL_KEYS, (struct slice){a->result, w.len});
}

static void on_digests(struct application *a, struct reader *r)
{
    uint64_t leaf[REDOUBT_EXPECT_MAX];
    size_t count = reader_left(r) / 8;
    require(a, count > 0 && count <= REDOUBT_EXPECT_MAX, "a malformed call");
    for (size_t i = 0; i < count; i++) {
        leaf[i] = get_u64(r);
        require(a, leaf[i] < a->service->leaf_count(a->state), "the digest of a leaf that there is not");
        (void)bit_take(a->pending, leaf[i]);
    }
    require(a, reader_done(r), "a malformed call");
    uint8_t digest[REDOUBT_EXPECT_MAX][REDOUBT_DIGEST_BYTES];
    service_leaf_digests(a->service, a->state, leaf, count, digest);
    done(a, CALL_DIGESTS, (struct slice){digest[0], count * REDOUBT_DIGEST_BYTES});
}

/* The leaf that a call is about; for SAVE there must be such a one. */
static uint64_t leaf_get(struct application *a, struct reader *r)
{
    uint64_t leaf = get_u64(r);
    require(a, reader_done(r), "a malformed call");
    return leaf;
}

static void on_save(struct application *a, struct reader *r)
{
    uint64_t leaf = leaf_get(a, r);
    require(a, leaf < a->service->leaf_count(a->state), "the bytes of a leaf that there is not");
    leaf_send(a, leaf);
    done(a, CALL_SAVE, nothing);
}

static void on_reset(struct application *a, struct reader *r)
{
    uint64_t leaves = get_u64(r);
    bool keep = get_u8(r) != 0;
    require(a, reader_done(r), "a malformed call");
    a->changing = true;
    bool good = a->service->reset(a->state, leaves, keep);
    a->changing = false;
    done_if(a, CALL_RESET, good);
}

static void on_data(struct application *a, struct reader *r)
{
    size_t len = reader_left(r);
    require(a, len <= sizeof a->in - a->incoming, "more than a leaf may have");
    if (len)
        memcpy(a->in + a->incoming, reader_take(r, len), len);
    a->incoming += len;
}

static void on_judge(struct application *a, struct reader *r)
{
    uint8_t room[1 + REDOUBT_DIGEST_BYTES] = {0};
    uint64_t leaf = leaf_get(a, r);
    room[0] = a->service->saved_digest(a->state, leaf, a->in, a->incoming, room + 1);
    a->incoming = 0;
    done(a, CALL_JUDGE, (struct slice){room, sizeof room});
}

static void on_load(struct application *a, struct reader *r)
{
    uint64_t leaf = leaf_get(a, r);
    a->changing = true;
    bool good = a->service->leaf_load(a->state, leaf, a->in, a->incoming);
    a->changing = false;
    a->incoming = 0;
    done_if(a, CALL_LOAD, good);
}

static void on_freeze(struct application *a, struct reader *r)
{
    uint64_t leaves = get_u64(r);
    require(a, !r->bad && leaves <= LEAVES_MAX && reader_left(r) == (leaves + 63) / 64 * 8,
            "a malformed call");
    a->freeze_leaves = leaves;
    get_raw(r, a->pending, (leaves + 63) / 64 * 8);
}

static void on_serve(struct application *a, struct reader *r)
{
    uint64_t leaves = get_u64(r);
    require(a, reader_done(r) && leaves <= LEAVES_MAX, "a malformed call");
    memset(a->saved, 0, (leaves + 63) / 64 * 8);
    a->serve_leaves = leaves;
}

void application_init(struct application *a, const struct redoubt_service *service, struct arena *arena,
                      const struct application_link *link)
{
    CHECK(service && service->abi == REDOUBT_APP_ABI);
    a->service = service;
    a->arena = arena;
    a->link = *link;
    a->last_touched = UINT64_MAX;
    a->env = (struct redoubt_env){.engine = a,
                                  .alloc = env_alloc,
                                  .release = env_release,
                                  .touch = env_touch,
                                  .digest = service_digest,
                                  .digests = service_digests};
}

void application_on_call(struct application *a, const uint8_t *frame, size_t len)
{
    static void (*const handler[])(struct application *, struct reader *) = {
        [CALL_CREATE] = on_create,   [CALL_RUN] = on_run,     [CALL_KEYS] = on_keys,
        [CALL_DIGESTS] = on_digests, [CALL_SAVE] = on_save,   [CALL_RESET] = on_reset,
        [CALL_JUDGE] = on_judge,     [CALL_LOAD] = on_load,   [CALL_DATA] = on_data,
        [CALL_FREEZE] = on_freeze,   [CALL_SERVE] = on_serve,
    };
    struct reader r = reader_of(frame, len);
    unsigned call = get_u8(&r);
    bool known = call >= CALL_CREATE && call <= CALL_SERVE;
    require(a, known && (a->state || call == CALL_CREATE), "an unknown call, or one before CREATE");
    handler[call](a, &r);
}
