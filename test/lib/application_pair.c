#include "application_pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/check.h"

void frame_queue_add(struct frame_queue *queue, const struct slice *parts, unsigned count)
{
    uint32_t len = 0;
    for (unsigned i = 0; i < count; i++)
        len += (uint32_t)parts[i].len;
    CHECK(len <= FRAME_MAX);
    if (queue->at == queue->len)
        queue->at = queue->len = 0;
    if (queue->len + sizeof len + len > queue->cap) {
        queue->cap = 2 * (queue->len + sizeof len + len);
        queue->data = realloc(queue->data, queue->cap);
        CHECK(queue->data != NULL);
    }
    memcpy(queue->data + queue->len, &len, sizeof len);
    queue->len += sizeof len;
    for (unsigned i = 0; i < count; i++) {
        if (parts[i].len)
            memcpy(queue->data + queue->len, parts[i].data, parts[i].len);
        queue->len += parts[i].len;
    }
}

bool frame_queue_take(struct frame_queue *queue, struct slice *frame)
{
    uint32_t len;
    if (queue->at == queue->len)
        return false;
    memcpy(&len, queue->data + queue->at, sizeof len);
    *frame = (struct slice){queue->data + queue->at + sizeof len, len};
    queue->at += sizeof len + len;
    return true;
}

void frame_queue_free(struct frame_queue *queue)
{
    free(queue->data);
    *queue = (struct frame_queue){0};
}

static void call_send(void *context, const struct slice *parts, unsigned count)
{
    struct application_pair *pair = context;
    frame_queue_add(&pair->calls, parts, count);
}

static void answer_send(void *context, const struct slice *parts, unsigned count)
{
    struct application_pair *pair = context;
    frame_queue_add(&pair->answers, parts, count);
}

static void fail(void *context, const char *what)
{
    struct application_pair *pair = context;
    if (pair->on_fail)
        pair->on_fail(pair->fail_context, what);
    fprintf(stderr, "application: %s\n", what);
    abort();
}

static struct slice receive(void *context)
{
    struct application_pair *pair = context;
    struct slice frame;
    pair->waits++;
    while (!frame_queue_take(&pair->answers, &frame)) {
        if (!frame_queue_take(&pair->calls, &frame))
            fail(pair, "an answer is awaited that nobody asked for");
        memcpy(pair->frame, frame.data, frame.len);
        application_on_call(pair->application, pair->frame, frame.len);
    }
    memcpy(pair->frame, frame.data, frame.len);
    return (struct slice){pair->frame, frame.len};
}

struct application_link application_pair_link(struct application_pair *pair)
{
    return (struct application_link){.context = pair, .send = call_send, .receive = receive, .fail = fail};
}

/* Large, and touched as it is needed. */
static void *pages(size_t bytes)
{
    void *memory =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(memory != MAP_FAILED);
    return memory;
}

struct application_pair *application_pair_new(const struct redoubt_service *service, size_t memory_bytes)
{
    struct application_pair *pair = calloc(1, sizeof *pair);
    CHECK(pair != NULL);
    pair->application = pages(sizeof *pair->application);
    pair->frame = pages(FRAME_MAX);
    pair->memory_bytes = memory_bytes;
    arena_init(&pair->arena, pages(memory_bytes), memory_bytes);
    application_init(pair->application, service, &pair->arena,
                     &(struct application_link){.context = pair, .send = answer_send, .fail = fail});
    return pair;
}

void application_pair_free(struct application_pair *pair)
{
    if (!pair)
        return;
    frame_queue_free(&pair->calls);
    frame_queue_free(&pair->answers);
    munmap(pair->arena.base, pair->memory_bytes);
    munmap(pair->application, sizeof *pair->application);
    munmap(pair->frame, FRAME_MAX);
    free(pair);
}
