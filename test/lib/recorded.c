#include "recorded.h"

#include <stdlib.h>
#include <string.h>

struct cluster *recorded_cluster;

static struct recording *recording_now;
static enum kind recorded_kind;
static size_t recorded_cap;

#define PER_TYPE_MAX 40u /* of one type: the first ones, and then a few */

/* --- the script ------------------------------------------------------------------------------------------------- */

static void record(struct slice bytes, replica_id from)
{
    struct recording *r = recording_now;
    struct frame frame;
    unsigned alike = 0;
    CHECK(frame_decode(bytes.data, bytes.len, &frame));
    for (size_t i = 0; i < r->count; i++)
        alike += r->frame[i].frame.type == frame.type;
    if (alike >= PER_TYPE_MAX && r->count % 16 != 0)
        return;
    if (r->count == recorded_cap) {
        recorded_cap = 2 * recorded_cap + 256;
        r->frame = realloc(r->frame, recorded_cap * sizeof *r->frame);
        CHECK(r->frame != NULL);
    }
    struct recorded *to = &r->frame[r->count++];
    *to = (struct recorded){.data = malloc(bytes.len), .len = bytes.len, .from = from};
    CHECK(to->data != NULL);
    memcpy(to->data, bytes.data, bytes.len);
    CHECK(frame_decode(to->data, to->len, &to->frame));
}

static bool cutting;

/* A `drop` that keeps nothing back unless E_1 is cut off, and listens. */
static bool listen(const struct cluster *c, const struct sent *sent, enum kind to, replica_id replica)
{
    (void)c;
    bool cut = cutting && to == KIND_EXECUTION && replica == 1;
    if (replica == 1 && recorded_kind == KIND_HOST && !cut)
        record(sent_slice(sent), sent->replica);
    if (replica == 1 && to == recorded_kind && !cut)
        record(sent_slice(sent), sent->replica);
    return cut;
}

static void see(const struct sent *sent)
{
    if (recorded_kind == KIND_NONE)
        record(sent_slice(sent), sent->replica);
}

static void to_1(enum kind kind, struct slice bytes)
{
    if (kind == recorded_kind || recorded_kind == KIND_NONE)
        record(bytes, 1);
    (void)cluster_give(recorded_cluster, kind, 1, bytes);
}

static struct slice local_leave_frame(view_no view)
{
    struct cluster *c = recorded_cluster;
    return cluster_local(c, FRAME_LOCAL_LEAVE,
                         cluster_body(c, local_leave, &(struct local_leave){.view = view}),
                         (struct slice){NULL, 0});
}

static void bundle(struct test_bundle *b)
{
    struct slice stripped = test_bundle_stripped(recorded_cluster, b);
    if (recorded_kind == KIND_PREPARATION)
        record(stripped, 1);
    if (recorded_kind == KIND_EXECUTION || recorded_kind == KIND_HOST || recorded_kind == KIND_NONE)
        record(test_bundle_slice(b), 1);
}

static void propose(struct test_bundle *b)
{
    struct cluster *c = recorded_cluster;
    uint8_t entry[batch_entry_BYTES];
    struct writer w = writer_to(entry, sizeof entry);
    if (b)
        batch_entry_put(&w, &b->entry);
    struct local_propose m = {.time_us = c->now_us, .entries = {entry, w.len}};
    struct slice frame =
        cluster_local(c, FRAME_LOCAL_PROPOSE, cluster_body(c, local_propose, &m), (struct slice){NULL, 0});
    replica_id primary = (replica_id)(cluster_p(c, 0)->view % c->replicas);
    if (primary == 1)
        to_1(KIND_PREPARATION, frame);
    else
        (void)cluster_give(c, KIND_PREPARATION, primary, frame);
    cluster_run(c);
}

static void order(origin_id origin, uint64_t bundle_no, enum form form)
{
    struct cluster *c = recorded_cluster;
    struct slice op = cluster_op_incr(c, bundle_no);
    struct test_bundle *b = cluster_bundle(c, origin, bundle_no, &op, 1, form);
    bundle(b);
    cluster_admit(c, b);
    cluster_bodies(c, b);
    propose(b);
}

