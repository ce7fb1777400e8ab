/*
 * The rules of `redoubt link`, in made-up time: when pieces arrive, in which order, and how much is held at most.
 */
#include "testing.h"

#include "link/emulation.h"

#define MS 1000u
#define S  1000000u

static struct emulation emulation;
static struct way ways[64][2];

static void begin(struct emulation_rules rules, unsigned connections)
{
    emulation_init(&emulation, &rules);
    for (unsigned i = 0; i < connections; i++)
        assert_true(emulation_join(&emulation, ways[i]));
}

static void end(unsigned connections)
{
    for (unsigned i = 0; i < connections; i++)
        emulation_leave(&emulation, ways[i]);
    assert_int_equal(emulation.bytes[0] + emulation.bytes[1], 0);
    assert_true(emulation_next(&emulation) == UINT64_MAX);
    emulation_deinit(&emulation);
}

static void send_bytes(struct way *way, size_t len, uint64_t now)
{
    static const uint8_t data[EMULATION_READ_MAX];
    assert_true(emulation_send(&emulation, way, HELD_BYTES, data, len, now));
}

/* Takes what is due first; its time. */
static uint64_t take(struct way **from, enum held_kind *kind)
{
    uint64_t at = emulation_next(&emulation);
    assert_true(at != UINT64_MAX);
    assert_null(emulation_due(&emulation, at - 1));
    *from = emulation_due(&emulation, at);
    assert_non_null(*from);
    struct held *held = emulation_take(&emulation, *from);
    assert_int_equal(held->due_us, at);
    *kind = held->kind;
    emulation_taken(&emulation, *from, held->len);
    free(held);
    return at;
}

static uint64_t take_time(void)
{
    struct way *way;
    enum held_kind kind;
    return take(&way, &kind);
}

static void pieces_arrive_after_the_delay(void **unused)
{
    (void)unused;
    struct way *way;
    enum held_kind kind;
    begin((struct emulation_rules){.delay_us = 100 * MS}, 2);
    assert_null(emulation_due(&emulation, S));
    send_bytes(&ways[0][0], 5, 1000);
    send_bytes(&ways[1][1], 5, 1500);
    send_bytes(&ways[0][0], 5, 2000);
    assert_true(emulation_send(&emulation, &ways[0][0], HELD_END, NULL, 0, 2000));
    assert_int_equal(take(&way, &kind), 1000 + 100 * MS);
    assert_ptr_equal(way, &ways[0][0]);
    assert_int_equal(take(&way, &kind), 1500 + 100 * MS);
    assert_ptr_equal(way, &ways[1][1]);
    assert_int_equal(take(&way, &kind), 2000 + 100 * MS);
    assert_int_equal(kind, HELD_BYTES);
    assert_int_equal(take(&way, &kind), 2000 + 100 * MS);
    assert_int_equal(kind, HELD_END);
    end(2);
}

static void opening_takes_a_round_trip(void **unused)
{
    (void)unused;
    begin((struct emulation_rules){.delay_us = 100 * MS}, 1);
    assert_true(emulation_send(&emulation, &ways[0][0], HELD_CALL, NULL, 0, 0));
    send_bytes(&ways[0][0], 5, 1);
    assert_int_equal(take_time(), 100 * MS);
    /* The service may speak at once, and its words arrive with the answer to the call. */
    send_bytes(&ways[0][1], 5, 100 * MS);
    assert_int_equal(take_time(), 200 * MS);
    assert_int_equal(take_time(), 300 * MS);
    end(1);
}

static void a_stopped_way_waits(void **unused)
{
    (void)unused;
    begin((struct emulation_rules){.delay_us = MS}, 2);
    send_bytes(&ways[0][0], 1, 0);
    send_bytes(&ways[1][0], 1, 5);
    emulation_stop(&emulation, &ways[0][0], true);
    assert_int_equal(take_time(), MS + 5);
    assert_true(emulation_next(&emulation) == UINT64_MAX);
    send_bytes(&ways[0][0], 1, 10);
    assert_true(emulation_next(&emulation) == UINT64_MAX);
    emulation_stop(&emulation, &ways[0][0], false);
    assert_int_equal(take_time(), MS);
    assert_int_equal(take_time(), MS + 10);
    end(2);
}

