/*
 * The public client library: include/redoubt/client.h over a client core on a loop.
 */
#include "redoubt/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/hub.h"
#include "client/lane.h"
#include "client/link.h"

#define DEFAULT_TIMEOUT_MS 5000u

static _Thread_local struct error open_error;
static _Thread_local struct error copied_error;

void redoubt_client_options_init(struct redoubt_client_options *options)
{
    *options = (struct redoubt_client_options){
        .struct_bytes = sizeof *options,
        .origin = -1,
        .bundles_in_flight = 4,
        .bundle_ops_max = BUNDLE_OPS_MAX,
        .queue_max = 65536,
        .retry_ms = 300,
    };
}

/* ------------------------------------------------------------------------------------------------ on the loop */

static void on_send(void *context, replica_id replica, const struct slice *parts, unsigned count)
{
    struct redoubt_client *client = context;
    if (replica != CLIENT_TO_ALL) {
        if (replica < client->hub->replicas)
            link_send(&client->hub->link[replica], parts, count);
        return;
    }
    for (replica_id r = 0; r < client->hub->replicas; r++)
        link_send(&client->hub->link[r], parts, count);
}

void client_on_frame(struct redoubt_client *client, replica_id replica, const uint8_t *data, size_t len)
{
    client->loop->now_us = client_clock_us();
    client_reads_on_frame(&client->reads, replica, data, len, client->loop->now_us);
    hub_follow(client->hub, client->core.configuration);
    loop_touch(client->loop, client);
}

void client_on_up(struct redoubt_client *client, replica_id replica)
{
    client_core_on_connected(&client->core, replica, client->loop->now_us);
}

void client_on_down(struct redoubt_client *client, const struct client_link *link, const char *why)
{
    pthread_mutex_lock(&client->loop->lock);
    error_set(&client->error, "replica %u at %s:%s: %s", link->replica, link->endpoint.host,
              link->endpoint.port, why);
    pthread_mutex_unlock(&client->loop->lock);
}

static const char *submit_reason(int failed)
{
    switch (failed) {
    case -EMSGSIZE:
        return "the operation is too large";
    case -ECANCELED:
        return "the client was closed before it was sent";
    case -EPIPE:
        return lane_broken;
    default:
        return "too many operations wait";
    }
}

static int take_in(struct redoubt_client *client, const void *op, const struct client_submission *s)
{
    if (s->lane)
        return lane_on_inbox(s, op);
    if (s->reads)
        return client_reads_submit(&client->reads, op, s->len, s->deadline_us, s->done, s->context,
                                   s->submitted_us);
    return client_core_submit(&client->core, op, s->len, s->deadline_us, s->done, s->context,
                              s->submitted_us);
}

void client_on_inbox(struct redoubt_client *client, const struct client_bytes *inbox)
{
    for (size_t at = 0; at < inbox->len;) {
        struct client_submission s;
        memcpy(&s, inbox->data + at, sizeof s);
        at += sizeof s;
        int failed = take_in(client, inbox->data + at, &s);
        at += (s.len + 7) & ~(uint64_t)7;
        if (failed && s.done) {
            struct redoubt_outcome outcome = {.kind = REDOUBT_REJECTED, .reason = submit_reason(failed)};
            s.done(s.context, &outcome);
        }
    }
    loop_touch(client->loop, client);
}

struct attaching {
    struct redoubt_client *client;
    int result;
};

static void client_attach(void *context)
{
    struct attaching *attaching = context;
    struct redoubt_client *client = attaching->client;
    attaching->result = hub_join(client, &client->error);
    if (attaching->result)
        return;
    client->next = client->loop->clients;
    client->loop->clients = client;
}

static void dirty_list_leave(struct redoubt_client *client)
{
    struct client_loop *loop = client->loop;
    struct redoubt_client **c = &loop->dirty;
    while (*c)
        *c == client ? (void)(*c = client->next_dirty) : (void)(c = &(*c)->next_dirty);
}

