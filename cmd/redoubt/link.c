/*
 * redoubt link: a slow, thin or bad line to any TCP service, in user space. The rules are host/link/emulation.c's; here are the
 * sockets.
 *
 *     client  <-- end 0 --[ way 0 ]--> end 1 -->  service
 *                       <-[ way 1 ]--
 *
 * What is read at one end is sent its way, and written at the other end when it is due. Ends and breaks of connections travel
 * like bytes. libuv's timers know milliseconds only, so one timerfd wakes the loop when the next piece is due.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "base/check.h"
#include "commands.h"
#include "config.h"
#include "histogram.h"
#include "link/emulation.h"
#include "members.h"
#include "sockets.h"

#define CONNECTIONS_MAX 10000u
#define DELAY_MAX_US    60000000u
#define RATE_MAX        100000000000u /* bits per second */
#define RETRY_MS        1000u         /* after descriptors ran out */

static const char help[] =
    "usage: redoubt link --listen HOST:PORT --to HOST:PORT --delay-ms M [OPTION...]\n\n"
    "Emulates a wide-area line: takes TCP connections and passes them on to a service, late. Prints `ready` "
    "when it listens;\n"
    "Ctrl-C ends it.\n\n"
    "  --delay-ms M     each way, so a round trip takes twice that (0); 0.5 is half a millisecond\n"
    "  --jitter-ms J    more or less than that, by chance, up to J (0); order within a connection is kept\n"
    "  --rate-mbit R    megabits a second, each way, all connections together (no limit)\n"
    "  --loss P         share of segments that are lost, as 0.01 or 1% (0). TCP repeats them, so nothing is "
    "missing in the end:\n"
    "                   what was in them, and what came after, arrives later by a round trip and 200 ms, or "
    "more\n"
    "  --seed N         of chance (1)\n"
    "  --json           statistics at the end, one JSON document on standard output\n\n"
    "Opening a connection takes a round trip, too: its first bytes arrive no earlier than they would. When a "
    "sender is faster\n"
    "than the line it is held up, so memory stays bounded. SIGUSR1 prints the statistics on standard "
    "error.\n\n"
    "example: redoubt link --listen 127.0.0.1:9000 --to 127.0.0.1:7702 --delay-ms 100 --jitter-ms 20\n";

struct link;
struct pair;

struct end {
    struct stream stream;
    struct pair *pair;
    unsigned side;
    bool opened;     /* the stream is libuv's, until it says it is done */
    bool connecting; /* side 1 */
    bool read_ended; /* nothing more comes from it */
    bool finish;     /* nothing more goes to it, once what waits is written */
    bool finished;   /* ... and it was told so */
    bool failed;
};

struct pair {
    struct link *link;
    struct end end[2];
    struct way way[2]; /* from the end of the same number to the other */
    bool closing;
    struct pair *previous, *next;
};

struct link {
    struct address listen, to;
    struct socket_address to_address;
    struct emulation_rules rules;
    bool json;

    uv_loop_t loop;
    struct listener listener;
    uv_poll_t alarm;
    uv_prepare_t prepare;
    uv_timer_t retry;
    uv_signal_t signals[3];
    int alarm_fd;
    uint64_t alarm_us; /* set to; UINT64_MAX: not */

    struct emulation emulation;
    struct pair *pairs;
    uint64_t now_open, opened, turned_away, unreachable, broken;
    uint64_t bytes[2];
    struct histogram late_us;
};

static uint64_t clock_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

/* ---------------------------------------------------------------- one connection */

static void on_event(struct stream *stream, bool readable, bool writable);

static void pair_free(struct pair *pair)
{
    struct link *link = pair->link;
    if (pair->next)
        pair->next->previous = pair->previous;
    if (pair->previous)
        pair->previous->next = pair->next;
    else
        link->pairs = pair->next;
    link->now_open--;
    free(pair);
}

static void on_closed(struct stream *stream)
{
    struct end *end = (struct end *)stream;
    struct pair *pair = end->pair;
    end->opened = false;
    if (!pair->end[0].opened && !pair->end[1].opened)
        pair_free(pair);
}

