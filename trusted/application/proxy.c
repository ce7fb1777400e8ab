#include "application/proxy.h"

#include "base/check.h"
#include "wire/reply.h"

#define NO_LEAF UINT64_MAX
/* Touches in one call: every leaf may be named, and some more than once. */
#define TOUCHES_MAX (4u * (uint64_t)LEAVES_MAX)

struct known_digest {
    uint64_t leaf;
    struct digest digest;
};

struct proxy {
    const struct redoubt_env *env;
    struct application_link link;
    uint64_t leaf_count;
    struct known_digest digest[REDOUBT_EXPECT_MAX]; /* as expect_leaves was told, until the state changes */
    size_t digests;
    unsigned begun;     /* RUNs that are not finished */
    size_t group_bytes; /* results of the group of RUNs under way */
    bool serve_over;    /* said while replaying: to be told before the next call */
    bool replaying;     /* env->touch is being called: nothing can be asked */
    uint64_t touched;
    uint8_t touched_bits;
    struct digest touched_digest;
    uint64_t held; /* `bytes` are of this leaf, `held_len` of `held_total` of them */
    size_t held_len, held_total;
    uint8_t bytes[LEAF_BYTES_MAX];
};
static_assert(sizeof(struct proxy) < PROXY_BYTES * 4ull / 5, "size classes round up");

static struct application_link next_link;
static struct proxy *latest;

void application_proxy_use(const struct application_link *link)
{
    next_link = *link;
}

/* The service's interface has const where this one keeps what it was told. */
static struct proxy *proxy_of(const void *state)
{
    return (struct proxy *)(uintptr_t)state;
}

static void forget(struct proxy *p)
{
    p->digests = 0;
    p->held = NO_LEAF;
}

/* ------------------------------------------------------------ answers */

static void require(struct proxy *p, bool good, const char *what)
{
    if (!good) {
        p->link.fail(p->link.context, what);
        CHECK(false); /* it never returns */
    }
}

static bool held_whole(const struct proxy *p, uint64_t leaf)
{
    return p->held == leaf && p->held_len == p->held_total;
}

static void take_leaf(struct proxy *p, struct reader *r)
{
    uint64_t leaf = get_u64(r);
    uint32_t total = get_u32(r), at = get_u32(r);
    size_t len = reader_left(r);
    require(p, !r->bad && leaf < LEAVES_MAX && total <= LEAF_BYTES_MAX, "a leaf too large");
    if (at == 0) {
        p->held = leaf;
        p->held_len = 0;
        p->held_total = total;
    }
    require(p, p->held == leaf && p->held_total == total && p->held_len == at && len <= total - at,
            "pieces of a leaf out of order");
    require(p, len > 0 || total == 0, "an empty piece of a leaf");
    if (len)
        memcpy(p->bytes + at, reader_take(r, len), len);
    p->held_len += len;
}

/* What the engine wants to know of the leaf comes with the touch; it asks for it by leaf_digest and leaf_save. */
static void take_touch(struct proxy *p, struct reader *r)
{
    p->touched = get_u64(r);
    p->touched_bits = get_u8(r);
    if (p->touched_bits & TOUCH_DIGEST)
        p->touched_digest = get_digest(r);
    require(p, !r->bad && p->touched < LEAVES_MAX && p->touched_bits <= (TOUCH_DIGEST | TOUCH_BYTES),
            "a malformed touch");
    require(p, !(p->touched_bits & TOUCH_BYTES) || held_whole(p, p->touched), "a touch without its bytes");
    p->replaying = true;
    p->env->touch(p->env, p->touched);
    p->replaying = false;
    p->held = NO_LEAF;
}

