/*
 * What P, C and E write down, and what they take back after a restart: all that they promised, in order, of nobody else, and no
 * START but one that goes on from it.
 */
#include "testing.h"

#include "cluster.h"

#define P        KIND_PREPARATION
#define C        KIND_CONFIRMATION
#define E        KIND_EXECUTION
#define SLOTS    3u
#define ROWS_MAX 256u

static struct cluster *c;

/* What replica 1 has on its disk. */
struct row {
    enum kind kind;
    unsigned type; /* FRAME_LOCAL_SEALED, or FRAME_PRE_PREPARE for a list */
    slot_no slot;
    struct slice bytes;
};
static struct row rows[ROWS_MAX];
static unsigned row_count;

static void row(enum kind kind, unsigned type, slot_no slot, struct slice bytes)
{
    assert_true(row_count < ROWS_MAX);
    uint8_t *copy = malloc(bytes.len);
    assert_non_null(copy);
    memcpy(copy, bytes.data, bytes.len);
    rows[row_count++] = (struct row){kind, type, slot, {copy, bytes.len}};
}

static void write_down(void)
{
    for (size_t i = 0; i < c->sent_count; i++) {
        const struct sent *s = &c->sent[i];
        struct vote vote;
        struct local_sealed sealed;
        if (s->frame.type == FRAME_LOCAL_SEALED && s->replica == 1) {
            assert_true(local_sealed_decode(s->frame.body, &sealed));
            row(s->kind, FRAME_LOCAL_SEALED, sealed.slot, s->frame.attachment);
        }
        if (s->frame.type == FRAME_PRE_PREPARE && s->replica == 0 && s->frame.attachment.len &&
            vote_decode(s->frame.body, &vote))
            row(KIND_HOST, FRAME_PRE_PREPARE, vote.slot, s->frame.attachment);
    }
    cluster_forget(c);
}

static int setup_left(bool left)
{
    c = cluster_new(&(struct cluster_options){.durable = true});
    for (uint64_t n = 1; n <= SLOTS; n++) {
        struct test_bundle *b = cluster_incr(c, 3, n, 10 * n);
        cluster_order(c, &b, 1);
    }
    assert_int_equal(cluster_e(c, 1)->executed, SLOTS);
    for (enum kind kind = P; left && kind <= C; kind++)
        assert_verdict(cluster_leave(c, kind, 1, 3), ACCEPT);
    write_down();
    for (enum kind kind = P; kind <= E; kind++)
        cluster_restarted(c, kind, 1);
    return 0;
}

static int setup(void **state)
{
    (void)state;
    return setup_left(false);
}

static int setup_view_left(void **state)
{
    (void)state;
    return setup_left(true);
}

static int teardown(void **state)
{
    (void)state;
    for (unsigned i = 0; i < row_count; i++)
        free((void *)(uintptr_t)rows[i].bytes.data);
    row_count = 0;
    cluster_free(c);
    return 0;
}

static enum verdict recall(enum kind kind, unsigned what, struct slice bytes)
{
    struct local_recall m = {.what = (uint8_t)what};
    return cluster_give(c, kind, 1,
                        cluster_local(c, FRAME_LOCAL_RECALL, cluster_body(c, local_recall, &m), bytes));
}

/* The n-th record of a kind; n from 0. */
static const struct row *record(enum kind kind, unsigned n)
{
    for (unsigned i = 0; i < row_count; i++)
        if (rows[i].kind == kind && rows[i].type == FRAME_LOCAL_SEALED && n-- == 0)
            return &rows[i];
    return NULL;
}

static unsigned records(enum kind kind)
{
    unsigned count = 0;
    while (record(kind, count))
        count++;
    return count;
}

static void give_list(slot_no slot)
{
    for (unsigned i = 0; i < row_count; i++) {
        struct vote vote = {.slot = slot};
        if (rows[i].kind != KIND_HOST || rows[i].slot != slot)
            continue;
        batch_digest(&vote.batch, rows[i].bytes);
        assert_verdict(
            cluster_give(c, E, 1,
                         cluster_local(c, FRAME_PRE_PREPARE, cluster_body(c, vote, &vote), rows[i].bytes)),
            ACCEPT);
        return;
    }
}

