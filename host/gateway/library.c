#include "gateway/library.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

#define RUN_MAX 4096u /* outcomes told in one turn */

static const char reason_gone[] =
    "an earlier operation of this connection has no known outcome; this one was never sent";
static const char reason_memory[] = "too many results wait to be taken";

/* One operation, from its submission until its outcome is told. */
struct question {
    struct question *next;
    struct library *library;
    uint64_t ticket;
    uint32_t connection, life;
    struct redoubt_outcome outcome;
    uint8_t result[];
};

struct questions {
    struct question *first, *last;
};

struct library {
    struct redoubt_client *client;
    access_done done;
    void *context;
    struct redoubt_lane *lane[FRONT_CONNECTIONS_MAX]; /* NULL: nothing was submitted */
    uint32_t life[FRONT_CONNECTIONS_MAX];             /* a connection's number is used again */
    uint8_t *whole;                                   /* OP_MAX: an operation that came in pieces */
    struct questions telling;                         /* taken from `told` */
    atomic_bool ready;

    pthread_mutex_t lock;
    struct questions told; /* under the lock, as what follows */
    size_t told_bytes;
    bool woken;
    void (*wake)(void *waker);
    void *waker;
};

/* ---------------------------------------------------------------- lists */

static void put(struct questions *list, struct question *q)
{
    q->next = NULL;
    *(list->last ? &list->last->next : &list->first) = q;
    list->last = q;
}

static struct question *take(struct questions *list)
{
    struct question *q = list->first;
    if (!q)
        return NULL;
    list->first = q->next;
    if (!list->first)
        list->last = NULL;
    return q;
}

static void free_all(struct questions *list)
{
    for (struct question *q; (q = take(list)) != NULL;)
        free(q);
}

/* ---------------------------------------------------------------- outcomes */

/* With its result, or as unknown when there is no room for that. */
static struct question *keep(struct question *q, const struct redoubt_outcome *outcome, bool room)
{
    struct question *larger = q;
    if (room && outcome->result_bytes)
        larger = realloc(q, sizeof *q + outcome->result_bytes);
    if (!room || !larger) {
        q->outcome = (struct redoubt_outcome){.kind = REDOUBT_UNKNOWN, .reason = reason_memory};
        return q;
    }
    larger->outcome = *outcome;
    if (outcome->result_bytes)
        memcpy(larger->result, outcome->result, outcome->result_bytes);
    return larger;
}

static void tell(struct question *q, const struct redoubt_outcome *outcome)
{
    struct library *l = q->library;
    pthread_mutex_lock(&l->lock);
    q = keep(q, outcome, l->told_bytes + outcome->result_bytes <= LIBRARY_TOLD_BYTES);
    l->told_bytes += q->outcome.result_bytes;
    put(&l->told, q);
    if (!l->woken && l->wake)
        l->wake(l->waker); /* under the lock: so there is none after library_wakes */
    l->woken = true;
    pthread_mutex_unlock(&l->lock);
}

/* On the library's thread. */
static void on_outcome(void *context, const struct redoubt_outcome *outcome)
{
    tell(context, outcome);
}

static void take_told(struct library *l)
{
    pthread_mutex_lock(&l->lock);
    l->telling = l->told;
    l->told = (struct questions){NULL, NULL};
    l->told_bytes = 0; /* what is taken is the front's to bound: it goes to connections at once */
    l->woken = false;
    pthread_mutex_unlock(&l->lock);
}

static bool run(void *self, uint64_t now_us)
{
    struct library *l = self;
    struct question *q;
    (void)now_us;
    if (!l->telling.first)
        take_told(l);
    for (unsigned i = 0; i < RUN_MAX && (q = take(&l->telling)) != NULL; i++) {
        q->outcome.result = q->outcome.result_bytes ? q->result : NULL;
        if (q->life == l->life[q->connection])
            l->done(l->context, q->connection, q->ticket, &q->outcome);
        free(q);
    }
    return l->telling.first != NULL;
}

/* ---------------------------------------------------------------- access */

static struct slice gather(struct library *l, const struct slice *parts, unsigned count)
{
    size_t len = 0;
    if (count == 1)
        return parts[0];
    for (unsigned i = 0; i < count; len += parts[i++].len)
        if (parts[i].len)
            memcpy(l->whole + len, parts[i].data, parts[i].len);
    return (struct slice){l->whole, len};
}

static int submit(void *self, uint32_t connection, uint64_t ticket, const struct slice *parts, unsigned count,
                  uint64_t deadline_us, uint64_t now_us)
{
    struct library *l = self;
    size_t len = 0;
    for (unsigned i = 0; i < count; i++)
        len += parts[i].len;
    if (len > OP_MAX)
        return -EMSGSIZE;
    struct redoubt_lane **lane = &l->lane[connection];
    if (!*lane)
        *lane = redoubt_lane_open(l->client);
    struct question *q = *lane ? malloc(sizeof *q) : NULL;
    if (!q)
        return -EAGAIN;
    *q = (struct question){
        .library = l, .ticket = ticket, .connection = connection, .life = l->life[connection]};
    struct slice op = gather(l, parts, count);
    uint64_t ms = deadline_us > now_us ? (deadline_us - now_us + 999) / 1000 : 1;
    int result = redoubt_lane_submit(*lane, op.data, op.len, (unsigned)ms, on_outcome, q);
    if (result == -EPIPE) { /* told in its turn: an access refuses nothing for that */
        tell(q, &(struct redoubt_outcome){.kind = REDOUBT_REJECTED, .reason = reason_gone});
        return 0;
    }
    if (result)
        free(q);
    return result == 0 ? 0 : -EAGAIN;
}

static void forget(void *self, uint32_t connection)
{
    struct library *l = self;
    l->life[connection]++;
    if (l->lane[connection])
        redoubt_lane_close(l->lane[connection]);
    l->lane[connection] = NULL;
}

static bool is_ready(const void *self, uint64_t now_us)
{
    const struct library *l = self;
    (void)now_us;
    return atomic_load(&l->ready);
}

static void begin(void *self, access_done done, void *context)
{
    struct library *l = self;
    l->done = done;
    l->context = context;
}

struct access_source library_source(struct library *library)
{
    return (struct access_source){
        .access = {.self = library, .submit = submit, .forget = forget, .is_ready = is_ready},
        .begin = begin,
        .run = run};
}

/* ---------------------------------------------------------------- lifecycle */

struct library *library_new(struct redoubt_client *client)
{
    struct library *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->client = client;
    l->whole = malloc(OP_MAX);
    if (!l->whole) {
        free(l);
        return NULL;
    }
    pthread_mutex_init(&l->lock, NULL);
    return l;
}

void library_wakes(struct library *library, void (*wake)(void *waker), void *waker)
{
    pthread_mutex_lock(&library->lock);
    library->wake = wake;
    library->waker = waker;
    pthread_mutex_unlock(&library->lock);
}

bool library_look(struct library *library)
{
    struct redoubt_client_counters counters = {.struct_bytes = sizeof counters};
    redoubt_client_counters(library->client, &counters);
    bool ready = counters.replicas_connected >= counters.quorum;
    atomic_store(&library->ready, ready);
    return ready;
}

void library_free(struct library *library)
{
    free_all(&library->telling);
    free_all(&library->told);
    pthread_mutex_destroy(&library->lock);
    free(library->whole);
    free(library);
}
