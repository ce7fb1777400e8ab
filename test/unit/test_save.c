/*
 * Saving a checkpoint while the service goes on: what comes back is the state of that slot, whatever changed meanwhile.
 */
#include "testing.h"

#include "../../apps/kv/kv.h"
#include "../../apps/kv/kv_codec.h"
#include "cluster.h"

#define E         KIND_EXECUTION
#define K         CHECKPOINT_INTERVAL
#define SELF      1u
#define KEYS      40u
#define LARGE     200000u /* so that a leaf is given in many parts */
#define ROWS_MAX  4096u
#define ENTRIES_MAX 4096u

static struct cluster *c;
static uint64_t bundles;

/* What the host of SELF has stored of the save under way, and the last base that E wrote. */
struct row {
    unsigned what;
    uint64_t number;
    struct slice bytes;
};
static struct row rows[ROWS_MAX];
static unsigned row_count, leaf_rows;
static struct slice base;
/* What its log holds: E's sealed records, and the lists of batches. */
static struct entry {
    slot_no slot; /* of a list; 0: a record */
    struct slice bytes;
} entries[ENTRIES_MAX];
static unsigned entry_count;
static struct local_saved piece;
static bool came;

static struct slice kept(struct slice bytes)
{
    uint8_t *copy = malloc(bytes.len + 1);
    assert_non_null(copy);
    memcpy(copy, bytes.data, bytes.len);
    return (struct slice){copy, bytes.len};
}

static void drop(struct slice *bytes)
{
    free((void *)(uintptr_t)bytes->data);
    *bytes = SLICE_NONE;
}

static void seen(const struct sent *s);

static void rows_drop(void)
{
    for (unsigned i = 0; i < row_count; i++)
        drop(&rows[i].bytes);
    row_count = leaf_rows = 0;
}

static struct execution *e(void)
{
    return cluster_e(c, SELF);
}

static int setup(void **state)
{
    (void)state;
    c = cluster_new(&(struct cluster_options){
        .service = &redoubt_service_kv, .service_options = "memory_mb=64", .durable = true});
    bundles = 0;
    came = false;
    for (size_t i = 0; i < c->sent_count; i++)
        seen(&c->sent[i]);
    c->seen = seen;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rows_drop();
    drop(&base);
    for (; entry_count > 0; entry_count--)
        drop(&entries[entry_count - 1].bytes);
    cluster_free(c);
    return 0;
}

static void store(struct slice items)
{
    struct reader r = reader_of(items.data, items.len);
    if (piece.number == 1)
        rows_drop();
    while (reader_left(&r)) {
        struct saved_item item;
        saved_item_get(&r, &item);
        assert_true(!r.bad && row_count < ROWS_MAX);
        leaf_rows += item.what == RECALL_LEAF;
        rows[row_count++] = (struct row){item.what, item.number, kept(item.bytes)};
    }
}

static void log_add(slot_no slot, struct slice bytes)
{
    assert_true(entry_count < ENTRIES_MAX);
    entries[entry_count++] = (struct entry){slot, kept(bytes)};
}

static void seen(const struct sent *s)
{
    struct local_sealed sealed;
    struct vote vote;
    if (s->frame.type == FRAME_PRE_PREPARE && s->replica == 0 && s->frame.attachment.len &&
        vote_decode(s->frame.body, &vote))
        log_add(vote.slot, s->frame.attachment);
    if (s->kind == E && s->replica == SELF && s->frame.type == FRAME_LOCAL_SEALED)
        log_add(0, s->frame.attachment);
    if (s->kind != E || s->replica != SELF)
        return;
    if (s->frame.type == FRAME_LOCAL_SEALED && local_sealed_decode(s->frame.body, &sealed) && sealed.full) {
        drop(&base);
        base = kept(s->frame.attachment);
    }
    if (s->frame.type != FRAME_LOCAL_SAVED)
        return;
    assert_false(came); /* a host takes one at a time */
    assert_true(local_saved_decode(s->frame.body, &piece));
    store(s->frame.attachment);
    came = true;
}

/* True when SELF gave a piece since the last look. */
static bool look(void)
{
    bool yes = came;
    came = false;
    cluster_forget(c);
    return yes;
}