static void give_bodies(void)
{
    for (size_t i = 0; i < c->bundles; i++)
        (void)cluster_give(c, E, 1, test_bundle_slice(c->bundle[i]));
}

/* All records up to `count`, as the host gives them back. */
static void recall_first(enum kind kind, unsigned count)
{
    slot_no done = 0;
    if (kind == E)
        assert_verdict(recall(E, RECALL_RECORD, record(E, 0)->bytes), ACCEPT);
    if (kind == E)
        give_bodies();
    for (unsigned i = kind == E; i < count; i++) {
        const struct row *r = record(kind, i);
        assert_verdict(recall(kind, RECALL_RECORD, r->bytes), ACCEPT);
        for (; kind == E && done < r->slot; done++)
            give_list(done + 1);
    }
}

static struct hello end(enum kind kind)
{
    struct hello hello = {0};
    assert_verdict(recall(kind, RECALL_END, SLICE_NONE), ACCEPT);
    const struct sent *sent = cluster_last(c, kind, 1, FRAME_HELLO);
    assert_true(sent && hello_decode(sent->frame.body, &hello));
    return hello;
}

static void recall_all(enum kind kind)
{
    recall_first(kind, records(kind));
    (void)end(kind);
}

/* A START after a restart of all. */
static struct start resuming(void)
{
    return cluster_resumed(c, 1);
}

static enum verdict start_with(enum kind kind, const struct start *start)
{
    return cluster_give(c, kind, 1, cluster_sign_start(c, start, &c->admin));
}

/* ------------------------------------------------------------------------------------------------ coming back */

static void p_signs_its_votes_as_a_parting(void **state)
{
    (void)state;
    recall_first(P, records(P));
    struct hello hello = end(P);
    assert_int_equal(hello.view, 0);
    struct start start = resuming();
    assert_verdict(start_with(P, &start), ACCEPT);
    struct parting parting;
    const struct sent *sent = cluster_last(c, P, 1, FRAME_PARTING);
    assert_true(sent && parting_decode(sent->frame.body, &parting));
    assert_int_equal(slot_view_count(sent->frame.attachment) + slot_view_count(parting.votes), SLOTS);
    assert_null(cluster_last(c, P, 1, FRAME_PREPARE));
}

static void c_knows_what_it_had_prepared(void **state)
{
    (void)state;
    recall_all(C);
    struct start start = resuming();
    assert_verdict(start_with(C, &start), ACCEPT);
    for (slot_no slot = 1; slot <= SLOTS; slot++) {
        assert_true(cluster_c(c, 1)->slot[slot % WINDOW].prepared);
        assert_int_equal(cluster_c(c, 1)->slot[slot % WINDOW].slot, slot);
    }
    assert_null(cluster_last(c, C, 1, FRAME_COMMIT));
}

static void e_comes_to_the_state_that_it_had(void **state)
{
    (void)state;
    recall_first(E, records(E));
    struct hello hello = end(E);
    assert_int_equal(hello.slot, SLOTS);
    struct start start = resuming();
    assert_verdict(start_with(E, &start), ACCEPT);
    assert_int_equal(cluster_e(c, 1)->executed, SLOTS);
    for (uint64_t leaf = 0; leaf < cluster_e(c, 1)->service->leaf_count(cluster_e(c, 1)->service_state);
         leaf++) {
        struct digest one, two;
        cluster_e(c, 1)->service->leaf_digest(cluster_e(c, 1)->service_state, leaf, one.bytes);
        cluster_e(c, 2)->service->leaf_digest(cluster_e(c, 2)->service_state, leaf, two.bytes);
        assert_memory_equal(&one, &two, sizeof one);
    }
}

/* A host can drop the end: then less comes back, as a resume assumes of at most f. */
static void a_shorter_log_gives_back_less(void **state)
{
    (void)state;
    recall_first(P, records(P) - 1);
    (void)end(P);
    struct start start = resuming();
    assert_verdict(start_with(P, &start), ACCEPT);
    struct parting parting;
    const struct sent *sent = cluster_last(c, P, 1, FRAME_PARTING);
    assert_true(sent && parting_decode(sent->frame.body, &parting));
    assert_int_equal(slot_view_count(sent->frame.attachment) + slot_view_count(parting.votes), SLOTS - 1);
}

/* ------------------------------------------------------------------------------------------------ what is refused */

