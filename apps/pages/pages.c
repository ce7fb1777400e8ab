/*
 * Service `pages`: an object store. Pages lie in the store of kv, as its values do; so leaves, digests, transfer and memory limits are
 * those of kv, and so is the option memory_mb.
 */
#include "pages.h"

#include "base/check.h"
#include "kv/kv_http.h"
#include "kv/kv_remember.h"
#include "kv/kv_service.h"
#include "pages_codec.h"

static struct kv_run run_of(struct kv_store *store, const struct redoubt_op *op,
                            struct redoubt_result *result)
{
    return (struct kv_run){.store = store,
                           .op = op,
                           .out = writer_to(result->data, REDOUBT_OP_MAX_BYTES),
                           .left = KV_WORK_MAX,
                           .room = KV_CHANGES_FEW,
                           .collections = store->collections};
}

/*
 * Dates of HTTP have whole seconds, and the agreed time may stand for longer. Who has the date of a page that was put before another one
 * in the same second would take the one for the other; so a page says whether it was put `once`. One that was erased in the very second in
 * which it was put says nothing any more: it is kept which second that was last, of all paths with the same hash together. That takes no more
 * than the page gave back, so no erasure is refused for it.
 *
 *   3 'e' hash       -> u64 seconds since 1970
 */
#define ERASED        3u
#define ERASED_HASHES 1024u

static struct kv_piece erased_piece(const struct kv_run *run, struct slice path)
{
    uint8_t digest[REDOUBT_DIGEST_BYTES];
    struct kv_piece piece = kv_piece_of(ERASED, 'e');
    run->store->env->digest(digest, path.data, path.len);
    kv_piece_add_u64(&piece, (digest[0] | (uint32_t)digest[1] << 8) % ERASED_HASHES);
    return piece;
}

static uint64_t second_of(const struct kv_run *run)
{
    return run->op->time_us / 1000000;
}

/* When a page was put and erased in one second; 0: never. */
static uint64_t erased_s(const struct kv_run *run, struct slice path)
{
    struct kv_piece piece = erased_piece(run, path);
    const struct kv_entry *entry = kv_run_piece(run, &piece);
    if (!entry)
        return 0;
    struct slice value = kv_entry_value(entry);
    struct reader r = reader_of(value.data, value.len);
    uint64_t second = get_u64(&r);
    CHECK(reader_done(&r));
    return second;
}

static bool put_erased(struct kv_run *run, struct slice path)
{
    struct kv_piece piece = erased_piece(run, path);
    uint8_t second[8];
    struct writer w = writer_to(second, sizeof second);
    put_u64(&w, second_of(run));
    return kv_run_piece_keep(run, &piece, (struct slice){second, w.len});
}

/* False: there is none. */
static bool find_page(struct kv_run *run, struct slice path, struct pages_page *page)
{
    const struct kv_entry *entry = kv_run_find(run, path);
    if (entry)
        CHECK(pages_page_decode(page, kv_entry_value(entry)));
    return entry != NULL;
}

/* A page is small against what stands before it, so it is put together in memory of its own. `old` is NULL where none was. */
static bool put_page(struct kv_run *run, struct slice path, const struct pages_request *request,
                     const struct pages_page *old, uint8_t tag[PAGES_TAG_BYTES])
{
    bool once = old ? pages_changed_s(old) < second_of(run) : erased_s(run, path) < second_of(run);
    const struct redoubt_env *env = run->store->env;
    size_t len = PAGES_HEAD + request->type.len + request->bytes.len;
    uint8_t *page = env->alloc(env, len), digest[REDOUBT_DIGEST_BYTES];
    if (!page)
        return false;
    struct writer w = writer_to(page, len);
    (void)writer_take(&w, PAGES_TAG_BYTES);
    put_u64(&w, (run->op->time_us & ~PAGES_ONCE) | (once ? PAGES_ONCE : 0));
    size_t tagged = w.len;
    put_u8(&w, (uint8_t)request->type.len);
    put_raw(&w, request->type.data, request->type.len);
    put_raw(&w, request->bytes.data, request->bytes.len);
    CHECK(!w.bad && w.len == len);
    env->digest(digest, page + tagged, len - tagged);
    memcpy(page, digest, PAGES_TAG_BYTES);
    memcpy(tag, digest, PAGES_TAG_BYTES);
    const struct kv_content content = {.value = {page, len}};
    bool good = kv_run_put(run, path, &content);
    env->release(env, page, len);
    return good;
}

static enum redoubt_status fetch(struct kv_run *run, const struct pages_request *request)
{
    const struct kv_entry *entry = kv_run_find(run, request->path);
    if (!entry)
        return REDOUBT_NOT_FOUND;
    struct slice page = kv_entry_value(entry);
    put_raw(&run->out, page.data, page.len);
    return REDOUBT_OK;
}