static void put(unsigned key, unsigned value, size_t len)
{
    uint8_t *op = malloc(len + 256), *bytes = malloc(len + 1);
    char name[32];
    memset(bytes, (int)(value & 255), len);
    int key_len = snprintf(name, sizeof name, "key-%u", key);
    struct slice slice = {op, kv_put_encode(op, len + 256, name, (size_t)key_len, bytes, len)};
    struct test_bundle *b = cluster_bundle(c, 0, ++bundles, &slice, 1, FORM_MACS);
    cluster_order(c, &b, 1);
    free(op);
    free(bytes);
}

static enum verdict say(uint64_t number)
{
    struct local_save m = {.number = number};
    return cluster_give_local(
        c, E, SELF, cluster_local(c, FRAME_LOCAL_SAVE, cluster_body(c, local_save, &m), SLICE_NONE));
}

static void put_all(unsigned value)
{
    for (unsigned i = 0; i < KEYS; i++) {
        put(i, value, LARGE);
        (void)look();
    }
}

/* Asks for a save at slot `slot`, whose first piece is then here. Returns that slot's root. */
static struct digest save_at(slot_no slot)
{
    assert_verdict(say(0), ACCEPT);
    cluster_fill(c, slot);
    assert_true(look());
    assert_int_equal(piece.number, 1);
    assert_int_equal(piece.slot, slot);
    assert_int_equal(e()->checkpoint_slot, slot);
    return e()->root;
}

static void go_on(void)
{
    assert_verdict(say(piece.number), ACCEPT);
    assert_true(look());
}

static void to_the_end(void)
{
    for (unsigned i = 0; i < 1000 && !piece.last; i++)
        go_on();
    assert_true(piece.last);
    assert_verdict(say(piece.number), ACCEPT);
    (void)look();
}

static unsigned rank(unsigned what)
{
    return what == RECALL_SAVED ? 0 : what == RECALL_ORIGINS ? 1 : 2;
}

/* As the store gives it back: by rank and number, parts as they came. */
static void sort(void)
{
    for (unsigned i = 1; i < row_count; i++)
        for (unsigned k = i; k > 0 && (rank(rows[k - 1].what) > rank(rows[k].what) ||
                                       (rows[k - 1].what == rows[k].what && rows[k - 1].number > rows[k].number));
             k--) {
            struct row other = rows[k];
            rows[k] = rows[k - 1];
            rows[k - 1] = other;
        }
}

static enum verdict recall(unsigned what, struct slice bytes)
{
    struct local_recall m = {.what = (uint8_t)what};
    return cluster_give_local(
        c, E, SELF, cluster_local(c, FRAME_LOCAL_RECALL, cluster_body(c, local_recall, &m), bytes));
}

/* A new life of E is given what is stored; the slot that it comes back to. */
static slot_no restart(void)
{
    struct hello hello = {0};
    cluster_restarted(c, E, SELF);
    sort();
    assert_verdict(recall(RECALL_RECORD, base), ACCEPT);
    for (unsigned i = 0; i < row_count; i++)
        (void)recall(rows[i].what, rows[i].bytes);
    assert_verdict(recall(RECALL_END, SLICE_NONE), ACCEPT);
    const struct sent *sent = cluster_last(c, E, SELF, FRAME_HELLO);
    assert_true(sent && hello_decode(sent->frame.body, &hello));
    return hello.slot;
}

static void comes_back_to(slot_no slot, const struct digest *root)
{
    assert_int_equal(restart(), slot);
    assert_memory_equal(&e()->root, root, sizeof *root);
}

static void give_list(const struct entry *list)
{
    struct vote vote = {.slot = list->slot};
    batch_digest(&vote.batch, list->bytes);
    (void)cluster_give_local(c, E, SELF,
                             cluster_local(c, FRAME_PRE_PREPARE, cluster_body(c, vote, &vote), list->bytes));
}

/* A new life is given the log alone, as when no checkpoint was saved: records in their order, each with the lists up to the next. With
 * `base_first` the founding's base and the last one come in front of all of it, as of an earlier life. */