static void none_is_left_out_in_the_middle(void **state)
{
    (void)state;
    for (enum kind kind = P; kind <= E; kind++) {
        assert_true(records(kind) >= 3);
        assert_verdict(recall(kind, RECALL_RECORD, record(kind, 0)->bytes), ACCEPT);
        assert_verdict(recall(kind, RECALL_RECORD, record(kind, 2)->bytes), BAD_MAC);
        assert_verdict(recall(kind, RECALL_RECORD, record(kind, 1)->bytes), BAD_MAC); /* too late */
    }
}

static void another_kinds_records_are_none(void **state)
{
    (void)state;
    assert_verdict(recall(P, RECALL_RECORD, record(C, 0)->bytes), BAD_MAC);
    assert_verdict(recall(C, RECALL_RECORD, record(P, 0)->bytes), BAD_MAC);
    assert_verdict(recall(E, RECALL_RECORD, record(P, 0)->bytes), BAD_MAC);
}

static void a_changed_record_is_none(void **state)
{
    (void)state;
    for (enum kind kind = P; kind <= E; kind++) {
        const struct slice bytes = record(kind, 0)->bytes;
        ((uint8_t *)(uintptr_t)bytes.data)[bytes.len / 2] ^= 1;
        assert_verdict(recall(kind, RECALL_RECORD, bytes), BAD_MAC);
        assert_verdict(recall(kind, RECALL_RECORD, (struct slice){bytes.data, 3}), BAD_MAC);
        assert_int_not_equal(recall(kind, 77, bytes), VERDICT_ACCEPT);
    }
}

static void nothing_is_taken_back_after_the_start(void **state)
{
    (void)state;
    for (enum kind kind = P; kind <= E; kind++) {
        recall_all(kind);
        struct start start = resuming();
        assert_verdict(start_with(kind, &start), ACCEPT);
        assert_verdict(recall(kind, RECALL_RECORD, record(kind, 0)->bytes), UNEXPECTED);
        assert_verdict(recall(kind, RECALL_END, SLICE_NONE), UNEXPECTED);
    }
}

/* A START that founds a cluster anew would make them vote twice. */
static void only_a_start_that_goes_on_is_taken(void **state)
{
    (void)state;
    for (enum kind kind = P; kind <= E; kind++) {
        recall_all(kind);
        struct start start = cluster_resumed(c, 0);
        assert_verdict(start_with(kind, &start), MISMATCH);
        start = resuming();
        start.cluster.bytes[3] ^= 1;
        assert_verdict(start_with(kind, &start), MISMATCH);
        start = resuming();
        assert_verdict(start_with(kind, &start), ACCEPT);
    }
}

/* The administrator signed for another log: a host cannot show one and give back another. */
static void a_start_names_the_log_that_it_goes_on_from(void **state)
{
    (void)state;
    for (enum kind kind = P; kind <= E; kind++) {
        recall_all(kind);
        struct start start = resuming();
        struct slice whole = cluster_sign_start(c, &start, &c->admin);
        cluster_restarted(c, kind, 1);
        recall_first(kind, records(kind) - 1);
        (void)end(kind);
        /* Its keys are not named there: at most it learns, and has no vote. */
        const struct auth *auth = kind == P   ? &cluster_p(c, 1)->auth
                                  : kind == C ? &cluster_c(c, 1)->auth
                                              : &cluster_e(c, 1)->auth;
        if (cluster_give(c, kind, 1, whole) == VERDICT_ACCEPT)
            assert_true(auth_counts_above(auth) == UINT64_MAX);
        cluster_restarted(c, kind, 1);
        recall_first(kind, records(kind) - 1);
        (void)end(kind);
        struct digest *head = kind == P   ? &cluster_p(c, 1)->sealing.head
                              : kind == C ? &cluster_c(c, 1)->sealing.head
                                          : &cluster_e(c, 1)->sealing.head;
        struct digest own = *head;
        head->bytes[0] ^= 1; /* what the manifest will say */
        start = resuming();
        struct slice other = cluster_sign_start(c, &start, &c->admin);
        *head = own;
        assert_verdict(cluster_give(c, kind, 1, other), MISMATCH);
    }
}

