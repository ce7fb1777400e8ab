#include "kv_resp.h"

#include <errno.h>

#include "base/check.h"
#include "kv_render.h"
#include "troxy/text.h"

#define SMALL_BYTES 4096u /* a command up to here is submitted in one piece */

static struct kv_resp *resp_of(struct conversation *conversation)
{
    return (struct kv_resp *)conversation;
}

static void *take(struct kv_resp *c, size_t bytes)
{
    return arena_alloc(c->base.front->arena, bytes);
}

static void give_back(struct kv_resp *c, void *memory, size_t bytes)
{
    if (memory)
        arena_free(c->base.front->arena, memory, bytes);
}

static void end(struct kv_resp *c)
{
    if (!c->closing)
        c->base.front->close(c->base.front, &c->base);
    c->closing = true;
}

/* ------------------------------------------------------------------------------------------------ bytes that grow */

static void bytes_free(struct kv_resp *c, struct kv_bytes *b)
{
    give_back(c, b->data, b->cap);
    *b = (struct kv_bytes){0};
}

/* Room for so many more at the end; false: no memory. */
static bool bytes_reserve(struct kv_resp *c, struct kv_bytes *b, size_t more)
{
    size_t cap = b->cap ? b->cap : 256;
    while (cap < b->len + more)
        cap *= 2;
    if (cap == b->cap)
        return true;
    uint8_t *data = take(c, cap);
    if (!data)
        return false;
    if (b->len)
        memcpy(data, b->data, b->len);
    give_back(c, b->data, b->cap);
    b->data = data;
    b->cap = cap;
    return true;
}

/* ------------------------------------------------------------------------------------------------ replies in turn */

static struct kv_pending *pend(struct kv_resp *c, enum kv_pending_kind kind, size_t len)
{
    struct kv_pending *p = take(c, sizeof *p + len);
    if (!p) {
        end(c); /* rather than an answer left out */
        return NULL;
    }
    *p = (struct kv_pending){.kind = kind, .len = len};
    if (c->last)
        c->last->next = p;
    else
        c->first = p;
    c->last = p;
    c->pending++;
    c->kept += kind == KV_PENDING_LOCAL ? len : 0;
    return p;
}

static void drop_first(struct kv_resp *c)
{
    struct kv_pending *p = c->first;
    c->first = p->next;
    if (!c->first)
        c->last = NULL;
    c->pending--;
    c->kept -= p->kind == KV_PENDING_LOCAL ? p->len : 0;
    give_back(c, p, sizeof *p + p->len);
}

static void write_out(struct kv_resp *c, const uint8_t *data, size_t len)
{
    const struct slice part = {data, len};
    if (len)
        c->base.front->write(c->base.front, &c->base, &part, 1);
}

static void say(struct kv_resp *c, const struct resp_reply *reply, bool closes)
{
    CHECK(!reply->out.bad);
    if (!c->first) {
        write_out(c, reply->out.data, reply->out.len);
        if (closes)
            end(c);
        return;
    }
    struct kv_pending *p = pend(c, KV_PENDING_LOCAL, reply->out.len);
    if (!p)
        return;
    memcpy(p->bytes, reply->out.data, reply->out.len);
    p->closes = closes;
}

void kv_resp_say(struct kv_resp *c, const struct resp_reply *reply)
{
    say(c, reply, false);
}

void kv_resp_say_and_close(struct kv_resp *c, const struct resp_reply *reply)
{
    say(c, reply, true);
}

struct resp_reply kv_resp_reply(const struct kv_resp *c, uint8_t *room, size_t bytes)
{
    return resp_reply_to(room, bytes, c->version);
}

void kv_resp_say_ok(struct kv_resp *c)
{
    uint8_t room[16];
    struct resp_reply r = kv_resp_reply(c, room, sizeof room);
    put_resp_simple(&r, text_of("OK"));
    kv_resp_say(c, &r);
}

