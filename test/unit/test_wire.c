/*
 * Every message: round trip with random fields, nothing cut or left over, no length that reaches beyond the end, print
 * that never overruns; and what each *_check refuses on the message alone.
 *
 * The table below names every message with its schema; a body in FRAME_BODIES that is missing here does not compile.
 */
#include "testing.h"

#include "crypto/crypto.h"
#include "ordering/auth.h"
#include "wire/messages.h"

#define MESSAGES(M)                                                                                          \
    M(hybster_prepare, HYBSTER_PREPARE_FIELDS)                                                               \
    M(hybster_commit, HYBSTER_COMMIT_FIELDS)                                                                 \
    M(hybster_committed, HYBSTER_COMMITTED_FIELDS)                                                           \
    M(hybster_voter, HYBSTER_VOTER_FIELDS)                                                                   \
    M(hybster_suspect, HYBSTER_SUSPECT_FIELDS)                                                               \
    M(hybster_view_change, HYBSTER_VIEW_CHANGE_FIELDS)                                                       \
    M(hybster_shown, HYBSTER_SHOWN_FIELDS)                                                                   \
    M(hybster_continuing, HYBSTER_CONTINUING_FIELDS)                                                         \
    M(hybster_new_view, HYBSTER_NEW_VIEW_FIELDS)                                                             \
    M(hybster_command, HYBSTER_COMMAND_FIELDS)                                                               \
    M(local_committed, LOCAL_COMMITTED_FIELDS)                                                               \
    M(local_certify, LOCAL_CERTIFY_FIELDS)                                                                   \
    M(certified, CERTIFIED_FIELDS)                                                                           \
    M(certifier, CERTIFIER_FIELDS)                                                                           \
    M(counter_key, COUNTER_KEY_FIELDS)                                                                       \
    M(counter_sign, COUNTER_SIGN_FIELDS)                                                                     \
    M(counter_command, COUNTER_COMMAND_FIELDS)                                                               \
    M(counter_check, COUNTER_CHECK_FIELDS)                                                                   \
    M(counter_made, COUNTER_MADE_FIELDS)                                                                     \
    M(counter_signature, COUNTER_SIGNATURE_FIELDS)                                                           \
    M(local_count, LOCAL_COUNT_FIELDS)                                                                       \
    M(local_counted, LOCAL_COUNTED_FIELDS)                                                                   \
    M(ask_backup, ASK_BACKUP_FIELDS)                                                                         \
    M(backup, BACKUP_FIELDS)                                                                                 \
    M(backup_opening, BACKUP_OPENING_FIELDS)                                                                 \
    M(backup_head, BACKUP_HEAD_FIELDS)                                                                       \
    M(backup_digests, BACKUP_DIGESTS_FIELDS)                                                                 \
    M(leaf_part, LEAF_PART_FIELDS)                                                                           \
    M(local_restore, LOCAL_RESTORE_FIELDS)                                                                   \
    M(local_restored, LOCAL_RESTORED_FIELDS)                                                                 \
    M(genesis, GENESIS_FIELDS)                                                                               \
    M(ask_attest, ASK_ATTEST_FIELDS)                                                                         \
    M(attest, ATTEST_FIELDS)                                                                                 \
    M(ask_read, ASK_READ_FIELDS)                                                                             \
    M(read_answer, READ_ANSWER_FIELDS)                                                                       \
    M(hello, HELLO_FIELDS)                                                                                   \
    M(start, START_FIELDS)                                                                                   \
    M(reconfig, RECONFIG_FIELDS)                                                                             \
    M(renewal, RENEWAL_FIELDS)                                                                               \
    M(chain, CHAIN_FIELDS)                                                                                   \
    M(group_key, GROUP_KEY_FIELDS)                                                                           \
    M(ask_chain, ASK_CHAIN_FIELDS)                                                                           \
    M(local_reconfigured, LOCAL_RECONFIGURED_FIELDS)                                                         \
    M(local_opened, LOCAL_OPENED_FIELDS)                                                                     \
    M(local_bytes, LOCAL_BYTES_FIELDS)                                                                       \
    M(local_credit, LOCAL_CREDIT_FIELDS)                                                                     \
    M(local_closed, LOCAL_CLOSED_FIELDS)                                                                     \
    M(local_tick, LOCAL_TICK_FIELDS)                                                                         \
    M(local_link, LOCAL_LINK_FIELDS)                                                                         \
    M(local_arrived, LOCAL_ARRIVED_FIELDS)                                                                   \
    M(local_send, LOCAL_SEND_FIELDS)                                                                         \
    M(local_certificate, LOCAL_CERTIFICATE_FIELDS)                                                           \
    M(local_front, LOCAL_FRONT_FIELDS)                                                                       \
    M(front_settings, FRONT_SETTINGS_FIELDS)                                                                 \
    M(front_user, FRONT_USER_FIELDS)                                                                         \
    M(platform, PLATFORM_FIELDS)                                                                             \
    M(bundle, BUNDLE_FIELDS)                                                                                 \
    M(reply, REPLY_FIELDS)                                                                                   \
    M(fetch_reply, FETCH_REPLY_FIELDS)                                                                       \
    M(sign_wanted, SIGN_WANTED_FIELDS)                                                                       \
    M(vote, VOTE_FIELDS)                                                                                     \
    M(checkpoint, CHECKPOINT_FIELDS)                                                                         \
    M(parting, PARTING_FIELDS)                                                                               \
    M(view_change, VIEW_CHANGE_FIELDS)                                                                       \
    M(new_view, NEW_VIEW_FIELDS)                                                                             \
    M(ask_executed, ASK_EXECUTED_FIELDS)                                                                     \
    M(ask_state, ASK_STATE_FIELDS)                                                                           \
    M(state, STATE_FIELDS)                                                                                   \
    M(status, STATUS_FIELDS)                                                                                 \
    M(fetch, FETCH_FIELDS)                                                                                   \
    M(batch_frame, BATCH_FIELDS)                                                                             \
    M(local_propose, LOCAL_PROPOSE_FIELDS)                                                                   \
    M(local_leave, LOCAL_LEAVE_FIELDS)                                                                       \
    M(local_admitted, LOCAL_ADMITTED_FIELDS)                                                                 \
    M(local_progress, LOCAL_PROGRESS_FIELDS)                                                                 \
    M(local_need, LOCAL_NEED_FIELDS)                                                                         \
    M(local_catch_up, LOCAL_CATCH_UP_FIELDS)                                                                 \
    M(local_view, LOCAL_VIEW_FIELDS)                                                                         \
    M(local_settled, LOCAL_SETTLED_FIELDS)                                                                   \
    M(local_transfer, LOCAL_TRANSFER_FIELDS)                                                                 \
    M(local_sealed, LOCAL_SEALED_FIELDS)                                                                     \
    M(local_recall, LOCAL_RECALL_FIELDS)                                                                     \
    M(local_save, LOCAL_SAVE_FIELDS)                                                                         \
    M(local_saved, LOCAL_SAVED_FIELDS)                                                                       \
    M(promises, PROMISES_FIELDS)                                                                             \
    M(left_view, LEFT_VIEW_FIELDS)                                                                           \
    M(base, BASE_FIELDS)                                                                                     \
    M(known_body, KNOWN_BODY_FIELDS)                                                                         \
    M(executed_slots, EXECUTED_SLOTS_FIELDS)                                                                 \
    M(saved_head, SAVED_HEAD_FIELDS)                                                                         \
    M(saved_item, SAVED_ITEM_FIELDS)                                                                         \
    M(known_step, KNOWN_STEP_FIELDS)                                                                         \
    M(ordered_member, ORDERED_MEMBER_FIELDS)                                                                 \
    M(retired, RETIRED_FIELDS)                                                                               \
    M(local_checkpoint, LOCAL_CHECKPOINT_FIELDS)                                                             \
    M(state_head, STATE_HEAD_FIELDS) /* elements of lists */                                                 \
    M(member, MEMBER_FIELDS)                                                                                 \
    M(origin_entry, ORIGIN_ENTRY_FIELDS)                                                                     \
    M(sealed, SEALED_FIELDS)                                                                                 \
    M(batch_entry, BATCH_ENTRY_FIELDS)                                                                       \
    M(signer, SIGNER_FIELDS)                                                                                 \
    M(slot_view, SLOT_VIEW_FIELDS) M(selected, SELECTED_FIELDS) M(mac_entry, MAC_ENTRY_FIELDS)