static void p_and_c_enter_no_view_that_they_were_in(void **state)
{
    (void)state;
    for (enum kind kind = P; kind <= C; kind++) {
        recall_all(kind);
        struct start start = resuming();
        start.view = 3;
        assert_verdict(start_with(kind, &start), MISMATCH);
        start.view = 4;
        assert_verdict(start_with(kind, &start), ACCEPT);
    }
}

/* Without records it is a member that has neither state nor group key, and says so by an empty head; others give it both. */
static void e_without_records_resumes_without_a_state(void **state)
{
    (void)state;
    struct hello hello = end(E);
    assert_true(digest_is_zero(&hello.head));
    struct start start = resuming();
    assert_verdict(start_with(E, &start), ACCEPT);
    assert_false(cluster_e(c, 1)->based);
    assert_false(cluster_e(c, 1)->group_known);
    assert_int_equal(cluster_e(c, 1)->executed, 0);
}

/* A list that is not what E had executed: it stops there, and shows how far it came. */
static void another_list_is_not_executed_again(void **state)
{
    (void)state;
    struct test_bundle *other = cluster_incr(c, 3, 2, 999);
    struct digest digest;
    for (unsigned i = 0; i < row_count; i++)
        if (rows[i].kind == KIND_HOST && rows[i].slot == 2) {
            struct slice list = cluster_list(c, c->now_us, &other, 1, &digest);
            free((void *)(uintptr_t)rows[i].bytes.data);
            uint8_t *copy = malloc(list.len);
            assert_non_null(copy);
            memcpy(copy, list.data, list.len);
            rows[i].bytes = (struct slice){copy, list.len};
        }
    recall_first(E, records(E));
    assert_int_equal(end(E).slot, 1);
}

/* ------------------------------------------------------------------------------------------------ other clusters, other starts */

/* The platform's sealing key does not change when a cluster is founded anew: E's first record there. */
static struct slice base_of_another_cluster(void)
{
    struct start start = cluster_manifest(c);
    start.cluster.bytes[5] ^= 1;
    cluster_forget(c);
    assert_verdict(start_with(E, &start), ACCEPT);
    const struct sent *sent = cluster_last(c, E, 1, FRAME_LOCAL_SEALED);
    assert_non_null(sent);
    struct slice base = cluster_copy(c, sent->frame.attachment.data, sent->frame.attachment.len);
    cluster_restarted(c, E, 1);
    return base;
}

static void lives_of_another_cluster_are_none(void **state)
{
    (void)state;
    struct slice other = base_of_another_cluster();
    assert_verdict(recall(E, RECALL_RECORD, other), ACCEPT); /* alone it is a life like any */
    cluster_restarted(c, E, 1);
    recall_first(E, records(E));
    assert_verdict(recall(E, RECALL_RECORD, other), MALFORMED);
}

static struct local_saved piece;

static void see_what_is_saved(const struct sent *s)
{
    struct local_sealed sealed;
    struct saved_item item;
    if (s->replica != 1 || s->kind != E)
        return;
    if (s->frame.type == FRAME_LOCAL_SEALED && local_sealed_decode(s->frame.body, &sealed) && sealed.full)
        row(E, FRAME_LOCAL_SEALED, sealed.slot, s->frame.attachment);
    if (s->frame.type != FRAME_LOCAL_SAVED)
        return;
    assert_true(local_saved_decode(s->frame.body, &piece));
    struct reader r = reader_of(s->frame.attachment.data, s->frame.attachment.len);
    while (reader_left(&r)) {
        saved_item_get(&r, &item);
        row(E, FRAME_LOCAL_SAVED, item.what, item.bytes);
    }
}

static void save(uint64_t number)
{
    struct local_save m = {.number = number};
    assert_verdict(
        cluster_give(c, E, 1,
                     cluster_local(c, FRAME_LOCAL_SAVE, cluster_body(c, local_save, &m), SLICE_NONE)),
        ACCEPT);
}

static int setup_saved(void **state)
{
    (void)state;
    c = cluster_new(&(struct cluster_options){.durable = true});
    c->seen = see_what_is_saved;
    piece.last = 0;
    save(0);
    cluster_fill(c, CHECKPOINT_INTERVAL);
    while (!piece.last)
        save(piece.number);
    c->seen = NULL;
    cluster_restarted(c, E, 1);
    return 0;
}

