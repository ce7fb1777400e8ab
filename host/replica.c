#include "chain_file.h"
#include "membership.h"
#include "rejoin.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "counter_key.h"
#include "keys.h"
#include "log.h"

#define OVERFLOW_MAX        (64u * 1024u * 1024u)
#define PAUSE_CLIENTS_BYTES (4u * 1024u * 1024u)
#define PAUSE_PEERS_BYTES   (32u * 1024u * 1024u)
#define ROUNDS_MAX          64
#define PASSES_MAX          8
#define MANIFEST_LOOK_MS    20
#define COUNTER_KEY_LOOK_MS 100

enum { PORT_PEER, PORT_CLIENT, PORT_METRICS };

/* ---------------------------------------------------------------- time */

static uint64_t clock_us(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Wall-clock time that never falls: the monotonic clock plus an offset that follows the wall clock by small steps. */
static void now_refresh(struct replica *r)
{
    r->now_us = (uint64_t)((int64_t)clock_us(CLOCK_MONOTONIC) + r->clock_offset_us);
}

static void now_correct(struct replica *r)
{
    int64_t ahead =
        (int64_t)clock_us(CLOCK_REALTIME) - (int64_t)clock_us(CLOCK_MONOTONIC) - r->clock_offset_us;
    int64_t step = ahead < -50000 ? -50000 : ahead; /* once a second, so that time still rises */
    r->clock_offset_us += step;
}

/* ---------------------------------------------------------------- the engine */

static void step(struct replica *r, enum event_kind kind, uint32_t from, struct slice frame)
{
    struct event event = {.kind = kind, .from = from, .now_us = r->now_us, .frame = frame};
    CHECK(!r->stepping);
    disk_step(&r->disk);
    r->stepping = true;
    r->engine_type->step(r->engine, &event, &r->actions);
    r->stepping = false;
    while (r->gone_count > 0) {
        event =
            (struct event){.kind = EVENT_CLIENT_GONE, .from = r->gone[--r->gone_count], .now_us = r->now_us};
        r->stepping = true;
        r->engine_type->step(r->engine, &event, &r->actions);
        r->stepping = false;
    }
    r->dirty = true;
}

static void give(struct replica *r, enum kind kind, const struct slice *parts, unsigned count, bool local)
{
    struct seat *seat = &r->seat[seat_index(kind)];
    if (seat->dead)
        return;
    if (seat->overflow.len == 0 && compartment_give(seat->compartment, parts, count, local)) {
        seat->given = true;
        return;
    }
    uint32_t head[2] = {0, local};
    for (unsigned i = 0; i < count; i++)
        head[0] += (uint32_t)parts[i].len;
    if (seat->overflow.len + head[0] > OVERFLOW_MAX) {
        seat->dropped++;
        LOG_LIMITED(LOG_WARNING, "%s does not keep up: frames are dropped", kind_name(kind));
        return;
    }
    buffer_append(&seat->overflow, head, sizeof head);
    for (unsigned i = 0; i < count; i++)
        buffer_append(&seat->overflow, parts[i].data, parts[i].len);
}

/* Moves what had no room into the ring; true when anything moved. */
static bool overflow_drain(struct seat *seat)
{
    bool moved = false;
    while (seat->overflow.len > 0) {
        uint32_t head[2];
        memcpy(head, buffer_data(&seat->overflow), sizeof head);
        struct slice frame = {buffer_data(&seat->overflow) + sizeof head, head[0]};
        if (!compartment_give(seat->compartment, &frame, 1, head[1] != 0))
            break;
        buffer_consume(&seat->overflow, sizeof head + head[0]);
        seat->given = moved = true;
    }
    return moved;
}

static void peer_out(void *context, replica_id to, const struct slice *parts, unsigned count)
{
    struct replica *r = context;
    r->frames_out++;
    links_send(&r->links, to, parts, count);
}

static void client_out(void *context, uint32_t connection, const struct slice *parts, unsigned count)
{
    struct replica *r = context;
    r->frames_out++;
    clients_send(&r->clients, connection, parts, count);
}

static void send_peer(struct replica *r, replica_id to, const struct slice *parts, unsigned count)
{
    if (fault_active(&r->fault))
        fault_to_peer(&r->fault, to, parts, count, r->now_us);
    else
        peer_out(r, to, parts, count);
}

static void emit(struct actions *actions, const struct action *action)
{
    struct replica *r = (struct replica *)(void *)((char *)actions - offsetof(struct replica, actions));
    bool waits = action->kind == ACTION_SEND_PEER || (action->kind == ACTION_GIVE && action->held);
    if (!waits || !disk_holds(&r->disk, action))
        replica_carry_out(r, action);
}

void replica_step(struct replica *r, enum event_kind kind)
{
    step(r, kind, 0, (struct slice){NULL, 0});
}

static bool has_seat(const struct replica *r, uint32_t kind)
{
    int index = seat_index(kind);
    return index >= 0 && index < COMPARTMENTS && seat_kind(r, index) == kind;
}

void replica_carry_out(struct replica *r, const struct action *action)
{
    unsigned count = action->parts[1].len ? 2 : 1;
    switch (action->kind) {
    case ACTION_PERSIST:
        disk_persist(r, action);
        break;
    case ACTION_SEND_PEER:
        if (action->to != PEER_ALL) {
            send_peer(r, action->to, action->parts, count);
            break;
        }
        for (replica_id i = 0; i < r->config.replicas; i++)
            if (i != r->options.id)
                send_peer(r, i, action->parts, count);
        break;
    case ACTION_SEND_CLIENT:
        if (fault_active(&r->fault))
            fault_to_client(&r->fault, action->to, action->parts, count, r->now_us);
        else
            client_out(r, action->to, action->parts, count);
        break;
    case ACTION_DROP_CLIENT:
        clients_drop(&r->clients, action->to, "it sent what no correct client sends");
        break;
    case ACTION_GIVE:
        if (has_seat(r, action->to) && !disk_starves(&r->disk, action))
            give(r, (enum kind)action->to, action->parts, count, action->local);
        break;
    case ACTION_TIMER:
        r->timer_at_us = action->at_us;
        break;
    case ACTION_TRACE:
        log_line(LOG_DEBUG, "%.*s", (int)action->parts[0].len, (const char *)action->parts[0].data);
        break;
    }
}

static void on_peer_frame(void *context, replica_id from, struct slice frame)
{
    struct replica *r = context;
    r->frames_in++;
    if (disk_is_deaf(&r->disk))
        return;
    step(r, EVENT_PEER, from, frame);
}

static void on_peer_up(void *context, replica_id peer)
{
    step(context, EVENT_PEER_UP, peer, (struct slice){NULL, 0});
}

static void on_client_frame(void *context, uint32_t connection, struct slice frame)
{
    struct replica *r = context;
    r->frames_in++;
    if (disk_is_deaf(&r->disk))
        return;
    step(r, EVENT_CLIENT, connection, frame);
}

/* The engine may itself be the cause, so it is told after its step. */
static void on_client_gone(void *context, uint32_t connection)
{
    struct replica *r = context;
    if (r->stepping)
        r->gone[r->gone_count++] = connection;
    else
        step(r, EVENT_CLIENT_GONE, connection, (struct slice){NULL, 0});
}

static void end(struct replica *r);

/* ---------------------------------------------------------------- compartments */

static void seat_died(struct replica *r, int index)
{
    struct seat *seat = &r->seat[index];
    if (seat->dead)
        return;
    seat->dead = true;
    snprintf(seat->obituary, sizeof seat->obituary, "%s", compartment_obituary(seat->compartment));
    log_line(LOG_ERROR, "%s died: %s: this replica %s", seat_name(r, index), seat->obituary,
             r->config.restart ? "ends, to come back with fresh keys" : "stops voting");
    buffer_free(&seat->overflow);
    if (seat->polled)
        uv_poll_stop(&seat->poll);
    if (seat->watched)
        uv_poll_stop(&seat->death);
    if (!r->started)
        return;
    if (!r->config.restart) {
        step(r, EVENT_STOP_VOTING, 0, (struct slice){NULL, 0});
        return;
    }
    /* A lone compartment is of no use, and who runs replicas (`up`, systemd) starts this one again. */
    r->exit_code =
        error_set(&r->failure, "replica %u: %s died: %s", r->options.id, seat_name(r, index), seat->obituary);
    end(r);
}

static void look_for_deaths(struct replica *r)
{
    for (int i = 0; i < COMPARTMENTS; i++)
        if (!r->seat[i].dead && !compartment_alive(r->seat[i].compartment))
            seat_died(r, i);
}

/* One round over the compartments; true when there may be more to do right away. */
static bool turn(struct replica *r)
{
    bool any = false;
    struct slice frame;
    for (int i = 0; i < COMPARTMENTS; i++) {
        struct seat *seat = &r->seat[i];
        if (seat->dead)
            continue;
        overflow_drain(seat);
        while (compartment_take(seat->compartment, &frame)) {
            any = true;
            if (i == KIND_EXECUTION - KIND_PREPARATION &&
                (disk_takes_piece(r, frame) || restoring_takes(r, frame)))
                continue;
            enum kind kind = seat_kind(r, i);
            if (kind == KIND_COUNTER)
                counting_note(&r->counting, frame);
            step(r, EVENT_COMPARTMENT, (uint32_t)kind, frame);
        }
    }
    if (r->dirty) {
        step(r, EVENT_RUN_END, 0, (struct slice){NULL, 0});
        r->dirty = false;
    }
    for (int i = 0; i < COMPARTMENTS; i++) {
        struct seat *seat = &r->seat[i];
        if (!seat->given || seat->dead)
            continue;
        seat->given = false;
        any = true;
        compartment_kick(seat->compartment, r->now_us);
    }
    return troxy_turn(&r->troxy, r->now_us) || any;
}

static void press_back(struct replica *r)
{
    size_t most = 0;
    for (int i = 0; i < COMPARTMENTS; i++)
        if (r->seat[i].overflow.len > most)
            most = r->seat[i].overflow.len;
    clients_pause(&r->clients, most > PAUSE_CLIENTS_BYTES);
    links_pause(&r->links, most > PAUSE_PEERS_BYTES);
}

/* A view change is what an operator looks for first when clients had to wait. */
static void view_log(struct replica *r)
{
    struct engine_status s;
    r->engine_type->status(r->engine, &s);
    if (!s.in_view && s.view == 0)
        return; /* not started yet */
    if (s.view == r->view_logged && s.in_view == !r->view_left_logged)
        return;
    if (s.in_view)
        log_line(LOG_INFO, "view %llu entered, %llu slots executed", (unsigned long long)s.view,
                 (unsigned long long)s.executed);
    else
        log_line(LOG_WARNING, "view left, waiting for view %llu; %llu slots executed, %llu seen",
                 (unsigned long long)s.view, (unsigned long long)s.executed, (unsigned long long)s.newest);
    r->view_logged = s.view;
    r->view_left_logged = !s.in_view;
}

static void on_engine_timer(uv_timer_t *timer)
{
    struct replica *r = timer->data;
    r->timer_set_us = 0;
    now_refresh(r);
    if (r->timer_at_us && r->now_us >= r->timer_at_us) {
        r->timer_at_us = 0;
        step(r, EVENT_TIMER, 0, (struct slice){NULL, 0});
        view_log(r);
    }
}

static void timer_arrange(struct replica *r)
{
    uint64_t at = r->timer_at_us;
    if (fault_active(&r->fault) && fault_tick(&r->fault, r->now_us) && (!at || at > r->now_us + 10000))
        at = r->now_us + 10000;
    if (at == r->timer_set_us)
        return;
    r->timer_set_us = at;
    if (!at)
        uv_timer_stop(&r->engine_timer);
    else /* the loop's own time may lie behind; the callback looks at the clock */
        uv_timer_start(&r->engine_timer, on_engine_timer, at > r->now_us ? (at - r->now_us + 999) / 1000 : 0,
                       0);
}

static void on_idle(uv_idle_t *idle)
{
    (void)idle;
}

/* Before the loop sleeps: everything that the turn brought is worked off. */
static void on_prepare(uv_prepare_t *prepare)
{
    struct replica *r = prepare->data;
    bool busy = true;
    if (!r->started || r->ending)
        return;
    r->turns++;
    now_refresh(r);
    for (int pass = 0; pass < PASSES_MAX && busy; pass++) {
        for (int round = 0; round < ROUNDS_MAX && turn(r); round++)
            ;
        timer_arrange(r);
        disk_push(&r->disk);
        links_flush(&r->links);
        clients_flush(&r->clients);
        troxy_flush(&r->troxy);
        busy = r->dirty || troxy_before_poll(&r->troxy);
        for (int i = 0; i < COMPARTMENTS; i++)
            if (!r->seat[i].dead && compartment_before_poll(r->seat[i].compartment))
                busy = true;
    }
    membership_follow(r);
    press_back(r);
    if (busy && !uv_is_active((uv_handle_t *)&r->idle))
        uv_idle_start(&r->idle, on_idle);
    else if (!busy && uv_is_active((uv_handle_t *)&r->idle))
        uv_idle_stop(&r->idle);
}

static void on_check(uv_check_t *check)
{
    struct replica *r = check->data;
    now_refresh(r);
    for (int i = 0; i < COMPARTMENTS; i++)
        if (!r->seat[i].dead)
            compartment_after_poll(r->seat[i].compartment);
    troxy_after_poll(&r->troxy);
}

static void on_output(uv_poll_t *poll, int status, int events)
{
    /* That the loop turns is enough. */
    (void)poll, (void)status, (void)events;
}

static void on_death(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events;
    look_for_deaths(poll->data);
}

/* A line when catching up by state begins and ends, and one in between now and then. */
static void tell_transfer(struct replica *r)
{
    struct engine_status s;
    if (!r->started)
        return;
    r->engine_type->status(r->engine, &s);
    const struct local_transfer *t = &s.transfer;
    for (replica_id peer = 0; peer < REPLICAS_MAX; peer++)
        if ((t->liars & ~r->told_liars) >> peer & 1)
            log_line(LOG_WARNING, "replica %u sent state that is not what 2f+1 signed: it is asked no more",
                     peer);
    r->told_liars = t->liars;
    if (s.state_transfers != r->told_transfers)
        log_line(LOG_INFO,
                 "caught up: the state after slot %llu is here (%llu leaves, %llu KiB in all moved)",
                 (unsigned long long)t->slot, (unsigned long long)t->leaves_moved,
                 (unsigned long long)(t->bytes >> 10));
    else if (t->phase > TRANSFER_HEAD && (t->phase != r->told_phase || ++r->told_ago >= 10))
        log_line(
            LOG_INFO,
            "catching up: the state after slot %llu: %s, %llu of %llu leaves, %llu KiB in all; %llu late, "
            "%llu wrong",
            (unsigned long long)t->slot, transfer_phase_name(t->phase), (unsigned long long)t->leaves_moved,
            (unsigned long long)t->leaves_wanted, (unsigned long long)(t->bytes >> 10),
            (unsigned long long)t->late, (unsigned long long)t->lies);
    else
        return;
    r->told_transfers = s.state_transfers;
    r->told_phase = t->phase;
    r->told_ago = 0;
}

static void on_second(uv_timer_t *timer)
{
    struct replica *r = timer->data;
    uint8_t reconfig[RECONFIG_BYTES_MAX + 64];
    now_correct(r);
    look_for_deaths(r);
    if (r->ending)
        return;
    tell_transfer(r);
    if (r->started)
        disk_tick(r);
    troxy_second(&r->troxy, r->now_us);
    if (rejoin_overtaken(r, &r->failure)) {
        r->exit_code = -1;
        end(r);
        return;
    }
    if (rejoin_hopeless(r)) {
        r->exit_code = REPLICA_NOT_ADMITTED;
        end(r);
        return;
    }
    membership_tick(r);
    size_t len = rejoin_due(r, reconfig);
    if (len)
        step(r, EVENT_RECONFIG, 0, (struct slice){reconfig, len});
}

/* ---------------------------------------------------------------- opening */

static void seats_watch(struct replica *r)
{
    for (int i = 0; i < COMPARTMENTS; i++) {
        struct seat *seat = &r->seat[i];
        int fd = compartment_fd(seat->compartment), death_fd = compartment_death_fd(seat->compartment);
        if (fd >= 0 && uv_poll_init(&r->loop, &seat->poll, fd) == 0) {
            seat->polled = true;
            seat->poll.data = r;
            uv_poll_start(&seat->poll, UV_READABLE, on_output);
        }
        if (death_fd >= 0 && uv_poll_init(&r->loop, &seat->death, death_fd) == 0) {
            seat->watched = true;
            seat->death.data = r;
            uv_poll_start(&seat->death, UV_READABLE, on_death);
        }
    }
}

static int engine_open(struct replica *r, struct error *error)
{
    struct engine_config config = {.replica = r->options.id,
                                   .request_timeout_us = (uint64_t)r->config.request_timeout_ms * 1000,
                                   .state_rate = (uint64_t)r->config.catch_up_mb << 20,
                                   .durable = r->config.durability == DURABILITY_SYNC};
    r->engine_type = &splitbft_engine;
    r->actions.emit = emit;
    size_t bytes = r->engine_type->arena_bytes(&config);
    void *memory =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return error_set(error, "replica %u: cannot reserve %zu MiB for its host: %s", r->options.id,
                         bytes >> 20, strerror(errno));
    arena_init(&r->engine_arena, memory, bytes);
    r->engine = r->engine_type->init(&r->engine_arena, &config);
    return 0;
}

/* ---------------------------------------------------------------- the manifest */

static void end(struct replica *r)
{
    if (r->ending)
        return;
    r->ending = true;
    links_close(&r->links);
    clients_close(&r->clients);
    troxy_close(&r->troxy);
    pages_close(&r->pages);
    control_close(&r->control);
    uv_stop(&r->loop);
}

/* Are these exactly the keys that our own members drew at this start? */
static bool manifest_is_ours(const struct replica *r, const struct configuration *c)
{
    for (int i = 0; i < MEMBER_KINDS; i++) {
        const struct member_hello *mine = &r->hellos.member[i];
        const struct member_keys *keys = &c->member[i][r->options.id];
        bool box = i == 0 || memcmp(keys->box_public, mine->hello.box_public.bytes, 32) == 0;
        if (!keys->present || keys->epoch != mine->sender.epoch || !box ||
            memcmp(keys->sign_public, mine->hello.sign_public.bytes, 32) != 0)
            return false;
    }
    return true;
}

static int manifest_fits(const struct replica *r, const struct configuration *c, const char *path,
                         struct error *error)
{
    uint32_t write_quorum = r->config.fast_reads ? quorum_of(r->config.replicas) : r->config.faults + 1;
    if (c->protocol != r->config.protocol || c->pillars != r->config.pillars ||
        c->faults != r->config.faults || c->replicas != r->config.replicas || c->write_quorum != write_quorum)
        return error_set(error,
                         "%s: it does not fit cluster.yaml (protocol, pillars, faults, fast_reads): was "
                         "cluster.yaml changed after the start?",
                         path);
    return 0;
}

/* A hello is for one start: left lying about, it would be taken for the next one's. */
static void hello_withdraw(const struct replica *r)
{
    char path[PATH_BYTES];
    if (hello_path(path, r->config.dir, r->options.id))
        unlink(path);
}

/* A front that cannot be started costs the stock clients of this replica, not its vote. */
static void front_serve(struct replica *r, struct slice start)
{
    struct error error;
    uint16_t port[LISTENERS], any = 0;
    for (int i = 0; i < LISTENERS; i++)
        any |= port[i] = r->config.replica[r->options.id].front[i].port;
    if (!r->config.front || !any)
        return;
    if (seats_open_troxy(r, &error)) {
        log_line(LOG_ERROR, "front: %s: stock clients are not served", error.text);
        troxy_close(&r->troxy);
        return;
    }
    troxy_serve(&r->troxy, start, r->front_fd, port);
    for (int i = 0; i < LISTENERS; i++)
        r->front_fd[i] = -1;
}

/* Every compartment begins with the manifest, the counter with a key that was made for it alone. */
static void begin(struct replica *r, struct slice start, struct slice counter_key)
{
    for (int i = 0; i < COMPARTMENTS; i++) {
        enum kind kind = seat_kind(r, i);
        give(r, kind, kind == KIND_COUNTER ? &counter_key : &start, 1, false);
    }
}

static int serve(struct replica *r, const struct frame *start, struct slice counter_key, struct error *error)
{
    struct tls_pins pins;
    const struct links_events link_events = {r, on_peer_frame, on_peer_up};
    const struct clients_events client_events = {r, on_client_frame, on_client_gone};
    hello_withdraw(r);
    if (membership_open(r, &pins, error))
        return -1;
    now_refresh(r);
    r->started = true;
    r->started_us = r->now_us;
    begin(r, start->whole, counter_key);
    r->stepping = true;
    r->engine_type->start(r->engine, &r->configuration, start->whole, r->now_us, &r->actions);
    r->stepping = false;
    r->dirty = true;
    if (disk_start(r, error))
        return -1;
    links_open(&r->links, &r->loop, &r->config, r->options.id, r->tls, &pins, r->listen_fd[PORT_PEER],
               &link_events);
    clients_open(&r->clients, &r->loop, r->config.replica[r->options.id].client.port,
                 r->listen_fd[PORT_CLIENT], &client_events);
    r->listen_fd[PORT_PEER] = r->listen_fd[PORT_CLIENT] = -1;
    front_serve(r, start->whole);
    log_line(LOG_INFO, "serving: %s, %u replicas, %u faults, isolation %s", protocol_name(r->config.protocol),
             r->config.replicas, r->config.faults, isolation_text(r->config.isolation));
    return 0;
}

/* Whoever comes back alone may have to wait for a person, so not as often as at a start. */
static void counter_key_tell(struct replica *r, uv_timer_t *timer)
{
    if (r->counter_key_told)
        return;
    r->counter_key_told = true;
    if (r->options.rejoin) {
        char fingerprint[FINGERPRINT_BYTES];
        counter_fingerprint(fingerprint, r->hellos.member[member_row(KIND_COUNTER)].hello.box_public.bytes);
        log_line(LOG_INFO,
                 "its counter waits for the administrator's key: `redoubt start %s --id %u`; epoch %llu, box "
                 "key fingerprint %s",
                 r->config.dir, r->options.id, (unsigned long long)r->epoch, fingerprint);
        uv_timer_set_repeat(timer, COUNTER_KEY_LOOK_MS);
        return;
    }
    log_line(LOG_WARNING,
             "%s/replica-%u/counter-key is not there, not whole or of another start: this replica does "
             "not serve without it",
             r->config.dir, r->options.id);
}

/* With hybster the counter's key comes beside the manifest; whichever comes first waits for the other. */
static int serve_with_key(struct replica *r, uv_timer_t *timer, const struct frame *start,
                          struct error *error)
{
    struct file key = {NULL, 0};
    int result = 1;
    if (r->config.protocol == PROTOCOL_HYBSTER)
        result = counter_key_read(&key, r->config.dir, &r->configuration.cluster,
                                  &r->hellos.member[member_row(KIND_COUNTER)], r->admin_public, error);
    if (result < 0)
        return -1;
    if (result == 0) {
        counter_key_tell(r, timer);
        memset(&r->manifest_seen, 0, sizeof r->manifest_seen); /* look again */
        return 0;
    }
    uv_timer_stop(timer);
    result = serve(r, start, (struct slice){key.data, key.len}, error);
    file_free(&key);
    return result;
}

static int waited_in_vain(struct replica *r, const char *manifest)
{
    if (r->options.rejoin && r->counter_key_told)
        return error_set(
            &r->failure,
            "replica %u: no key for its counter came within %u s: run `redoubt start %s --id %u`",
            r->options.id, r->options.wait_ms / 1000, r->config.dir, r->options.id);
    if (r->options.rejoin)
        return error_set(&r->failure,
                         "replica %u: no whole manifest in %s within %u s: bring the one of the cluster that "
                         "runs",
                         r->options.id, manifest, r->options.wait_ms / 1000);
    return error_set(&r->failure,
                     "replica %u: no manifest with its keys in %s%s within %u s: run `redoubt start %s`",
                     r->options.id, manifest, r->counter_key_told ? " and a counter-key beside it" : "",
                     r->options.wait_ms / 1000, r->config.dir);
}

/* -1: it does not serve, and ends. */
static int manifest_look(struct replica *r, uv_timer_t *timer, const char *path)
{
    struct file file;
    struct frame start;
    int failed = manifest_read(&r->configuration, &start, &file, path, r->admin_public, &r->failure);
    if (failed > 0) { /* perhaps it is being copied */
        if (!r->manifest_told)
            log_line(LOG_WARNING, "%s, or not all of it: waiting for the whole", r->failure.text);
        r->manifest_told = true;
        memset(&r->manifest_seen, 0, sizeof r->manifest_seen);
        return 0;
    }
    if (failed)
        return -1;
    bool ours = manifest_is_ours(r, &r->configuration);
    if (ours)
        r->options.rejoin = false; /* the whole cluster was started while it waited */
    if (!r->options.rejoin && !ours)
        log_line(LOG_INFO, "%s is of another start: waiting for `redoubt start %s`", path, r->config.dir);
    else if (!(failed = manifest_fits(r, &r->configuration, path, &r->failure)))
        failed = serve_with_key(r, timer, &start, &r->failure);
    file_free(&file);
    return failed;
}

static void on_manifest_timer(uv_timer_t *timer)
{
    struct replica *r = timer->data;
    char path[PATH_BYTES];
    struct stat st;
    int failed = 0;
    if (!path_make(path, "%s/replica-%u/manifest", r->config.dir, r->options.id))
        return;
    if (uv_now(&r->loop) - r->waiting_since_ms > r->options.wait_ms) {
        failed = waited_in_vain(r, path);
    } else if (stat(path, &st) == 0 && (st.st_mtim.tv_sec != r->manifest_seen.tv_sec ||
                                        st.st_mtim.tv_nsec != r->manifest_seen.tv_nsec)) {
        r->manifest_seen = st.st_mtim;
        failed = manifest_look(r, timer, path);
    }
    if (failed) {
        r->exit_code = -1;
        end(r);
    }
}

/* ---------------------------------------------------------------- life */

static void on_signal(uv_signal_t *handle, int number)
{
    log_line(LOG_INFO, "ending (%s)", number == SIGINT ? "interrupted" : "asked to");
    end(handle->data);
}

static void on_hangup(uv_signal_t *handle, int number)
{
    struct replica *r = handle->data;
    struct error error;
    (void)number;
    if (troxy_reload(&r->troxy, &error))
        log_line(LOG_ERROR, "%s", error.text);
}

static int ports_open(struct replica *r, struct error *error)
{
    const struct replica_config *mine = &r->config.replica[r->options.id];
    const struct address *const address[] = {&mine->peer, &mine->client, &mine->metrics};
    static const char *const names[] = {"peer", "client", "metrics"};
    for (int i = 0; i < 3; i++) {
        char what[64];
        snprintf(what, sizeof what, "%s port of replica %u", names[i], r->options.id);
        r->listen_fd[i] = socket_listen(address[i], what, error);
        if (r->listen_fd[i] < 0)
            return -1;
    }
    static const char *const front_names[LISTENERS] = {"https", "rediss", "http", "redis"};
    for (int i = 0; r->config.front && i < LISTENERS; i++) {
        char what[64];
        snprintf(what, sizeof what, "%s port of replica %u", front_names[i], r->options.id);
        if (mine->front[i].port && (r->front_fd[i] = socket_listen(&mine->front[i], what, error)) < 0)
            return -1;
    }
    return 0;
}

static int tls_prepare(struct replica *r, struct error *error)
{
    char key[PATH_BYTES], certificate[PATH_BYTES];
    membership_mend(r->config.dir, r->options.id);
    if (!path_make(key, "%s/replica-%u/host.key", r->config.dir, r->options.id) ||
        !path_make(certificate, "%s/replica-%u/host.crt", r->config.dir, r->options.id))
        return error_set(error, "%s: name too long", r->config.dir);
    r->tls = tls_context_new(key, certificate, error);
    return r->tls ? 0 : -1;
}

static void loop_open(struct replica *r)
{
    CHECK(uv_loop_init(&r->loop) == 0);
    uv_prepare_init(&r->loop, &r->prepare);
    uv_check_init(&r->loop, &r->check);
    uv_idle_init(&r->loop, &r->idle);
    uv_timer_init(&r->loop, &r->engine_timer);
    uv_timer_init(&r->loop, &r->second_timer);
    uv_timer_init(&r->loop, &r->manifest_timer);
    uv_signal_init(&r->loop, &r->on_term);
    uv_signal_init(&r->loop, &r->on_int);
    uv_signal_init(&r->loop, &r->on_hup);
    r->prepare.data = r->check.data = r->engine_timer.data = r->second_timer.data = r->manifest_timer.data =
        r;
    r->on_term.data = r->on_int.data = r->on_hup.data = r;
    uv_prepare_start(&r->prepare, on_prepare);
    uv_check_start(&r->check, on_check);
    uv_timer_start(&r->second_timer, on_second, 1000, 1000);
    uv_timer_start(&r->manifest_timer, on_manifest_timer, 0, MANIFEST_LOOK_MS);
    uv_signal_start(&r->on_term, on_signal, SIGTERM);
    uv_signal_start(&r->on_int, on_signal, SIGINT);
    uv_signal_start(&r->on_hup, on_hangup, SIGHUP);
}

static void close_any(uv_handle_t *handle, void *unused)
{
    (void)unused;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void loop_close(struct replica *r)
{
    uv_walk(&r->loop, close_any, NULL);
    uv_run(&r->loop, UV_RUN_DEFAULT);
    uv_loop_close(&r->loop);
}

/* Fresh keys are of a fresh epoch, above all that this replica ever had in this cluster. */
static int epoch_choose(struct replica *r, struct error *error)
{
    char path[PATH_BYTES];
    struct frame start;
    struct file file;
    epoch_no least = 0;
    r->epoch = 1;
    if (!r->options.rejoin && r->config.durability != DURABILITY_SYNC)
        return 0; /* a cluster that begins anew */
    if (!path_make(path, "%s/replica-%u/manifest", r->config.dir, r->options.id))
        return error_set(error, "%s: name too long", r->config.dir);
    if (file_exists(path)) {
        if (manifest_read(&r->configuration, &start, &file, path, r->admin_public, error))
            return -1;
        file_free(&file);
        least = r->configuration.member[KIND_EXECUTION - KIND_HOST][r->options.id].epoch;
    }
    return epoch_draw(&r->epoch, least, r->config.dir, r->options.id, error);
}

static int replica_prepare(struct replica *r, struct error *error)
{
    if (config_read(&r->config, r->options.dir, error) || config_supported(&r->config, error))
        return -1;
    if (r->options.id >= r->config.replicas)
        return error_set(error, "--id %u: there are %u replicas, numbered from 0", r->options.id,
                         r->config.replicas);
    log_init(r->config.log_json, LOG_INFO, (int)r->options.id);
    if (config_check_secrets(&r->config, r->options.id, error) ||
        admin_public_read(r->admin_public, r->config.dir, error) || tls_prepare(r, error) ||
        ports_open(r, error))
        return -1;
    hello_withdraw(r); /* of an earlier start that ended by force */
    return epoch_choose(r, error) || disk_open(r, error) || engine_open(r, error) || seats_open(r, error) ? -1
                                                                                                          : 0;
}

static int replica_live(struct replica *r, struct error *error)
{
    struct fault_outputs outputs = {r, peer_out, client_out};
    loop_open(r);
    seats_watch(r);
    fault_init(&r->fault, r->options.id, r->config.replicas, &outputs);
    pages_open(&r->pages, &r->loop, r->config.replica[r->options.id].metrics.port, r->listen_fd[PORT_METRICS],
               r, report_render);
    r->listen_fd[PORT_METRICS] = -1;
    r->clock_offset_us = (int64_t)clock_us(CLOCK_REALTIME) - (int64_t)clock_us(CLOCK_MONOTONIC);
    r->waiting_since_ms = uv_now(&r->loop);
    int result = 0;
    if (r->options.allow_faults)
        result = control_open(&r->control, &r->loop, r->config.dir, r->options.id, &r->fault, error);
    if (result == 0) {
        log_line(LOG_INFO, "keys drawn; waiting for %s/replica-%u/manifest", r->config.dir, r->options.id);
        uv_run(&r->loop, UV_RUN_DEFAULT);
        if (r->exit_code == REPLICA_NOT_ADMITTED)
            result = r->exit_code;
        else if (r->exit_code)
            result = error_set(error, "%s", r->failure.text);
    }
    end(r);
    loop_close(r);
    hello_withdraw(r);
    fault_deinit(&r->fault);
    return result;
}

int replica_run(const struct replica_options *options, struct error *error)
{
    struct replica *r = calloc(1, sizeof *r);
    CHECK(r && "out of memory");
    r->options = *options;
    for (int i = 0; i < 3; i++)
        r->listen_fd[i] = -1;
    for (int i = 0; i < LISTENERS; i++)
        r->front_fd[i] = -1;
    signal(SIGPIPE, SIG_IGN);
    descriptors_raise(4096 + FRONT_CONNECTIONS_MAX);
    int result = replica_prepare(r, error);
    if (result == 0)
        result = replica_live(r, error);
    for (int i = 0; i < COMPARTMENTS; i++) {
        compartment_close(r->seat[i].compartment);
        buffer_free(&r->seat[i].overflow);
    }
    disk_close(r);
    restoring_close(&r->restoring);
    for (int i = 0; i < 3; i++)
        if (r->listen_fd[i] >= 0)
            close(r->listen_fd[i]);
    for (int i = 0; i < LISTENERS; i++)
        if (r->front_fd[i] >= 0)
            close(r->front_fd[i]);
    SSL_CTX_free(r->tls);
    free(r);
    return result;
}
