/*
 * How exactly `redoubt link` keeps its times: many connections that each send a small message at even intervals, and an echo
 * behind the link.
 *
 *     link_probe echo PORT                                          serves until it is killed; prints `ready`
 *     link_probe measure PORT CONNECTIONS SECONDS PERIOD_MS EXPECTED_US
 *
 * measure prints one JSON document: by how much round trips took longer than expected (error_us), and by how much the probe was
 * late to send, by its own clock (own_us): what the machine does to any process that waits for a time. Sends are spread evenly over
 * the period.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define MESSAGE_BYTES 64
#define EVENTS        256
#define WARM_UP_US    2000000u /* the first round trips contain the opening of the connection */

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "link_probe: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int must(int result, const char *what)
{
    if (result < 0)
        die(what);
    return result;
}

static uint64_t clock_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static struct sockaddr_in loopback(const char *port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)atoi(port)),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int tcp_socket(int flags)
{
    int one = 1, fd = must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0), "socket");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    return fd;
}

static void watch(int epoll, int fd, uint64_t mark)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = mark};
    must(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
}

/* ---------------------------------------------------------------- echo */

static void accept_all(int epoll, int listener)
{
    int one = 1, fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        watch(epoll, fd, (uint64_t)fd);
    }
}

static _Noreturn void echo(const char *port)
{
    struct sockaddr_in at = loopback(port);
    int listener = tcp_socket(SOCK_NONBLOCK), epoll = must(epoll_create1(EPOLL_CLOEXEC), "epoll");
    must(bind(listener, (struct sockaddr *)&at, sizeof at), port);
    must(listen(listener, 4096), "listen");
    watch(epoll, listener, (uint64_t)listener);
    puts("ready");
    fflush(stdout);
    for (;;) {
        struct epoll_event event[EVENTS];
        int count = epoll_wait(epoll, event, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            static char data[65536];
            int fd = (int)event[i].data.u64;
            if (fd == listener) {
                accept_all(epoll, listener);
                continue;
            }
            ssize_t n = recv(fd, data, sizeof data, 0);
            if (n <= 0 || send(fd, data, (size_t)n, MSG_NOSIGNAL) != n)
                close(fd);
        }
    }
}

/* ---------------------------------------------------------------- measure */

struct connection {
    int fd;
    size_t missing; /* of the answer; 0: idle */
    uint64_t sent_us;
};

struct sample {
    size_t count;
    int64_t value[];
};

struct measure {
    struct connection *connection;
    size_t connections;
    uint64_t start_us, period_us, expected_us;
    uint64_t sends, skipped;
    struct sample *error, *own; /* in microseconds */
    size_t most;
};

static bool warm(const struct measure *m, uint64_t at_us)
{
    return at_us > m->start_us + WARM_UP_US;
}

static void add(const struct measure *m, struct sample *sample, int64_t value)
{
    if (sample->count < m->most)
        sample->value[sample->count++] = value;
}

static uint64_t send_time(const struct measure *m)
{
    return m->start_us + m->sends * m->period_us / m->connections;
}

static void send_due(struct measure *m)
{
    static const char message[MESSAGE_BYTES];
    for (uint64_t now = clock_us(); send_time(m) <= now; now = clock_us()) {
        struct connection *c = &m->connection[m->sends % m->connections];
        if (warm(m, now))
            add(m, m->own, (int64_t)(now - send_time(m)));
        m->sends++;
        if (c->missing) {
            m->skipped++;
            continue;
        }
        c->missing = MESSAGE_BYTES;
        c->sent_us = clock_us();
        if (send(c->fd, message, sizeof message, MSG_NOSIGNAL) != sizeof message)
            die("send");
    }
}

static void take_answer(struct measure *m, struct connection *c)
{
    char data[MESSAGE_BYTES];
    ssize_t n = recv(c->fd, data, c->missing, 0);
    if (n <= 0)
        die("recv");
    c->missing -= (size_t)n;
    if (c->missing == 0 && warm(m, c->sent_us))
        add(m, m->error, (int64_t)(clock_us() - c->sent_us) - (int64_t)m->expected_us);
}

