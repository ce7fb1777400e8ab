#include "ordering/versions.h"

/* SipHash-2-4 under a key that everybody knows: whoever looks for collisions finds them, and gains nothing but conflicts between keys
 * of his own choice. */
#define ROTATE(x, bits) ((x) << (bits) | (x) >> (64 - (bits)))

struct sip {
    uint64_t a, b, c, d;
};

static void sip_round(struct sip *s)
{
    s->a += s->b;
    s->b = ROTATE(s->b, 13) ^ s->a;
    s->a = ROTATE(s->a, 32);
    s->c += s->d;
    s->d = ROTATE(s->d, 16) ^ s->c;
    s->a += s->d;
    s->d = ROTATE(s->d, 21) ^ s->a;
    s->c += s->b;
    s->b = ROTATE(s->b, 17) ^ s->c;
    s->c = ROTATE(s->c, 32);
}

static void sip_word(struct sip *s, uint64_t word)
{
    s->d ^= word;
    sip_round(s);
    sip_round(s);
    s->a ^= word;
}

static uint64_t word_at(const uint8_t *bytes, size_t len)
{
    uint64_t word = 0;
    for (size_t i = 0; i < len; i++)
        word |= (uint64_t)bytes[i] << 8 * i;
    return word;
}

uint32_t version_cell(const void *key, size_t len)
{
    /* The constants of SipHash, the key "redoubt versions" already in them. */
    struct sip s = {0x736f6d6570736575 ^ 0x207462756f646572, 0x646f72616e646f6d ^ 0x736e6f6973726576,
                    0x6c7967656e657261 ^ 0x207462756f646572, 0x7465646279746573 ^ 0x736e6f6973726576};
    const uint8_t *at = key;
    size_t left = len;
    for (; left >= 8; left -= 8, at += 8)
        sip_word(&s, word_at(at, 8));
    sip_word(&s, word_at(at, left) | (uint64_t)(len & 0xff) << 56);
    s.c ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(&s);
    return (uint32_t)((s.a ^ s.b ^ s.c ^ s.d) % VERSION_CELLS);
}

void touched_by(struct touched *t, const struct redoubt_service *service, const struct redoubt_op *op)
{
    struct redoubt_keys keys;
    keys.count = 0;
    keys.reads_all = keys.writes_all = false;
    t->known = service->keys && service->keys(op, &keys) && keys.count <= REDOUBT_KEYS_MAX;
    t->all = keys.reads_all || keys.writes_all;
    t->writes_all = keys.writes_all;
    t->writes = keys.writes_all;
    t->is_volatile = false;
    t->count = t->known ? keys.count : 0;
    t->written = 0;
    for (uint32_t i = 0; i < t->count; i++) {
        t->cell[i] = version_cell(keys.entry[i].key, keys.entry[i].bytes);
        t->written |= (uint64_t)keys.entry[i].write << i;
    }
    t->writes |= t->written != 0;
}

enum { TOUCHED_KNOWN = 1, TOUCHED_ALL = 2, TOUCHED_WRITES_ALL = 4, TOUCHED_TIME = 8 };

void touched_put(struct writer *w, const struct touched *t)
{
    put_u8(w, (uint8_t)((t->known ? TOUCHED_KNOWN : 0) | (t->all ? TOUCHED_ALL : 0) |
                        (t->writes_all ? TOUCHED_WRITES_ALL : 0) | (t->is_volatile ? TOUCHED_TIME : 0)));
    put_u8(w, (uint8_t)t->count);
    for (uint32_t i = 0; i < t->count; i++)
        put_u32(w, t->cell[i] | (uint32_t)(t->written >> i & 1) << 31);
}

bool touched_get(struct reader *r, struct touched *t)
{
    uint8_t flags = get_u8(r);
    t->count = get_u8(r);
    t->known = flags & TOUCHED_KNOWN;
    t->all = flags & TOUCHED_ALL;
    t->writes_all = flags & TOUCHED_WRITES_ALL;
    t->is_volatile = flags & TOUCHED_TIME;
    t->written = 0;
    if (flags >= 2 * TOUCHED_TIME || t->count > REDOUBT_KEYS_MAX || (t->writes_all && !t->all) ||
        (!t->known && t->count))
        return false;
    for (uint32_t i = 0; i < t->count; i++) {
        uint32_t entry = get_u32(r);
        t->cell[i] = entry & 0x7fffffff;
        t->written |= (uint64_t)(entry >> 31) << i;
        if (t->cell[i] >= VERSION_CELLS)
            return false;
    }
    t->writes = t->writes_all || t->written;
    return !r->bad;
}