static void say_error(struct kv_resp *c, struct slice text, bool closes)
{
    uint8_t room[512];
    struct resp_reply r = kv_resp_reply(c, room, sizeof room);
    text.len = text.len < 500 ? text.len : 500;
    put_resp_error(&r, text);
    say(c, &r, closes);
}

/* A command that is refused spoils the MULTI that it stands in. */
static void refuse(struct kv_resp *c, struct slice text)
{
    c->aborted = c->aborted || c->multi;
    say_error(c, text, false);
}

void kv_resp_error(struct kv_resp *c, const char *text)
{
    say_error(c, text_of(text), false);
}

/* What was made here and waited for the outcome before it. */
static void say_kept(struct kv_resp *c)
{
    while (c->first && c->first->kind == KV_PENDING_LOCAL && !c->closing) {
        write_out(c, c->first->bytes, c->first->len);
        bool closes = c->first->closes;
        drop_first(c);
        if (closes)
            end(c);
    }
}

/* ------------------------------------------------------------------------------------------------ operations */

/* Submits parts and pends what is to become of them; KV_WAIT when the front has too much. */
static enum kv_taken submit(struct kv_resp *c, const struct slice *parts, unsigned count,
                            enum kv_pending_kind kind, size_t len, struct kv_pending **pended)
{
    /* Memory first: an operation whose reply has no place must not be under way. */
    struct kv_pending *before = c->last, *p = pend(c, kind, len);
    *pended = NULL;
    if (!p)
        return KV_TAKEN;
    int error = c->base.front->submit(c->base.front, &c->base, c->submitted, parts, count);
    if (error == 0) {
        c->submitted++;
        *pended = p;
        return KV_TAKEN;
    }
    c->last = before;
    if (before)
        before->next = NULL;
    else
        c->first = NULL;
    c->pending--;
    give_back(c, p, sizeof *p + len);
    if (error == -EAGAIN && c->pending)
        return KV_WAIT;
    /* Without an outcome to come nobody would offer the bytes again. */
    refuse(c, text_of(error == -EAGAIN ? "ERR too much is under way; the command was not executed"
                                       : "ERR the command is too large"));
    return KV_TAKEN;
}

static size_t encoded_bytes(const struct slice *arg, uint32_t args)
{
    size_t bytes = 3;
    for (uint32_t i = 0; i < args; i++)
        bytes += 4 + arg[i].len;
    return bytes;
}

static void encode(struct writer *w, uint32_t number, const struct slice *arg, uint32_t args)
{
    put_u8(w, (uint8_t)number);
    put_u16(w, (uint16_t)args);
    for (uint32_t i = 0; i < args; i++)
        put_slice(w, arg[i]);
}

static enum kv_taken submit_small(struct kv_resp *c, uint32_t number, const struct slice *arg, uint32_t args,
                                  enum kv_pending_kind kind, size_t len, struct kv_pending **pended)
{
    uint8_t room[SMALL_BYTES + 2];
    struct writer w = writer_to(room, sizeof room);
    put_u8(&w, KV_COMMAND);
    put_u8(&w, 0);
    encode(&w, number, arg, args);
    CHECK(!w.bad);
    const struct slice part = {room, w.len};
    return submit(c, &part, 1, kind, len, pended);
}

/* The lengths in between are parts of their own, so that values are not copied here. */
static enum kv_taken submit_large(struct kv_resp *c, uint32_t number, const struct slice *arg, uint32_t args,
                                  enum kv_pending_kind kind, size_t len, struct kv_pending **pended)
{
    uint8_t head[5], lengths[4 * KV_ARGS_MAX];
    struct slice part[1 + 2 * KV_ARGS_MAX];
    struct writer w = writer_to(head, sizeof head), l = writer_to(lengths, sizeof lengths);
    put_u8(&w, KV_COMMAND);
    put_u8(&w, 0);
    put_u8(&w, (uint8_t)number);
    put_u16(&w, (uint16_t)args);
    part[0] = (struct slice){head, w.len};
    for (uint32_t i = 0; i < args; i++) {
        part[1 + 2 * i] = (struct slice){l.data + l.len, 4};
        put_u32(&l, (uint32_t)arg[i].len);
        part[2 + 2 * i] = arg[i];
    }
    CHECK(!w.bad && !l.bad);
    return submit(c, part, 1 + 2 * args, kind, len, pended);
}