/* Both ends go; the ways are empty from now on, so nothing calls for this pair any more. */
static void pair_close(struct pair *pair, bool reset)
{
    const struct linger hard = {.l_onoff = 1, .l_linger = 0};
    if (pair->closing)
        return;
    pair->closing = true;
    emulation_leave(&pair->link->emulation, pair->way);
    for (unsigned i = 0; i < 2; i++) {
        if (!pair->end[i].opened)
            continue;
        if (reset)
            setsockopt(pair->end[i].stream.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        stream_close(&pair->end[i].stream);
    }
}

static void send_way(struct pair *pair, unsigned side, enum held_kind kind, const void *data, size_t len)
{
    if (!emulation_send(&pair->link->emulation, &pair->way[side], kind, data, len, clock_us()))
        pair_close(pair, true); /* out of memory: this connection is the one that pays */
}

/* One end is gone: the other hears of it when the news arrives. `counter` is of the reason. */
static void end_gone(struct end *end, uint64_t *counter)
{
    struct pair *pair = end->pair;
    struct way *towards = &pair->way[!end->side];
    if (end->failed || pair->closing)
        return;
    end->failed = true;
    *counter += 1;
    if (pair->end[!end->side].failed) {
        pair_close(pair, true);
        return;
    }
    buffer_free(&end->stream.out);
    if (end->opened)
        stream_pause(&end->stream, true);
    emulation_drop(&pair->link->emulation, towards);
    emulation_taken(&pair->link->emulation, towards, towards->bytes);
    send_way(pair, end->side, HELD_RESET, NULL, 0);
}

static void end_failed(struct end *end)
{
    end_gone(end, &end->pair->link->broken);
}

/* Reads on or not, as there is room for what it sends. */
static void end_throttle(struct end *end)
{
    bool full = emulation_room(&end->pair->link->emulation, &end->pair->way[end->side]) == 0;
    bool pause = full || end->read_ended || end->failed;
    if (end->opened && !end->connecting && pause != end->stream.paused)
        stream_pause(&end->stream, pause);
}

/* Writes what waits, and after the last of it says that there is no more. */
static void end_flush(struct end *end)
{
    struct pair *pair = end->pair;
    size_t before = end->stream.out.len;
    if (end->failed || pair->closing)
        return;
    if (stream_flush(&end->stream) != 0) {
        end_failed(end);
        return;
    }
    emulation_taken(&pair->link->emulation, &pair->way[!end->side], before - end->stream.out.len);
    end_throttle(&pair->end[!end->side]);
    if (!end->finish || end->finished || end->stream.out.len)
        return;
    end->finished = true;
    if (shutdown(end->stream.fd, SHUT_WR) != 0)
        end_failed(end);
    else if (pair->end[!end->side].finished)
        pair_close(pair, false);
}

static void end_read(struct end *end)
{
    static uint8_t piece[EMULATION_READ_MAX];
    struct pair *pair = end->pair;
    size_t room = emulation_room(&pair->link->emulation, &pair->way[end->side]);
    if (end->read_ended) { /* it is not watched for reading: this is an error */
        end_failed(end);
        return;
    }
    ssize_t n = recv(end->stream.fd, piece, room ? room : 1, 0);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return;
    if (n < 0) {
        end_failed(end);
        return;
    }
    pair->link->bytes[end->side] += (uint64_t)n;
    end->read_ended = n == 0;
    send_way(pair, end->side, n ? HELD_BYTES : HELD_END, piece, (size_t)n);
    if (!pair->closing)
        end_throttle(end);
}

/* ---------------------------------------------------------------- the service's end */

static void call_failed(struct end *end)
{
    end->connecting = false;
    end_gone(end, &end->pair->link->unreachable);
}

/* The call has arrived there. */
static void call(struct end *end)
{
    const struct socket_address *to = &end->pair->link->to_address;
    int fd = socket(to->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        call_failed(end);
        return;
    }
    socket_no_delay(fd);
    bool failed = connect(fd, (const struct sockaddr *)&to->storage, to->len) != 0 && errno != EINPROGRESS;
    stream_open(&end->stream, &end->pair->link->loop, fd, on_event, on_closed);
    end->opened = true;
    if (failed) {
        call_failed(end);
        return;
    }
    end->connecting = true;
    emulation_stop(&end->pair->link->emulation, &end->pair->way[0], true);
    stream_watch(&end->stream, UV_WRITABLE);
}

static void call_answered(struct end *end)
{
    int error = 0;
    socklen_t len = sizeof error;
    getsockopt(end->stream.fd, SOL_SOCKET, SO_ERROR, &error, &len);
    emulation_stop(&end->pair->link->emulation, &end->pair->way[0], false);
    if (error) {
        call_failed(end);
        return;
    }
    end->connecting = false;
    stream_pause(&end->stream, false);
}

/* ---------------------------------------------------------------- what arrives */

static void arrive(struct pair *pair, struct end *to, const struct held *held)
{
    switch (held->kind) {
    case HELD_CALL:
        call(to);
        break;
    case HELD_BYTES:
        if (to->failed) /* its sender has not heard of that yet */
            emulation_taken(&pair->link->emulation, &pair->way[!to->side], held->len);
        else
            buffer_append(&to->stream.out, held->data, held->len);
        break;
    case HELD_END:
        to->finish = true;
        break;
    case HELD_RESET:
        pair_close(pair, true);
        break;
    }
}

/* All that is due of one way, with one write. */
static void deliver_way(struct link *link, struct way *way, uint64_t now)
{
    struct pair *pair = way->owner;
    struct end *to = &pair->end[!way->direction];
    while (!pair->closing && !way->stopped && way->first && way->first->due_us <= now) {
        struct held *held = emulation_take(&link->emulation, way);
        histogram_add(&link->late_us, now - held->due_us);
        arrive(pair, to, held);
        free(held);
    }
    if (!pair->closing && to->opened && !to->connecting)
        end_flush(to);
}

static void deliver(struct link *link)
{
    struct way *way;
    uint64_t now = clock_us();
    while ((way = emulation_due(&link->emulation, now))) {
        deliver_way(link, way, now);
        now = clock_us();
    }
}

static void on_event(struct stream *stream, bool readable, bool writable)
{
    struct end *end = (struct end *)stream;
    struct link *link = end->pair->link;
    if (end->connecting) {
        call_answered(end);
    } else {
        if (readable)
            end_read(end);
        if (writable && !end->pair->closing)
            end_flush(end);
    }
    deliver(link); /* many may be ready to be read: what is due does not wait for them */
}

/* ---------------------------------------------------------------- the loop */

static void on_accept(struct listener *listener, int fd)
{
    struct link *link = listener->owner;
    struct pair *pair = link->now_open < CONNECTIONS_MAX ? calloc(1, sizeof *pair) : NULL;
    if (!pair || !emulation_join(&link->emulation, pair->way)) {
        link->turned_away++;
        free(pair);
        close(fd);
        return;
    }
    pair->link = link;
    pair->next = link->pairs;
    if (pair->next)
        pair->next->previous = pair;
    link->pairs = pair;
    link->now_open++;
    link->opened++;
    for (unsigned i = 0; i < 2; i++) {
        pair->end[i].pair = pair;
        pair->end[i].side = i;
        pair->way[i].owner = pair;
    }
    socket_no_delay(fd);
    stream_open(&pair->end[0].stream, &link->loop, fd, on_event, on_closed);
    pair->end[0].opened = true;
    send_way(pair, 0, HELD_CALL, NULL, 0);
    if (!pair->closing)
        stream_pause(&pair->end[0].stream, false);
}

static void on_alarm(uv_poll_t *alarm, int status, int events)
{
    struct link *link = alarm->data;
    uint64_t times;
    (void)status, (void)events;
    if (read(link->alarm_fd, &times, sizeof times) == (ssize_t)sizeof times)
        link->alarm_us = UINT64_MAX;
}

/* Before the loop sleeps: what is due goes, and the alarm is set for the next. */
static void on_prepare(uv_prepare_t *prepare)
{
    struct link *link = prepare->data;
    deliver(link);
    uint64_t next = emulation_next(&link->emulation);
    if (next == link->alarm_us || next == UINT64_MAX)
        return;
    const struct itimerspec at = {
        .it_value = {.tv_sec = (time_t)(next / 1000000u), .tv_nsec = (long)(next % 1000000u) * 1000}};
    CHECK(timerfd_settime(link->alarm_fd, TFD_TIMER_ABSTIME, &at, NULL) == 0);
    link->alarm_us = next;
}

static void on_retry(uv_timer_t *timer)
{
    listener_retry(&((struct link *)timer->data)->listener);
}

static void print_statistics(const struct link *link, FILE *out)
{
    const struct histogram *late = &link->late_us;
    fprintf(out,
            "{\"listen\":\"%s:%u\",\"to\":\"%s:%u\",\"delay_ms\":%.3f,\"jitter_ms\":%.3f,\"rate_mbit\":%.3f,"
            "\"loss\":%.6f,\"seed\":%llu,\"connections\":{\"open\":%llu,\"opened\":%llu,\"turned_away\":%llu,"
            "\"unreachable\":%llu,\"broken\":%llu},\"bytes\":{\"there\":%llu,\"back\":%llu},"
            "\"segments_lost\":%llu,\"held_bytes\":%zu,\"held_max_bytes\":%zu,"
            "\"late_us\":{\"pieces\":%llu,\"p50\":%llu,\"p99\":%llu,\"max\":%llu}}\n",
            link->listen.host, link->listen.port, link->to.host, link->to.port,
            (double)link->rules.delay_us / 1e3, (double)link->rules.jitter_us / 1e3,
            (double)link->rules.bits_per_s / 1e6, (double)link->rules.loss_ppm / 1e6,
            (unsigned long long)link->rules.seed, (unsigned long long)link->now_open,
            (unsigned long long)link->opened, (unsigned long long)link->turned_away,
            (unsigned long long)link->unreachable, (unsigned long long)link->broken,
            (unsigned long long)link->bytes[0], (unsigned long long)link->bytes[1],
            (unsigned long long)link->emulation.lost, link->emulation.bytes[0] + link->emulation.bytes[1],
            link->emulation.most, (unsigned long long)late->count,
            (unsigned long long)histogram_at(late, 0.5), (unsigned long long)histogram_at(late, 0.99),
            (unsigned long long)late->max);
    fflush(out);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct link *link = handle->data;
    if (number == SIGUSR1)
        print_statistics(link, stderr);
    else
        uv_stop(&link->loop);
}

static void descriptors_raise(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max < 2 * CONNECTIONS_MAX + 64 ? limit.rlim_max : 2 * CONNECTIONS_MAX + 64;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static int link_start(struct link *link, struct error *error)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGUSR1};
    descriptors_raise();
    if (socket_resolve(&link->to_address, &link->to, false))
        return error_set(error, "--to %s: no such host", link->to.host);
    int fd = socket_listen(&link->listen, "--listen", error);
    if (fd < 0)
        return -1;
    CHECK(uv_loop_init(&link->loop) == 0);
    emulation_init(&link->emulation, &link->rules);
    listener_open(&link->listener, &link->loop, fd, link, on_accept);
    link->alarm_us = UINT64_MAX;
    link->alarm_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (link->alarm_fd < 0)
        return error_set(error, "timerfd: %s", strerror(errno));
    uv_poll_init(&link->loop, &link->alarm, link->alarm_fd);
    uv_prepare_init(&link->loop, &link->prepare);
    uv_timer_init(&link->loop, &link->retry);
    link->alarm.data = link->prepare.data = link->retry.data = link;
    uv_poll_start(&link->alarm, UV_READABLE, on_alarm);
    uv_prepare_start(&link->prepare, on_prepare);
    uv_timer_start(&link->retry, on_retry, RETRY_MS, RETRY_MS);
    for (unsigned i = 0; i < 3; i++) {
        uv_signal_init(&link->loop, &link->signals[i]);
        link->signals[i].data = link;
        uv_signal_start(&link->signals[i], on_signal, numbers[i]);
    }
    return 0;
}