static uint64_t seed = 7;
static uint8_t pool[256]; /* slices of random messages point here */

/* --- generated from the schemas -------------------------------------------------------------------------------- */

#define RANDOM_FIELD(type, field) random_##type(&m->field);
#define SAME_FIELD(type, field)   same_##type(&a->field, &b->field);

/* At times the ends of the range. */
static uint64_t random_number(void)
{
    uint64_t r = test_random(&seed);
    return r % 8 == 0 ? 0 : r % 8 == 1 ? UINT64_MAX : test_random(&seed);
}
static void random_u8(uint8_t *v)
{
    *v = (uint8_t)random_number();
}
static void random_u16(uint16_t *v)
{
    *v = (uint16_t)random_number();
}
static void random_u32(uint32_t *v)
{
    *v = (uint32_t)random_number();
}
static void random_u64(uint64_t *v)
{
    *v = random_number();
}
static void random_digest(struct digest *v)
{
    test_random_bytes(&seed, v, sizeof *v);
}
static void random_key(struct key *v)
{
    test_random_bytes(&seed, v, sizeof *v);
}
static void random_tag16(struct tag16 *v)
{
    test_random_bytes(&seed, v, sizeof *v);
}
static void random_signature(struct signature *v)
{
    test_random_bytes(&seed, v, sizeof *v);
}
static void random_slice(struct slice *v)
{
    *v = (struct slice){pool, test_random(&seed) % sizeof pool};
}