static struct slice take_done(struct proxy *p, struct reader *r, enum call call)
{
    uint8_t which = get_u8(r);
    uint64_t leaves = get_u64(r);
    require(p, !r->bad && which == (uint8_t)call, "an answer to something else");
    require(p, leaves <= LEAVES_MAX, "more leaves than a state may have");
    require(p, leaves > 0 || call == CALL_CREATE, "a state without leaves");
    require(p, leaves == p->leaf_count || call_changes(call), "another number of leaves, unasked");
    p->leaf_count = leaves;
    return (struct slice){r->data + r->at, reader_left(r)};
}

/* All that is answered to a call; returns what DONE says, valid until the next call. */
static struct slice collect(struct proxy *p, enum call call)
{
    uint64_t touches = 0;
    for (;;) {
        struct slice frame = p->link.receive(p->link.context);
        struct reader r = reader_of(frame.data, frame.len);
        switch (get_u8(&r)) {
        case ANSWER_DONE:
            return take_done(p, &r, call);
        case ANSWER_LEAF:
            require(p, call == CALL_SAVE || call_changes(call), "a leaf, unasked");
            require(p, touches++ < TOUCHES_MAX, "no end");
            take_leaf(p, &r);
            break;
        case ANSWER_TOUCHES:
            require(p, call_changes(call), "a touch, unasked");
            require(p, reader_left(&r) > 0, "an empty list of touches");
            while (reader_left(&r)) {
                require(p, touches++ < TOUCHES_MAX, "no end");
                take_touch(p, &r);
            }
            break;
        default:
            require(p, false, "no answer at all");
        }
    }
}

/* ------------------------------------------------------------ calls */

static void proxy_serve(void *state, uint64_t leaf_count);

static void send(struct proxy *p, enum call call, struct slice head, struct slice data)
{
    uint8_t which = (uint8_t)call;
    const struct slice parts[] = {{&which, 1}, head, data};
    CHECK(!p->replaying);
    if (p->serve_over) {
        p->serve_over = false;
        proxy_serve(p, 0);
    }
    p->link.send(p->link.context, parts, 3);
}

static struct slice ask(struct proxy *p, enum call call, struct slice head, struct slice data)
{
    CHECK(p->begun == 0);
    if (call_changes(call))
        forget(p);
    send(p, call, head, data);
    return collect(p, call);
}

/* An answer that is u8 good and nothing else. */
static bool yes_or_no(struct proxy *p, struct slice answer)
{
    require(p, answer.len == 1 && answer.data[0] <= 1, "neither yes nor no");
    return answer.data[0] == 1;
}

static const struct slice nothing = {NULL, 0};

static struct slice leaf_named(uint8_t room[8], uint64_t leaf)
{
    struct writer w = writer_to(room, 8);
    put_u64(&w, leaf);
    return (struct slice){room, w.len};
}

static void *proxy_create(const struct redoubt_env *env, const char *options)
{
    struct proxy *p = env->alloc(env, sizeof *p);
    if (!p)
        return NULL;
    memset(p, 0, offsetof(struct proxy, bytes));
    p->env = env;
    p->link = next_link;
    forget(p);
    latest = p;
    struct slice text = {(const uint8_t *)options, strlen(options)};
    if (yes_or_no(p, ask(p, CALL_CREATE, text, nothing))) {
        require(p, p->leaf_count > 0, "a state without leaves");
        return p;
    }
    env->release(env, p, sizeof *p);
    return NULL;
}

/* ------------------------------------------------------------ operations */

/* An answer to RUN in its two parts. */
static void split_answer(struct proxy *p, struct slice answer, struct slice *results, struct slice *touched)
{
    struct reader r = reader_of(answer.data, answer.len);
    *results = get_slice(&r);
    require(p, !r.bad, "a malformed answer");
    *touched = (struct slice){answer.data + r.at, reader_left(&r)};
}

static void check_touched(struct proxy *p, struct slice operations, struct slice touched)
{
    struct reader o = reader_of(operations.data, operations.len);
    struct reader r = reader_of(touched.data, touched.len);
    struct touched each;
    while (reader_left(&o)) {
        (void)get_slice(&o);
        require(p, touched_get(&r, &each), "it is not said what an operation touched");
    }
    require(p, reader_done(&r), "more is said to be touched than there are operations");
}