static void wait_until(int timer, uint64_t at_us)
{
    const struct itimerspec at = {
        .it_value = {.tv_sec = (time_t)(at_us / 1000000u), .tv_nsec = (long)(at_us % 1000000u) * 1000}};
    must(timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL), "timerfd");
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void print_sample(const char *name, struct sample *sample)
{
    const int64_t *value = sample->value;
    size_t count = sample->count;
    qsort(sample->value, count, sizeof *value, by_size);
    printf(",\"%s\":{\"min\":%lld,\"p50\":%lld,\"p99\":%lld,\"p999\":%lld,\"max\":%lld}", name,
           (long long)value[0], (long long)value[count / 2], (long long)value[count * 99 / 100],
           (long long)value[count * 999 / 1000], (long long)value[count - 1]);
}

static int print_result(struct measure *m)
{
    if (m->error->count == 0 || m->own->count == 0) {
        fputs("link_probe: no answers\n", stderr);
        return 1;
    }
    printf("{\"connections\":%zu,\"round_trips\":%zu,\"skipped\":%llu,\"expected_us\":%llu", m->connections,
           m->error->count, (unsigned long long)m->skipped, (unsigned long long)m->expected_us);
    print_sample("error_us", m->error);
    print_sample("own_us", m->own);
    puts("}");
    return 0;
}

static void connect_all(struct measure *m, const char *port, int epoll)
{
    struct sockaddr_in at = loopback(port);
    for (size_t i = 0; i < m->connections; i++) {
        m->connection[i].fd = tcp_socket(0);
        must(connect(m->connection[i].fd, (struct sockaddr *)&at, sizeof at), "connect");
        must(fcntl(m->connection[i].fd, F_SETFL, O_NONBLOCK), "fcntl");
        watch(epoll, m->connection[i].fd, i);
    }
}

static int measure(char **argv)
{
    uint64_t seconds = strtoull(argv[4], NULL, 10);
    struct measure m = {.connections = strtoull(argv[3], NULL, 10),
                        .period_us = strtoull(argv[5], NULL, 10) * 1000,
                        .expected_us = strtoull(argv[6], NULL, 10)};
    if (m.connections == 0 || m.period_us == 0 || seconds == 0)
        return 2;
    m.most = m.connections * (seconds * 1000000u / m.period_us + 1);
    m.connection = calloc(m.connections, sizeof *m.connection);
    m.error = calloc(1, sizeof *m.error + m.most * sizeof *m.error->value);
    m.own = calloc(1, sizeof *m.own + m.most * sizeof *m.own->value);
    int epoll = must(epoll_create1(EPOLL_CLOEXEC), "epoll");
    int timer = must(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), "timerfd");
    if (!m.connection || !m.error || !m.own)
        die("memory");
    connect_all(&m, argv[2], epoll);
    watch(epoll, timer, UINT64_MAX);
    m.start_us = clock_us();
    uint64_t end_us = m.start_us + WARM_UP_US + seconds * 1000000u;
    while (clock_us() < end_us) {
        struct epoll_event event[EVENTS];
        send_due(&m);
        wait_until(timer, send_time(&m));
        int count = epoll_wait(epoll, event, EVENTS, 1000);
        for (int i = 0; i < count; i++)
            if (event[i].data.u64 != UINT64_MAX)
                take_answer(&m, &m.connection[event[i].data.u64]);
    }
    int result = print_result(&m);
    free(m.connection);
    free(m.error);
    free(m.own);
    return result;
}

int main(int argc, char **argv)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (argc == 3 && strcmp(argv[1], "echo") == 0)
        echo(argv[2]);
    if (argc == 7 && strcmp(argv[1], "measure") == 0)
        return measure(argv);
    fputs("usage: link_probe echo PORT | measure PORT CONNECTIONS SECONDS PERIOD_MS EXPECTED_US\n", stderr);
    return 2;
}
