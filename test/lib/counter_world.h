/*
 * Counter compartments and their administrator, for tests and fuzz targets: compiled with whatever cryptography the test has.
 */
#ifndef TEST_COUNTER_WORLD_H
#define TEST_COUNTER_WORLD_H

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "counter/compartment.h"
#include "wire/counter_answer.h"
#include "wire/counter_ask.h"
#include "wire/counter_key.h"
#include "wire/hello.h"

#define COUNTER_NOTHING ((struct slice){NULL, 0})

struct counter_world {
    struct sign_key admin;
    uint8_t group[32];
    struct tag16 cluster;
};

struct counter_under_test {
    replica_id replica;
    epoch_no epoch;
    void *memory;
    struct arena arena;
    void *state;
    struct outbox out;
    uint8_t sign_public[32], box_public[32];
};

static inline void counter_world_init(struct counter_world *w)
{
    sign_keypair(&w->admin);
    crypto_random(w->group, sizeof w->group);
    crypto_random(w->cluster.bytes, sizeof w->cluster.bytes);
}

static inline bool counter_said(const struct counter_under_test *c, struct frame *frame)
{
    size_t at = 0;
    struct slice bytes;
    return outbox_next(&c->out, &at, &bytes) && frame_decode(bytes.data, bytes.len, frame);
}

static inline void counter_start(struct counter_under_test *c, const struct counter_world *w,
                                 replica_id replica, epoch_no epoch)
{
    struct compartment_config config = {.kind = KIND_COUNTER, .replica = replica, .epoch = epoch};
    struct frame frame;
    struct hello hello;
    memcpy(config.admin_public, w->admin.public, 32);
    size_t bytes = (counter_type.arena_bytes + 63) & ~(size_t)63;
    c->replica = replica;
    c->epoch = epoch;
    c->memory = aligned_alloc(64, bytes);
    memset(c->memory, 0, bytes);
    arena_init(&c->arena, c->memory, counter_type.arena_bytes);
    c->out = (struct outbox){.data = malloc(65536), .cap = 65536};
    c->state = counter_type.init(&c->arena, &config, &c->out);
    CHECK(counter_said(c, &frame) && frame.type == FRAME_HELLO && hello_decode(frame.body, &hello));
    memcpy(c->sign_public, hello.sign_public.bytes, 32);
    memcpy(c->box_public, hello.box_public.bytes, 32);
}

static inline void counter_stop(struct counter_under_test *c)
{
    free(c->memory);
    free(c->out.data);
}

static inline enum verdict counter_give(struct counter_under_test *c, const uint8_t *frame, size_t len)
{
    c->out.len = 0;
    return counter_type.step(c->state, &(struct compartment_input){.frame = frame, .len = len}, &c->out);
}

/* A COUNTER-KEY; `signer` NULL: the administrator. The length. */
static inline size_t counter_key_frame(const struct counter_world *w, const struct counter_key *m,
                                       const struct sign_key *signer, uint8_t out[512])
{
    static const struct tag16 none;
    const struct sender admin = {KIND_ADMIN, 0, 0};
    uint8_t body[256], signature[SIGNATURE_BYTES];
    struct writer b = writer_to(body, sizeof body);
    struct digest content;
    counter_key_put(&b, m);
    auth_content(&none, FRAME_COUNTER_KEY, &admin, (struct slice){body, b.len}, &content);
    content_sign(signer ? signer : &w->admin, &content, signature);
    return frame_encode(out, 512, FRAME_COUNTER_KEY, &admin, AUTH_SIGNATURE, (struct slice){body, b.len},
                        (struct slice){signature, sizeof signature}, COUNTER_NOTHING);
}

/* The right one for this compartment. */
static inline struct counter_key counter_key_for(const struct counter_world *w,
                                                 const struct counter_under_test *c, uint32_t pillars)
{
    struct counter_key m = {
        .cluster = w->cluster, .replica = c->replica, .epoch = c->epoch, .pillars = pillars};
    uint8_t sealed[32 + SEAL_BYTES];
    memcpy(m.box_public.bytes, c->box_public, 32);
    box_seal(sealed, c->box_public, w->group, 32);
    memcpy(m.half0.bytes, sealed, 32);
    memcpy(m.half1.bytes, sealed + 32, 32);
    memcpy(m.tail.bytes, sealed + 64, 16);
    return m;
}