/* Are these results for these operations, as struct call_run has it? Then they are appended as they are. */
static void take_results(struct proxy *p, struct slice operations, struct slice results, struct writer *w)
{
    struct reader o = reader_of(operations.data, operations.len);
    struct reader r = reader_of(results.data, results.len);
    while (reader_left(&o)) {
        (void)get_slice(&o);
        bool room = w->len + r.at <= RESULTS_SOFT_MAX;
        uint8_t status = get_u8(&r), form = get_u8(&r);
        struct slice result = get_slice(&r);
        require(p, !r.bad && form == RESULT_FULL && result.len <= OP_MAX, "a malformed result");
        require(p, room ? status <= REDOUBT_FULL : status == RESULT_RETRY && result.len == 0,
                "a result that cannot be");
    }
    require(p, reader_done(&r), "more results than operations");
    put_raw(w, results.data, results.len);
    require(p, !w->bad, "results too long");
}

static void proxy_begin(void *state, const struct call_run *run, struct slice operations)
{
    struct proxy *p = proxy_of(state);
    uint8_t room[CALL_RUN_BYTES];
    struct writer w = writer_to(room, sizeof room);
    call_run_put(&w, run);
    CHECK(run->follows == (p->begun > 0));
    if (!run->follows)
        p->group_bytes = 0;
    p->begun++;
    forget(p);
    send(p, CALL_RUN, (struct slice){room, w.len}, operations);
}

static bool proxy_finish(void *state, struct slice operations, struct writer *results, struct slice *touched)
{
    struct slice found;
    struct proxy *p = proxy_of(state);
    CHECK(p->begun > 0);
    p->begun--;
    struct slice answer = collect(p, CALL_RUN);
    if (p->group_bytes > RUN_GROUP_BYTES) {
        require(p, answer.len == 0, "results beyond the limit of a group");
        return false;
    }
    require(p, answer.len > 0, "no results");
    split_answer(p, answer, &found, touched);
    p->group_bytes += found.len + touched->len;
    take_results(p, operations, found, results);
    check_touched(p, operations, *touched);
    return true;
}

/* One operation by itself. */
static enum redoubt_status run_one(struct proxy *p, enum run_mode mode, const struct redoubt_op *op,
                                   struct redoubt_result *result)
{
    const struct call_run run = {.mode = mode, .op = *op};
    uint8_t room[CALL_RUN_BYTES + 4];
    struct writer w = writer_to(room, sizeof room);
    call_run_put(&w, &run);
    put_u32(&w, (uint32_t)op->bytes);
    struct slice answer = ask(p, CALL_RUN, (struct slice){room, w.len}, (struct slice){op->data, op->bytes});
    struct slice results, touched;
    struct touched touches;
    split_answer(p, answer, &results, &touched);
    struct reader r = reader_of(results.data, results.len), t = reader_of(touched.data, touched.len);
    uint8_t status = get_u8(&r), form = get_u8(&r);
    struct slice found = get_slice(&r);
    require(p, reader_done(&r) && status <= REDOUBT_FULL && form == RESULT_FULL, "a malformed result");
    require(p, touched_get(&t, &touches) && reader_done(&t), "it is not said what an operation touched");
    require(p, found.len <= OP_MAX && found.len <= result->capacity, "a result too long");
    if (found.len)
        memcpy(result->data, found.data, found.len);
    result->bytes = found.len;
    result->is_volatile = touches.is_volatile;
    return (enum redoubt_status)status;
}

static enum redoubt_status proxy_execute(void *state, const struct redoubt_op *op,
                                         struct redoubt_result *result)
{
    return run_one(proxy_of(state), RUN_EXECUTE, op, result);
}