/* Inboxes are emptied before tasks run, so whatever was submitted is in the core by now. */
static void client_detach(void *context)
{
    struct redoubt_client *client = context;
    client_reads_close(&client->reads, client_clock_us());
    lanes_close(client);
    struct redoubt_client **link = &client->loop->clients;
    while (*link != client)
        link = &(*link)->next;
    *link = client->next;
    dirty_list_leave(client);
    hub_leave(client);
}

/* ------------------------------------------------------------------------------------------------ opening */

static bool options_read(struct redoubt_client_options *out, const struct redoubt_client_options *in)
{
    redoubt_client_options_init(out);
    if (!in)
        return true;
    if (in->struct_bytes == 0 || in->struct_bytes > sizeof *out)
        return false;
    memcpy(out, in, in->struct_bytes);
    return out->origin >= -1 && out->bundles_in_flight >= 1 && out->bundles_in_flight <= BUNDLE_WINDOW &&
           out->bundle_ops_max >= 1 && out->bundle_ops_max <= BUNDLE_OPS_MAX && out->queue_max >= 1 &&
           out->retry_ms >= 1 && (unsigned)out->read_mode <= REDOUBT_READ_PUBLISHED;
}

static void client_free(struct redoubt_client *client)
{
    client_reads_deinit(&client->reads);
    client_core_deinit(&client->core);
    client_folder_close(&client->folder);
    client_bytes_free(&client->inbox, &client_heap);
    free(client);
}

static int client_make(struct redoubt_client *client, const struct redoubt_client_options *options,
                       const struct box_key *session, struct error *error)
{
    struct client_core_config config = {
        .configuration = &client->folder.configuration,
        .origin = client->folder.origin,
        .epoch = client->folder.epoch,
        .sign = &client->folder.keys.sign,
        .box = &client->folder.keys.box,
        .session = session,
        .memory = client_heap,
        .wire = {.context = client, .send = on_send},
    };
    client_core_options_init(&config.options);
    config.options.bundles_in_flight = options->bundles_in_flight;
    config.options.bundle_ops_max = options->bundle_ops_max;
    config.options.alone = options->alone != 0;
    config.options.queue_max = options->queue_max;
    config.options.retry_us = options->retry_ms * (uint64_t)1000;
    client->queue_max = options->queue_max;
    if (!client_core_init(&client->core, &config)) {
        error_set(error, "the manifest cannot be used: a key in it is degenerate");
        return -EINVAL;
    }
    client_reads_init(&client->reads, &client->core, options->read_mode);
    if (options->read_mode != REDOUBT_READ_ORDERED &&
        !client_read_quorum(&client->folder.configuration, options->read_mode)) {
        error_set(
            error,
            "read mode sound: this cluster was founded with fast_reads off, so that a write is complete "
            "before enough replicas know of it; read in order, or found it with fast_reads on");
        return -ENOTSUP;
    }
    return 0;
}

int client_open_on(struct redoubt_client **client, struct client_loop *loop, const char *dir,
                   const struct redoubt_client_options *options)
{
    return client_open_again(client, loop, dir, options, NULL);
}

int client_open_again(struct redoubt_client **out, struct client_loop *loop, const char *dir,
                      const struct redoubt_client_options *given, const struct box_key *session)
{
    struct redoubt_client_options options;
    *out = NULL;
    if (!options_read(&options, given)) {
        error_set(&open_error, "client options: out of range (or of a later version)");
        return -EINVAL;
    }
    struct redoubt_client *client = calloc(1, sizeof *client);
    if (!client) {
        error_set(&open_error, "client: out of memory");
        return -ENOMEM;
    }
    client->loop = loop;
    int failed = client_folder_open(&client->folder, dir, options.origin, &open_error);
    if (failed) {
        free(client);
        return failed;
    }
    failed = client_make(client, &options, session, &open_error);
    if (!failed) {
        struct attaching attaching = {.client = client};
        client_loop_call(loop, client_attach, &attaching);
        if (attaching.result) {
            open_error = client->error;
            failed = -EHOSTUNREACH;
        }
    }
    if (failed) {
        client_free(client);
        return failed;
    }
    *out = client;
    return 0;
}