static inline enum verdict counter_begin(struct counter_under_test *c, const struct counter_world *w,
                                         uint32_t pillars)
{
    uint8_t frame[512];
    struct counter_key m = counter_key_for(w, c, pillars);
    return counter_give(c, frame, counter_key_frame(w, &m, NULL, frame));
}

static inline enum verdict counter_ask(struct counter_under_test *c, const struct local_count *m)
{
    static uint8_t body[1 << 20], frame[1 << 20];
    const struct sender host = {KIND_HOST, c->replica, 1};
    struct writer b = writer_to(body, sizeof body);
    local_count_put(&b, m);
    size_t len = frame_encode(frame, sizeof frame, FRAME_LOCAL_COUNT, &host, AUTH_NONE,
                              (struct slice){body, b.len}, COUNTER_NOTHING, COUNTER_NOTHING);
    return counter_give(c, frame, len);
}

/* One command, and the certificate that comes of it. */
static inline enum verdict counter_certify(struct counter_under_test *c, const struct trinx_command *command,
                                           struct trinx_certificate *certificate)
{
    uint8_t list[counter_command_BYTES];
    struct writer w = writer_to(list, sizeof list);
    struct counter_command m = {.kind = (uint8_t)command->kind,
                                .pillar = command->pillar,
                                .counter = command->counter,
                                .view = command->value.view,
                                .order = command->value.order,
                                .digest = command->digest};
    struct frame frame;
    struct local_counted answer;
    counter_command_put(&w, &m);
    enum verdict verdict = counter_ask(c, &(struct local_count){.commands = {list, w.len}});
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    CHECK(counter_said(c, &frame) && local_counted_check(&frame, &answer) == VERDICT_ACCEPT);
    CHECK(counter_made_count(answer.made) == 1);
    struct counter_made made = counter_made_at(answer.made, 0);
    *certificate = (struct trinx_certificate){
        .instance = {c->replica, command->pillar, c->epoch, trinx_life(c->box_public)},
        .kind = command->kind,
        .counter = command->counter,
        .value = command->value,
        .previous = {made.previous_view, made.previous_order},
        .act = {made.act_view, made.act_order}};
    memcpy(certificate->mac, made.mac.bytes, sizeof certificate->mac);
    return (enum verdict)made.verdict;
}

static inline struct counter_check counter_check_of(const struct trinx_certificate *c,
                                                    const struct digest *digest)
{
    struct counter_check m = {.replica = c->instance.replica,
                              .pillar = c->instance.pillar,
                              .epoch = c->instance.epoch,
                              .life = c->instance.life,
                              .kind = (uint8_t)c->kind,
                              .counter = c->counter,
                              .view = c->value.view,
                              .order = c->value.order,
                              .previous_view = c->previous.view,
                              .previous_order = c->previous.order,
                              .act_view = c->act.view,
                              .act_order = c->act.order,
                              .digest = *digest};
    memcpy(m.mac.bytes, c->mac, sizeof m.mac.bytes);
    return m;
}

static inline enum verdict counter_verify(struct counter_under_test *c,
                                          const struct trinx_certificate *certificate,
                                          const struct digest *digest)
{
    uint8_t list[counter_check_BYTES];
    struct writer w = writer_to(list, sizeof list);
    struct counter_check m = counter_check_of(certificate, digest);
    struct frame frame;
    struct local_counted answer;
    counter_check_put(&w, &m);
    enum verdict verdict = counter_ask(c, &(struct local_count){.checks = {list, w.len}});
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    CHECK(counter_said(c, &frame) && local_counted_check(&frame, &answer) == VERDICT_ACCEPT);
    CHECK(answer.verdicts.len == 1);
    return (enum verdict)answer.verdicts.data[0];
}

#endif