static enum redoubt_status proxy_read(const void *state, const struct redoubt_op *op,
                                      struct redoubt_result *result)
{
    return run_one(proxy_of(state), RUN_READ, op, result);
}

static bool proxy_keys(const struct redoubt_op *op, struct redoubt_keys *keys)
{
    struct proxy *p = latest;
    const struct call_run run = {.mode = RUN_READ, .op = *op};
    uint8_t room[CALL_RUN_BYTES];
    struct writer w = writer_to(room, sizeof room);
    call_run_put(&w, &run);
    struct slice answer = ask(p, CALL_KEYS, (struct slice){room, w.len}, (struct slice){op->data, op->bytes});
    struct reader r = reader_of(answer.data, answer.len);
    uint8_t good = get_u8(&r), reads = get_u8(&r), writes = get_u8(&r);
    require(p, !r.bad && good <= 1 && reads <= 1 && writes <= 1, "malformed keys");
    *keys = (struct redoubt_keys){.reads_all = reads, .writes_all = writes};
    while (reader_left(&r)) {
        uint32_t at = get_u32(&r), len = get_u32(&r);
        uint8_t write = get_u8(&r);
        require(p,
                !r.bad && write <= 1 && keys->count < REDOUBT_KEYS_MAX && at <= op->bytes &&
                    len <= op->bytes - at,
                "a key outside its operation");
        keys->entry[keys->count].key = op->data + at;
        keys->entry[keys->count].bytes = len;
        keys->entry[keys->count++].write = write == 1;
    }
    return good == 1;
}

/* ------------------------------------------------------------ leaves */

static uint64_t proxy_leaf_count(const void *state)
{
    return proxy_of(state)->leaf_count;
}

static void proxy_expect_leaves(const void *state, const uint64_t *leaves, size_t count)
{
    struct proxy *p = proxy_of(state);
    uint8_t room[8 * REDOUBT_EXPECT_MAX];
    struct writer w = writer_to(room, sizeof room);
    CHECK(count <= REDOUBT_EXPECT_MAX);
    for (size_t i = 0; i < count; i++)
        put_u64(&w, leaves[i]);
    struct slice answer = ask(p, CALL_DIGESTS, (struct slice){room, w.len}, nothing);
    struct reader r = reader_of(answer.data, answer.len);
    require(p, answer.len == count * sizeof(struct digest), "not as many digests as leaves");
    for (size_t i = 0; i < count; i++)
        p->digest[i] = (struct known_digest){leaves[i], get_digest(&r)};
    p->digests = count;
}

static const struct digest *digest_known(const struct proxy *p, uint64_t leaf)
{
    for (size_t i = 0; i < p->digests; i++)
        if (p->digest[i].leaf == leaf)
            return &p->digest[i].digest;
    return NULL;
}

static void proxy_leaf_digest(const void *state, uint64_t leaf, uint8_t out[REDOUBT_DIGEST_BYTES])
{
    struct proxy *p = proxy_of(state);
    const struct digest *known;
    if (p->replaying) {
        CHECK(leaf == p->touched);
        require(p, p->touched_bits & TOUCH_DIGEST, "a touch without its digest");
        known = &p->touched_digest;
    } else {
        known = digest_known(p, leaf);
        if (!known) {
            proxy_expect_leaves(p, &leaf, 1);
            known = &p->digest[0].digest;
        }
    }
    memcpy(out, known->bytes, REDOUBT_DIGEST_BYTES);
}

/* A leaf that was saved last is not asked for again: its reader takes it in parts, and counts its bytes before. */
static void proxy_leaf_save(const void *state, uint64_t leaf, struct redoubt_sink *sink)
{
    struct proxy *p = proxy_of(state);
    uint8_t room[8];
    if (p->replaying) {
        CHECK(leaf == p->touched);
        require(p, p->touched_bits & TOUCH_BYTES, "a touch without its bytes");
    } else if (!held_whole(p, leaf)) {
        p->held = NO_LEAF;
        struct slice rest = ask(p, CALL_SAVE, leaf_named(room, leaf), nothing);
        require(p, rest.len == 0 && held_whole(p, leaf), "a leaf that is not whole");
    }
    if (p->held_total)
        sink->write(sink, p->bytes, p->held_total);
}