int redoubt_client_open(struct redoubt_client **client, const char *dir,
                        const struct redoubt_client_options *options)
{
    struct client_loop_options loop_options = {.core = -1};
    struct client_loop *loop;
    *client = NULL;
    int failed = client_loop_new(&loop, &loop_options, &open_error);
    if (failed)
        return failed;
    failed = client_open_on(client, loop, dir, options);
    if (failed)
        client_loop_free(loop);
    else
        (*client)->owns_loop = true;
    return failed;
}

void redoubt_client_close(struct redoubt_client *client)
{
    if (!client)
        return;
    struct client_loop *loop = client->loop;
    bool owns_loop = client->owns_loop;
    pthread_mutex_lock(&loop->lock);
    client->closing = true;
    pthread_mutex_unlock(&loop->lock);
    client_loop_call(loop, client_detach, client);
    client_free(client);
    if (owns_loop)
        client_loop_free(loop);
}

/* ------------------------------------------------------------------------------------------------ operations */

static int inbox_add(struct redoubt_client *client, const struct client_submission *s, const void *op)
{
    struct client_bytes *inbox = &client->inbox;
    size_t padded = (s->len + 7) & ~(size_t)7;
    size_t waiting = atomic_load_explicit(&client->waiting, memory_order_relaxed) + client->inbox_ops;
    size_t bytes = atomic_load_explicit(&client->waiting_bytes, memory_order_relaxed) + inbox->len;
    if (client->closing)
        return -ECANCELED;
    if (!s->closes && (waiting >= client->queue_max || bytes + padded > client->core.options.queue_max_bytes))
        return -EAGAIN;
    if (!client_bytes_reserve(inbox, &client_heap, inbox->len + sizeof *s + padded))
        return -ENOMEM;
    memcpy(inbox->data + inbox->len, s, sizeof *s);
    if (s->len)
        memcpy(inbox->data + inbox->len + sizeof *s, op, s->len);
    inbox->len += sizeof *s + padded;
    client->inbox_ops++;
    if (!client->woken) {
        client->woken = true;
        client->next_woken = client->loop->woken;
        client->loop->woken = client;
    }
    loop_wake(client->loop);
    return 0;
}

int client_hand_over(struct redoubt_client *client, const struct client_submission *s, const void *op)
{
    pthread_mutex_lock(&client->loop->lock);
    int result = inbox_add(client, s, op);
    pthread_mutex_unlock(&client->loop->lock);
    return result;
}

/* `s` says where it goes; the rest of it is filled in here. */
static int submit(struct redoubt_client *client, struct client_submission s, const void *op, size_t op_bytes,
                  unsigned timeout_ms, redoubt_done done, void *context)
{
    bool mine = loop_is_mine(client->loop);
    if (op_bytes > OP_MAX)
        return -EMSGSIZE;
    s.done = done;
    s.context = context;
    s.len = op_bytes;
    s.submitted_us = mine ? client->loop->now_us : client_clock_us();
    s.deadline_us = s.submitted_us + (timeout_ms ? timeout_ms : DEFAULT_TIMEOUT_MS) * (uint64_t)1000;
    if (!mine)
        return client_hand_over(client, &s, op);
    loop_touch(client->loop, client); /* from a callback: straight in, to be sent at the end of this run */
    return take_in(client, op, &s);
}

int redoubt_lane_submit(struct redoubt_lane *lane, const void *op, size_t op_bytes, unsigned timeout_ms,
                        redoubt_done done, void *context)
{
    return submit(lane_client(lane), (struct client_submission){.lane = lane}, op, op_bytes, timeout_ms, done,
                  context);
}

int redoubt_submit(struct redoubt_client *client, const void *op, size_t op_bytes, unsigned timeout_ms,
                   redoubt_done done, void *context)
{
    return submit(client, (struct client_submission){.reads = false}, op, op_bytes, timeout_ms, done,
                  context);
}

int redoubt_submit_read(struct redoubt_client *client, const void *op, size_t op_bytes, unsigned timeout_ms,
                        redoubt_done done, void *context)
{
    return submit(client, (struct client_submission){.reads = true}, op, op_bytes, timeout_ms, done, context);
}

struct waiting_call {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool done;
    struct redoubt_outcome *outcome;
};

