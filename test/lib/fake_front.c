#include "fake_front.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "kv/kv_store.h"

struct fake_op {
    struct fake_op *next;
    struct fake_connection *connection; /* NULL: it is gone */
    uint64_t ticket;
    size_t len;
    uint8_t data[];
};

static struct fake_front *front_of(const struct conversation_front *front)
{
    return (struct fake_front *)(uintptr_t)front;
}

static struct fake_connection *connection_of(struct fake_front *f, const struct conversation *conversation)
{
    struct fake_connection *c = f->connections;
    while (c && c->conversation != conversation)
        c = c->next;
    CHECK(c != NULL);
    return c;
}

static int submit(struct conversation_front *front, const struct conversation *conversation, uint64_t ticket,
                  const struct slice *parts, unsigned count)
{
    struct fake_front *f = front_of(front);
    struct fake_connection *c = connection_of(f, conversation);
    size_t len = 0;
    for (unsigned i = 0; i < count; i++)
        len += parts[i].len;
    if (len > REDOUBT_OP_MAX_BYTES)
        return -EMSGSIZE;
    if (f->waiting >= f->most_waiting)
        return -EAGAIN;
    struct fake_op *op = malloc(sizeof *op + len);
    CHECK(op != NULL);
    *op = (struct fake_op){.connection = c, .ticket = ticket, .len = len};
    len = 0;
    for (unsigned i = 0; i < count; i++) {
        if (parts[i].len)
            memcpy(op->data + len, parts[i].data, parts[i].len);
        len += parts[i].len;
    }
    if (f->last)
        f->last->next = op;
    else
        f->first = op;
    f->last = op;
    f->waiting++;
    c->submitted++;
    return 0;
}

static void write_out(struct conversation_front *front, const struct conversation *conversation,
                      const struct slice *parts, unsigned count)
{
    struct fake_connection *c = connection_of(front_of(front), conversation);
    for (unsigned i = 0; i < count; i++) {
        if (c->out_len + parts[i].len > c->out_cap) {
            c->out_cap = 2 * (c->out_len + parts[i].len) + 256;
            c->out = realloc(c->out, c->out_cap);
            CHECK(c->out != NULL);
        }
        if (parts[i].len)
            memcpy(c->out + c->out_len, parts[i].data, parts[i].len);
        c->out_len += parts[i].len;
    }
}

static void close_it(struct conversation_front *front, const struct conversation *conversation)
{
    connection_of(front_of(front), conversation)->closed = true;
}

static bool is_ready(const struct conversation_front *front)
{
    return front_of(front)->ready;
}

void fake_front_init(struct fake_front *f, const struct redoubt_service *service, const char *options)
{
    memset(f, 0, sizeof *f);
    fake_env_init(&f->env);
    f->service = service;
    f->state = service->create(&f->env.env, options);
    CHECK(f->state != NULL);
    f->memory = calloc(1, FAKE_FRONT_ARENA + 64);
    CHECK(f->memory != NULL);
    arena_init(&f->arena, (uint8_t *)f->memory + (64 - (uintptr_t)f->memory % 64), FAKE_FRONT_ARENA);
    f->time_us = 1700000000000000u;
    f->seed = 88172645463325252u;
    f->most_waiting = 64;
    f->ready = true;
    f->next_kind = REDOUBT_COMMITTED;
    f->front = (struct conversation_front){.arena = &f->arena,
                                           .now_us = f->time_us,
                                           .submit = submit,
                                           .write = write_out,
                                           .close = close_it,
                                           .is_ready = is_ready};
}

struct fake_connection *fake_connection_open(struct fake_front *f, const struct conversation_type *type)
{
    struct fake_connection *c = calloc(1, sizeof *c);
    CHECK(c != NULL);
    c->conversation = calloc(1, type->bytes);
    CHECK(c->conversation != NULL);
    c->conversation->type = type;
    c->conversation->front = &f->front;
    c->conversation->connection = ++f->numbers;
    c->next = f->connections;
    f->connections = c;
    type->open(c->conversation);
    return c;
}

