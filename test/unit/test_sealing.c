/*
 * Sealed records: only in order, only one's own, nothing dropped in the middle.
 */
#include "ordering/sealing.h"
#include "testing.h"

static uint8_t outbox_bytes[1 << 20];
static struct outbox out;

static struct compartment_config config_of(enum kind kind, replica_id replica, uint8_t secret)
{
    struct compartment_config config = {.kind = kind, .replica = replica, .durable = true};
    memset(config.sealing_secret, secret, sizeof config.sealing_secret);
    return config;
}

struct life {
    struct sealing sealing;
    struct slice record[8];
    unsigned count;
    uint8_t bytes[8][256];
};

/* A life of records 0..n-1; the kinds say which are full. */
static void live(struct life *life, const struct compartment_config *config, const unsigned *kinds,
                 unsigned n)
{
    struct auth auth = {.self = {config->kind, config->replica, 1}};
    sealing_init(&life->sealing, config);
    out = (struct outbox){outbox_bytes, sizeof outbox_bytes, 0};
    for (unsigned i = 0; i < n; i++)
        sealing_emit(&life->sealing, &auth, &out, kinds[i], i, (struct slice){(const uint8_t *)"promise", 7});
    size_t at = 0;
    struct slice bytes;
    struct frame frame;
    life->count = 0;
    while (outbox_next(&out, &at, &bytes)) {
        struct local_sealed sealed;
        assert_true(frame_decode(bytes.data, bytes.len, &frame) && frame.type == FRAME_LOCAL_SEALED);
        assert_true(local_sealed_decode(frame.body, &sealed));
        assert_int_equal(sealed.full, record_is_full(kinds[life->count]));
        memcpy(life->bytes[life->count], frame.attachment.data, frame.attachment.len);
        life->record[life->count] = (struct slice){life->bytes[life->count], frame.attachment.len};
        life->count++;
    }
    assert_int_equal(life->count, n);
}

static const unsigned usual[] = {RECORD_PROMISES, RECORD_VOTE, RECORD_VOTE, RECORD_PROMISES, RECORD_VOTE};

static bool take(struct sealing *s, struct slice record, unsigned want)
{
    uint8_t plain[256];
    unsigned kind;
    size_t len;
    if (!sealing_take(s, record, &kind, plain, &len))
        return false;
    assert_int_equal(kind, want);
    assert_int_equal(len, 7);
    assert_memory_equal(plain, "promise", 7);
    return true;
}

static void records_come_back_in_order(void **state)
{
    static struct life life;
    struct compartment_config config = config_of(KIND_PREPARATION, 2, 9);
    struct sealing again;
    (void)state;
    live(&life, &config, usual, 5);
    for (unsigned from = 0; from < 5; from += 3) { /* from the first full one, or from a later one */
        sealing_init(&again, &config);
        for (unsigned i = from; i < 5; i++)
            assert_true(take(&again, life.record[i], usual[i]));
        assert_true(again.recalled && !again.broken);
    }
}

static void none_is_dropped_in_the_middle(void **state)
{
    static struct life life;
    struct compartment_config config = config_of(KIND_PREPARATION, 2, 9);
    struct sealing again;
    (void)state;
    live(&life, &config, usual, 5);
    sealing_init(&again, &config);
    assert_false(take(&again, life.record[1], RECORD_VOTE)); /* not without what it follows */
    sealing_init(&again, &config);
    assert_true(take(&again, life.record[0], RECORD_PROMISES));
    assert_false(take(&again, life.record[2], RECORD_VOTE));
    assert_false(take(&again, life.record[1], RECORD_VOTE)); /* and nothing after that */
    assert_true(again.broken);
    sealing_init(&again, &config);
    assert_true(take(&again, life.record[0], RECORD_PROMISES));
    assert_true(take(&again, life.record[1], RECORD_VOTE));
    assert_false(take(&again, life.record[1], RECORD_VOTE)); /* none twice */
}

static void two_lives_do_not_mix(void **state)
{
    static struct life one, two;
    struct compartment_config config = config_of(KIND_PREPARATION, 2, 9);
    struct sealing again;
    (void)state;
    live(&one, &config, usual, 5);
    live(&two, &config, usual, 5);
    sealing_init(&again, &config);
    assert_true(take(&again, one.record[0], RECORD_PROMISES));
    assert_false(take(&again, two.record[1], RECORD_VOTE));
    sealing_init(&again, &config);
    assert_true(take(&again, one.record[0], RECORD_PROMISES));
    assert_true(take(&again, two.record[0], RECORD_PROMISES)); /* a full one stands for all before it */
    assert_true(take(&again, two.record[1], RECORD_VOTE));
    assert_false(digest_equal(&one.sealing.head, &again.head));
}

static void nobody_else_reads_or_makes_them(void **state)
{
    static struct life life;
    struct compartment_config config = config_of(KIND_PREPARATION, 2, 9);
    (void)state;
    live(&life, &config, usual, 1);
    struct compartment_config others[] = {config_of(KIND_CONFIRMATION, 2, 9),
                                          config_of(KIND_PREPARATION, 1, 9),
                                          config_of(KIND_PREPARATION, 2, 8)};
    struct sealing again;
    for (unsigned i = 0; i < 3; i++) {
        sealing_init(&again, &others[i]);
        assert_false(take(&again, life.record[0], RECORD_PROMISES));
    }
    for (size_t i = 0; i < life.record[0].len; i++) {
        life.bytes[0][i] ^= 0x10;
        sealing_init(&again, &config);
        assert_false(take(&again, life.record[0], RECORD_PROMISES));
        life.bytes[0][i] ^= 0x10;
    }
    for (size_t len = 0; len < life.record[0].len; len++) {
        sealing_init(&again, &config);
        assert_false(take(&again, (struct slice){life.bytes[0], len}, RECORD_PROMISES));
    }
    sealing_init(&again, &config);
    assert_true(take(&again, life.record[0], RECORD_PROMISES));
    assert_null(memmem(life.bytes[0], life.record[0].len, "promise", 7));
}

static void off_it_writes_nothing(void **state)
{
    struct compartment_config config = config_of(KIND_PREPARATION, 2, 9);
    struct auth auth = {.self = {KIND_PREPARATION, 2, 1}};
    struct sealing s;
    (void)state;
    config.durable = false;
    sealing_init(&s, &config);
    out = (struct outbox){outbox_bytes, sizeof outbox_bytes, 0};
    sealing_emit(&s, &auth, &out, RECORD_VOTE, 1, (struct slice){(const uint8_t *)"x", 1});
    assert_int_equal(out.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_back_in_order), cmocka_unit_test(none_is_dropped_in_the_middle),
        cmocka_unit_test(two_lives_do_not_mix),       cmocka_unit_test(nobody_else_reads_or_makes_them),
        cmocka_unit_test(off_it_writes_nothing),
    };
    if (crypto_start() != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
