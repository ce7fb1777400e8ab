/*
 * P and C with a log that learn, or lost their log: what they write down, and when their log counts as whole again.
 */
#include "testing.h"

#include <sys/mman.h>

#include "cluster.h"
#include "ordering/sealing.h"
#include "resume.h"

static struct cluster *cluster;
static uint8_t outbox_bytes[2 * OUTBOX_MIN_BYTES];
static uint8_t scratch[FRAME_MAX];

struct newborn {
    const struct compartment_type *type;
    void *state;
    struct arena arena;
    struct outbox out;
    struct member member; /* as its last HELLO shows it */
    struct slice record;  /* the last that it sealed; NULL: none */
    uint8_t record_bytes[65536];
};

static struct newborn one, two;

static void hear(struct newborn *n)
{
    size_t at = 0;
    struct slice bytes;
    while (outbox_next(&n->out, &at, &bytes)) {
        struct frame frame;
        struct hello hello;
        assert_true(frame_decode(bytes.data, bytes.len, &frame));
        if (frame.type == FRAME_HELLO) {
            assert_true(hello_decode(frame.body, &hello));
            n->member = (struct member){.replica = frame.sender.id,
                                        .kind = frame.sender.kind,
                                        .epoch = frame.sender.epoch,
                                        .sign_public = hello.sign_public,
                                        .box_public = hello.box_public,
                                        .head = hello.head};
        } else if (frame.type == FRAME_LOCAL_SEALED) {
            assert_true(frame.attachment.len <= sizeof n->record_bytes);
            memcpy(n->record_bytes, frame.attachment.data, frame.attachment.len);
            n->record = (struct slice){n->record_bytes, frame.attachment.len};
        }
    }
    n->out.len = 0;
}

static enum verdict give(struct newborn *n, struct slice frame)
{
    struct compartment_input in = {.frame = frame.data, .len = frame.len, .now_us = cluster->now_us};
    enum verdict verdict = n->type->step(n->state, &in, &n->out);
    (void)n->type->flush(n->state, cluster->now_us, &n->out);
    hear(n);
    return verdict;
}

static void be_born(struct newborn *n, const struct compartment_type *type, epoch_no epoch)
{
    struct compartment_config config = {
        .kind = type->kind, .replica = 2, .epoch = epoch, .durable = true, .service_options = ""};
    memcpy(config.admin_public, cluster->admin.public, 32);
    memset(config.sealing_secret, 7, sizeof config.sealing_secret);
    void *memory = mmap(NULL, type->arena_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(memory != MAP_FAILED);
    *n = (struct newborn){.type = type, .out = {outbox_bytes, sizeof outbox_bytes, 0}};
    arena_init(&n->arena, memory, type->arena_bytes);
    n->state = type->init(&n->arena, &config, &n->out);
    hear(n);
}

static void be_gone(struct newborn *n)
{
    munmap(n->arena.base, n->type->arena_bytes);
}

/* The cluster's START, with this one in it (NULL: without). */
static struct slice start_with(const struct newborn *n, uint64_t resumed)
{
    static uint8_t members[MEMBER_KINDS * 4 * member_BYTES];
    struct start manifest = cluster_resumed(cluster, resumed);
    struct writer w = writer_to(members, sizeof members);
    for (uint32_t i = 0; i < member_count(manifest.members); i++) {
        struct member m = member_at(manifest.members, i);
        bool mine = n && m.replica == n->member.replica && m.kind == n->member.kind;
        member_put(&w, mine ? &n->member : &m);
    }
    manifest.members = (struct slice){members, w.len};
    return cluster_sign_start(cluster, &manifest, &cluster->admin);
}

/* Gives `n` that record, and the end of the log. */
static void recall(struct newborn *n, struct slice record)
{
    size_t len = resume_frame(scratch, sizeof scratch, RECALL_RECORD, 0, record);
    assert_verdict(give(n, (struct slice){scratch, len}), ACCEPT);
    len = resume_frame(scratch, sizeof scratch, RECALL_END, 0, SLICE_NONE);
    assert_verdict(give(n, (struct slice){scratch, len}), ACCEPT);
}

static const struct compartment_type *const types[] = {&preparation_type, &confirmation_type};

/* What the life before it wrote stays as it is, until a RECONFIG lists the one that learns. */
static void who_is_not_listed_writes_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        be_born(&one, types[i], 1000);
        assert_verdict(give(&one, start_with(NULL, 0)), ACCEPT);
        assert_null(one.record.data);
        be_gone(&one);
        be_born(&one, types[i], 1000);
        assert_verdict(give(&one, start_with(&one, 0)), ACCEPT);
        assert_non_null(one.record.data);
        be_gone(&one);
    }
}