static enum kv_taken submit_command(struct kv_resp *c, uint32_t number, const struct slice *arg,
                                    uint32_t args, enum kv_pending_kind kind, size_t len,
                                    struct kv_pending **pended)
{
    return encoded_bytes(arg, args) <= SMALL_BYTES ? submit_small(c, number, arg, args, kind, len, pended)
                                                   : submit_large(c, number, arg, args, kind, len, pended);
}

static bool keys_fit(const struct kv_command *type, const struct slice *arg, uint32_t args)
{
    for (uint32_t at = 0, key; kv_command_next_key(type, args, &at, &key);)
        if (arg[key].len < 1 || arg[key].len > KV_KEY_MAX)
            return false;
    return true;
}

/* Keeps a command between MULTI and EXEC. */
static void queue(struct kv_resp *c, uint32_t number, const struct slice *arg, uint32_t args)
{
    size_t bytes = encoded_bytes(arg, args);
    if (c->queued == KV_COMMANDS_MAX || c->queue.len + bytes > KV_RESP_QUEUE_MAX) {
        refuse(c, text_of("ERR the transaction is too large"));
        return;
    }
    if (!bytes_reserve(c, &c->queue, bytes)) {
        refuse(c, text_of("ERR no memory for the transaction"));
        return;
    }
    struct writer w = writer_to(c->queue.data + c->queue.len, bytes);
    encode(&w, number, arg, args);
    CHECK(!w.bad);
    c->queue.len += w.len;
    c->queued++;
    uint8_t room[16];
    struct resp_reply r = kv_resp_reply(c, room, sizeof room);
    put_resp_simple(&r, text_of("QUEUED"));
    kv_resp_say(c, &r);
}

static enum kv_taken run_command(struct kv_resp *c, uint32_t number, const struct resp_command *command)
{
    const struct kv_command *type = kv_command_of(number);
    const struct slice *arg = command->argument + 1;
    uint32_t args = command->count - 1;
    struct kv_pending *pended;
    if (args > KV_ARGS_MAX || !keys_fit(type, arg, args)) {
        refuse(c, text_of("ERR a key must have 1 to 1024 bytes"));
        return KV_TAKEN;
    }
    if (c->multi) {
        queue(c, number, arg, args);
        return KV_TAKEN;
    }
    return submit_command(c, number, arg, args, KV_PENDING_OPERATION, 0, &pended);
}

void kv_resp_forget_multi(struct kv_resp *c)
{
    bytes_free(c, &c->queue);
    c->queued = 0;
    c->multi = c->aborted = false;
}

void kv_resp_forget_watch(struct kv_resp *c)
{
    bytes_free(c, &c->marks);
    c->watches = 0;
}

enum kv_taken kv_resp_exec(struct kv_resp *c, const struct resp_command *command)
{
    struct kv_pending *pended;
    uint8_t head[4], count[2];
    struct writer h = writer_to(head, sizeof head), n = writer_to(count, sizeof count);
    (void)command;
    if (c->watching)
        return KV_WAIT;
    if (!c->multi) {
        kv_resp_error(c, "ERR EXEC without MULTI");
        return KV_TAKEN;
    }
    if (c->aborted) {
        kv_resp_error(c, "EXECABORT Transaction discarded because of previous errors.");
    } else {
        put_u8(&h, KV_COMMAND);
        put_u8(&h, 1);
        put_u16(&h, (uint16_t)c->watches);
        put_u16(&n, (uint16_t)c->queued);
        const struct slice parts[] = {
            {head, h.len}, {c->marks.data, c->marks.len}, {count, n.len}, {c->queue.data, c->queue.len}};
        if (submit(c, parts, 4, KV_PENDING_OPERATION, 0, &pended) == KV_WAIT)
            return KV_WAIT;
    }
    kv_resp_forget_multi(c);
    kv_resp_forget_watch(c);
    return KV_TAKEN;
}

