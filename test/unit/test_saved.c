/*
 * The saved checkpoint: it is there as a whole or not at all, in the order in which it is given back.
 */
#include "testing.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "store/saved.h"
#include "wire/record.h"

#define BYTES_MAX (4u << 20)

static char dir[64];
static struct error error;
static struct saved *saved;
static uint8_t bytes[1 << 20];
static struct writer items;

static int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/redoubt-saved.XXXXXX");
    assert_non_null(mkdtemp(dir));
    assert_int_equal(saved_open(&saved, dir, BYTES_MAX, &error), 0);
    items = writer_to(bytes, sizeof bytes);
    return 0;
}

static int teardown(void **state)
{
    char path[128];
    (void)state;
    saved_close(saved);
    for (const char **name = (const char *[]){"data.mdb", "lock.mdb", NULL}; *name; name++) {
        snprintf(path, sizeof path, "%s/%s", dir, *name);
        unlink(path);
    }
    return rmdir(dir);
}

static void again(void)
{
    saved_close(saved);
    assert_int_equal(saved_open(&saved, dir, BYTES_MAX, &error), 0);
}

static void item(unsigned what, uint64_t number, const char *text)
{
    saved_item_put(&items, &(struct saved_item){.what = (uint8_t)what,
                                                .number = number,
                                                .bytes = {(const uint8_t *)text, strlen(text)}});
    assert_false(items.bad);
}

static enum saved_state put(slot_no slot, uint64_t number, bool last, uint64_t leaf_count)
{
    saved_put(saved, slot, number, last, leaf_count, (struct slice){bytes, items.len});
    items = writer_to(bytes, sizeof bytes);
    struct pollfd p = {.fd = saved_fd(saved), .events = POLLIN};
    assert_int_equal(poll(&p, 1, 10000), 1);
    return saved_poll(saved);
}

static char story[4096];

static void tell(void *context, unsigned what, uint64_t number, struct slice row)
{
    static const char names[] = {[RECALL_LEAF] = 'L', [RECALL_ORIGINS] = 'O', [RECALL_SAVED] = 'S'};
    size_t len = strlen(story);
    (void)context;
    snprintf(story + len, sizeof story - len, "%c%llu=%.*s ", names[what], (unsigned long long)number,
             (int)row.len, (const char *)row.data);
}

static const char *rows(void)
{
    story[0] = 0;
    assert_int_equal(saved_each(saved, tell, NULL, &error), 0);
    return story;
}

static void save_first(void)
{
    item(RECALL_LEAF, 0, "zero");
    item(RECALL_LEAF, 300, "high");
    assert_int_equal(put(128, 1, false, 0), SAVED_STORED);
    item(RECALL_LEAF, 2, "two");
    item(RECALL_LEAF, 2, "two again"); /* parts of one */
    item(RECALL_ORIGINS, 0, "origins");
    item(RECALL_ORIGINS, 0, "more");
    item(RECALL_SAVED, 0, "head");
    assert_int_equal(put(128, 2, true, 301), SAVED_STORED);
}

static const char first[] = "S0=head O0=origins O0=more L0=zero L2=two L2=two again L300=high ";

static void rows_come_back_in_the_order_of_recall(void **state)
{
    (void)state;
    assert_int_equal(saved_slot(saved), 0);
    assert_string_equal(rows(), "");
    save_first();
    for (int i = 0; i < 2; i++) {
        assert_int_equal(saved_slot(saved), 128);
        assert_string_equal(rows(), first);
        again();
    }
    assert_true(put(0, 1, false, 0) == SAVED_STORED); /* an empty piece is one */
}

static void rows_are_replaced_and_leaves_that_are_gone_go(void **state)
{
    (void)state;
    save_first();
    item(RECALL_LEAF, 2, "other");
    item(RECALL_ORIGINS, 0, "less");
    item(RECALL_SAVED, 0, "head 2");
    assert_int_equal(put(256, 1, true, 300), SAVED_STORED);
    again();
    assert_int_equal(saved_slot(saved), 256);
    assert_string_equal(rows(), "S0=head 2 O0=less L0=zero L2=other ");
}

static void what_was_not_finished_is_not_there(void **state)
{
    (void)state;
    save_first();
    item(RECALL_LEAF, 0, "half");
    item(RECALL_SAVED, 0, "half");
    assert_int_equal(put(256, 1, false, 301), SAVED_STORED);
    again();
    assert_int_equal(saved_slot(saved), 128);
    assert_string_equal(rows(), first);
}

static void piece_1_begins_anew(void **state)
{
    (void)state;
    item(RECALL_LEAF, 7, "given up");
    assert_int_equal(put(64, 1, false, 0), SAVED_STORED);
    save_first();
    assert_string_equal(rows(), first);
}

static void what_is_no_piece_changes_nothing(void **state)
{
    (void)state;
    save_first();
    item(RECALL_RECORD, 0, "no row");
    assert_int_equal(put(256, 1, true, 301), SAVED_FAILED);
    assert_non_null(strstr(saved_problem(saved), dir));
    item(RECALL_LEAF, 0, "cut");
    items.len--;
    assert_int_equal(put(256, 1, true, 301), SAVED_FAILED);
    item(RECALL_LEAF, 0, "in the middle of nothing");
    assert_int_equal(put(256, 2, true, 301), SAVED_FAILED);
    again();
    assert_int_equal(saved_slot(saved), 128);
    assert_string_equal(rows(), first);
}

static void without_room_it_is_given_up_and_may_be_begun_again(void **state)
{
    static char large[500000];
    enum saved_state result = SAVED_STORED;
    (void)state;
    save_first();
    memset(large, 'x', sizeof large - 1);
    for (uint64_t number = 1; result == SAVED_STORED && number < 20; number++) {
        item(RECALL_LEAF, number, large);
        result = put(256, number, false, 301);
    }
    assert_int_equal(result, SAVED_NO_ROOM);
    assert_string_equal(rows(), first);
    item(RECALL_LEAF, 0, "small");
    assert_int_equal(put(384, 1, true, 1), SAVED_STORED);
    assert_int_equal(saved_slot(saved), 384);
    assert_string_equal(rows(), "S0=head O0=origins O0=more L0=small ");
    assert_true(saved_bytes(saved) > 0 && saved_bytes(saved) <= BYTES_MAX);
}

static void a_folder_that_cannot_be_is_an_error(void **state)
{
    struct saved *none = NULL;
    (void)state;
    assert_int_equal(saved_open(&none, "/proc/none/here", BYTES_MAX, &error), -1);
    assert_non_null(strstr(error.text, "/proc/none/here"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_come_back_in_the_order_of_recall, setup, teardown),
        cmocka_unit_test_setup_teardown(rows_are_replaced_and_leaves_that_are_gone_go, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_not_finished_is_not_there, setup, teardown),
        cmocka_unit_test_setup_teardown(piece_1_begins_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_piece_changes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(without_room_it_is_given_up_and_may_be_begun_again, setup, teardown),
        cmocka_unit_test_setup_teardown(a_folder_that_cannot_be_is_an_error, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