/* One that was there from the founding on shows a head; one that resumed without its log does not, though it has written since. */
static void a_log_that_is_not_whole_shows_no_head(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++)
        for (uint64_t resumed = 0; resumed < 2; resumed++) {
            be_born(&one, types[i], 1000);
            assert_verdict(give(&one, start_with(&one, resumed)), ACCEPT);
            assert_non_null(one.record.data);
            be_born(&two, types[i], 1001);
            recall(&two, one.record);
            assert_int_equal(digest_is_zero(&two.member.head), resumed);
            /* With the head that it shows it goes on; with another it does not. */
            struct digest shown = two.member.head;
            two.member.head.bytes[3] ^= 1;
            assert_verdict(give(&two, start_with(&two, 2)), MISMATCH);
            two.member.head = shown;
            assert_verdict(give(&two, start_with(&two, 2)), ACCEPT);
            be_gone(&one);
            be_gone(&two);
        }
}

/* A log is for a START that lists its compartment, never for one under which it would learn. */
static void who_was_given_a_log_does_not_learn(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        be_born(&one, types[i], 1000);
        assert_verdict(give(&one, start_with(&one, 0)), ACCEPT);
        be_born(&two, types[i], 1001);
        recall(&two, one.record);
        assert_verdict(give(&two, start_with(NULL, 2)), MISMATCH);
        be_gone(&one);
        be_gone(&two);
    }
}

/* The NEW-VIEW by which the cluster of this START goes on, from a certificate for the first checkpoint. */
static void view_changes_after(struct slice start, view_no view, struct slice changes[3])
{
    static struct configuration resumed;
    struct frame frame;
    struct stable_claim stable = {.slot = CHECKPOINT_INTERVAL, .root = test_digest(1)};
    assert_true(frame_decode(start.data, start.len, &frame));
    assert_verdict(configuration_load(&resumed, &frame, cluster->admin.public), ACCEPT);
    for (replica_id r = 0; r < 4; r++)
        for (enum kind kind = KIND_PREPARATION; kind <= KIND_EXECUTION; kind++)
            cluster_auth(cluster, kind, r)->cluster = resumed.cluster;
    cluster->configuration = resumed;
    cluster->configuration.number = configuration_ordered(&resumed); /* what CHECKPOINTs name */
    stable.signers = forge_signers(cluster, stable.slot, &stable.root, 3);
    cluster->configuration.number = resumed.number;
    for (replica_id r = 0; r < 3; r++)
        changes[r] = forge_view_change(cluster, r == 2 ? 3 : r, view, &stable, NULL, 0, NULL, 0);
}

static struct slice new_view_after(struct slice start)
{
    struct slice changes[3];
    view_changes_after(start, 4, changes);
    return forge_new_view(cluster, 0, 4, CHECKPOINT_INTERVAL, NULL, 0, changes, 3);
}

/* What an earlier life of one that lost its log may have voted for lies within a window above the checkpoint at which the cluster goes
 * on; until that is stable its log does not count. */
static void a_lost_log_is_whole_a_window_later(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        be_born(&one, types[i], 1000);
        struct slice start = start_with(&one, 1);
        assert_verdict(give(&one, start), ACCEPT);
        assert_verdict(give(&one, new_view_after(start)), ACCEPT);
        slot_no whole = i ? ((struct confirmation *)one.state)->whole_above
                          : ((struct preparation *)one.state)->whole_above;
        assert_int_equal(whole, CHECKPOINT_INTERVAL + WINDOW);
        be_born(&two, types[i], 1001);
        recall(&two, one.record); /* as of that checkpoint, and what it says of itself came with it */
        assert_true(digest_is_zero(&two.member.head));
        be_gone(&one);
        be_gone(&two);
    }
}

/* A NEW-VIEW that does not list it lets nobody in: who starts anew may have voted in that view. */
static void who_is_not_listed_enters_no_view(void **state)
{
    (void)state;
    be_born(&one, &preparation_type, 1000);
    struct slice start = start_with(NULL, 0);
    assert_verdict(give(&one, start), ACCEPT);
    assert_verdict(give(&one, new_view_after(start)), EARLY);
    assert_false(((struct preparation *)one.state)->in_view);
    be_gone(&one);
}

/* Nor into one that it would be the primary of, by VIEW-CHANGEs of the others: nobody would follow. One that resumed is listed. */
static void who_is_not_listed_makes_no_view(void **state)
{
    (void)state;
    for (int listed = 0; listed < 2; listed++) {
        struct slice changes[3];
        be_born(&one, &preparation_type, 1000 + (epoch_no)listed);
        struct slice start = start_with(listed ? &one : NULL, 1);
        assert_verdict(give(&one, start), ACCEPT);
        view_changes_after(start, 6, changes);
        for (int i = 0; i < 3; i++)
            assert_int_equal(give(&one, changes[i]), listed ? VERDICT_ACCEPT : VERDICT_EARLY);
        assert_int_equal(((struct preparation *)one.state)->in_view, listed);
        be_gone(&one);
    }
}

static int setup(void **state)
{
    (void)state;
    cluster = cluster_new(&(struct cluster_options){.unstarted = true});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cluster_free(cluster);
    return 0;
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(who_is_not_listed_writes_nothing),   T(a_log_that_is_not_whole_shows_no_head),
        T(who_was_given_a_log_does_not_learn), T(a_lost_log_is_whole_a_window_later),
        T(who_is_not_listed_enters_no_view),   T(who_is_not_listed_makes_no_view),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
