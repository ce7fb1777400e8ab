#include "fault.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "wire/frame.h"

#define SLOW_US           300000u
#define DELAYED_MAX_BYTES (256u * 1024u * 1024u)
#define TO_CLIENT         UINT32_MAX

/* Where the header has what is tampered with (wire/frame.c). */
enum { AT_TYPE = 1, AT_SENDER_ID = 4, AT_BODY_LEN = 16 };

struct delayed {
    struct delayed *next;
    uint64_t due_us;
    replica_id peer; /* TO_CLIENT: to a client */
    uint32_t connection;
    size_t len;
    uint8_t frame[];
};

static const char *const names[] = {"none", "lie", "equivocate", "silent", "slow", "corrupt-replies"};

const char *fault_name(enum fault_kind kind)
{
    return names[kind];
}

int fault_number(const char *name)
{
    for (int i = 0; i < (int)(sizeof names / sizeof names[0]); i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return -1;
}

void fault_init(struct fault *fault, replica_id self, uint32_t replicas, const struct fault_outputs *out)
{
    *fault = (struct fault){.self = self, .replicas = replicas, .out = *out};
    fault->last = &fault->first;
}

void fault_set(struct fault *fault, enum fault_kind kind)
{
    fault->kind = kind;
    fault->old_len = 0;
    if (!fault->frame) {
        fault->frame = malloc(FRAME_MAX);
        fault->old = malloc(FRAME_MAX);
        CHECK(fault->frame && fault->old && "out of memory");
    }
}

void fault_deinit(struct fault *fault)
{
    while (fault->first) {
        struct delayed *next = fault->first->next;
        free(fault->first);
        fault->first = next;
    }
    free(fault->frame);
    free(fault->old);
}

/* ---------------------------------------------------------------- tampering */

static size_t gather(struct fault *fault, const struct slice *parts, unsigned count)
{
    size_t len = 0;
    for (unsigned i = 0; i < count; i++) {
        if (len + parts[i].len > FRAME_MAX)
            return 0;
        if (parts[i].len)
            memcpy(fault->frame + len, parts[i].data, parts[i].len);
        len += parts[i].len;
    }
    return len;
}

static uint32_t u32_at(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static int type_of(const uint8_t *frame, size_t len)
{
    return len >= FRAME_HEADER_BYTES ? frame[AT_TYPE] : 0;
}

/* Another content under the old authentication. */
static void tamper_body(uint8_t *frame, size_t len)
{
    size_t body = u32_at(frame + AT_BODY_LEN);
    if (body > 0 && FRAME_HEADER_BYTES + body <= len)
        frame[FRAME_HEADER_BYTES + body - 1] ^= 0x55;
}

static void tamper_reply(uint8_t *frame, size_t len)
{
    for (size_t at = FRAME_HEADER_BYTES + 8; at < len; at += 13)
        frame[at] ^= 0xa5;
}

/* Its own COMMIT for the slot beside it: another's, which nobody hands on, would be dropped unread. */
static void another_slot(uint8_t *frame, size_t len)
{
    if (FRAME_HEADER_BYTES + 9 <= len)
        frame[FRAME_HEADER_BYTES + 8] ^= 1; /* `slot`, behind `view` */
}

static void forge_sender(struct fault *fault, uint8_t *frame)
{
    uint32_t other = (u32_at(frame + AT_SENDER_ID) + 1) % fault->replicas;
    for (int i = 0; i < 4; i++)
        frame[AT_SENDER_ID + i] = (uint8_t)(other >> (8 * i));
}

static bool is_vote(int type)
{
    return type == FRAME_PRE_PREPARE || type == FRAME_PREPARE || type == FRAME_COMMIT ||
           type == FRAME_CHECKPOINT || type == FRAME_EXECUTED || type == FRAME_HYBSTER_PREPARE ||
           type == FRAME_HYBSTER_COMMIT || type == FRAME_HYBSTER_SUSPECT || type == FRAME_HYBSTER_VIEW_CHANGE;
}

static bool is_proposal(int type)
{
    return type == FRAME_PRE_PREPARE || type == FRAME_HYBSTER_PREPARE;
}

/* ---------------------------------------------------------------- sending */

static void delay(struct fault *fault, replica_id peer, uint32_t connection, const struct slice *parts,
                  unsigned count, uint64_t now_us)
{
    size_t len = 0;
    for (unsigned i = 0; i < count; i++)
        len += parts[i].len;
    if (fault->delayed_bytes + len > DELAYED_MAX_BYTES)
        return;
    struct delayed *d = malloc(sizeof *d + len);
    CHECK(d && "out of memory");
    *d = (struct delayed){NULL, now_us + SLOW_US, peer, connection, len};
    len = 0;
    for (unsigned i = 0; i < count; i++) {
        if (parts[i].len)
            memcpy(d->frame + len, parts[i].data, parts[i].len);
        len += parts[i].len;
    }
    *fault->last = d;
    fault->last = &d->next;
    fault->delayed_bytes += len;
}

static void to_peer(struct fault *fault, replica_id to, const uint8_t *frame, size_t len)
{
    struct slice whole = {frame, len};
    fault->out.to_peer(fault->out.context, to, &whole, 1);
}

/* Every second peer sees an older proposal in place of this one, or this one tampered with. */
static void equivocate(struct fault *fault, replica_id to, size_t len)
{
    int type = type_of(fault->frame, len);
    if (!is_proposal(type) || u32_at(fault->frame + AT_SENDER_ID) != fault->self ||
        to % 2 == fault->self % 2) {
        to_peer(fault, to, fault->frame, len);
        if (is_proposal(type)) {
            memcpy(fault->old, fault->frame, len);
            fault->old_len = len;
        }
        return;
    }
    fault->done++;
    if (fault->old_len)
        to_peer(fault, to, fault->old, fault->old_len);
    tamper_body(fault->frame, len);
    to_peer(fault, to, fault->frame, len);
}

void fault_to_peer(struct fault *fault, replica_id to, const struct slice *parts, unsigned count,
                   uint64_t now_us)
{
    if (fault->kind == FAULT_SILENT) {
        fault->done++;
        return;
    }
    if (fault->kind == FAULT_SLOW) {
        fault->done++;
        delay(fault, to, 0, parts, count, now_us);
        return;
    }
    if (fault->kind == FAULT_EQUIVOCATE) {
        size_t len = gather(fault, parts, count);
        if (len)
            equivocate(fault, to, len);
        return;
    }
    fault->out.to_peer(fault->out.context, to, parts, count);
    if (fault->kind != FAULT_LIE)
        return;
    size_t len = gather(fault, parts, count);
    if (!is_vote(type_of(fault->frame, len)))
        return;
    fault->done++;
    if (type_of(fault->frame, len) == FRAME_HYBSTER_COMMIT) {
        another_slot(fault->frame, len);
    } else {
        forge_sender(fault, fault->frame);
        tamper_body(fault->frame, len);
    }
    to_peer(fault, to, fault->frame, len);
}

void fault_to_client(struct fault *fault, uint32_t connection, const struct slice *parts, unsigned count,
                     uint64_t now_us)
{
    if (fault->kind == FAULT_SILENT) {
        fault->done++;
        return;
    }
    if (fault->kind == FAULT_SLOW) {
        fault->done++;
        delay(fault, TO_CLIENT, connection, parts, count, now_us);
        return;
    }
    if (fault->kind == FAULT_LIE || fault->kind == FAULT_CORRUPT_REPLIES) {
        size_t len = gather(fault, parts, count);
        if (type_of(fault->frame, len) == FRAME_REPLY) {
            struct slice whole = {fault->frame, len};
            fault->done++;
            tamper_reply(fault->frame, len);
            fault->out.to_client(fault->out.context, connection, &whole, 1);
            return;
        }
    }
    fault->out.to_client(fault->out.context, connection, parts, count);
}

bool fault_tick(struct fault *fault, uint64_t now_us)
{
    while (fault->first && fault->first->due_us <= now_us) {
        struct delayed *d = fault->first;
        struct slice whole = {d->frame, d->len};
        if (d->peer == TO_CLIENT)
            fault->out.to_client(fault->out.context, d->connection, &whole, 1);
        else
            fault->out.to_peer(fault->out.context, d->peer, &whole, 1);
        fault->delayed_bytes -= d->len;
        fault->first = d->next;
        if (!fault->first)
            fault->last = &fault->first;
        free(d);
    }
    return fault->first != NULL;
}