void fake_connection_close(struct fake_front *f, struct fake_connection *connection)
{
    struct fake_connection **link = &f->connections;
    connection->conversation->type->on_close(connection->conversation);
    while (*link != connection)
        link = &(*link)->next;
    *link = connection->next;
    for (struct fake_op *op = f->first; op; op = op->next)
        if (op->connection == connection)
            op->connection = NULL;
    free(connection->conversation);
    free(connection->in);
    free(connection->out);
    free(connection);
}

void fake_front_free(struct fake_front *f)
{
    while (f->connections)
        fake_connection_close(f, f->connections);
    while (f->first) {
        struct fake_op *op = f->first;
        f->first = op->next;
        free(op);
    }
    CHECK(f->arena.live == 0);
    struct kv_store *store = f->state;
    CHECK(f->service->reset(store, 1, false));
    f->env.env.release(&f->env.env, store->page[0], KV_PAGE_LEAVES * sizeof(struct kv_leaf));
    f->env.env.release(&f->env.env, store, sizeof *store);
    CHECK(f->env.live_bytes == 0);
    free(f->memory);
}

/* Bytes are handed out as a copy of exactly their length, so that a step beyond the end is seen. */
static void offer(struct fake_front *f, struct fake_connection *c)
{
    struct conversation *conversation = c->conversation;
    if (c->closed || c->in_len == 0)
        return;
    uint8_t *copy = malloc(c->in_len);
    CHECK(copy != NULL);
    memcpy(copy, c->in, c->in_len);
    f->front.now_us = f->time_us;
    size_t taken = conversation->type->on_bytes(conversation, copy, c->in_len);
    conversation->type->validate(conversation);
    CHECK(taken <= c->in_len);
    /* What was left may have been changed, and is offered like that. */
    memmove(c->in, copy + taken, c->in_len - taken);
    c->in_len -= taken;
    free(copy);
}

void fake_connection_feed(struct fake_front *f, struct fake_connection *c, const void *data, size_t len)
{
    c->in = realloc(c->in, c->in_len + len + 1);
    CHECK(c->in != NULL);
    memcpy(c->in + c->in_len, data, len);
    c->in_len += len;
    offer(f, c);
}

static void next_seed(struct fake_front *f, uint8_t seed[32])
{
    for (unsigned i = 0; i < 32; i++) {
        f->seed ^= f->seed << 13;
        f->seed ^= f->seed >> 7;
        f->seed ^= f->seed << 17;
        seed[i] = (uint8_t)(f->seed >> 24);
    }
}

static void tell(struct fake_front *f, const struct fake_op *op, const struct redoubt_outcome *outcome)
{
    struct fake_connection *c = op->connection;
    if (!c)
        return;
    f->front.now_us = f->time_us;
    c->conversation->type->on_outcome(c->conversation, op->ticket, outcome);
    c->conversation->type->validate(c->conversation);
    offer(f, c);
}

void fake_front_run(struct fake_front *f, unsigned most)
{
    static uint8_t room[REDOUBT_OP_MAX_BYTES];
    while (f->first && most--) {
        struct fake_op *op = f->first;
        uint8_t seed[32];
        f->first = op->next;
        f->last = f->first ? f->last : NULL;
        f->waiting--;
        next_seed(f, seed);
        const struct redoubt_op ordered = {
            .data = op->data, .bytes = op->len, .slot = ++f->slot, .time_us = f->time_us, .seed = seed};
        struct redoubt_result result = {.data = room, .capacity = sizeof room};
        struct redoubt_keys keys;
        CHECK(f->service->keys(&ordered,
                               &keys)); /* a front makes no operation that its service does not know */
        struct redoubt_outcome outcome = {.kind = f->next_kind, .result = room};
        if (f->next_kind != REDOUBT_REJECTED) {
            outcome.status = f->service->execute(f->state, &ordered, &result);
            outcome.result_bytes = result.bytes;
            f->is_volatile = result.is_volatile;
        }
        tell(f, op, &outcome);
        free(op);
    }
}

void fake_connection_forget_output(struct fake_connection *connection)
{
    connection->out_len = 0;
}