/* Head, origins, leaves. */
static void give_saved(void)
{
    static const unsigned order[] = {RECALL_SAVED, RECALL_ORIGINS, RECALL_LEAF};
    for (unsigned k = 0; k < 3; k++)
        for (unsigned i = 0; i < row_count; i++)
            if (rows[i].type == FRAME_LOCAL_SAVED && rows[i].slot == order[k])
                assert_verdict(recall(E, order[k], rows[i].bytes), ACCEPT);
}

static const struct row *saved_head_row(void)
{
    for (unsigned i = 0; i < row_count; i++)
        if (rows[i].type == FRAME_LOCAL_SAVED && rows[i].slot == RECALL_SAVED)
            return &rows[i];
    return NULL;
}

static void a_saved_checkpoint_is_of_one_cluster(void **state)
{
    (void)state;
    assert_non_null(saved_head_row());
    assert_verdict(recall(E, RECALL_RECORD, record(E, records(E) - 1)->bytes), ACCEPT);
    give_saved();
    assert_int_equal(end(E).slot, CHECKPOINT_INTERVAL);
    cluster_restarted(c, E, 1);
    struct slice other = base_of_another_cluster();
    assert_verdict(recall(E, RECALL_RECORD, other), ACCEPT);
    assert_verdict(recall(E, RECALL_SAVED, saved_head_row()->bytes), MISMATCH);
    assert_int_equal(end(E).slot, 0);
}

/* Replica 1's E gets no COMMITs, and E 3 signs nothing: so the first checkpoint is not stable without E 1. */
static bool cut_off(const struct cluster *cluster, const struct sent *sent, enum kind to, replica_id replica)
{
    (void)cluster;
    return (sent->frame.type == FRAME_CHECKPOINT && sent->replica == 3) ||
           (sent->frame.type == FRAME_COMMIT && to == E && replica == 1);
}

static int setup_transferred(void **state)
{
    (void)state;
    c = cluster_new(&(struct cluster_options){.durable = true});
    c->drop = cut_off;
    cluster_fill(c, CHECKPOINT_INTERVAL);
    c->seen = see_what_is_saved;
    piece.last = 0;
    for (unsigned i = 0; i < 12 && cluster_e(c, 1)->executed == 0; i++) {
        (void)cluster_catch_up(c, 1, i % 2 ? 2 : 0, true);
        cluster_run(c);
    }
    return 0;
}

/* What leads to a state that came by transfer is in no log: its E vouches for it when it is saved, not before. */
static void a_state_that_came_is_saved_before_it_is_signed(void **state)
{
    (void)state;
    assert_int_equal(cluster_e(c, 1)->executed, CHECKPOINT_INTERVAL);
    assert_int_equal(exec_stable_slot(cluster_e(c, 1)), 0);
    assert_non_null(cluster_last(c, E, 1, FRAME_LOCAL_SAVED));
    assert_null(cluster_last(c, E, 1, FRAME_CHECKPOINT));
    while (!piece.last)
        save(piece.number);
    assert_null(cluster_last(c, E, 1, FRAME_CHECKPOINT));
    save(piece.number); /* all of it is stored */
    assert_non_null(cluster_last(c, E, 1, FRAME_CHECKPOINT));
}

static bool whole_now(struct execution *e)
{
    e->whole = false;
    execution_watch_whole(e);
    return e->whole;
}

static int setup_filled(void **state)
{
    (void)state;
    c = cluster_new(&(struct cluster_options){.durable = true});
    cluster_fill(c, CHECKPOINT_INTERVAL);
    return 0;
}

/* One that lost its log counts again from a certificate on that present epochs signed, at or above the slot from which it is in force
 * itself, for a state that it has and has written down. */