/* What conditions are about; `page` is NULL where there is none. */
static struct kv_current current_of(const struct pages_page *page)
{
    struct kv_current current = {.tag = NULL};
    if (page)
        current = (struct kv_current){.tag = page->tag, .dated = true, .since_s = pages_since_s(page)};
    return current;
}

static enum redoubt_status store(struct kv_run *run, const struct pages_request *request)
{
    uint8_t tag[PAGES_TAG_BYTES];
    struct pages_page page;
    const struct pages_page *old = find_page(run, request->path, &page) ? &page : NULL;
    const struct kv_current current = current_of(old);
    bool holds;
    if (!kv_conditions_hold(request->conditions, &current, &holds))
        return REDOUBT_INVALID;
    if (!holds)
        return REDOUBT_CONFLICT;
    if (!put_page(run, request->path, request, old, tag))
        return REDOUBT_FULL;
    put_u8(&run->out, old == NULL);
    put_raw(&run->out, tag, sizeof tag);
    return REDOUBT_OK;
}

static enum redoubt_status erase(struct kv_run *run, const struct pages_request *request)
{
    struct pages_page page;
    const struct pages_page *old = find_page(run, request->path, &page) ? &page : NULL;
    const struct kv_current current = current_of(old);
    bool holds;
    if (!kv_conditions_hold(request->conditions, &current, &holds))
        return REDOUBT_INVALID;
    if (!old)
        return holds ? REDOUBT_NOT_FOUND : REDOUBT_CONFLICT;
    if (!holds)
        return REDOUBT_CONFLICT;
    bool in_this_second = pages_changed_s(old) == second_of(run);
    if (!kv_run_remove(run, request->path) || (in_this_second && !put_erased(run, request->path)))
        return REDOUBT_FULL;
    return REDOUBT_OK;
}

/* The prefix and digits from the operation's seed and place. */
static struct slice new_path(const struct kv_run *run, const struct pages_request *request, uint8_t *room)
{
    static const char hex[] = "0123456789abcdef";
    uint8_t text[32 + 8 + 4], digest[REDOUBT_DIGEST_BYTES];
    struct writer w = writer_to(text, sizeof text);
    put_raw(&w, run->op->seed, 32);
    put_u64(&w, run->op->slot);
    put_u32(&w, run->op->index);
    run->store->env->digest(digest, text, w.len);
    if (request->path.len)
        memcpy(room, request->path.data, request->path.len);
    for (size_t i = 0; i < PAGES_NAME / 2; i++) {
        room[request->path.len + 2 * i] = (uint8_t)hex[digest[i] >> 4];
        room[request->path.len + 2 * i + 1] = (uint8_t)hex[digest[i] & 15];
    }
    return (struct slice){room, request->path.len + PAGES_NAME};
}

static enum redoubt_status create(struct kv_run *run, const struct pages_request *request)
{
    uint8_t room[PAGES_PATH_MAX], tag[PAGES_TAG_BYTES];
    struct slice what = {run->op->data, run->op->bytes};
    if (kv_remember_answers(run, request->idempotency, what)) {
        if (run->out.data[0] != KV_REPLY_ERROR)
            return REDOUBT_OK;
        run->out.len = 0;
        return REDOUBT_CONFLICT;
    }
    struct slice path = new_path(run, request, room);
    put_u8(&run->out, 0); /* no reply of kv's begins like that */
    if (!put_page(run, path, request, NULL, tag))
        return REDOUBT_FULL;
    put_raw(&run->out, tag, sizeof tag);
    put_slice(&run->out, path);
    kv_remember(run, request->idempotency, what, 0);
    return REDOUBT_OK;
}

static bool begins_with(const struct kv_entry *entry, struct slice prefix)
{
    return entry && entry->key_len >= prefix.len &&
           (prefix.len == 0 || memcmp(entry->key, prefix.data, prefix.len) == 0);
}

static enum redoubt_status list(struct kv_run *run, const struct pages_request *request)
{
    struct slice prefix = request->path, after = request->after;
    bool beyond =
        after.len && (prefix.len == 0 || kv_key_compare(after.data, after.len, prefix.data, prefix.len) >= 0);
    uint32_t limit = request->limit < PAGES_LIST_MAX ? request->limit : PAGES_LIST_MAX, count = 0;
    struct kv_cursor cursor;
    struct pages_page page;
    uint8_t *head = writer_take(&run->out, 5);
    kv_cursor_seek(&cursor, &run->store->index, beyond ? after : prefix, beyond);
    for (; count < limit && begins_with(cursor.next, prefix); count++, kv_cursor_advance(&cursor)) {
        size_t before = run->out.len;
        CHECK(pages_page_decode(&page, kv_entry_value(cursor.next)));
        put_slice(&run->out, (struct slice){cursor.next->key, cursor.next->key_len});
        put_u32(&run->out, (uint32_t)page.bytes.len);
        put_u64(&run->out, page.changed_us);
        put_raw(&run->out, page.tag, PAGES_TAG_BYTES);
        if (run->out.bad) {
            run->out.len = before;
            run->out.bad = false;
            break;
        }
    }
    struct writer w = writer_to(head, 5);
    put_u8(&w, begins_with(cursor.next, prefix));
    put_u32(&w, count);
    return REDOUBT_OK;
}

