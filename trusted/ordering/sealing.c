#include "ordering/sealing.h"

#include "base/check.h"

static void life_key(const struct sealing *s, struct sealing_life *life)
{
    key_derive(&life->key, &s->root, "redoubt sealed records", life->salt, sizeof life->salt);
}

void sealing_init(struct sealing *s, const struct compartment_config *config)
{
    uint8_t who[5];
    struct writer w = writer_to(who, sizeof who);
    struct secret_key platform;
    memset(s, 0, sizeof *s);
    s->on = config->durable;
    if (!s->on)
        return;
    put_u8(&w, (uint8_t)config->kind);
    put_u32(&w, config->replica);
    memcpy(platform.bytes, config->sealing_secret, sizeof platform.bytes);
    key_derive(&s->root, &platform, "redoubt sealing", who, sizeof who);
    crypto_wipe(&platform, sizeof platform);
    crypto_random(s->writing.salt, sizeof s->writing.salt);
    life_key(s, &s->writing);
    crypto_random(s->aside.salt, sizeof s->aside.salt);
    life_key(s, &s->aside);
}

static void nonce_of(uint8_t nonce[AEAD_NONCE_BYTES], uint64_t counter)
{
    struct writer w = writer_to(nonce, AEAD_NONCE_BYTES);
    put_u64(&w, counter);
    put_u32(&w, 0);
}

static size_t seal(struct sealing_life *life, unsigned kind, struct slice plain, uint8_t *out)
{
    uint8_t nonce[AEAD_NONCE_BYTES];
    struct writer w = writer_to(out, SEALING_HEAD_BYTES);
    put_raw(&w, life->salt, sizeof life->salt);
    put_u64(&w, life->counter);
    put_u8(&w, (uint8_t)kind);
    nonce_of(nonce, life->counter++);
    aead_seal(out + SEALING_HEAD_BYTES, &life->key, nonce, out, SEALING_HEAD_BYTES, plain.data, plain.len);
    return plain.len + SEALING_OVERHEAD_BYTES;
}

size_t sealing_put(struct sealing *s, unsigned kind, struct slice plain, uint8_t *out)
{
    return seal(&s->aside, kind, plain, out);
}

void sealing_emit(struct sealing *s, const struct auth *auth, struct outbox *out, unsigned kind, slot_no slot,
                  struct slice plain)
{
    uint8_t body[16];
    struct writer w = writer_to(body, sizeof body);
    if (!s->on)
        return;
    local_sealed_put(&w, &(struct local_sealed){.full = record_is_full(kind), .slot = slot});
    struct frame frame = {
        .type = FRAME_LOCAL_SEALED, .sender = auth->self, .auth_kind = AUTH_NONE, .body = {body, w.len}};
    size_t record = plain.len + SEALING_OVERHEAD_BYTES, max = FRAME_HEADER_BYTES + w.len + record;
    uint8_t *to = outbox_reserve(out, max);
    size_t head = frame_head(to, max, &frame, record);
    CHECK(head + record == max);
    seal(&s->writing, kind, plain, to + head);
    outbox_commit(out, max);
}

struct sealed_head {
    struct sealing_life life;
    unsigned kind;
};

static bool head_read(struct slice record, struct sealed_head *head)
{
    struct reader r = reader_of(record.data, record.len);
    get_raw(&r, head->life.salt, sizeof head->life.salt);
    head->life.counter = get_u64(&r);
    head->kind = get_u8(&r);
    return !r.bad && record.len >= SEALING_OVERHEAD_BYTES;
}

static bool open(const struct sealing_life *life, uint64_t counter, struct slice record, uint8_t *plain,
                 size_t *len)
{
    uint8_t nonce[AEAD_NONCE_BYTES];
    nonce_of(nonce, counter);
    *len = record.len - SEALING_OVERHEAD_BYTES;
    return aead_open(plain, &life->key, nonce, record.data, SEALING_HEAD_BYTES,
                     record.data + SEALING_HEAD_BYTES, record.len - SEALING_HEAD_BYTES);
}

bool sealing_get(const struct sealing *s, unsigned kind, struct slice record, uint8_t *plain, size_t *len)
{
    struct sealed_head head;
    if (!s->on || !head_read(record, &head) || head.kind != kind)
        return false;
    life_key(s, &head.life);
    bool opened = open(&head.life, head.life.counter, record, plain, len);
    crypto_wipe(&head, sizeof head);
    return opened;
}

static bool take(struct sealing *s, struct slice record, unsigned *kind, uint8_t *plain, size_t *len)
{
    struct sealed_head head;
    if (!s->on || s->broken || !head_read(record, &head))
        return false;
    bool full = record_is_full(head.kind);
    bool next = s->recalled && memcmp(head.life.salt, s->reading.salt, sizeof head.life.salt) == 0 &&
                head.life.counter == s->reading.counter;
    if (!full && !next)
        return false;
    life_key(s, &head.life);
    if (!open(&head.life, head.life.counter, record, plain, len))
        return false;
    head.life.counter++;
    s->reading = head.life;
    *kind = head.kind;
    struct digest_state state;
    digest_begin(&state, "redoubt log head");
    if (!full)
        digest_add(&state, s->head.bytes, sizeof s->head.bytes);
    digest_add(&state, record.data, record.len);
    digest_end(&state, &s->head);
    s->recalled = true;
    return true;
}

bool sealing_take(struct sealing *s, struct slice record, unsigned *kind, uint8_t *plain, size_t *len)
{
    bool taken = take(s, record, kind, plain, len);
    s->broken = s->broken || !taken;
    return taken;
}