enum kv_taken kv_resp_watch(struct kv_resp *c, const struct resp_command *command)
{
    const struct slice *arg = command->argument + 1;
    uint32_t args = command->count - 1;
    struct kv_pending *pended;
    size_t len = 0;
    for (uint32_t i = 0; i < args; i++)
        len += 2 + arg[i].len;
    if (c->multi) {
        kv_resp_error(c,
                      "ERR WATCH inside MULTI is not allowed"); /* as in Redis, EXEC goes on all the same */
        return KV_TAKEN;
    }
    if (args + c->watches > KV_RESP_WATCH_MAX || !keys_fit(kv_command_of(KV_DO_WATCH), arg, args)) {
        kv_resp_error(c, "ERR too many keys are watched, or one has not 1 to 1024 bytes");
        return KV_TAKEN;
    }
    if (submit_command(c, KV_DO_WATCH, arg, args, KV_PENDING_WATCH, len, &pended) == KV_WAIT)
        return KV_WAIT;
    if (!pended)
        return KV_TAKEN;
    struct writer w = writer_to(pended->bytes, len);
    for (uint32_t i = 0; i < args; i++) {
        put_u16(&w, (uint16_t)arg[i].len);
        put_raw(&w, arg[i].data, arg[i].len);
    }
    c->watching++;
    c->watches += args;
    return KV_TAKEN;
}

/* ------------------------------------------------------------------------------------------------ outcomes */

/* The marks of the keys of a WATCH, put down as conditions. */
static bool take_marks(struct kv_resp *c, const struct kv_pending *p, const struct redoubt_outcome *outcome)
{
    struct reader keys = reader_of(p->bytes, p->len),
                  marks = reader_of(outcome->result, outcome->result_bytes);
    struct kv_reply_item item;
    if (!kv_reply_next(&marks, &item) || item.kind != KV_REPLY_ARRAY)
        return false;
    while (reader_left(&keys)) {
        struct slice key = {.len = get_u16(&keys)};
        key.data = reader_take(&keys, key.len);
        if (!kv_reply_next(&marks, &item) || item.bytes.len != KV_MARK_BYTES ||
            !bytes_reserve(c, &c->marks, 2 + key.len + KV_MARK_BYTES))
            return false;
        struct writer w = writer_to(c->marks.data + c->marks.len, 2 + key.len + KV_MARK_BYTES);
        put_u16(&w, (uint16_t)key.len);
        put_raw(&w, key.data, key.len);
        put_raw(&w, item.bytes.data, KV_MARK_BYTES);
        c->marks.len += w.len;
    }
    return reader_done(&marks);
}

/* An answer that is none of the service's. */
static void say_at_once(struct kv_resp *c, const char *text)
{
    uint8_t room[512];
    struct resp_reply r = kv_resp_reply(c, room, sizeof room);
    put_resp_error(&r, text_of(text));
    write_out(c, r.out.data, r.out.len);
}

static void tell(struct kv_resp *c, const struct kv_pending *p, const struct redoubt_outcome *outcome)
{
    if (outcome->kind == REDOUBT_REJECTED) {
        say_at_once(c, "ERR not executed: the cluster does not take it at the moment");
    } else if (outcome->status == REDOUBT_DENIED) {
        say_at_once(c, "NOPERM this replica's front may not do this");
    } else if (outcome->status == REDOUBT_FULL) {
        say_at_once(c, "OOM command not allowed when used memory > 'maxmemory'.");
    } else if (outcome->status != REDOUBT_OK) {
        say_at_once(c, "ERR the service does not know this operation");
    } else if (p->kind == KV_PENDING_WATCH) {
        if (take_marks(c, p, outcome))
            write_out(c, (const uint8_t *)"+OK\r\n", 5);
        else
            end(c);
    } else if (!kv_render(&c->base, c->version, outcome->result, outcome->result_bytes)) {
        end(c);
    }
}

