#include "client/loop.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "client/lane.h"
#include "client/link.h"

#define EVENTS_MAX 256

static void *heap_take(void *context, size_t bytes)
{
    (void)context;
    return malloc(bytes);
}

static void heap_give(void *context, void *memory, size_t bytes)
{
    (void)context;
    (void)bytes;
    free(memory);
}

const struct client_memory client_heap = {.context = NULL, .take = heap_take, .give = heap_give};

uint64_t client_clock_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

uint64_t client_loop_now(const struct client_loop *loop)
{
    return loop->now_us;
}

bool loop_is_mine(const struct client_loop *loop)
{
    return pthread_equal(pthread_self(), loop->thread);
}

void loop_touch(struct client_loop *loop, struct redoubt_client *client)
{
    if (client->dirty)
        return;
    client->dirty = true;
    client->next_dirty = loop->dirty;
    loop->dirty = client;
}

void loop_touch_link(struct client_loop *loop, struct client_link *link)
{
    if (link->dirty)
        return;
    link->dirty = true;
    link->next_dirty = loop->dirty_links;
    loop->dirty_links = link;
}

void loop_timer(struct client_loop *loop, uint64_t at_us)
{
    if (at_us < loop->timer_us)
        loop->timer_us = at_us;
}

void loop_wake(struct client_loop *loop)
{
    uint64_t one = 1;
    if (loop->waking)
        return;
    loop->waking = true;
    ssize_t n = write(loop->wake, &one, sizeof one);
    (void)n; /* only fails when it is readable already */
}

/* ------------------------------------------------------------------------------------------------ a run */

static void loop_wait(struct client_loop *loop, struct epoll_event *events, int *count)
{
    uint64_t at = loop->timer_us;
    if (delay_next(&loop->delay) < at)
        at = delay_next(&loop->delay);
    struct timespec timeout = {0, 0};
    struct timespec *limit = at == UINT64_MAX ? NULL : &timeout;
    uint64_t now = limit ? client_clock_us() : 0;
    if (limit && at > now) {
        timeout.tv_sec = (time_t)((at - now) / 1000000u);
        timeout.tv_nsec = (long)((at - now) % 1000000u) * 1000;
    }
    *count = epoll_pwait2(loop->epoll, events, EVENTS_MAX, limit, NULL);
    if (*count < 0 && errno == ENOSYS) /* before Linux 5.11: to the millisecond */
        *count = epoll_wait(loop->epoll, events, EVENTS_MAX,
                            limit ? (int)(timeout.tv_sec * 1000 + (timeout.tv_nsec + 999999) / 1000000) : -1);
    loop->now_us = client_clock_us();
}

static void loop_delayed(struct client_loop *loop)
{
    struct delayed item;
    while (delay_pop(&loop->delay, loop->now_us, &item)) {
        link_on_delayed(item.link, &item);
        free(item.data);
    }
}

static void loop_inboxes(struct client_loop *loop)
{
    uint64_t value;
    ssize_t n = read(loop->wake, &value, sizeof value);
    (void)n;
    pthread_mutex_lock(&loop->lock);
    loop->waking = false;
    while (loop->woken) {
        struct redoubt_client *client = loop->woken;
        loop->woken = client->next_woken;
        client->woken = false;
        struct client_bytes full = client->inbox;
        client->inbox = loop->draining;
        client->inbox.len = 0;
        client->inbox_ops = 0;
        loop->draining = full;
        pthread_mutex_unlock(&loop->lock);
        client_on_inbox(client, &loop->draining);
        pthread_mutex_lock(&loop->lock);
    }
    while (loop->tasks) {
        struct client_task *task = loop->tasks;
        loop->tasks = task->next;
        pthread_mutex_unlock(&loop->lock);
        task->run(task->context);
        pthread_mutex_lock(&loop->lock);
        task->done = true;
        pthread_cond_broadcast(&loop->task_done);
    }
    pthread_mutex_unlock(&loop->lock);
}

/* `timer_us` is a lower bound, so this runs seldom although it looks at every client. */
static void loop_timers(struct client_loop *loop)
{
    if (loop->now_us < loop->timer_us)
        return;
    loop->timer_us = UINT64_MAX;
    for (struct redoubt_client *client = loop->clients; client; client = client->next) {
        if (client_reads_next_timer(&client->reads) <= loop->now_us) {
            client_reads_on_timer(&client->reads, loop->now_us);
            loop_touch(loop, client);
        }
        loop_timer(loop, client_reads_next_timer(&client->reads));
    }
    for (struct client_hub *hub = loop->hubs; hub; hub = hub->next) {
        for (replica_id r = 0; r < hub->replicas; r++) {
            struct client_link *link = &hub->link[r];
            if (link->moves)
                link_go(link);
            if (link->retry_us <= loop->now_us)
                link_connect(link);
            loop_timer(loop, link->retry_us);
        }
    }
}

