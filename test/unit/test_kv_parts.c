/*
 * What the kv service is made of: numbers, hash, index, encoders and decoders.
 */
#include "kv_world.h"
#include "kv/kv_number.h"

static void numbers_have_one_text_each(void **unused)
{
    (void)unused;
    const char *good[] = {"0", "1", "-1", "9223372036854775807", "-9223372036854775808", "10", "-10"};
    const char *bad[] = {"",
                         "-",
                         "+1",
                         "01",
                         "-0",
                         "-01",
                         " 1",
                         "1 ",
                         "1.0",
                         "x",
                         "9223372036854775808",
                         "-9223372036854775809",
                         "99999999999999999999",
                         "922337203685477580700",
                         "0x1",
                         "--1"};
    int64_t number;
    uint8_t out[KV_NUMBER_MAX];
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(kv_number_read((const uint8_t *)good[i], strlen(good[i]), &number));
        assert_int_equal(number, strtoll(good[i], NULL, 10));
        assert_int_equal(kv_number_write(out, number), strlen(good[i]));
        assert_memory_equal(out, good[i], strlen(good[i]));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(kv_number_read((const uint8_t *)bad[i], strlen(bad[i]), &number));
}

/* CPython 3.11 hashes bytes by SipHash-1-3: PYTHONHASHSEED=0 python3 -c 'print(hash(b"...") % 2**64)'. */
static void hash_is_siphash_1_3(void **unused)
{
    (void)unused;
    static const uint8_t zero[KV_HASH_KEY_BYTES];
    static const struct {
        const char *text;
        uint64_t hash;
    } known[] = {{"a", 0x407448d2b89b1813u},
                 {"key 1", 0x37605c12222e6c89u},
                 {"12345678", 0x3489982430560a87u},
                 {"123456789", 0x0fbc0f0007965fcfu},
                 {"the quick brown fox jumps over the lazy dog", 0x80a65583f613da2du}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        assert_true(kv_hash(zero, (const uint8_t *)known[i].text, strlen(known[i].text)) == known[i].hash);
    uint8_t key[KV_HASH_KEY_BYTES];
    for (unsigned i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)i;
    assert_true(kv_hash(key, zero, 0) == 0xabac0158050fc4dcu); /* first vector of the Rust standard library */
}

static struct kv_entry *entry_of(uint32_t number)
{
    struct kv_entry *entry = need(calloc(1, sizeof *entry + 8));
    entry->key_len = 4;
    for (unsigned i = 0; i < 4; i++)
        entry->key[i] = (uint8_t)(number >> (24 - 8 * i));
    return entry;
}

static void index_stays_ordered_and_balanced(void **unused)
{
    (void)unused;
    enum { N = 3000 };
    struct kv_entry *entries[N];
    bool in[N] = {false};
    for (int order = 0; order < 3; order++) { /* ascending, descending, shuffled */
        struct kv_index index = {0};
        uint64_t count = 0;
        for (uint32_t i = 0; i < N; i++)
            entries[i] = entry_of(i);
        for (uint32_t i = 0; i < N; i++) {
            uint32_t at = order == 0 ? i : order == 1 ? N - 1 - i : (i * 1009u) % N;
            kv_index_add(&index, entries[at]);
            in[at] = true;
            if (i % 50 == 0)
                assert_int_equal(kv_index_validate(&index), i + 1);
        }
        count = N;
        for (uint32_t i = 0; i < 20000; i++) {
            uint32_t at = below(N);
            if (in[at])
                kv_index_remove(&index, entries[at]);
            else
                kv_index_add(&index, entries[at]);
            in[at] = !in[at];
            count += in[at] ? 1 : (uint64_t)-1;
            if (i % 20 == 0)
                assert_int_equal(kv_index_validate(&index), count);
        }
        for (uint32_t i = 0; i < N; i++) {
            if (in[i]) {
                kv_index_remove(&index, entries[i]);
                assert_int_equal(kv_index_validate(&index), --count);
            }
            in[i] = false;
            free(entries[i]);
        }
        assert_null(index.root);
    }
}

/* -------------------------------------------------------------------------------------------------------- decoders */

typedef bool (*decoder)(const uint8_t *data, size_t bytes);

static bool decode_request(const uint8_t *data, size_t bytes)
{
    struct kv_request request;
    return kv_request_decode(&request, data, bytes);
}

static bool decode_put_result(const uint8_t *data, size_t bytes)
{
    bool replaced;
    return kv_put_result_decode(data, bytes, &replaced);
}

static bool decode_increment_result(const uint8_t *data, size_t bytes)
{
    int64_t number;
    return kv_increment_result_decode(data, bytes, &number);
}

static bool decode_multi_get(const uint8_t *data, size_t bytes)
{
    struct kv_items items;
    return kv_multi_get_result_open(&items, data, bytes);
}

static bool decode_batch(const uint8_t *data, size_t bytes)
{
    struct kv_items items;
    return kv_batch_result_open(&items, data, bytes);
}

static bool decode_list(const uint8_t *data, size_t bytes)
{
    struct kv_items items;
    return kv_list_result_open(&items, data, bytes);
}

/* Taken whole, refused at every other length, in memory of exactly that length (for the sanitizers). */
static void assert_exact(decoder decode, const uint8_t *data, size_t bytes)
{
    assert_true(bytes > 0);
    for (size_t len = 0; len <= bytes + 1; len++) {
        uint8_t *copy = need(malloc(len ? len : 1));
        memset(copy, 0, len);
        memcpy(copy, data, len < bytes ? len : bytes);
        if (decode(copy, len) != (len == bytes))
            fail_msg("length %zu of %zu", len, bytes);
        free(copy);
    }
}

static void decoders_refuse_every_other_length(void **unused)
{
    (void)unused;
    struct world *w = world_new("");
    uint8_t *q = w->request;
    struct slice keys[] = {text("key 1"), text("none"), text("key 2")};
    put(w, "c", "x");
    fill(w, 5);
    assert_exact(decode_request, q, kv_get_encode(q, 99, "key", 3));
    assert_exact(decode_request, q, kv_put_encode(q, 99, "key", 3, "value", 5));
    assert_exact(decode_request, q, kv_delete_encode(q, 99, "key", 3));
    assert_exact(decode_request, q, kv_increment_encode(q, 99, "key", 3, -5));
    assert_exact(decode_request, q, kv_cas_encode(q, 99, "key", 3, some("old"), some("new")));
    assert_exact(decode_request, q, kv_multi_get_encode(q, 99, keys, 3));
    assert_exact(decode_request, q, kv_list_encode(q, 99, text("pre"), text("after"), 7, true));
    assert_exact(decode_request, q, sample_batch(w, some("x")));

    assert_int_equal(run(w, sample_batch(w, some("x"))), REDOUBT_OK);
    assert_exact(decode_batch, w->result.data, w->result.bytes);
    assert_int_equal(run(w, kv_multi_get_encode(q, 99, keys, 3)), REDOUBT_OK);
    assert_exact(decode_multi_get, w->result.data, w->result.bytes);
    for (int values = 0; values < 2; values++) {
        assert_int_equal(run(w, kv_list_encode(q, 99, text("key"), text(""), 3, values)), REDOUBT_OK);
        assert_exact(decode_list, w->result.data, w->result.bytes);
    }
    assert_int_equal(increment(w, "i", 77), REDOUBT_OK);
    assert_exact(decode_increment_result, w->result.data, w->result.bytes);
    assert_int_equal(put(w, "p", "x"), REDOUBT_OK);
    assert_exact(decode_put_result, w->result.data, w->result.bytes);
    world_free(w);
}

/* Encoders report what does not fit, at every size of the buffer, and write nothing behind it. */
static void encoders_keep_to_their_buffer(void **unused)
{
    (void)unused;
    uint8_t out[64];
    struct slice keys[] = {text("a"), text("bb")};
    for (size_t cap = 0; cap < 48; cap++) {
        size_t need_bytes[] = {6, 15, 6, 14, 22, 10, 18, 14};
        size_t got[8];
        struct kv_batch batch;
        memset(out, 0xee, sizeof out);
        got[0] = kv_get_encode(out, cap, "key", 3);
        got[1] = kv_put_encode(out, cap, "key", 3, "value", 5);
        got[2] = kv_delete_encode(out, cap, "key", 3);
        got[3] = kv_increment_encode(out, cap, "key", 3, 1);
        got[4] = kv_cas_encode(out, cap, "key", 3, some("old"), some("wxyz"));
        got[5] = kv_multi_get_encode(out, cap, keys, 2);
        got[6] = kv_list_encode(out, cap, text("pre"), text("after"), 1, false);
        kv_batch_begin(&batch, out, cap);
        kv_batch_delete(&batch, "ab", 2);
        kv_batch_delete(&batch, "abc", 3);
        got[7] = kv_batch_end(&batch);
        for (size_t i = 0; i < 8; i++)
            if (got[i] != (cap < need_bytes[i] ? 0 : need_bytes[i]))
                fail_msg("encoder %zu, %zu bytes: %zu", i, cap, got[i]);
        for (size_t i = cap; i < sizeof out; i++)
            assert_int_equal(out[i], 0xee);
    }
    assert_int_equal(kv_list_encode(out, 64, text(""), text(""), 0, false), 0);
    assert_int_equal(kv_get_encode(out, 64, "", 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_have_one_text_each),
        cmocka_unit_test(hash_is_siphash_1_3),
        cmocka_unit_test(index_stays_ordered_and_balanced),
        cmocka_unit_test(decoders_refuse_every_other_length),
        cmocka_unit_test(encoders_keep_to_their_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