static void a_log_is_whole_from_a_certificate_of_now_on(void **state)
{
    (void)state;
    struct execution *e = cluster_e(c, 1);
    struct certificate *certificate = &e->stable.certificate, good = e->stable.certificate;
    struct member_keys *me = &e->configuration.member[E - KIND_HOST][1];
    assert_int_equal(certificate->slot, CHECKPOINT_INTERVAL);
    assert_true(whole_now(e));
    me->after = CHECKPOINT_INTERVAL;
    assert_true(whole_now(e));
    me->after = CHECKPOINT_INTERVAL + 1;
    assert_false(whole_now(e));
    me->after = 0;
    for (uint32_t i = 0; i < 3; i++) { /* one of its signers is of before */
        struct signer signer = signer_at(certificate_signers(certificate), i);
        struct writer w = writer_to(certificate->signers + i * signer_BYTES, signer_BYTES);
        signer.epoch--;
        signer_put(&w, &signer);
        assert_false(whole_now(e));
        *certificate = good;
    }
    e->written--;
    assert_false(whole_now(e));
    e->written++;
    e->save.behind = true;
    assert_false(whole_now(e));
    e->save.behind = false;
    certificate->slot += CHECKPOINT_INTERVAL; /* of a state that it has not */
    assert_false(whole_now(e));
    *certificate = good;
    assert_true(whole_now(e));
}

static void see_records(const struct sent *s)
{
    struct local_sealed sealed;
    if (s->replica == 1 && s->kind == E && s->frame.type == FRAME_LOCAL_SEALED &&
        local_sealed_decode(s->frame.body, &sealed))
        row(E, FRAME_LOCAL_SEALED, sealed.slot, s->frame.attachment);
}

static int setup_from_the_start(void **state)
{
    (void)state;
    c = cluster_new(&(struct cluster_options){.durable = true, .unstarted = true});
    c->seen = see_records;
    struct start start = cluster_manifest(c);
    uint8_t list[4 * platform_BYTES];
    struct writer w = writer_to(list, sizeof list);
    for (replica_id r = 0; r < 4; r++)
        platform_put(&w, &(struct platform){.replica = r});
    start.platforms = (struct slice){list, w.len};
    c->start = cluster_sign_start(c, &start, &c->admin);
    for (replica_id r = 0; r < 3; r++)
        assert_verdict(cluster_give(c, E, r, c->start), ACCEPT);
    return 0;
}

/* By a CONFIGURATION that E 0 and 2 vouch for: nobody may have its RECONFIG any more after a power loss, so E writes it down. */
static void what_was_learned_comes_back(void **state)
{
    (void)state;
    struct execution *e = cluster_e(c, 1);
    uint8_t members[renewal_BYTES], body[RECONFIG_BYTES_MAX], list[RECONFIG_BYTES_MAX + 12];
    uint8_t signers[2 * signer_BYTES], said[80];
    struct writer mw = writer_to(members, sizeof members), w = writer_to(body, sizeof body);
    struct writer lw = writer_to(list, sizeof list), sw = writer_to(signers, sizeof signers);
    struct digest root = test_digest(1), content;
    static struct configuration as;
    renewal_put(&mw, &(struct renewal){.kind = P, .epoch = 1000});
    reconfig_put(&w, &(struct reconfig){.configuration = 1, .replica = 3, .members = {members, mw.len}});
    put_u64(&lw, 2);
    put_slice(&lw, (struct slice){body, w.len});
    struct chain chain = {.first = 2,
                          .steps = {list, lw.len},
                          .slot = CHECKPOINT_INTERVAL,
                          .root = root,
                          .signers = {signers, 0}};
    as = e->configuration;
    configuration_walk(&as, &chain);
    for (replica_id r = 0; r < 4; r += 2) {
        struct auth *auth = cluster_auth(c, E, r);
        struct signer signer = {.replica = r, .epoch = auth->self.epoch, .configuration = 2};
        struct writer s = writer_to(said, sizeof said);
        checkpoint_put(&s, &(struct checkpoint){.configuration = 2,
                                                .chain = configuration_step(&as, 2)->chain,
                                                .slot = CHECKPOINT_INTERVAL,
                                                .root = root});
        auth_content(&as.cluster, FRAME_CHECKPOINT, &auth->self, (struct slice){said, s.len}, &content);
        auth_sign_content(auth, &content, signer.signature.bytes);
        signer_put(&sw, &signer);
    }
    chain.signers.len = sw.len;
    assert_verdict(cluster_give(c, E, 1,
                                forge_plain(c, cluster_auth(c, E, 0), FRAME_CONFIGURATION,
                                            cluster_body(c, chain, &chain), SLICE_NONE)),
                   ACCEPT);
    assert_int_equal(configuration_ordered(&e->configuration), 2);
    cluster_restarted(c, E, 1);
    for (unsigned i = 0; i < records(E); i++)
        assert_verdict(recall(E, RECALL_RECORD, record(E, i)->bytes), ACCEPT);
    assert_int_equal(configuration_ordered(&cluster_e(c, 1)->configuration), 2);
}

