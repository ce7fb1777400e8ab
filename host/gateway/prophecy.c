#include "gateway/prophecy.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "client/folder.h"
#include "pages.h"
#include "shell/memory.h"
#include "troxy/replicated.h"

#define ARRIVED_PAUSE (8u * 1024u * 1024u) /* replicas are not read beyond this ... */
#define ARRIVED_MAX                                                                                          \
    (64u * 1024u * 1024u) /* ... and what they sent by then is dropped beyond this: it is sent again */

enum news { NEWS_FRAME, NEWS_UP, NEWS_DOWN };

/* What came from a replica, until the next turn. */
struct arrival {
    uint32_t news, replica;
    size_t len; /* of the frame behind it */
};

struct prophecy {
    const struct config *config;
    struct client_folder folder;
    void *memory;
    size_t memory_bytes;
    struct arena arena;
    struct replicated *replicated;
    struct access access; /* that one's */
    access_done done;     /* NULL: nobody is told any more */
    void *context;
    struct reach reach;
    struct buffer arrived;
    struct buffer leaving; /* a frame that is put together */
    uint64_t dropped;
    uv_timer_t timer;
    void (*wake)(void *waker);
    void *waker;
};

/* ---------------------------------------------------------------- replicas */

static void arrive(struct prophecy *p, enum news news, replica_id replica, struct slice frame)
{
    const struct arrival head = {.news = news, .replica = replica, .len = frame.len};
    if (news == NEWS_FRAME && p->arrived.len + sizeof head + frame.len > ARRIVED_MAX) {
        p->dropped++;
        return;
    }
    buffer_append(&p->arrived, &head, sizeof head);
    buffer_append(&p->arrived, frame.data, frame.len);
    p->wake(p->waker);
}

static void on_frame(void *context, replica_id replica, struct slice frame)
{
    arrive(context, NEWS_FRAME, replica, frame);
}

static void on_link(void *context, replica_id replica, bool up)
{
    arrive(context, up ? NEWS_UP : NEWS_DOWN, replica, (struct slice){NULL, 0});
}

static void on_send(void *context, replica_id replica, const struct slice *parts, unsigned count)
{
    struct prophecy *p = context;
    for (unsigned i = 0; i < count; i++)
        buffer_append(&p->leaving, parts[i].data, parts[i].len);
    reach_send(&p->reach, replica == CLIENT_TO_ALL ? FRONT_TO_ALL : replica,
               (struct slice){buffer_data(&p->leaving), p->leaving.len});
    buffer_consume(&p->leaving, p->leaving.len);
}

static void on_timer(uv_timer_t *timer)
{
    struct prophecy *p = timer->data;
    p->wake(p->waker);
}

static void take_in(struct prophecy *p, uint64_t now_us)
{
    while (p->arrived.len) {
        struct arrival head;
        memcpy(&head, buffer_data(&p->arrived), sizeof head);
        const uint8_t *frame = buffer_data(&p->arrived) + sizeof head;
        if (head.news == NEWS_UP)
            replicated_on_connected(p->replicated, head.replica, now_us);
        else if (head.news == NEWS_DOWN)
            replicated_on_disconnected(p->replicated, head.replica);
        else
            (void)replicated_on_frame(p->replicated, head.replica, frame, head.len, now_us);
        buffer_consume(&p->arrived, sizeof head + head.len);
    }
}

static void wake_at(struct prophecy *p, uint64_t at_us, uint64_t now_us)
{
    if (at_us == UINT64_MAX)
        uv_timer_stop(&p->timer);
    else
        uv_timer_start(&p->timer, on_timer, at_us > now_us ? (at_us - now_us + 999) / 1000 : 0, 0);
}

static bool run(void *self, uint64_t now_us)
{
    struct prophecy *p = self;
    take_in(p, now_us);
    if (replicated_next_timer(p->replicated) <= now_us)
        replicated_on_timer(p->replicated, now_us);
    replicated_flush(p->replicated, now_us);
    reach_flush(&p->reach);
    reach_pause(&p->reach, p->arrived.len > ARRIVED_PAUSE);
    wake_at(p, replicated_next_timer(p->replicated), now_us);
    return false;
}

/* ---------------------------------------------------------------- access */

static int submit(void *self, uint32_t connection, uint64_t ticket, const struct slice *parts, unsigned count,
                  uint64_t deadline_us, uint64_t now_us)
{
    struct prophecy *p = self;
    return p->access.submit(p->access.self, connection, ticket, parts, count, deadline_us, now_us);
}

static void forget(void *self, uint32_t connection)
{
    struct prophecy *p = self;
    p->access.forget(p->access.self, connection);
}

static bool is_ready(const void *self, uint64_t now_us)
{
    const struct prophecy *p = self;
    return p->access.is_ready(p->access.self, now_us);
}

