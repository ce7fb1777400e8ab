/*
 * Isolation `inline`: the compartment is called. For the PBFT baseline and tests; it isolates nothing.
 *
 * What was given waits in one buffer until the kick and is handled there in place; the output waits in the
 * outbox until it was taken. When the outbox has no room for another step, the rest is handled as take
 * empties it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "compartment_ops.h"
#include "shell/memory.h"

#define INPUT_BYTES  RING_BYTES
#define OUTPUT_BYTES (OUTBOX_MIN_BYTES + 4u * 1024u * 1024u)

struct input_record {
    uint32_t len;
    uint32_t local;
};

struct inline_compartment {
    struct compartment base;
    const struct compartment_type *type;
    void *state;
    struct arena arena;
    size_t arena_bytes;
    uint8_t *input; /* records: header, frame, padding to 8 bytes */
    size_t input_len;
    size_t input_at;    /* handled up to here */
    size_t input_shown; /* given before the last kick */
    struct outbox outbox;
    size_t taken;
    uint64_t now_us;
    bool flush_again;
    uint64_t verdicts[VERDICT_COUNT];
};

static struct inline_compartment *self_of(struct compartment *c)
{
    return (struct inline_compartment *)(void *)c;
}

static bool has_work(const struct inline_compartment *self)
{
    return self->input_at < self->input_shown || self->flush_again;
}

static bool has_room(const struct inline_compartment *self)
{
    return self->outbox.cap - self->outbox.len >= OUTBOX_MIN_BYTES;
}

static size_t record_bytes(size_t len)
{
    return sizeof(struct input_record) + ((len + 7) & ~(size_t)7);
}

static void step(struct inline_compartment *self)
{
    struct input_record record;
    memcpy(&record, self->input + self->input_at, sizeof record);
    const struct compartment_input in = {
        .frame = self->input + self->input_at + sizeof record,
        .len = record.len,
        .local = record.local != 0,
        .now_us = self->now_us,
    };
    enum verdict verdict = self->type->step(self->state, &in, &self->outbox);
    if ((unsigned)verdict < VERDICT_COUNT)
        self->verdicts[verdict]++;
    self->input_at += record_bytes(record.len);
}

/* Steps and flushes until there is nothing to do or no room for more output. */
static void work(struct inline_compartment *self)
{
    while (has_work(self) && has_room(self)) {
        while (self->input_at < self->input_shown && has_room(self))
            step(self);
        self->flush_again = true;
        if (has_room(self))
            self->flush_again = self->type->flush(self->state, self->now_us, &self->outbox);
    }
    if (self->input_at == self->input_len)
        self->input_at = self->input_len = self->input_shown = 0;
}

static bool inline_give(struct compartment *c, const struct slice *parts, unsigned count, bool local)
{
    struct inline_compartment *self = self_of(c);
    size_t len = 0;
    for (unsigned i = 0; i < count; i++)
        len += parts[i].len;
    CHECK(len <= FRAME_MAX);
    if (INPUT_BYTES - self->input_len < record_bytes(len))
        return false;
    struct input_record record = {.len = (uint32_t)len, .local = local};
    uint8_t *to = self->input + self->input_len;
    memcpy(to, &record, sizeof record);
    to += sizeof record;
    for (unsigned i = 0; i < count; i++) {
        if (parts[i].len)
            memcpy(to, parts[i].data, parts[i].len);
        to += parts[i].len;
    }
    self->input_len += record_bytes(len);
    return true;
}

static void inline_kick(struct compartment *c, uint64_t now_us)
{
    struct inline_compartment *self = self_of(c);
    if (now_us > self->now_us)
        self->now_us = now_us;
    self->input_shown = self->input_len;
    if (self->taken == self->outbox.len)
        self->taken = self->outbox.len = 0;
    work(self);
}

static bool inline_take(struct compartment *c, struct slice *frame)
{
    struct inline_compartment *self = self_of(c);
    while (self->taken == self->outbox.len) {
        self->taken = self->outbox.len = 0;
        if (!has_work(self))
            return false;
        work(self);
    }
    return outbox_next(&self->outbox, &self->taken, frame);
}