static void link_end(struct link *link)
{
    for (struct pair *pair = link->pairs; pair; pair = pair->next)
        pair_close(pair, true);
    listener_close(&link->listener);
    uv_close((uv_handle_t *)&link->alarm, NULL);
    uv_close((uv_handle_t *)&link->prepare, NULL);
    uv_close((uv_handle_t *)&link->retry, NULL);
    for (unsigned i = 0; i < 3; i++)
        uv_close((uv_handle_t *)&link->signals[i], NULL);
    uv_run(&link->loop, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&link->loop) == 0);
    close(link->alarm_fd);
    emulation_deinit(&link->emulation);
}

/* ---------------------------------------------------------------- the command */

/* A decimal number times a power of ten, no more digits behind the point than that has. False: none, or above `most`. */
static bool decimal_read(const char *text, size_t len, unsigned power, uint64_t most, uint64_t *value)
{
    uint64_t sum = 0;
    bool point = false, digit = false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '.' && !point) {
            point = true;
            continue;
        }
        if (text[i] < '0' || text[i] > '9' || (point && power == 0) || sum > most)
            return false;
        digit = true;
        sum = 10 * sum + (uint64_t)(text[i] - '0');
        power -= point;
    }
    for (; power && sum <= most; power--)
        sum *= 10;
    *value = sum;
    return digit && sum <= most;
}