static void leave(view_no view)
{
    struct cluster *c = recorded_cluster;
    struct slice frame = local_leave_frame(view);
    for (replica_id r = 0; r < c->replicas; r++)
        for (enum kind kind = KIND_PREPARATION; kind <= KIND_CONFIRMATION; kind++)
            if (r == 1)
                to_1(kind, frame);
            else
                (void)cluster_give(c, kind, r, frame);
    cluster_run(c);
}

static void fill(slot_no slot)
{
    struct cluster *c = recorded_cluster;
    while (cluster_e(c, 0)->executed < slot) {
        slot_no before = cluster_e(c, 0)->executed;
        propose(NULL);
        CHECK(cluster_e(c, 0)->executed == before + 1);
        cluster_forget(c);
    }
}

static void catch_up(replica_id peer, bool state)
{
    struct cluster *c = recorded_cluster;
    struct slice body = cluster_body(
        c, local_catch_up, &(struct local_catch_up){.peer = peer, .state = state, .patience_us = 1000000});
    to_1(KIND_EXECUTION, cluster_local(c, FRAME_LOCAL_CATCH_UP, body, (struct slice){NULL, 0}));
    cluster_run(c);
}

static void fetch_reply_of(origin_id origin, uint64_t bundle_no)
{
    struct cluster *c = recorded_cluster;
    struct slice body = cluster_body(c, fetch_reply, &(struct fetch_reply){.bundle_no = bundle_no});
    struct slice frame =
        forge_plain(c, &c->origin[origin].auth, FRAME_FETCH_REPLY, body, (struct slice){NULL, 0});
    if (recorded_kind == KIND_HOST)
        record(frame, 1);
    to_1(KIND_EXECUTION, frame);
}

static void script(void)
{
    struct cluster *c = recorded_cluster;
    for (uint64_t n = 1; n <= 3; n++)
        order(0, n, n == 2 ? FORM_SIGNED : FORM_MACS);
    order(ORIGIN_READER, 1, FORM_MACS);
    fetch_reply_of(0, 1);
    leave(1); /* replica 1 leads */
    order(3, 1, FORM_MACS);
    leave(2);
    order(3, 2, FORM_MACS);
    fill(CHECKPOINT_INTERVAL);
    cutting = true;
    order(0, 4, FORM_MACS);
    order(0, 5, FORM_MACS);
    cutting = false;
    catch_up(0, false);
    catch_up(3, false);
    cutting = true;
    fill(2 * CHECKPOINT_INTERVAL);
    cutting = false;
    struct digest root = cluster_e(c, 0)->root;
    for (replica_id r = 0; r < c->replicas; r++)
        if (r != 1)
            to_1(KIND_EXECUTION, forge_checkpoint(c, r, 2 * CHECKPOINT_INTERVAL, &root));
    catch_up(2, true);
    CHECK(cluster_e(c, 1)->executed == 2 * CHECKPOINT_INTERVAL);
    leave(3);
    order(0, 6, FORM_MACS);
    CHECK(cluster_e(c, 1)->executed == 2 * CHECKPOINT_INTERVAL + 1);
}

/* Frames between hosts, which no compartment sends. */
static void host_frames(void)
{
    struct cluster *c = recorded_cluster;
    struct slice none = {NULL, 0};
    struct status status = {.view = 1, .in_view = 1, .executed = 3, .stable = 0, .newest = 9};
    record(cluster_local(c, FRAME_STATUS, cluster_body(c, status, &status), none), 2);
    struct digest digest, any = test_digest(1);
    struct slice list = cluster_list(c, c->now_us, NULL, 0, &digest);
    record(
        cluster_local(c, FRAME_BATCH, cluster_body(c, batch_frame, &(struct batch_frame){1, digest}), list),
        2);
    record(cluster_local(c, FRAME_FETCH, cluster_body(c, fetch, &(struct fetch){FETCH_BATCH, digest}), none),
           2);
    record(cluster_local(c, FRAME_FETCH, cluster_body(c, fetch, &(struct fetch){FETCH_BUNDLE, any}), none),
           2);
}

void recorded_make(enum kind kind, struct recording *out)
{
    CHECK(crypto_start() == 0);
    cluster_random_fixed(20240607);
    recorded_cluster = cluster_new(NULL);
    recording_now = out;
    recorded_kind = kind;
    recorded_cluster->drop = listen;
    recorded_cluster->seen = see;
    script();
    if (kind == KIND_HOST || kind == KIND_NONE)
        host_frames();
    recorded_cluster->seen = NULL;
    recorded_cluster->drop = NULL;
    cluster_forget(recorded_cluster);
}