/* As if it had executed, at slot 2, so many RECONFIGs that nobody else knows of. */
static void it_learned(unsigned changes)
{
    struct execution *e = cluster_e(c, 1);
    for (configuration_no number = 2; number < 2 + changes; number++) {
        uint8_t members[renewal_BYTES], body[RECONFIG_BYTES_MAX], list[RECONFIG_BYTES_MAX + 12];
        struct writer mw = writer_to(members, sizeof members), w = writer_to(body, sizeof body);
        struct writer lw = writer_to(list, sizeof list);
        renewal_put(&mw, &(struct renewal){.kind = P, .epoch = 1000 + number});
        reconfig_put(
            &w, &(struct reconfig){.configuration = number - 1, .replica = 3, .members = {members, mw.len}});
        put_u64(&lw, 2);
        put_slice(&lw, (struct slice){body, w.len});
        configuration_walk(&e->configuration, &(struct chain){.first = number, .steps = {list, lw.len}});
        step_body_keep(e, number, 2, (struct slice){body, w.len});
        assert_int_equal(configuration_ordered(&e->configuration), number);
    }
}

static void it_learned_more(void)
{
    it_learned(1);
}

/* A host may show an old START before the right one. */
static void a_refused_start_costs_nothing_that_was_known(void **state)
{
    (void)state;
    recall_all(E);
    it_learned_more();
    struct start start = resuming();
    start.cluster.bytes[3] ^= 1;
    assert_verdict(start_with(E, &start), MISMATCH);
    start = resuming();
    assert_verdict(start_with(E, &start), ACCEPT);
    assert_int_equal(configuration_ordered(&cluster_e(c, 1)->configuration), 2);
}

/* Replicas came and went since START, this one too; from there it has to walk through all of it. */
static void many_changes_ago_is_not_too_long_ago(void **state)
{
    (void)state;
    recall_all(E);
    it_learned(200);
    struct start start = resuming();
    assert_verdict(start_with(E, &start), ACCEPT);
    assert_int_equal(configuration_ordered(&cluster_e(c, 1)->configuration), 201);
}

/* One life came less far than can be come now, and wrote down what it knew then. */
static void a_base_takes_nothing_back(void **state)
{
    (void)state;
    recall_first(E, records(E));
    it_learned_more();
    assert_verdict(recall(E, RECALL_RECORD, record(E, 0)->bytes), ACCEPT);
    assert_int_equal(cluster_e(c, 1)->executed, SLOTS);
    assert_int_equal(configuration_ordered(&cluster_e(c, 1)->configuration), 2);
    assert_int_equal(cluster_e(c, 1)->step_body[2 % STEP_BODIES].number, 2);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(p_signs_its_votes_as_a_parting),
        T(c_knows_what_it_had_prepared),
        T(e_comes_to_the_state_that_it_had),
        T(a_shorter_log_gives_back_less),
        T(none_is_left_out_in_the_middle),
        T(another_kinds_records_are_none),
        T(a_changed_record_is_none),
        T(nothing_is_taken_back_after_the_start),
        T(only_a_start_that_goes_on_is_taken),
        T(a_start_names_the_log_that_it_goes_on_from),
        cmocka_unit_test_setup_teardown(p_and_c_enter_no_view_that_they_were_in, setup_view_left, teardown),
        T(e_without_records_resumes_without_a_state),
        T(another_list_is_not_executed_again),
        T(lives_of_another_cluster_are_none),
        cmocka_unit_test_setup_teardown(a_saved_checkpoint_is_of_one_cluster, setup_saved, teardown),
        cmocka_unit_test_setup_teardown(a_state_that_came_is_saved_before_it_is_signed, setup_transferred,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_log_is_whole_from_a_certificate_of_now_on, setup_filled, teardown),
        cmocka_unit_test_setup_teardown(what_was_learned_comes_back, setup_from_the_start, teardown),
        T(a_refused_start_costs_nothing_that_was_known),
        T(many_changes_ago_is_not_too_long_ago),
        T(a_base_takes_nothing_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
