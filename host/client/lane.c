#include "client/lane.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

const char lane_broken[] = "an earlier operation of this lane has no known outcome; this one was never sent";
static const char reason_closed[] = "the client was closed before it was sent";

struct lane_op {
    struct lane_op *next;
    struct redoubt_lane *lane;
    redoubt_done done;
    void *context;
    uint64_t deadline_us, submitted_us;
    size_t len;
    uint8_t data[];
};

struct redoubt_lane {
    struct redoubt_client *client;
    struct redoubt_lane *next, *before; /* of the client's */
    bool ready;
    struct redoubt_lane *next_ready;
    struct lane_op *first, *last; /* waiting */
    uint32_t under_way;           /* in the core */
    uint64_t deadline_us;         /* of the last one submitted */
    bool broken;
    bool closed; /* freed with its last operation */
};

struct redoubt_client *lane_client(const struct redoubt_lane *lane)
{
    return lane->client;
}

/* ------------------------------------------------------------------------------------------------ coming and going */

static void attach(void *context)
{
    struct redoubt_lane *lane = context;
    lane->next = lane->client->lanes;
    if (lane->next)
        lane->next->before = lane;
    lane->client->lanes = lane;
}

static void lane_free(struct redoubt_lane *lane)
{
    *(lane->before ? &lane->before->next : &lane->client->lanes) = lane->next;
    if (lane->next)
        lane->next->before = lane->before;
    free(lane);
}

struct redoubt_lane *redoubt_lane_open(struct redoubt_client *client)
{
    struct redoubt_lane *lane = calloc(1, sizeof *lane);
    if (!lane)
        return NULL;
    lane->client = client;
    client_loop_call(client->loop, attach, lane);
    return lane;
}

static bool is_over(const struct redoubt_lane *lane)
{
    return lane->closed && !lane->first && lane->under_way == 0 && !lane->ready;
}

/* ------------------------------------------------------------------------------------------------ operations */

static void make_ready(struct redoubt_lane *lane)
{
    struct redoubt_client *client = lane->client;
    loop_touch(client->loop, client);
    if (lane->ready || lane->under_way || !lane->first)
        return;
    lane->ready = true;
    lane->next_ready = client->ready_lanes;
    client->ready_lanes = lane;
}

static struct lane_op *take_first(struct redoubt_lane *lane)
{
    struct lane_op *op = lane->first;
    lane->first = op->next;
    if (!lane->first)
        lane->last = NULL;
    lane->client->lane_ops--;
    lane->client->lane_bytes -= op->len;
    return op;
}

static void reject(struct redoubt_lane *lane, const char *reason)
{
    while (lane->first) {
        struct lane_op *op = take_first(lane);
        const struct redoubt_outcome outcome = {.kind = REDOUBT_REJECTED, .reason = reason};
        if (op->done)
            op->done(op->context, &outcome);
        free(op);
    }
}

/* Of one that was in the core. */
static void on_outcome(void *context, const struct redoubt_outcome *outcome)
{
    struct lane_op *op = context;
    struct redoubt_lane *lane = op->lane;
    lane->broken = lane->broken || outcome->kind == REDOUBT_UNKNOWN;
    if (op->done)
        op->done(op->context, outcome); /* may close the lane, which is still in use */
    free(op);
    lane->under_way--;
    if (lane->under_way == 0 && lane->first)
        make_ready(lane);
    else if (is_over(lane) && !lane->client->core.closed)
        lane_free(lane);
}

int lane_on_inbox(const struct client_submission *s, const void *data)
{
    struct redoubt_lane *lane = s->lane;
    if (s->closes) {
        lane->closed = true;
        if (is_over(lane))
            lane_free(lane);
        return 0;
    }
    const struct client_core *core = &lane->client->core;
    if (lane->broken)
        return -EPIPE;
    if (core->queue.ops + lane->client->lane_ops >= core->options.queue_max ||
        core->queue.bytes + lane->client->lane_bytes + s->len > core->options.queue_max_bytes)
        return -EAGAIN;
    struct lane_op *op = malloc(sizeof *op + s->len);
    if (!op)
        return -EAGAIN;
    lane->deadline_us = s->deadline_us > lane->deadline_us ? s->deadline_us : lane->deadline_us;
    *op = (struct lane_op){.lane = lane,
                           .done = s->done,
                           .context = s->context,
                           .deadline_us = lane->deadline_us,
                           .submitted_us = s->submitted_us,
                           .len = s->len};
    if (s->len)
        memcpy(op->data, data, s->len);
    *(lane->last ? &lane->last->next : &lane->first) = op;
    lane->last = op;
    lane->client->lane_ops++;
    lane->client->lane_bytes += op->len;
    make_ready(lane);
    return 0;
}

/* As many from the front as go into one bundle. False: the core takes nothing now. */
static bool go_on(struct redoubt_lane *lane)
{
    struct client_core *core = &lane->client->core;
    if (lane->broken)
        reject(lane, lane_broken);
    while (lane->first) {
        struct lane_op *op = lane->first;
        if (lane->under_way && !client_core_joins(core, op->len))
            break;
        if (client_core_submit(core, op->data, op->len, op->deadline_us, on_outcome, op, op->submitted_us) !=
            0)
            return lane->under_way > 0;
        lane->under_way++;
        take_first(lane);
    }
    return true;
}

void lanes_flush(struct redoubt_client *client)
{
    struct redoubt_lane *lane = client->ready_lanes, *stay = NULL;
    client->ready_lanes = NULL;
    for (struct redoubt_lane *next; lane; lane = next) {
        next = lane->next_ready;
        lane->ready = !go_on(lane);
        if (lane->ready) { /* looked at again when something lands, which it must: the queue is full */
            lane->next_ready = stay;
            stay = lane;
        } else if (is_over(lane)) {
            lane_free(lane);
        }
    }
    while (stay) {
        lane = stay;
        stay = lane->next_ready;
        lane->next_ready = client->ready_lanes;
        client->ready_lanes = lane;
    }
}

void lanes_close(struct redoubt_client *client)
{
    client->ready_lanes = NULL;
    while (client->lanes) {
        struct redoubt_lane *lane = client->lanes;
        CHECK(lane->under_way == 0);
        lane->ready = true; /* a callback may close it: it is freed here */
        reject(lane, reason_closed);
        lane_free(lane);
    }
}

void redoubt_lane_close(struct redoubt_lane *lane)
{
    struct redoubt_client *client = lane->client;
    const struct client_submission s = {.lane = lane, .closes = true};
    if (loop_is_mine(client->loop))
        lane_on_inbox(&s, NULL);
    else
        client_hand_over(client, &s, NULL);
}