static slot_no restart_by_log(bool base_first)
{
    struct hello hello = {0};
    unsigned records = 0, lists = 0, founded = 0;
    cluster_restarted(c, E, SELF);
    if (base_first) {
        while (entries[founded].slot)
            founded++;
        assert_verdict(recall(RECALL_RECORD, entries[founded].bytes), ACCEPT);
        assert_verdict(recall(RECALL_RECORD, base), ACCEPT);
        assert_int_equal(e()->executed, 0);
    }
    for (unsigned i = 0; i < entry_count; i++) {
        if (entries[i].slot)
            continue;
        assert_verdict(recall(RECALL_RECORD, entries[i].bytes), ACCEPT);
        if (records++ == 0)
            for (size_t k = 0; k < c->bundles; k++)
                (void)cluster_give_local(c, E, SELF, test_bundle_slice(c->bundle[k]));
        for (; lists < i; lists++)
            if (entries[lists].slot)
                give_list(&entries[lists]);
    }
    assert_verdict(recall(RECALL_END, SLICE_NONE), ACCEPT);
    const struct sent *sent = cluster_last(c, E, SELF, FRAME_HELLO);
    assert_true(sent && hello_decode(sent->frame.body, &hello));
    return hello.slot;
}

/* --- */

static void a_state_that_rests_comes_back(void **state)
{
    (void)state;
    put_all(1);
    struct digest root = save_at(K);
    to_the_end();
    comes_back_to(K, &root);
}

static void what_is_not_what_was_sealed_does_not(void **state)
{
    (void)state;
    put_all(1);
    (void)save_at(K);
    to_the_end();
    struct slice *bytes = &rows[row_count / 2].bytes;
    ((uint8_t *)(uintptr_t)bytes->data)[bytes->len / 2] ^= 1;
    assert_int_equal(restart(), 0);
}

/* The power goes while a checkpoint is being saved: nothing of it is on the disk but its base, and the log leads there and on. */
static void a_save_that_did_not_end_is_no_loss(void **state)
{
    (void)state;
    put(1, 1, 10);
    (void)look();
    (void)save_at(K);
    put(1, 2, 10);
    put(2, 3, 10);
    (void)look();
    struct digest before, after;
    assert_int_equal(e()->executed, K + 2);
    e()->service->leaf_digest(e()->service_state, 0, before.bytes);
    assert_int_equal(restart_by_log(false), K + 2);
    e()->service->leaf_digest(e()->service_state, 0, after.bytes);
    assert_memory_equal(&before, &after, sizeof before);
}

/* Its state had come by transfer: no record leads to that base, so that life goes for nothing; but not those after it. */
static void a_base_that_nothing_leads_to_is_passed_over(void **state)
{
    (void)state;
    put(1, 1, 10);
    (void)look();
    (void)save_at(K);
    put(1, 2, 10);
    (void)look();
    assert_int_equal(restart_by_log(true), K + 1);
}

/* Every leaf changes while the save is under way: before it is given, half-way through it, and after. */
static void what_changes_meanwhile_is_saved_as_it_was(void **state)
{
    (void)state;
    put_all(1);
    struct digest root = save_at(K);
    for (unsigned i = 0; i < KEYS; i++) {
        put(i, 2, LARGE - i);
        (void)look();
        assert_int_equal(e()->executed, K + 1 + i);
        if (!piece.last && i % 3 == 0)
            go_on();
    }
    to_the_end();
    assert_int_equal(e()->save.held_bytes, 0);
    comes_back_to(K, &root);
}

/* Leaves that are digested together with one that is touched: the root that is saved with them is recomputed when they are loaded. */
static void what_waits_for_its_digest_is_in_the_root(void **state)
{
    (void)state;
    put_all(1);
    c->no_nudges = true;
    cluster_fill(c, K);
    assert_true(e()->freeze.active);
    put(7, 2, LARGE);
    c->no_nudges = false;
    struct digest root = save_at(2 * K);
    to_the_end();
    comes_back_to(2 * K, &root);
}

/* And what changed meanwhile is in the next one; what did not is not given again. */
static void the_next_one_holds_what_changed(void **state)
{
    (void)state;
    put_all(1);
    (void)save_at(K);
    put(7, 2, 3);
    (void)look();
    to_the_end();
    static struct row first[ROWS_MAX];
    unsigned firsts = row_count;
    for (unsigned i = 0; i < firsts; i++)
        first[i] = (struct row){rows[i].what, rows[i].number, kept(rows[i].bytes)};
    struct digest root = save_at(2 * K);
    to_the_end();
    assert_true(leaf_rows > 0);
    for (unsigned i = 1; i < row_count; i++) /* one leaf, in however many parts */
        assert_true(rows[i].what != RECALL_LEAF || rows[i - 1].what != RECALL_LEAF || rows[i].number == rows[i - 1].number);
    /* As the store does it: rows of a leaf that came again are replaced. */
    unsigned seconds = row_count;
    for (unsigned i = 0; i < firsts; i++) {
        bool again = first[i].what != RECALL_LEAF;
        for (unsigned k = 0; k < seconds && !again; k++)
            again = rows[k].what == RECALL_LEAF && rows[k].number == first[i].number;
        if (again)
            drop(&first[i].bytes);
        else
            rows[row_count++] = first[i];
    }
    comes_back_to(2 * K, &root);
}