/* --- inputs ------------------------------------------------------------------------------------------------------- */

static uint8_t take8(struct input *in)
{
    if (in->len == 0)
        return 0;
    in->len--;
    return *in->data++;
}

static size_t take16(struct input *in)
{
    size_t low = take8(in);
    return low | (size_t)take8(in) << 8;
}

static struct auth *auth_of(const struct sender *sender)
{
    struct cluster *c = recorded_cluster;
    if (sender->kind == KIND_ORIGIN && sender->id < c->options.origins)
        return &c->origin[sender->id].auth;
    if (sender->kind >= KIND_PREPARATION && sender->kind <= KIND_EXECUTION && sender->id < c->replicas)
        return cluster_auth(c, sender->kind, sender->id);
    return NULL;
}

/* Digests that bind an attachment, made right again. */
static struct slice body_rebound(const struct frame *frame)
{
    struct cluster *c = recorded_cluster;
    struct vote vote;
    struct bundle b;
    struct view_change vc;
    struct new_view nv;
    const struct slice *a = &frame->attachment;
    if (frame->type == FRAME_PRE_PREPARE && a->len && vote_decode(frame->body, &vote)) {
        batch_digest(&vote.batch, *a);
        return cluster_body(c, vote, &vote);
    }
    if (frame->type == FRAME_BUNDLE && a->len && bundle_decode(frame->body, &b)) {
        digest_of(&b.operations, BUNDLE_OPERATIONS_TAG, a->data, a->len);
        return cluster_body(c, bundle, &b);
    }
    if (frame->type == FRAME_VIEW_CHANGE && view_change_decode(frame->body, &vc)) {
        digest_of(&vc.partings, VIEW_CHANGE_PARTINGS_TAG, a->data, a->len);
        return cluster_body(c, view_change, &vc);
    }
    if (frame->type == FRAME_NEW_VIEW && new_view_decode(frame->body, &nv)) {
        digest_of(&nv.view_changes, NEW_VIEW_VIEW_CHANGES_TAG, a->data, a->len);
        return cluster_body(c, new_view, &nv);
    }
    return frame->body;
}

static void authenticate(struct recorded *r, enum kind to)
{
    struct cluster *c = recorded_cluster;
    struct frame frame;
    if (!frame_decode(r->data, r->len, &frame))
        return;
    struct auth *as = auth_of(&frame.sender);
    if (!as || frame.auth_kind == AUTH_NONE)
        return;
    struct slice body = body_rebound(&frame), made;
    if (frame.auth_kind == AUTH_SIGNATURE)
        made = forge_signed(c, as, frame.type, body, frame.attachment);
    else
        made = forge_mac(c, as, frame.type, body, to, 1, frame.attachment);
    r->data = (uint8_t *)(uintptr_t)made.data;
    r->len = made.len;
}

static void pick(const struct recording *recording, struct input *in, struct recorded *out, bool again)
{
    const struct recorded *from = &recording->frame[take16(in) % recording->count];
    unsigned changes = take8(in) % 16;
    struct slice copy = cluster_copy(recorded_cluster, from->data, from->len);
    *out = (struct recorded){.data = (uint8_t *)(uintptr_t)copy.data, .len = copy.len, .from = from->from};
    for (; changes; changes--) {
        size_t at = take16(in) % out->len;
        out->data[at] = take8(in);
    }
    if (again)
        authenticate(out, in->to);
}

bool recorded_next(const struct recording *recording, struct input *in, struct recorded *out)
{
    if (in->run_left) {
        *out = recording->frame[in->run_at++ % recording->count];
        in->run_left--;
        return true;
    }
    if (in->len == 0)
        return false;
    switch (take8(in) % 4) {
    case 0:
        in->run_at = take16(in) % recording->count;
        in->run_left = take8(in);
        return recorded_next(recording, in, out);
    case 1:
        pick(recording, in, out, false);
        return true;
    case 2:
        pick(recording, in, out, true);
        return true;
    default: {
        size_t len = take16(in);
        len = len < in->len ? len : in->len;
        struct slice copy = cluster_copy(recorded_cluster, in->data, len);
        *out = (struct recorded){.data = (uint8_t *)(uintptr_t)copy.data, .len = len, .from = 2};
        in->data += len;
        in->len -= len;
        return true;
    }
    }
}