static void tell(void *context, uint32_t connection, uint64_t ticket, const struct redoubt_outcome *outcome)
{
    struct prophecy *p = context;
    if (p->done)
        p->done(p->context, connection, ticket, outcome);
}

static void begin(void *self, access_done done, void *context)
{
    struct prophecy *p = self;
    p->done = done;
    p->context = context;
}

struct access_source prophecy_source(struct prophecy *prophecy)
{
    return (struct access_source){
        .access = {.self = prophecy, .submit = submit, .forget = forget, .is_ready = is_ready},
        .begin = begin,
        .run = run};
}

/* ---------------------------------------------------------------- lifecycle */

static int replicated_make(struct prophecy *p, const struct redoubt_service *service, size_t sketch_bytes,
                           struct error *error)
{
    struct replicated_config config = {.configuration = &p->folder.configuration,
                                       .origin = p->folder.origin,
                                       .epoch = p->folder.epoch,
                                       .sign = &p->folder.keys.sign,
                                       .box = &p->folder.keys.box,
                                       .replica = REPLICAS_MAX,
                                       .service = service,
                                       .wire = {.context = p, .send = on_send},
                                       .done = tell,
                                       .context = p};
    replicated_options_init(&config.options);
    config.options.connections_max = FRONT_CONNECTIONS_MAX;
    config.options.connection_operations_max = FRONT_OPS_MAX;
    config.options.cache_bytes = sketch_bytes;
    config.options.attestors = 1;
    config.options.adaptive.off_percent = 100; /* it has no such switch */
    p->memory_bytes = replicated_arena_bytes(&config.options);
    p->memory = memory_map(p->memory_bytes);
    if (!p->memory)
        return error_set(error, "prophecy: cannot reserve %zu bytes of memory", p->memory_bytes);
    arena_init(&p->arena, p->memory, p->memory_bytes);
    p->replicated = replicated_new(&p->arena, &config);
    if (!p->replicated)
        return error_set(error, "the manifest cannot be used: a key in it is degenerate");
    p->access = replicated_access(p->replicated);
    return 0;
}

int prophecy_new(struct prophecy **out, const struct config *config, const char *dir, int origin,
                 const struct redoubt_service *service, size_t sketch_bytes, struct error *error)
{
    struct prophecy *p = calloc(1, sizeof *p);
    CHECK(p && "out of memory");
    p->config = config;
    if (client_folder_open(&p->folder, dir, origin, error)) {
        free(p);
        return -1;
    }
    if (p->folder.configuration.read_quorum == 0 || p->folder.configuration.certifies)
        error_set(error,
                  "%s: replicas vouch for no reads (fast_reads: off): there is nothing that it could be told",
                  dir);
    else if (replicated_make(p, service, sketch_bytes, error) == 0) {
        *out = p;
        return 0;
    }
    prophecy_free(p);
    return -1;
}

void prophecy_start(struct prophecy *p, uv_loop_t *loop, void (*wake)(void *waker), void *waker)
{
    const struct reach_events events = {p, on_frame, on_link};
    p->wake = wake;
    p->waker = waker;
    uv_timer_init(loop, &p->timer);
    p->timer.data = p;
    reach_open(&p->reach, loop, p->config, &events);
}

void prophecy_stop(struct prophecy *p)
{
    p->done = NULL;
    reach_close(&p->reach);
    uv_close((uv_handle_t *)&p->timer, NULL);
}

void prophecy_free(struct prophecy *p)
{
    if (p->replicated)
        replicated_close(p->replicated, 0);
    memory_unmap(p->memory, p->memory_bytes);
    client_folder_close(&p->folder);
    buffer_free(&p->arrived);
    buffer_free(&p->leaving);
    free(p);
}

/* ---------------------------------------------------------------- what it counts */

void prophecy_print(const struct prophecy *p, struct buffer *body)
{
    struct replicated_counters c;
    replicated_counters(p->replicated, &c);
    const struct {
        const char *name, *type;
        uint64_t value;
    } lines[] = {
        {"reads_total", "counter", c.reads},
        {"writes_total", "counter", c.writes},
        {"hits_total", "counter", c.hits},
        {"misses_total", "counter", c.misses},
        {"answered_total", "counter", c.fast},
        {"mismatches_total", "counter", c.conflicts},
        {"timeouts_total", "counter", c.timeouts},
        {"refreshed_total", "counter", c.passed},
        {"bad_answers_total", "counter", c.bad_attestations},
        {"dropped_frames_total", "counter", p->dropped},
        {"sketch_entries", "gauge", c.cache_entries},
        {"sketch_bytes", "gauge", c.cache_bytes},
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        buffer_print(body, "# TYPE redoubt_prophecy_%s %s\nredoubt_prophecy_%s %" PRIu64 "\n", lines[i].name,
                     lines[i].type, lines[i].name, lines[i].value);
}