/* Whatever happens: within the bounds, spread over them, and in order. */
static void jitter_is_bounded_and_keeps_order(void **unused)
{
    (void)unused;
    enum { N = 2000 };
    uint64_t early = 0, late = 0, last = 0;
    begin((struct emulation_rules){.delay_us = 100 * MS, .jitter_us = 20 * MS, .seed = 5}, 1);
    for (uint64_t i = 0; i < N; i++) { /* far apart: nobody waits for another */
        send_bytes(&ways[0][0], 1, i * S);
        uint64_t took = take_time() - i * S;
        assert_in_range(took, 80 * MS, 120 * MS);
        early += took < 90 * MS;
        late += took > 110 * MS;
    }
    assert_in_range(early, N / 5, N / 3);
    assert_in_range(late, N / 5, N / 3);
    for (uint64_t i = 0; i < N; i++)
        send_bytes(&ways[0][1], 1, 3 * N * (uint64_t)S + i * 100);
    for (uint64_t i = 0; i < N; i++) {
        uint64_t at = take_time();
        assert_true(at >= last && at <= 3 * N * (uint64_t)S + i * 100 + 120 * MS);
        last = at;
    }
    end(1);
}

static void chance_comes_from_the_seed(void **unused)
{
    (void)unused;
    uint64_t times[3][100];
    bool differs = false;
    for (unsigned run = 0; run < 3; run++) {
        begin((struct emulation_rules){.delay_us = S, .jitter_us = S, .loss_ppm = 100000, .seed = run / 2},
              1);
        for (unsigned i = 0; i < 100; i++) {
            send_bytes(&ways[0][0], 1, (uint64_t)i * 100 * S);
            times[run][i] = take_time();
        }
        end(1);
    }
    assert_memory_equal(times[0], times[1], sizeof times[0]);
    for (unsigned i = 0; i < 100; i++)
        differs |= times[1][i] != times[2][i];
    assert_true(differs);
}

/* 8 Mbit/s are 1 MB/s: after a burst, bytes of all connections leave at that rate, each way by itself. */
static void the_rate_is_shared(void **unused)
{
    (void)unused;
    uint64_t last = 0;
    begin((struct emulation_rules){.delay_us = 10 * MS, .bits_per_s = 8000000}, 4);
    assert_true(emulation_send(&emulation, &ways[0][0], HELD_CALL, NULL, 0, 0)); /* costs no token */
    assert_int_equal(take_time(), 10 * MS);
    for (unsigned i = 0; i < 1000; i++) {
        send_bytes(&ways[i % 4][0], 1000, S);
        send_bytes(&ways[i % 4][1], 1000, S);
    }
    unsigned at_once = 0;
    for (unsigned i = 0; i < 2000; i++) {
        last = take_time();
        at_once += last == S + 10 * MS;
    }
    assert_int_equal(at_once, 2 * 16); /* whole pieces within 16 KiB */
    assert_in_range(last, S + 10 * MS + 983 * MS, S + 10 * MS + 984 * MS);
    /* A rest makes for a burst again, not for a larger one. */
    for (unsigned i = 0; i < 32; i++)
        send_bytes(&ways[0][0], 1000, 60 * S);
    for (unsigned i = 0; i < 32; i++)
        last = take_time();
    assert_in_range(last, 60 * S + 10 * MS + 15 * MS, 60 * S + 10 * MS + 16 * MS);
    end(4);
}

static void lost_segments_come_later(void **unused)
{
    (void)unused;
    enum { N = 20000 };
    unsigned counts[4] = {0};
    begin((struct emulation_rules){.delay_us = 50 * MS, .loss_ppm = 999999}, 1);
    send_bytes(&ways[0][0], 1, 0);
    assert_int_equal(take_time(), 50 * MS + 63 * 300 * MS); /* it comes in the end */
    assert_int_equal(emulation.lost, 6);
    end(1);
    begin((struct emulation_rules){.delay_us = 50 * MS, .loss_ppm = 100000, .seed = 3}, 1);
    for (uint64_t i = 0; i < N; i++) {
        uint64_t at = i * 100 * S;
        send_bytes(&ways[0][0], EMULATION_SEGMENT, at);
        uint64_t late = take_time() - at - 50 * MS;
        unsigned times = late == 0 ? 0 : late == 300 * MS ? 1 : late == 900 * MS ? 2 : 3;
        counts[times]++;
        if (times == 3)
            assert_true(late >= 2100 * MS && late <= 63 * 300 * MS);
    }
    assert_in_range(counts[0], N * 88 / 100, N * 92 / 100);
    assert_in_range(counts[1], N * 8 / 100, N * 10 / 100);
    assert_in_range(counts[2], N / 2 / 100, N * 2 / 100);
    /* What comes behind a lost one waits for it: TCP gives bytes in order. Of many segments one is lost surely. */
    uint64_t before = emulation.lost;
    send_bytes(&ways[0][0], EMULATION_READ_MAX, N * 100 * (uint64_t)S);
    assert_true(emulation.lost > before);
    send_bytes(&ways[0][0], 1, N * 100 * (uint64_t)S);
    uint64_t first = take_time();
    assert_true(first >= N * 100 * (uint64_t)S + 350 * MS);
    assert_true(take_time() >= first);
    end(1);
}