/* "0.01" or "1%", in millionths. */
static bool share_read(const char *text, uint64_t *ppm)
{
    size_t len = strlen(text);
    bool per_cent = len && text[len - 1] == '%';
    return decimal_read(text, per_cent ? len - 1 : len, per_cent ? 4 : 6, 999999, ppm);
}

enum { OPT_LISTEN = 1, OPT_TO, OPT_DELAY, OPT_JITTER, OPT_RATE, OPT_LOSS, OPT_SEED, OPT_JSON, OPT_HELP };

static const struct option options[] = {{"listen", required_argument, NULL, OPT_LISTEN},
                                        {"to", required_argument, NULL, OPT_TO},
                                        {"delay-ms", required_argument, NULL, OPT_DELAY},
                                        {"jitter-ms", required_argument, NULL, OPT_JITTER},
                                        {"rate-mbit", required_argument, NULL, OPT_RATE},
                                        {"loss", required_argument, NULL, OPT_LOSS},
                                        {"seed", required_argument, NULL, OPT_SEED},
                                        {"json", no_argument, NULL, OPT_JSON},
                                        {"help", no_argument, NULL, OPT_HELP},
                                        {0}};

/* One option; NULL, or what its value must be. */
static const char *take_option(struct link *link, int option, const char *value)
{
    struct emulation_rules *rules = &link->rules;
    switch (option) {
    case OPT_LISTEN:
        return address_read(&link->listen, value) ? NULL : "must be HOST:PORT";
    case OPT_TO:
        return address_read(&link->to, value) ? NULL : "must be HOST:PORT";
    case OPT_DELAY:
        return decimal_read(value, strlen(value), 3, DELAY_MAX_US, &rules->delay_us)
                   ? NULL
                   : "must be milliseconds, from 0 to 60000";
    case OPT_JITTER:
        return decimal_read(value, strlen(value), 3, DELAY_MAX_US, &rules->jitter_us)
                   ? NULL
                   : "must be milliseconds, from 0 to 60000";
    case OPT_RATE:
        return decimal_read(value, strlen(value), 6, RATE_MAX, &rules->bits_per_s) &&
                       rules->bits_per_s >= 1000
                   ? NULL
                   : "must be megabits a second, from 0.001 to 100000";
    case OPT_LOSS:
        return share_read(value, &rules->loss_ppm) ? NULL : "must be below 1, as 0.01, or below 100%, as 1%";
    case OPT_SEED:
        return number_read(value, 0, UINT64_MAX, &rules->seed) ? NULL : "must be a whole number";
    default:
        link->json = true;
        return NULL;
    }
}

int cmd_link(int argc, char **argv)
{
    static struct link link;
    struct error error;
    int option, which = 0;
    link.rules.seed = 1;
    opterr = 0;
    while ((option = getopt_long(argc, argv, "", options, &which)) != -1) {
        if (option == OPT_HELP)
            return say_help(help);
        if (option == '?')
            return say_usage("link", "%s: unknown option or no value", argv[optind - 1]);
        const char *wrong = take_option(&link, option, optarg);
        if (wrong)
            return say_usage("link", "--%s %s: %s", options[which].name, optarg, wrong);
    }
    if (optind != argc)
        return say_usage("link", "%s: not expected here", argv[optind]);
    if (!link.listen.port || !link.to.port)
        return say_usage("link", "--listen and --to are needed");
    if (link.rules.jitter_us > link.rules.delay_us)
        return say_usage("link", "--jitter-ms: must not be more than --delay-ms");
    if (link_start(&link, &error))
        return say_failed("link: %s", error.text);
    FILE *out = link.json ? stderr : stdout;
    fputs("ready\n", out);
    fflush(out);
    uv_run(&link.loop, UV_RUN_DEFAULT);
    if (link.json)
        print_statistics(&link, stdout);
    link_end(&link);
    return 0;
}