static enum redoubt_status run_one(struct kv_run *run, const struct pages_request *request)
{
    switch (request->opcode) {
    case PAGES_FETCH:
        return fetch(run, request);
    case PAGES_STORE:
        return store(run, request);
    case PAGES_ERASE:
        return erase(run, request);
    case PAGES_CREATE:
        return create(run, request);
    case PAGES_LIST:
        return list(run, request);
    }
    return REDOUBT_INVALID;
}

static bool writes(const struct pages_request *request)
{
    return request->opcode >= PAGES_STORE && request->opcode <= PAGES_CREATE;
}

static enum redoubt_status pages_execute(void *state, const struct redoubt_op *op,
                                         struct redoubt_result *result)
{
    struct kv_store *store_of = state;
    struct pages_request request;
    CHECK(result->capacity >= REDOUBT_OP_MAX_BYTES);
    result->bytes = 0;
    result->is_volatile = false;
    if (!pages_request_decode(&request, op->data, op->bytes))
        return REDOUBT_INVALID;
    if (store_of->broken)
        return REDOUBT_FULL;
    struct kv_run run = run_of(store_of, op, result);
    run.change = run.few;
    enum redoubt_status status = run_one(&run, &request);
    if (status == REDOUBT_OK && run.full)
        status = REDOUBT_FULL;
    if (status != REDOUBT_OK) {
        kv_run_undo(&run);
        return status;
    }
    kv_run_commit(&run);
    if (writes(&request))
        kv_tidy(store_of, op);
    CHECK(!run.out.bad);
    result->bytes = run.out.len;
    return REDOUBT_OK;
}

static enum redoubt_status pages_read(const void *state, const struct redoubt_op *op,
                                      struct redoubt_result *result)
{
    struct pages_request request;
    result->bytes = 0;
    result->is_volatile = false;
    if (!pages_request_decode(&request, op->data, op->bytes) || writes(&request))
        return REDOUBT_INVALID;
    struct kv_run run = run_of((struct kv_store *)(uintptr_t)state, op, result); /* nothing but reads */
    run.change = run.few;
    enum redoubt_status status = run_one(&run, &request);
    result->bytes = status == REDOUBT_OK ? run.out.len : 0;
    return status;
}

/* A page that is created gets a name that nobody knows yet, so that could be any. */
static bool pages_keys(const struct redoubt_op *op, struct redoubt_keys *keys)
{
    struct pages_request request;
    keys->count = 0;
    keys->reads_all = keys->writes_all = false;
    if (!pages_request_decode(&request, op->data, op->bytes))
        return false;
    if (request.opcode == PAGES_LIST)
        keys->reads_all = true;
    else if (request.opcode == PAGES_CREATE)
        keys->writes_all = true;
    else
        kv_keys_add(keys, request.path, writes(&request));
    return true;
}

static void pages_expect(const void *state, const struct redoubt_op *ops, size_t count)
{
    struct slice key[REDOUBT_EXPECT_MAX];
    size_t keys = 0;
    for (size_t i = 0; i < count; i++) {
        struct reader r = reader_of(ops[i].data, ops[i].bytes);
        uint8_t opcode = get_u8(&r);
        struct slice path = get_slice(&r);
        if (!r.bad && opcode >= PAGES_FETCH && opcode <= PAGES_ERASE && path.len &&
            path.len <= PAGES_PATH_MAX)
            key[keys++] = path;
    }
    kv_store_expect(state, key, keys);
}

const struct redoubt_service redoubt_service_pages = {
    .abi = REDOUBT_APP_ABI,
    .name = "pages",
    .create = kv_create,
    .execute = pages_execute,
    .read = pages_read,
    .keys = pages_keys,
    .leaf_count = kv_leaf_count,
    .leaf_digest = kv_service_leaf_digest,
    .leaf_save = kv_service_leaf_save,
    .reset = kv_reset,
    .saved_digest = kv_service_saved_digest,
    .leaf_load = kv_service_leaf_load,
    .expect = pages_expect,
    .expect_leaves = kv_expect_leaves,
    .leaf_digests = kv_service_leaf_digests,
};