static void one_connection_holds_no_more_than_a_window(void **unused)
{
    (void)unused;
    size_t sent = 0, room;
    begin((struct emulation_rules){.delay_us = S}, 2);
    while ((room = emulation_room(&emulation, &ways[0][0]))) {
        send_bytes(&ways[0][0], room, 0);
        sent += room;
    }
    assert_in_range(sent, EMULATION_WAY_MAX - 4096, EMULATION_WAY_MAX + 4096);
    assert_true(emulation_room(&emulation, &ways[0][1]) && emulation_room(&emulation, &ways[1][0]));
    struct held *held = emulation_take(&emulation, &ways[0][0]);
    assert_true(emulation_room(&emulation, &ways[0][0]) <
                4096); /* what the receiver has not taken still counts */
    emulation_taken(&emulation, &ways[0][0], held->len);
    assert_true(emulation_room(&emulation, &ways[0][0]) > 0);
    free(held);
    end(2);
}

/* Tiny pieces cost what they cost to hold. */
static void small_pieces_are_bounded_too(void **unused)
{
    (void)unused;
    size_t pieces = 0;
    begin((struct emulation_rules){.delay_us = S}, 1);
    for (; emulation_room(&emulation, &ways[0][0]); pieces++)
        send_bytes(&ways[0][0], 1, 0);
    assert_true(pieces < EMULATION_WAY_MAX / 64);
    end(1);
}

/* A thin line holds little, however many connections there are, and each of them gets its share. */
static void all_connections_together_are_bounded(void **unused)
{
    (void)unused;
    begin((struct emulation_rules){.delay_us = 100 * MS, .bits_per_s = 80000000}, 64);
    for (unsigned i = 0; i < 64; i++)
        for (size_t room; (room = emulation_room(&emulation, &ways[i][0]));)
            send_bytes(&ways[i][0], room, 0);
    size_t line = 10000000 / 1000 * 350;
    assert_in_range(emulation.bytes[0], line, 2 * line + 64 * 64);
    assert_int_equal(emulation.most, emulation.bytes[0]);
    for (unsigned i = 0; i < 64; i++)
        assert_true(ways[i][0].bytes >= line / 64);
    assert_true(emulation_room(&emulation, &ways[0][1]) > 0); /* the other direction is its own */
    end(64);
    /* A fat line holds as much as one without a rate. */
    begin((struct emulation_rules){.delay_us = 100 * MS, .bits_per_s = 100000000000u}, 1);
    assert_int_equal(emulation.limit, EMULATION_TOTAL_MAX);
    assert_int_equal(emulation_room(&emulation, &ways[0][0]), EMULATION_READ_MAX);
    end(1);
}

/* Against a plain list: many ways, sends, takes, drops and stops by chance. */
static void the_heap_finds_the_earliest(void **unused)
{
    (void)unused;
    enum { WAYS = 64 };
    uint64_t random = 11, now = 0;
    begin((struct emulation_rules){.delay_us = 10 * MS, .jitter_us = 10 * MS, .loss_ppm = 10000, .seed = 2},
          WAYS);
    for (int i = 0; i < 200000; i++) {
        struct way *way = &ways[test_random(&random) % WAYS][test_random(&random) % 2];
        unsigned what = (unsigned)(test_random(&random) % 16);
        now += test_random(&random) % 50;
        if (what < 8)
            send_bytes(way, 1 + test_random(&random) % 100, now);
        else if (what == 8)
            emulation_stop(&emulation, way, !way->stopped);
        else if (what == 9 && test_random(&random) % 16 == 0)
            emulation_drop(&emulation, way);
        else if (emulation_next(&emulation) != UINT64_MAX)
            take_time();
        uint64_t earliest = UINT64_MAX;
        for (unsigned k = 0; k < 2 * WAYS; k++) {
            struct way *w = &ways[k / 2][k % 2];
            if (w->first && !w->stopped && w->first->due_us < earliest)
                earliest = w->first->due_us;
        }
        assert_true(emulation_next(&emulation) == earliest);
    }
    end(WAYS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_arrive_after_the_delay),
        cmocka_unit_test(opening_takes_a_round_trip),
        cmocka_unit_test(a_stopped_way_waits),
        cmocka_unit_test(jitter_is_bounded_and_keeps_order),
        cmocka_unit_test(chance_comes_from_the_seed),
        cmocka_unit_test(the_rate_is_shared),
        cmocka_unit_test(lost_segments_come_later),
        cmocka_unit_test(one_connection_holds_no_more_than_a_window),
        cmocka_unit_test(small_pieces_are_bounded_too),
        cmocka_unit_test(all_connections_together_are_bounded),
        cmocka_unit_test(the_heap_finds_the_earliest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
