#include "crypto/lanes.h"

#include <sodium.h>
#include <string.h>

#define BLOCK 128u
#define WORDS 16u

/* A word of every lane. */
typedef uint64_t lanes __attribute__((vector_size(8 * LANES)));

#define WIDE __attribute__((target("avx512f,avx512dq")))

static const uint64_t start[8] = {0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b,
                                  0xa54ff53a5f1d36f1, 0x510e527fade682d1, 0x9b05688c2b3e6c1f,
                                  0x1f83d9abfb41bd6b, 0x5be0cd19137e2179};

/* Where each block of every lane comes from, and what the compression is told of it. */
struct blocks {
    const uint8_t *from[LANES];
    lanes length; /* bytes so far, this block included */
    lanes last;   /* all ones: the message's last */
    lanes over;   /* all ones: the message ended before */
};

WIDE static inline lanes same(uint64_t word)
{
    return (lanes){word, word, word, word, word, word, word, word};
}

WIDE static inline lanes word_of(const struct blocks *b, unsigned i)
{
    uint64_t w[LANES];
    for (unsigned k = 0; k < LANES; k++)
        memcpy(&w[k], b->from[k] + 8 * i, 8);
    return (lanes){w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7]};
}

#define ROTATE(x, n) (((x) >> (n)) | ((x) << (64 - (n))))
#define MIX(a, b, c, d, x, y)                                                                                \
    do {                                                                                                     \
        v[a] += v[b] + m[x];                                                                                 \
        v[d] = ROTATE(v[d] ^ v[a], 32);                                                                      \
        v[c] += v[d];                                                                                        \
        v[b] = ROTATE(v[b] ^ v[c], 24);                                                                      \
        v[a] += v[b] + m[y];                                                                                 \
        v[d] = ROTATE(v[d] ^ v[a], 16);                                                                      \
        v[c] += v[d];                                                                                        \
        v[b] = ROTATE(v[b] ^ v[c], 63);                                                                      \
    } while (0)
/* One round with the message's words in this order. */
#define ROUND(a, b, c, d, e, f, g, h, i, j, k, l, m_, n, o, p)                                               \
    do {                                                                                                     \
        MIX(0, 4, 8, 12, a, b);                                                                              \
        MIX(1, 5, 9, 13, c, d);                                                                              \
        MIX(2, 6, 10, 14, e, f);                                                                             \
        MIX(3, 7, 11, 15, g, h);                                                                             \
        MIX(0, 5, 10, 15, i, j);                                                                             \
        MIX(1, 6, 11, 12, k, l);                                                                             \
        MIX(2, 7, 8, 13, m_, n);                                                                             \
        MIX(3, 4, 9, 14, o, p);                                                                              \
    } while (0)

WIDE static void compress(lanes h[8], const struct blocks *b)
{
    lanes m[WORDS], v[WORDS];
    for (unsigned i = 0; i < WORDS; i++)
        m[i] = word_of(b, i);
    for (unsigned i = 0; i < 8; i++) {
        v[i] = h[i];
        v[8 + i] = same(start[i]);
    }
    v[12] ^= b->length;
    v[14] ^= b->last;
    ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    ROUND(14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3);
    ROUND(11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4);
    ROUND(7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8);
    ROUND(9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13);
    ROUND(2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9);
    ROUND(12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11);
    ROUND(13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10);
    ROUND(6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5);
    ROUND(10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0);
    ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    ROUND(14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3);
    for (unsigned i = 0; i < 8; i++)
        h[i] ^= (v[i] ^ v[8 + i]) & ~b->over;
}

/* The blocks at `at`; the last one of a message is padded in `pad`. False: it is the last one of all. */
WIDE static bool blocks_at(struct blocks *b, uint8_t pad[LANES][BLOCK], const struct slice in[LANES],
                           size_t at)
{
    bool more = false;
    for (unsigned k = 0; k < LANES; k++) {
        bool over = at > 0 && in[k].len <= at, last = in[k].len <= at + BLOCK;
        size_t here = over ? 0 : last ? in[k].len - at : BLOCK;
        b->from[k] = pad[k];
        if (here == BLOCK) {
            b->from[k] = in[k].data + at;
        } else if (!over) {
            if (here)
                memcpy(pad[k], in[k].data + at, here);
            memset(pad[k] + here, 0, BLOCK - here);
        }
        b->length[k] = at + here;
        b->last[k] = last ? ~0ull : 0;
        b->over[k] = over ? ~0ull : 0;
        more |= !last;
    }
    return more;
}

WIDE void lanes_digest(struct digest out[LANES], const struct slice in[LANES], const uint8_t salt[16],
                       const uint8_t personal[16])
{
    uint8_t pad[LANES][BLOCK];
    uint64_t own[4];
    struct blocks b;
    lanes h[8];
    memcpy(own, salt, 16);
    memcpy(own + 2, personal, 16);
    for (unsigned i = 0; i < 8; i++)
        h[i] = same(start[i] ^ (i < 4 ? 0 : own[i - 4]));
    h[0] ^= same(sizeof(struct digest) | 1u << 16 | 1u << 24); /* no key, no tree */
    for (size_t at = 0;; at += BLOCK) {
        bool more = blocks_at(&b, pad, in, at);
        compress(h, &b);
        if (!more)
            break;
    }
    for (unsigned k = 0; k < LANES; k++) {
        uint64_t words[4] = {h[0][k], h[1][k], h[2][k], h[3][k]};
        memcpy(out[k].bytes, words, sizeof words);
    }
}

bool lanes_supported(void)
{
    return sodium_runtime_has_avx512f() != 0;
}