static bool inline_before_poll(struct compartment *c)
{
    struct inline_compartment *self = self_of(c);
    return self->taken < self->outbox.len || has_work(self);
}

static void inline_after_poll(struct compartment *c)
{
    (void)c;
}

static bool inline_alive(struct compartment *c)
{
    (void)c;
    return true;
}

static const char *inline_obituary(struct compartment *c)
{
    (void)c;
    return "";
}

static uint64_t inline_verdicts(const struct compartment *c, enum verdict verdict)
{
    const struct inline_compartment *self = (const struct inline_compartment *)(const void *)c;
    return (unsigned)verdict < VERDICT_COUNT ? self->verdicts[verdict] : 0;
}

static size_t inline_resident_bytes(const struct compartment *c)
{
    const struct inline_compartment *self = (const struct inline_compartment *)(const void *)c;
    return self->arena.used;
}

static void inline_close(struct compartment *c)
{
    struct inline_compartment *self = self_of(c);
    memory_unmap(self->arena.base, self->arena_bytes);
    memory_unmap(self->input, INPUT_BYTES);
    memory_unmap(self->outbox.data, OUTPUT_BYTES);
    free(self);
}

static const struct compartment_ops inline_ops = {
    .close = inline_close,
    .give = inline_give,
    .kick = inline_kick,
    .take = inline_take,
    .before_poll = inline_before_poll,
    .after_poll = inline_after_poll,
    .alive = inline_alive,
    .obituary = inline_obituary,
    .verdicts = inline_verdicts,
    .resident_bytes = inline_resident_bytes,
};

static int start(struct inline_compartment *self, const struct compartment_spec *spec, char *error,
                 size_t error_bytes)
{
    if (spec->memory_bytes < spec->type->arena_bytes) {
        snprintf(error, error_bytes, "%s: %zu bytes of memory are configured, it needs %zu",
                 kind_name(spec->kind), spec->memory_bytes, spec->type->arena_bytes);
        return -EINVAL;
    }
    int result = measure_file(&self->base.measurement, "/proc/self/exe");
    if (result < 0) {
        snprintf(error, error_bytes, "%s: cannot measure this executable: %s", kind_name(spec->kind),
                 strerror(-result));
        return result;
    }
    void *memory = memory_map(spec->memory_bytes);
    self->input = memory_map(INPUT_BYTES);
    self->outbox = (struct outbox){.data = memory_map(OUTPUT_BYTES), .cap = OUTPUT_BYTES};
    arena_init(&self->arena, memory, spec->memory_bytes);
    if (!memory || !self->input || !self->outbox.data) {
        snprintf(error, error_bytes, "%s: cannot reserve %zu bytes of memory", kind_name(spec->kind),
                 spec->memory_bytes);
        return -ENOMEM;
    }
    struct compartment_config config = spec->config;
    config.kind = spec->kind;
    if (!config.service_options)
        config.service_options = "";
    self->state = self->type->init(&self->arena, &config, &self->outbox);
    if (!self->state) {
        snprintf(error, error_bytes, "%s: it refused its configuration", kind_name(spec->kind));
        return -EINVAL;
    }
    return 0;
}

int compartment_inline_open(struct compartment **out, const struct compartment_spec *spec, char *error,
                            size_t error_bytes)
{
    if (!spec->type || spec->type->kind != spec->kind) {
        snprintf(error, error_bytes, "%s: no such compartment is built in", kind_name(spec->kind));
        return -EINVAL;
    }
    struct inline_compartment *self = calloc(1, sizeof *self);
    if (!self) {
        snprintf(error, error_bytes, "%s: out of memory", kind_name(spec->kind));
        return -ENOMEM;
    }
    self->base = (struct compartment){.ops = &inline_ops, .fd = -1, .death_fd = -1, .sandbox = "none"};
    self->type = spec->type;
    self->arena_bytes = spec->memory_bytes;
    int result = start(self, spec, error, error_bytes);
    if (result < 0) {
        inline_close(&self->base);
        return result;
    }
    *out = &self->base;
    return 0;
}