static void on_outcome(struct conversation *conversation, uint64_t ticket,
                       const struct redoubt_outcome *outcome)
{
    struct kv_resp *c = resp_of(conversation);
    CHECK(ticket == c->told && c->told < c->submitted);
    c->told++;
    if (c->closing)
        return;
    struct kv_pending *p = c->first;
    CHECK(p && p->kind != KV_PENDING_LOCAL);
    if (outcome->kind == REDOUBT_UNKNOWN) {
        end(c); /* no answer is better than a guess */
        return;
    }
    c->watching -= p->kind == KV_PENDING_WATCH;
    tell(c, p, outcome);
    if (p->kind == KV_PENDING_WATCH && (outcome->kind != REDOUBT_COMMITTED || outcome->status != REDOUBT_OK))
        end(c); /* EXEC must not go on as if nothing were watched */
    drop_first(c);
    say_kept(c);
}

/* ------------------------------------------------------------------------------------------------ commands */

/* As C's "%.*s" would have it: up to a NUL. */
static void put_up_to_nul(struct writer *w, struct slice text, size_t most)
{
    size_t len = text.len < most ? text.len : most;
    const uint8_t *nul = len ? memchr(text.data, 0, len) : NULL;
    put_raw(w, text.data, nul ? (size_t)(nul - text.data) : len);
}

static void refuse_unknown(struct kv_resp *c, const struct resp_command *command)
{
    char text[400];
    struct writer w = writer_to(text, sizeof text);
    struct slice name = command->argument[0];
    put_text(&w, "ERR unknown command '");
    put_up_to_nul(&w, name, 128);
    put_text(&w, "', with args beginning with: ");
    size_t begin = w.len;
    for (uint32_t i = 1; i < command->count && w.len - begin < 128; i++) {
        size_t most = 128 - (w.len - begin);
        put_text(&w, "'");
        put_up_to_nul(&w, command->argument[i], most);
        put_text(&w, "' ");
    }
    CHECK(!w.bad);
    refuse(c, (struct slice){(const uint8_t *)text, w.len});
}

static void refuse_arity(struct kv_resp *c, const char *name)
{
    char text[160];
    struct writer w = writer_to(text, sizeof text);
    put_text(&w, "ERR wrong number of arguments for '");
    put_text(&w, name);
    put_text(&w, "' command");
    CHECK(!w.bad);
    refuse(c, (struct slice){(const uint8_t *)text, w.len});
}

static enum kv_taken run_local(struct kv_resp *c, const struct kv_local *local,
                               const struct resp_command *command)
{
    int64_t given = command->count;
    if (local->arity < 0 ? given < -local->arity : given != local->arity) {
        refuse_arity(c, local->name);
        return KV_TAKEN;
    }
    if (!c->known && !(local->flags & KV_LOCAL_STRANGER)) {
        refuse(c, text_of("NOAUTH Authentication required."));
        return KV_TAKEN;
    }
    if (c->multi && !(local->flags & KV_LOCAL_MULTI)) {
        refuse(c, text_of("ERR this command is not taken between MULTI and EXEC"));
        return KV_TAKEN;
    }
    return local->run(c, command);
}

static enum kv_taken run(struct kv_resp *c, const struct resp_command *command)
{
    struct slice name = command->argument[0];
    const struct kv_local *local = kv_local_find(name);
    if (local)
        return run_local(c, local, command);
    int number = kv_command_find(name);
    if (number < 0) {
        if (text_is_any_case(name, "post") || text_is_any_case(name, "host:"))
            end(c); /* a browser that was talked into this */
        else
            refuse_unknown(c, command);
    } else if (!kv_command_arity_fits(kv_command_of((uint32_t)number), command->count - 1)) {
        refuse_arity(c, kv_command_of((uint32_t)number)->name);
    } else if (!c->known) {
        refuse(c, text_of("NOAUTH Authentication required."));
    } else {
        return run_command(c, (uint32_t)number, command);
    }
    return KV_TAKEN;
}