static void loop_flush(struct client_loop *loop)
{
    while (loop->dirty) {
        struct redoubt_client *client = loop->dirty;
        loop->dirty = client->next_dirty;
        client->dirty = false;
        lanes_flush(client);
        client_reads_flush(&client->reads, loop->now_us);
        loop_timer(loop, client_reads_next_timer(&client->reads));
        atomic_store_explicit(&client->waiting,
                              client->core.queue.ops + client->reads.queue.ops + client->lane_ops,
                              memory_order_relaxed);
        atomic_store_explicit(&client->waiting_bytes,
                              client->core.queue.bytes + client->reads.queue.bytes + client->lane_bytes,
                              memory_order_relaxed);
    }
    while (loop->dirty_links) {
        struct client_link *link = loop->dirty_links;
        loop->dirty_links = link->next_dirty;
        link->dirty = false;
        link_flush(link);
    }
}

static bool loop_stopped(struct client_loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    bool stopping = loop->stopping;
    pthread_mutex_unlock(&loop->lock);
    return stopping;
}

static void *loop_main(void *argument)
{
    struct client_loop *loop = argument;
    struct epoll_event events[EVENTS_MAX];
    for (;;) {
        int count;
        bool woken = false;
        loop_wait(loop, events, &count);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr)
                link_on_event(events[i].data.ptr, events[i].events);
            else
                woken = true;
        }
        loop_delayed(loop);
        loop_timers(loop);
        /* After all links: a task may free some. */
        if (woken) {
            if (loop_stopped(loop))
                return NULL;
            loop_inboxes(loop);
        }
        loop_flush(loop);
    }
}

/* ------------------------------------------------------------------------------------------------ lifecycle */

static void loop_release(struct client_loop *loop)
{
    if (loop->epoll >= 0)
        close(loop->epoll);
    if (loop->wake >= 0)
        close(loop->wake);
    delay_deinit(&loop->delay);
    client_bytes_free(&loop->draining, &client_heap);
    pthread_cond_destroy(&loop->task_done);
    pthread_mutex_destroy(&loop->lock);
    free(loop->inbox);
    free(loop);
}

static int thread_start(struct client_loop *loop, int core)
{
    sigset_t all;
    sigset_t before;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    if (core >= 0) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET((size_t)core, &set);
        pthread_attr_setaffinity_np(&attributes, sizeof set, &set);
    }
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the program's, not ours */
    int failed = pthread_create(&loop->thread, &attributes, loop_main, loop);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return failed;
}

int client_loop_new(struct client_loop **out, const struct client_loop_options *options, struct error *error)
{
    *out = NULL;
    if (crypto_start() != 0) {
        error_set(error, "cryptography: the library does not work on this machine");
        return -ENOTSUP;
    }
    struct client_loop *loop = calloc(1, sizeof *loop);
    uint8_t *inbox = malloc(LOOP_INBOX_BYTES);
    if (!loop || !inbox) {
        free(loop);
        free(inbox);
        error_set(error, "client: out of memory");
        return -ENOMEM;
    }
    loop->inbox = inbox;
    loop->timer_us = UINT64_MAX;
    loop->now_us = client_clock_us();
    delay_init(&loop->delay, options->delay_us, options->jitter_us);
    pthread_mutex_init(&loop->lock, NULL);
    pthread_cond_init(&loop->task_done, NULL);
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    loop->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    int failed = 0;
    if (loop->epoll < 0 || loop->wake < 0 || epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->wake, &event) != 0)
        failed = errno;
    else
        failed = thread_start(loop, options->core);
    if (failed) {
        error_set(error, "client: cannot start its thread: %s", strerror(failed));
        loop_release(loop);
        return -failed;
    }
    *out = loop;
    return 0;
}

void client_loop_free(struct client_loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    loop->stopping = true;
    loop_wake(loop);
    pthread_mutex_unlock(&loop->lock);
    pthread_join(loop->thread, NULL);
    loop_release(loop);
}

void client_loop_call(struct client_loop *loop, void (*run)(void *context), void *context)
{
    if (loop_is_mine(loop)) {
        run(context);
        return;
    }
    struct client_task task = {.run = run, .context = context};
    pthread_mutex_lock(&loop->lock);
    struct client_task **last = &loop->tasks;
    while (*last)
        last = &(*last)->next;
    *last = &task;
    loop_wake(loop);
    while (!task.done)
        pthread_cond_wait(&loop->task_done, &loop->lock);
    pthread_mutex_unlock(&loop->lock);
}