static void same_u8(const uint8_t *a, const uint8_t *b)
{
    assert_int_equal(*a, *b);
}
static void same_u16(const uint16_t *a, const uint16_t *b)
{
    assert_int_equal(*a, *b);
}
static void same_u32(const uint32_t *a, const uint32_t *b)
{
    assert_int_equal(*a, *b);
}
static void same_u64(const uint64_t *a, const uint64_t *b)
{
    assert_true(*a == *b);
}
static void same_digest(const struct digest *a, const struct digest *b)
{
    assert_memory_equal(a, b, sizeof *a);
}
static void same_key(const struct key *a, const struct key *b)
{
    assert_memory_equal(a, b, sizeof *a);
}
static void same_tag16(const struct tag16 *a, const struct tag16 *b)
{
    assert_memory_equal(a, b, sizeof *a);
}
static void same_signature(const struct signature *a, const struct signature *b)
{
    assert_memory_equal(a, b, sizeof *a);
}
static void same_slice(const struct slice *a, const struct slice *b)
{
    assert_int_equal(a->len, b->len);
    assert_memory_equal(a->data, b->data, a->len);
}

#define M(name, FIELDS)                                                                                      \
    static void name##_random(struct name *m)                                                                \
    {                                                                                                        \
        FIELDS(RANDOM_FIELD)                                                                                 \
    }                                                                                                        \
    static void name##_same(const struct name *a, const struct name *b)                                      \
    {                                                                                                        \
        FIELDS(SAME_FIELD)                                                                                   \
    }                                                                                                        \
                                                                                                             \
    static void name##_round_trip(void **state)                                                              \
    {                                                                                                        \
        (void)state;                                                                                         \
        for (unsigned i = 0; i < 200; i++) {                                                                 \
            static uint8_t bytes[4096];                                                                      \
            struct name there, back;                                                                         \
            name##_random(&there);                                                                           \
            struct writer w = writer_to(bytes, sizeof bytes);                                                \
            name##_put(&w, &there);                                                                          \
            assert_false(w.bad);                                                                             \
            uint8_t *copy = malloc(w.len + 1);                                                               \
            memcpy(copy, bytes, w.len);                                                                      \
            assert_true(name##_decode((struct slice){copy, w.len}, &back));                                  \
            name##_same(&there, &back);                                                                      \
            copy[w.len] = 0;                                                                                 \
            assert_false(                                                                                    \
                name##_decode((struct slice){copy, w.len + 1}, &back)); /* nothing may be left over */       \
            free(copy);                                                                                      \
        }                                                                                                    \
    }                                                                                                        \
                                                                                                             \
    static void name##_truncated(void **state)                                                               \
    {                                                                                                        \
        (void)state;                                                                                         \
        static uint8_t bytes[4096];                                                                          \
        struct name m;                                                                                       \
        name##_random(&m);                                                                                   \
        struct writer whole = writer_to(bytes, sizeof bytes);                                                \
        name##_put(&whole, &m);                                                                              \
        for (size_t len = 0; len < whole.len; len++) {                                                       \
            uint8_t *copy = malloc(len ? len : 1);                                                           \
            memcpy(copy, bytes, len);                                                                        \
            assert_false(name##_decode((struct slice){copy, len}, &m));                                      \
            struct writer w = writer_to(copy, len);                                                          \
            struct name other;                                                                               \
            name##_random(&other);                                                                           \
            name##_put(&w, &other);                                                                          \
            assert_true(w.len <= len);                                                                       \
            free(copy);                                                                                      \
        }                                                                                                    \
    }                                                                                                        \
                                                                                                             \
    static void name##_printed(void **state)                                                                 \
    {                                                                                                        \
        (void)state;                                                                                         \
        struct name m;                                                                                       \
        name##_random(&m);                                                                                   \
        char full[2048];                                                                                     \
        struct text text = {.data = full, .cap = sizeof full};                                               \
        name##_print(&text, &m);                                                                             \
        assert_int_equal(text.len, strlen(full));                                                            \
        assert_in_range(text.len, 1, sizeof full - 2);                                                       \
        for (size_t cap = 0; cap <= text.len + 1; cap++) {                                                   \
            char *small = malloc(cap ? cap : 1);                                                             \
            struct text cut = {.data = small, .cap = cap};                                                   \
            name##_print(&cut, &m);                                                                          \
            assert_int_equal(cut.len, cap == 0 ? 0 : cap - 1 < text.len ? cap - 1 : text.len);               \
            if (cap)                                                                                         \
                assert_memory_equal(small, full, cut.len);                                                   \
            free(small);                                                                                     \
        }                                                                                                    \
    }
MESSAGES(M)
#undef M

/* Every body of the frame table is in the table above. */
static void every_body_is_tested(void **state)
{
    (void)state;
#define B(NAME, name) (void)name##_round_trip;
    FRAME_BODIES(B)
#undef B
}

/* --- lists ------------------------------------------------------------------------------------------------------ */

static void lists_are_whole_and_bounded(void **state)
{
    (void)state;
#define L(name)                                                                                              \
    for (size_t len = 0; len <= 4 * (size_t)name##_BYTES; len++)                                             \
        assert_int_equal(name##_list_ok((struct slice){pool, len}, 3),                                       \
                         len % name##_BYTES == 0 && len <= 3 * (size_t)name##_BYTES);                        \
    assert_int_equal(name##_count((struct slice){pool, 2 * (size_t)name##_BYTES}), 2);
    L(member) L(origin_entry) L(sealed) L(batch_entry) L(signer) L(slot_view) L(selected) L(mac_entry)
#undef L
}

static void elements_are_read_in_their_place(void **state)
{
    (void)state;
    uint8_t bytes[3 * batch_entry_BYTES];
    struct writer w = writer_to(bytes, sizeof bytes);
    for (uint32_t i = 0; i < 3; i++)
        batch_entry_put(&w, &(struct batch_entry){.origin = i, .bundle_no = 10 + i});
    for (uint32_t i = 0; i < 3; i++) {
        struct batch_entry entry = batch_entry_at((struct slice){bytes, w.len}, i);
        assert_int_equal(entry.origin, i);
        assert_int_equal(entry.bundle_no, 10 + i);
    }
}

/* --- checks ------------------------------------------------------------------------------------------------------ */

static uint8_t space[1 << 20];

static struct frame frame_of(enum frame_type type, enum kind kind, size_t body_len)
{
    return (struct frame){
        .type = type, .sender = {.kind = kind, .id = 1, .epoch = 1}, .body = {space, body_len}};
}

#define ENCODED(name, message)                                                                               \
    (checked_writer = writer_to(space, sizeof space), name##_put(&checked_writer, message),                  \
     checked_writer.len)
static struct writer checked_writer;

static void votes_come_from_their_own_kind(void **state)
{
    (void)state;
    static const struct {
        enum frame_type type;
        enum kind kind;
    } right[] = {{FRAME_PRE_PREPARE, KIND_PREPARATION},
                 {FRAME_PREPARE, KIND_PREPARATION},
                 {FRAME_COMMIT, KIND_CONFIRMATION},
                 {FRAME_EXECUTED, KIND_EXECUTION},
                 {FRAME_STATUS, KIND_NONE}};
    struct vote vote = {.slot = 1};
    size_t len = ENCODED(vote, &vote);
    for (size_t i = 0; i < sizeof right / sizeof *right; i++)
        for (enum kind kind = KIND_HOST; kind <= KIND_ADMIN; kind++) {
            struct frame frame = frame_of(right[i].type, kind, len);
            enum verdict expected = kind == right[i].kind ? VERDICT_ACCEPT : VERDICT_WRONG_KIND;
            assert_int_equal(vote_check(&frame, &vote), expected);
        }
    vote.slot = 0;
    struct frame frame = frame_of(FRAME_COMMIT, KIND_CONFIRMATION, ENCODED(vote, &vote));
    assert_verdict(vote_check(&frame, &vote), MALFORMED);
    frame.body.len--;
    assert_verdict(vote_check(&frame, &vote), MALFORMED);
}

static void checkpoints_lie_on_the_interval(void **state)
{
    (void)state;
    static const struct {
        slot_no slot;
        enum verdict verdict;
    } cases[] = {{0, VERDICT_MALFORMED},
                 {1, VERDICT_MALFORMED},
                 {CHECKPOINT_INTERVAL - 1, VERDICT_MALFORMED},
                 {CHECKPOINT_INTERVAL, VERDICT_ACCEPT},
                 {CHECKPOINT_INTERVAL + 1, VERDICT_MALFORMED},
                 {2 * CHECKPOINT_INTERVAL, VERDICT_ACCEPT}};
    struct checkpoint m = {.slot = 0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        m.slot = cases[i].slot;
        struct frame frame = frame_of(FRAME_CHECKPOINT, KIND_EXECUTION, ENCODED(checkpoint, &m));
        assert_int_equal(checkpoint_check(&frame, &m), cases[i].verdict);
    }
    m.slot = CHECKPOINT_INTERVAL;
    struct frame frame = frame_of(FRAME_CHECKPOINT, KIND_CONFIRMATION, ENCODED(checkpoint, &m));
    assert_verdict(checkpoint_check(&frame, &m), WRONG_KIND);
}

static void bundles_show_what_they_carry(void **state)
{
    (void)state;
    static uint8_t operations[BUNDLE_BODY_MAX + 1];
    struct bundle m = {.bundle_no = 1};
    digest_of(&m.operations, BUNDLE_OPERATIONS_TAG, operations, 100);
    struct frame frame = frame_of(FRAME_BUNDLE, KIND_ORIGIN, ENCODED(bundle, &m));
    assert_verdict(bundle_check(&frame, &m), ACCEPT); /* without its operations */
    frame.attachment = (struct slice){operations, 100};
    assert_verdict(bundle_check(&frame, &m), ACCEPT);
    frame.attachment.len = 99;
    assert_verdict(bundle_check(&frame, &m), MISMATCH);
    operations[50] = 1;
    frame.attachment.len = 100;
    assert_verdict(bundle_check(&frame, &m), MISMATCH);
    operations[50] = 0;
    frame.attachment.len = BUNDLE_BODY_MAX + 1;
    assert_verdict(bundle_check(&frame, &m), LIMIT);
    frame.attachment.len = 100;
    frame.sender.id = ORIGINS_MAX;
    assert_verdict(bundle_check(&frame, &m), UNKNOWN_SENDER);
    frame.sender.kind = KIND_PREPARATION;
    assert_verdict(bundle_check(&frame, &m), WRONG_KIND);
    frame =
        frame_of(FRAME_BUNDLE, KIND_ORIGIN, (m.flags = BUNDLE_ALONE | BUNDLE_VERSIONS, ENCODED(bundle, &m)));
    assert_verdict(bundle_check(&frame, &m), ACCEPT);
    frame = frame_of(FRAME_BUNDLE, KIND_ORIGIN, (m.flags = 4, ENCODED(bundle, &m)));
    assert_verdict(bundle_check(&frame, &m), MALFORMED);
    frame = frame_of(FRAME_BUNDLE, KIND_ORIGIN, (m.flags = 0, m.bundle_no = 0, ENCODED(bundle, &m)));
    assert_verdict(bundle_check(&frame, &m), MALFORMED);
}

static void replies_are_bounded(void **state)
{
    (void)state;
    struct reply m = {.outcome = REPLY_UNREADABLE};
    struct frame frame = frame_of(FRAME_REPLY, KIND_EXECUTION, ENCODED(reply, &m));
    assert_verdict(reply_check(&frame, &m), ACCEPT);
    frame.attachment.len = REPLY_BODY_MAX + 1;
    assert_verdict(reply_check(&frame, &m), LIMIT);
    frame.attachment.len = 0;
    frame.sender.id = REPLICAS_MAX;
    assert_verdict(reply_check(&frame, &m), UNKNOWN_SENDER);
    frame.sender.kind = KIND_ORIGIN;
    assert_verdict(reply_check(&frame, &m), WRONG_KIND);
    m.outcome = REPLY_UNREADABLE + 1;
    frame = frame_of(FRAME_REPLY, KIND_EXECUTION, ENCODED(reply, &m));
    assert_verdict(reply_check(&frame, &m), MALFORMED);
}

static struct slice slot_views(const struct slot_view *list, uint32_t count)
{
    static uint8_t bytes[(PARTING_VOTES_MAX + 1) * slot_view_BYTES];
    struct writer w = writer_to(bytes, sizeof bytes);
    for (uint32_t i = 0; i < count; i++)
        slot_view_put(&w, &list[i]);
    assert_false(w.bad);
    return (struct slice){bytes, w.len};
}

static enum verdict parting_of(slot_no stable, view_no view, const struct slot_view *list, uint32_t count)
{
    struct parting m = {.view = view, .stable_slot = stable, .votes = slot_views(list, count)};
    struct frame frame = frame_of(FRAME_PARTING, KIND_PREPARATION, ENCODED(parting, &m));
    return parting_check(&frame, &m);
}

static void partings_ascend_within_their_window(void **state)
{
    (void)state;
    const slot_no h = CHECKPOINT_INTERVAL;
    assert_verdict(parting_of(h, 3, (struct slot_view[]){{h + 1, 3, {{0}}}, {h + WINDOW, 0, {{0}}}}, 2),
                   ACCEPT);
    /* One slot may be listed with several digests. */
    assert_verdict(parting_of(h, 3, (struct slot_view[]){{h + 1, 3, {{0}}}, {h + 1, 1, {{1}}}}, 2), ACCEPT);
    assert_verdict(parting_of(h, 3, (struct slot_view[]){{h, 3, {{0}}}}, 1), MALFORMED);
    assert_verdict(parting_of(h, 3, (struct slot_view[]){{h + WINDOW + 1, 3, {{0}}}}, 1), MALFORMED);
    assert_verdict(parting_of(h, 3, (struct slot_view[]){{h + 1, 4, {{0}}}}, 1), MALFORMED);
    assert_verdict(parting_of(h, 3, (struct slot_view[]){{h + 2, 3, {{0}}}, {h + 1, 3, {{0}}}}, 2),
                   MALFORMED);
    assert_verdict(parting_of(UINT64_MAX, 3, NULL, 0), MALFORMED);
    assert_verdict(parting_of(UINT64_MAX - WINDOW, 3, NULL, 0), MALFORMED);
    static struct slot_view many[PARTING_VOTES_MAX + 1];
    for (uint32_t i = 0; i <= PARTING_VOTES_MAX; i++)
        many[i].slot = h + 1;
    assert_verdict(parting_of(h, 3, many, PARTING_VOTES_MAX), ACCEPT);
    assert_verdict(parting_of(h, 3, many, PARTING_VOTES_MAX + 1), LIMIT);
    struct parting m = {.votes = {pool, slot_view_BYTES - 1}};
    struct frame frame = frame_of(FRAME_PARTING, KIND_PREPARATION, ENCODED(parting, &m));
    assert_verdict(parting_check(&frame, &m), LIMIT); /* not whole elements */
    m = (struct parting){.signers = {space + 4096, (REPLICAS_MAX + 1) * (size_t)signer_BYTES}};
    frame = frame_of(FRAME_PARTING, KIND_PREPARATION, ENCODED(parting, &m));
    assert_verdict(parting_check(&frame, &m), LIMIT);
    frame.sender.kind = KIND_CONFIRMATION;
    assert_verdict(parting_check(&frame, &m), WRONG_KIND);
}

static enum verdict view_change_of(view_no view, slot_no stable, const struct slot_view *list, uint32_t count,
                                   struct slice attachment)
{
    struct view_change m = {.view = view, .stable_slot = stable, .claims = slot_views(list, count)};
    digest_of(&m.partings, VIEW_CHANGE_PARTINGS_TAG, attachment.data, attachment.len);
    struct frame frame = frame_of(FRAME_VIEW_CHANGE, KIND_CONFIRMATION, ENCODED(view_change, &m));
    frame.attachment = attachment;
    return view_change_check(&frame, &m);
}

static void view_changes_claim_each_slot_once(void **state)
{
    (void)state;
    const slot_no h = CHECKPOINT_INTERVAL;
    assert_verdict(view_change_of(1, 0, NULL, 0, SLICE_NONE), ACCEPT);
    assert_verdict(view_change_of(0, 0, NULL, 0, SLICE_NONE), MALFORMED);
    assert_verdict(
        view_change_of(3, h, (struct slot_view[]){{h + 1, 2, {{0}}}, {h + WINDOW, 0, {{0}}}}, 2, SLICE_NONE),
        ACCEPT);
    assert_verdict(view_change_of(3, h, (struct slot_view[]){{h, 2, {{0}}}}, 1, SLICE_NONE), MALFORMED);
    assert_verdict(view_change_of(3, h, (struct slot_view[]){{h + WINDOW + 1, 2, {{0}}}}, 1, SLICE_NONE),
                   MALFORMED);
    assert_verdict(view_change_of(3, h, (struct slot_view[]){{h + 1, 3, {{0}}}}, 1, SLICE_NONE), MALFORMED);
    assert_verdict(
        view_change_of(3, h, (struct slot_view[]){{h + 1, 2, {{0}}}, {h + 1, 1, {{1}}}}, 2, SLICE_NONE),
        MALFORMED);
    assert_verdict(view_change_of(3, UINT64_MAX - WINDOW, NULL, 0, SLICE_NONE), MALFORMED);
    static struct slot_view many[WINDOW + 1];
    for (uint32_t i = 0; i <= WINDOW; i++)
        many[i].slot = h + 1 + i;
    assert_verdict(view_change_of(3, h, many, WINDOW, SLICE_NONE), ACCEPT);
    assert_verdict(view_change_of(3, h, many, WINDOW + 1, SLICE_NONE), LIMIT);
}

static void attachments_are_the_ones_that_were_named(void **state)
{
    (void)state;
    uint8_t list[4 * (REPLICAS_MAX + 1)] = {0}; /* so many empty frames */
    assert_verdict(view_change_of(1, 0, NULL, 0, (struct slice){list, 4 * REPLICAS_MAX}), ACCEPT);
    assert_verdict(view_change_of(1, 0, NULL, 0, (struct slice){list, sizeof list}), MALFORMED);
    assert_verdict(view_change_of(1, 0, NULL, 0, (struct slice){list, 3}), MALFORMED);
    struct view_change m = {.view = 1};
    digest_of(&m.partings, VIEW_CHANGE_PARTINGS_TAG, list, 8);
    struct frame frame = frame_of(FRAME_VIEW_CHANGE, KIND_CONFIRMATION, ENCODED(view_change, &m));
    frame.attachment = (struct slice){list, 8};
    assert_verdict(view_change_check(&frame, &m), ACCEPT);
    frame.attachment.len = 4;
    assert_verdict(view_change_check(&frame, &m), MISMATCH);
    frame.sender.kind = KIND_PREPARATION;
    assert_verdict(view_change_check(&frame, &m), WRONG_KIND);
}

static void new_views_are_bounded(void **state)
{
    (void)state;
    static uint8_t selection[(WINDOW + 1) * selected_BYTES];
    struct new_view m = {.view = 1, .selection = {selection, WINDOW * (size_t)selected_BYTES}};
    digest_of(&m.view_changes, NEW_VIEW_VIEW_CHANGES_TAG, NULL, 0);
    struct frame frame = frame_of(FRAME_NEW_VIEW, KIND_PREPARATION, ENCODED(new_view, &m));
    assert_verdict(new_view_check(&frame, &m), ACCEPT);
    frame.attachment = (struct slice){pool, 1};
    assert_verdict(new_view_check(&frame, &m), MISMATCH);
    m.selection.len += selected_BYTES;
    frame = frame_of(FRAME_NEW_VIEW, KIND_PREPARATION, ENCODED(new_view, &m));
    assert_verdict(new_view_check(&frame, &m), LIMIT);
    m.selection.len = 0;
    frame = frame_of(FRAME_NEW_VIEW, KIND_CONFIRMATION, ENCODED(new_view, &m));
    assert_verdict(new_view_check(&frame, &m), WRONG_KIND);
    m.view = 0;
    frame = frame_of(FRAME_NEW_VIEW, KIND_PREPARATION, ENCODED(new_view, &m));
    assert_verdict(new_view_check(&frame, &m), MALFORMED);
    m = (struct new_view){.view = 1, .stable_slot = UINT64_MAX - WINDOW};
    frame = frame_of(FRAME_NEW_VIEW, KIND_PREPARATION, ENCODED(new_view, &m));
    assert_verdict(new_view_check(&frame, &m), MALFORMED);
}

static void a_batch_is_a_time_and_whole_entries(void **state)
{
    (void)state;
    static uint8_t bytes[BATCH_BYTES_MAX + batch_entry_BYTES];
    struct batch batch;
    bytes[0] = 5;
    for (size_t len = 0; len <= sizeof bytes; len++) {
        bool good = len >= 8 && (len - 8) % batch_entry_BYTES == 0 && len <= BATCH_BYTES_MAX;
        assert_int_equal(batch_decode((struct slice){bytes, len}, &batch), good);
        if (good)
            assert_int_equal(batch.time_us, 5);
    }
    struct digest a, b;
    batch_digest(&a, (struct slice){bytes, 8});
    bytes[0] = 6; /* the digest covers the time */
    batch_digest(&b, (struct slice){bytes, 8});
    assert_false(digest_equal(&a, &b));
}

int main(void)
{
    test_random_bytes(&seed, pool, sizeof pool);
    const struct CMUnitTest tests[] = {
#define M(name, FIELDS)                                                                                      \
    cmocka_unit_test(name##_round_trip), cmocka_unit_test(name##_truncated), cmocka_unit_test(name##_printed),
        MESSAGES(M)
#undef M
            cmocka_unit_test(every_body_is_tested),
        cmocka_unit_test(lists_are_whole_and_bounded),
        cmocka_unit_test(elements_are_read_in_their_place),
        cmocka_unit_test(votes_come_from_their_own_kind),
        cmocka_unit_test(checkpoints_lie_on_the_interval),
        cmocka_unit_test(bundles_show_what_they_carry),
        cmocka_unit_test(replies_are_bounded),
        cmocka_unit_test(partings_ascend_within_their_window),
        cmocka_unit_test(view_changes_claim_each_slot_once),
        cmocka_unit_test(attachments_are_the_ones_that_were_named),
        cmocka_unit_test(new_views_are_bounded),
        cmocka_unit_test(a_batch_is_a_time_and_whole_entries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
