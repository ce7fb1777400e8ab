#include "serving.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "log.h"

struct serving {
    const struct serving_options *options;
    uv_loop_t loop;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t idle;
    uv_timer_t second;
    uv_async_t wake;
    uv_signal_t on_term, on_int, on_hup;
    struct troxy troxy;
};

enum { ROUNDS_MAX = 64 };

static uint64_t wall_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* ---------------------------------------------------------------- turns */

static void on_idle(uv_idle_t *idle)
{
    (void)idle;
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct serving *s = prepare->data;
    uint64_t now_us = wall_us();
    for (int round = 0; round < ROUNDS_MAX && troxy_turn(&s->troxy, now_us); round++)
        ;
    troxy_flush(&s->troxy);
    bool busy = troxy_before_poll(&s->troxy);
    if (busy && !uv_is_active((uv_handle_t *)&s->idle))
        uv_idle_start(&s->idle, on_idle);
    else if (!busy && uv_is_active((uv_handle_t *)&s->idle))
        uv_idle_stop(&s->idle);
}

static void on_check(uv_check_t *check)
{
    struct serving *s = check->data;
    troxy_after_poll(&s->troxy);
}

static void on_second(uv_timer_t *timer)
{
    struct serving *s = timer->data;
    if (s->options->second)
        s->options->second(s->options->context);
    troxy_second(&s->troxy, wall_us());
}

static void on_wake(uv_async_t *wake)
{
    struct serving *s = wake->data;
    troxy_poke(&s->troxy);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct serving *s = handle->data;
    struct error error;
    if (number != SIGHUP) {
        uv_stop(&s->loop);
        return;
    }
    if (troxy_reload(&s->troxy, &error))
        log_line(LOG_ERROR, "%s", error.text);
}

/* ---------------------------------------------------------------- beginning and end */

static void loop_open(struct serving *s)
{
    uv_signal_t *const signals[] = {&s->on_term, &s->on_int, &s->on_hup};
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
    CHECK(uv_loop_init(&s->loop) == 0);
    uv_prepare_init(&s->loop, &s->prepare);
    uv_check_init(&s->loop, &s->check);
    uv_idle_init(&s->loop, &s->idle);
    uv_timer_init(&s->loop, &s->second);
    CHECK(uv_async_init(&s->loop, &s->wake, on_wake) == 0);
    s->prepare.data = s->check.data = s->second.data = s->wake.data = s;
    for (int i = 0; i < 3; i++) {
        uv_signal_init(&s->loop, signals[i]);
        signals[i]->data = s;
        uv_signal_start(signals[i], on_signal, numbers[i]);
    }
}

static void close_any(uv_handle_t *handle, void *unused)
{
    (void)unused;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void loop_close(struct serving *s)
{
    troxy_close(&s->troxy);
    uv_walk(&s->loop, close_any, NULL);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    uv_loop_close(&s->loop);
}

static int ports_open(const uint16_t port[LISTENERS], int fd[LISTENERS], struct error *error)
{
    static const char *const names[LISTENERS] = {"https", "rediss", "http", "redis"};
    for (int i = 0; i < LISTENERS; i++) {
        struct address address = {.port = port[i]};
        bool plain = i == LISTENER_HTTP || i == LISTENER_REDIS;
        strcpy(address.host, plain ? "127.0.0.1" : "0.0.0.0");
        if (port[i] && (fd[i] = socket_listen(&address, names[i], error)) < 0)
            return -1;
    }
    return 0;
}

static void wake(void *waker)
{
    uv_async_send(waker);
}

static void serve(struct serving *s, const int fd[LISTENERS])
{
    uv_prepare_start(&s->prepare, on_prepare);
    uv_check_start(&s->check, on_check);
    uv_timer_start(&s->second, on_second, 1000, 1000);
    troxy_serve(&s->troxy, (struct slice){NULL, 0}, fd, s->options->port);
    puts("ready");
    fflush(stdout);
    uv_run(&s->loop, UV_RUN_DEFAULT);
}

int serving_run(const struct serving_options *options, struct error *error)
{
    static struct serving s;
    int fd[LISTENERS] = {-1, -1, -1, -1};
    s.options = options;
    if (ports_open(options->port, fd, error))
        return -1;
    log_init(false, LOG_INFO, -1);
    signal(SIGPIPE, SIG_IGN);
    descriptors_raise(4096 + FRONT_CONNECTIONS_MAX);
    loop_open(&s);
    if (options->start)
        options->start(options->context, &s.loop, wake, &s.wake);
    int result = troxy_open(&s.troxy, &s.loop, options->troxy, NULL, error);
    if (result == 0)
        serve(&s, fd);
    if (options->stop)
        options->stop(options->context);
    loop_close(&s);
    return result;
}