/* No memory for what is held: that save is given up, and during the next one nothing is executed. */
static void without_room_it_stands_still(void **state)
{
    (void)state;
    put_all(1);
    (void)save_at(K);
    size_t size = e()->arena->size;
    e()->arena->size = e()->arena->used; /* a leaf is larger than all that is free */
    for (unsigned i = KEYS; i-- > 0 && e()->save.active;) {
        put(i, 2, LARGE - 1);
        (void)look();
    }
    assert_false(e()->save.active);
    e()->arena->size = size;
    assert_true(e()->save.wanted && e()->save.still);
    cluster_fill(c, 2 * K);
    assert_false(look()); /* the host still stores a piece */
    struct digest root = e()->root;
    assert_true(e()->save.active);
    put(3, 4, 5);
    assert_int_equal(e()->executed, 2 * K);
    assert_int_equal(cluster_e(c, 0)->executed, 2 * K + 1);
    (void)look();
    go_on();
    assert_int_equal(piece.number, 1);
    to_the_end();
    cluster_flush(c, E, SELF);
    assert_int_equal(e()->executed, 2 * K + 1);
    comes_back_to(2 * K, &root);
}

/* A transfer overtakes a save whose end was not acknowledged: what is acknowledged then is the one before. */
static void an_acknowledgement_of_before_settles_nothing(void **state)
{
    (void)state;
    put_all(1);
    (void)save_at(K);
    while (!piece.last)
        go_on();
    save_interrupt(e());
    e()->save.behind = true;
    uint64_t number = piece.number;
    assert_verdict(say(number), STALE);
    assert_true(e()->save.behind && e()->save.wanted);
    cluster_fill(c, 2 * K);
    assert_true(look());
    assert_int_equal(piece.number, 1);
    struct digest root = e()->root;
    to_the_end();
    assert_false(e()->save.behind);
    assert_true(leaf_rows >= KEYS * LARGE / SAVE_PART_BYTES); /* all of it again */
    comes_back_to(2 * K, &root);
}

/* The disk was full: nothing of it is stored, all of it is due again. */
static void what_could_not_be_stored_is_due_again(void **state)
{
    (void)state;
    put_all(1);
    (void)save_at(K);
    go_on();
    unsigned leaves = 0;
    assert_verdict(say(SAVE_GIVEN_UP), ACCEPT);
    assert_verdict(say(piece.number), STALE);
    struct digest root = save_at(2 * K);
    to_the_end();
    for (unsigned i = 1; i < row_count; i++)
        leaves += rows[i].what == RECALL_LEAF && (rows[i - 1].what != RECALL_LEAF || rows[i].number != rows[i - 1].number);
    assert_int_equal(leaves, e()->service->leaf_count(e()->service_state));
    comes_back_to(2 * K, &root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_state_that_rests_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_not_what_was_sealed_does_not, setup, teardown),
        cmocka_unit_test_setup_teardown(a_save_that_did_not_end_is_no_loss, setup, teardown),
        cmocka_unit_test_setup_teardown(a_base_that_nothing_leads_to_is_passed_over, setup, teardown),
        cmocka_unit_test_setup_teardown(what_changes_meanwhile_is_saved_as_it_was, setup, teardown),
        cmocka_unit_test_setup_teardown(what_waits_for_its_digest_is_in_the_root, setup, teardown),
        cmocka_unit_test_setup_teardown(the_next_one_holds_what_changed, setup, teardown),
        cmocka_unit_test_setup_teardown(without_room_it_stands_still, setup, teardown),
        cmocka_unit_test_setup_teardown(an_acknowledgement_of_before_settles_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(what_could_not_be_stored_is_due_again, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