static void call_done(void *context, const struct redoubt_outcome *outcome)
{
    struct waiting_call *call = context;
    pthread_mutex_lock(&call->lock);
    *call->outcome = *outcome;
    if (outcome->result) {
        uint8_t *copy = malloc(outcome->result_bytes ? outcome->result_bytes : 1);
        call->outcome->result = copy;
        if (!copy) {
            call->outcome->kind = REDOUBT_UNKNOWN;
            call->outcome->result_bytes = 0;
            call->outcome->reason = "no memory for the result";
        } else if (outcome->result_bytes) {
            memcpy(copy, outcome->result, outcome->result_bytes);
        }
    }
    call->done = true;
    pthread_cond_signal(&call->changed);
    pthread_mutex_unlock(&call->lock);
}

static int call(struct redoubt_client *client, const void *op, size_t op_bytes, unsigned timeout_ms,
                struct redoubt_outcome *outcome, bool reads)
{
    struct waiting_call waiting = {
        .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .outcome = outcome};
    memset(outcome, 0, sizeof *outcome);
    if (loop_is_mine(client->loop))
        return -EDEADLK;
    int failed = submit(client, (struct client_submission){.reads = reads}, op, op_bytes, timeout_ms,
                        call_done, &waiting);
    if (failed == -ENOMEM)
        return failed;
    if (failed) {
        outcome->kind = REDOUBT_REJECTED;
        outcome->reason = submit_reason(failed);
        return 0;
    }
    pthread_mutex_lock(&waiting.lock);
    while (!waiting.done)
        pthread_cond_wait(&waiting.changed, &waiting.lock);
    pthread_mutex_unlock(&waiting.lock);
    pthread_cond_destroy(&waiting.changed);
    pthread_mutex_destroy(&waiting.lock);
    return 0;
}

int redoubt_call(struct redoubt_client *client, const void *op, size_t op_bytes, unsigned timeout_ms,
                 struct redoubt_outcome *outcome)
{
    return call(client, op, op_bytes, timeout_ms, outcome, false);
}

int redoubt_call_read(struct redoubt_client *client, const void *op, size_t op_bytes, unsigned timeout_ms,
                      struct redoubt_outcome *outcome)
{
    return call(client, op, op_bytes, timeout_ms, outcome, true);
}

void redoubt_outcome_clear(struct redoubt_outcome *outcome)
{
    free((void *)(uintptr_t)outcome->result);
    memset(outcome, 0, sizeof *outcome);
}

/* ------------------------------------------------------------------------------------------------ what it saw */

struct counters_question {
    struct redoubt_client *client;
    struct redoubt_client_counters answer;
};

static void counters_read(void *context)
{
    struct counters_question *q = context;
    const struct client_core_counters *c = &q->client->core.counters;
    q->answer = (struct redoubt_client_counters){
        .struct_bytes = sizeof q->answer,
        .bundles = c->bundles,
        .retransmissions = c->retransmissions,
        .signed_bundles = c->signed_bundles,
        .replies = c->replies,
        .bad_replies = c->bad_replies,
        .conflicting_replies = c->conflicting_replies,
        .fetched_results = c->fetched_results,
        .replicas = q->client->hub->replicas,
        .quorum = q->client->core.configuration->write_quorum,
        .unordered_reads = q->client->reads.counters.unordered,
        .ordered_reads = q->client->reads.counters.ordered,
    };
    for (replica_id r = 0; r < q->answer.replicas; r++)
        q->answer.replicas_connected += q->client->hub->link[r].up;
}

void redoubt_client_counters(struct redoubt_client *client, struct redoubt_client_counters *counters)
{
    size_t bytes = counters->struct_bytes;
    struct counters_question question = {.client = client};
    client_loop_call(client->loop, counters_read, &question);
    if (bytes == 0 || bytes > sizeof *counters)
        bytes = sizeof *counters;
    question.answer.struct_bytes = bytes;
    memcpy(counters, &question.answer, bytes);
}

const char *redoubt_client_error(const struct redoubt_client *client)
{
    if (!client)
        return open_error.text;
    pthread_mutex_lock(&client->loop->lock);
    copied_error = client->error;
    pthread_mutex_unlock(&client->loop->lock);
    return copied_error.text;
}