/* Where the command's bytes are; those of an inline one are a copy, since the parser changes them, and they may be needed again. */
static uint8_t *bytes_to_parse(uint8_t *data, size_t *len, uint8_t *copy)
{
    const uint8_t *line_end = data[0] == '*' ? NULL : memchr(data, '\n', *len);
    if (!line_end || (size_t)(line_end - data) > RESP_INLINE_MAX)
        return data;
    *len = (size_t)(line_end - data) + 1;
    memcpy(copy, data, *len);
    return copy;
}

static bool is_full(const struct kv_resp *c)
{
    return c->closing || c->pending >= KV_RESP_PENDING_MAX || c->kept > KV_RESP_KEPT_MAX;
}

/* One command at the front of the bytes; 0: none was taken. */
static size_t take_one(struct kv_resp *c, uint8_t *data, size_t len)
{
    uint8_t copy[RESP_INLINE_MAX + 1];
    struct resp_command command;
    uint8_t *bytes = bytes_to_parse(data, &len, copy);
    switch (resp_parse(&c->parser, bytes, len, &command)) {
    case RESP_MORE:
        return 0;
    case RESP_REFUSED:
        say_error(c, text_of(c->parser.why), true);
        return len;
    case RESP_COMMAND:
        break;
    }
    if (command.count && run(c, &command) == KV_WAIT)
        return 0; /* and the parser begins anew with the same bytes */
    return command.bytes;
}

static size_t on_bytes(struct conversation *conversation, uint8_t *data, size_t len)
{
    struct kv_resp *c = resp_of(conversation);
    size_t taken = 0;
    while (taken < len && !is_full(c)) {
        size_t one = take_one(c, data + taken, len - taken);
        if (one == 0)
            break;
        taken += one;
    }
    return c->closing ? len : taken;
}

static void on_open(struct conversation *conversation)
{
    struct kv_resp *c = resp_of(conversation);
    resp_parser_init(&c->parser);
    c->version = RESP_2;
    c->known = c->base.front->user_count == 0;
}

static void on_close(struct conversation *conversation)
{
    struct kv_resp *c = resp_of(conversation);
    while (c->first)
        drop_first(c);
    kv_resp_forget_multi(c);
    kv_resp_forget_watch(c);
}

static void validate(const struct conversation *conversation)
{
    const struct kv_resp *c = (const struct kv_resp *)conversation;
    uint32_t pending = 0, watching = 0;
    uint64_t operations = 0;
    size_t kept = 0;
    for (const struct kv_pending *p = c->first; p; p = p->next) {
        pending++;
        watching += p->kind == KV_PENDING_WATCH;
        operations += p->kind != KV_PENDING_LOCAL;
        kept += p->kind == KV_PENDING_LOCAL ? p->len : 0;
        CHECK((p->next == NULL) == (p == c->last));
    }
    CHECK(pending == c->pending && kept == c->kept && watching == c->watching);
    CHECK(c->closing || operations == c->submitted - c->told);
    CHECK(c->closing || !c->first || c->first->kind != KV_PENDING_LOCAL);
    CHECK(c->pending <= KV_RESP_PENDING_MAX && c->queue.len <= KV_RESP_QUEUE_MAX);
    CHECK(c->watches <= KV_RESP_WATCH_MAX && c->queued <= KV_COMMANDS_MAX);
}

const struct conversation_type kv_resp_type = {
    .name = "resp",
    .bytes = sizeof(struct kv_resp),
    .open = on_open,
    .on_bytes = on_bytes,
    .on_outcome = on_outcome,
    .on_close = on_close,
    .validate = validate,
};