static bool proxy_reset(void *state, uint64_t leaf_count, bool keep)
{
    struct proxy *p = proxy_of(state);
    uint8_t room[9];
    struct writer w = writer_to(room, sizeof room);
    put_u64(&w, leaf_count);
    put_u8(&w, keep);
    bool good = yes_or_no(p, ask(p, CALL_RESET, (struct slice){room, w.len}, nothing));
    require(p, !good || p->leaf_count == leaf_count, "another number of leaves than asked for");
    return good;
}

static struct slice ask_with_data(struct proxy *p, enum call call, uint64_t leaf, const uint8_t *data,
                                  size_t bytes)
{
    uint8_t room[8];
    for (size_t at = 0; at < bytes; at += CALL_PIECE_BYTES) {
        size_t left = bytes - at;
        send(p, CALL_DATA, nothing,
             (struct slice){data + at, left < CALL_PIECE_BYTES ? left : CALL_PIECE_BYTES});
    }
    return ask(p, call, leaf_named(room, leaf), nothing);
}

static bool proxy_saved_digest(const void *state, uint64_t leaf, const uint8_t *data, size_t bytes,
                               uint8_t out[REDOUBT_DIGEST_BYTES])
{
    struct proxy *p = proxy_of(state);
    if (bytes > LEAF_BYTES_MAX)
        return false;
    struct slice answer = ask_with_data(p, CALL_JUDGE, leaf, data, bytes);
    require(p, answer.len == 1 + sizeof(struct digest) && answer.data[0] <= 1, "neither yes nor no");
    memcpy(out, answer.data + 1, REDOUBT_DIGEST_BYTES);
    return answer.data[0] == 1;
}

static bool proxy_leaf_load(void *state, uint64_t leaf, const uint8_t *data, size_t bytes)
{
    struct proxy *p = proxy_of(state);
    return bytes <= LEAF_BYTES_MAX && yes_or_no(p, ask_with_data(p, CALL_LOAD, leaf, data, bytes));
}

/* ------------------------------------------------------------ in advance */

static void proxy_freeze(void *state, const uint64_t *pending, uint64_t leaf_count)
{
    struct proxy *p = proxy_of(state);
    uint8_t room[8];
    send(p, CALL_FREEZE, leaf_named(room, leaf_count),
         (struct slice){(const uint8_t *)pending, (leaf_count + 63) / 64 * 8});
}

static void proxy_serve(void *state, uint64_t leaf_count)
{
    struct proxy *p = proxy_of(state);
    uint8_t room[8];
    p->serve_over = p->replaying;
    CHECK(!p->replaying || leaf_count == 0);
    if (!p->replaying)
        send(p, CALL_SERVE, leaf_named(room, leaf_count), nothing);
}

const struct redoubt_service application_proxy = {
    .abi = REDOUBT_APP_ABI,
    .name = "application",
    .create = proxy_create,
    .execute = proxy_execute,
    .read = proxy_read,
    .keys = proxy_keys,
    .leaf_count = proxy_leaf_count,
    .leaf_digest = proxy_leaf_digest,
    .leaf_save = proxy_leaf_save,
    .reset = proxy_reset,
    .saved_digest = proxy_saved_digest,
    .leaf_load = proxy_leaf_load,
    .expect_leaves = proxy_expect_leaves,
};

const struct service_apart application_apart = {
    .begin = proxy_begin,
    .finish = proxy_finish,
    .freeze = proxy_freeze,
    .serve = proxy_serve,
};
