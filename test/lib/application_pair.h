/*
 * Execution's and the application's side of a service apart (trusted/application), in one thread: when the proxy waits for an
 * answer, the application carries out what was called.
 */
#ifndef APPLICATION_PAIR_H
#define APPLICATION_PAIR_H

#include "application/proxy.h"
#include "application/serve.h"

/* Frames in order: u32 length and bytes. */
struct frame_queue {
    uint8_t *data;
    size_t len, cap, at;
};

struct application_pair {
    struct application *application;
    struct arena arena;
    size_t memory_bytes; /* of it */
    struct frame_queue calls, answers;
    uint8_t *frame; /* the one that was received last */
    uint64_t waits; /* how often the proxy waited */
    void *fail_context;
    void (*on_fail)(void *context, const char *what); /* must not return; NULL: abort */
};

struct application_pair *application_pair_new(const struct redoubt_service *service, size_t memory_bytes);
void application_pair_free(struct application_pair *pair);
/* For application_proxy_use. */
struct application_link application_pair_link(struct application_pair *pair);

void frame_queue_add(struct frame_queue *queue, const struct slice *parts, unsigned count);
/* False when there is none; valid until the next add. */
bool frame_queue_take(struct frame_queue *queue, struct slice *frame);
void frame_queue_free(struct frame_queue *queue);

#endif
