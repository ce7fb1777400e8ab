/*
 * Digests made together are those made one by one, for any number of messages of any length.
 */
#include "testing.h"

#include "crypto/crypto.h"

#define MESSAGES 30u
#define LONGEST  700u
#define ROUNDS   4000u
#define BLOCK    128u

static uint8_t text[MESSAGES][LONGEST];
static struct slice message[MESSAGES];
static struct digest together[MESSAGES], alone;

static int setup(void **state)
{
    (void)state;
    assert_int_equal(crypto_start(), 0);
    crypto_random(text, sizeof text);
    return 0;
}

static uint32_t below(uint32_t limit)
{
    uint32_t r;
    crypto_random(&r, sizeof r);
    return r % limit;
}

/* Any length, but often one that ends with a block of the hash function, or is nothing. */
static void draw(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t len = below(3) ? below(LONGEST - 8) : BLOCK * below(LONGEST / BLOCK);
        message[i] = (struct slice){len ? text[i] + below(8) : NULL, len};
    }
}

static void as_one_by_one(void **unused)
{
    (void)unused;
    for (unsigned round = 0; round < ROUNDS; round++) {
        size_t count = below(MESSAGES + 1);
        draw(count);
        digest_many(together, "node", message, count);
        for (size_t i = 0; i < count; i++) {
            digest_of(&alone, "node", message[i].data, message[i].len);
            assert_memory_equal(&alone, &together[i], sizeof alone);
        }
    }
}

/* Every bit of every message counts, in its own digest and in no other. */
static void every_bit_counts(void **unused)
{
    (void)unused;
    struct digest changed[MESSAGES];
    for (unsigned round = 0; round < ROUNDS; round++) {
        draw(MESSAGES);
        digest_many(together, "node", message, MESSAGES);
        size_t which = below(MESSAGES);
        if (!message[which].len)
            continue;
        uint8_t *byte = (uint8_t *)(uintptr_t)message[which].data + below((uint32_t)message[which].len);
        *byte ^= (uint8_t)(1u << below(8));
        digest_many(changed, "node", message, MESSAGES);
        for (size_t i = 0; i < MESSAGES; i++)
            assert_int_equal(memcmp(&changed[i], &together[i], sizeof alone) != 0, i == which);
    }
}

static void tags_separate(void **unused)
{
    (void)unused;
    struct digest other[MESSAGES];
    draw(MESSAGES);
    digest_many(together, "node", message, MESSAGES);
    digest_many(other, "leaf", message, MESSAGES);
    for (size_t i = 0; i < MESSAGES; i++)
        assert_memory_not_equal(&other[i], &together[i], sizeof alone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_one_by_one), cmocka_unit_test(every_bit_counts),
                                       cmocka_unit_test(tags_separate)};
    return cmocka_run_group_tests(tests, setup, NULL);
}
