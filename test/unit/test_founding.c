/* Keys, hellos and the manifest: what is signed verifies, and its tampered twin does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "chain_file.h"
#include "founding.h"
#include "keys.h"

static struct sign_key admin;
static struct sign_key member_sign[REPLICAS_MAX][MEMBER_KINDS];
static struct box_key member_box[REPLICAS_MAX][MEMBER_KINDS];
static struct config config;
static struct hellos hellos[REPLICAS_MAX];
static struct configuration loaded;
static uint8_t origins[2 * origin_entry_BYTES];

static void make_members(void)
{
    struct writer w = writer_to(origins, sizeof origins);
    config = (struct config){
        .protocol = PROTOCOL_SPLITBFT, .pillars = 1, .faults = 1, .replicas = 4, .request_timeout_ms = 1000};
    sign_keypair(&admin);
    for (replica_id r = 0; r < 5; r++) { /* the last one may be added */
        for (int i = 0; i < MEMBER_KINDS; i++) {
            struct member_hello *h = &hellos[r].member[i];
            sign_keypair(&member_sign[r][i]);
            box_keypair(&member_box[r][i]);
            h->sender = (struct sender){(enum kind)(KIND_HOST + i), r, 1};
            memcpy(h->hello.sign_public.bytes, member_sign[r][i].public, 32);
            memcpy(h->hello.box_public.bytes, member_box[r][i].public, 32);
        }
    }
    for (origin_id i = 0; i < 2; i++) {
        struct origin_entry entry = {.id = i, .access = ACCESS_WRITE | ACCESS_READ};
        memcpy(entry.sign_public.bytes, member_sign[i][0].public, 32);
        memcpy(entry.box_public.bytes, member_box[i][0].public, 32);
        origin_entry_put(&w, &entry);
    }
}

static void sign(struct file *manifest)
{
    struct error error;
    assert_int_equal(
        founding_sign(manifest, &config, hellos, (struct slice){origins, sizeof origins}, &admin, &error), 0);
}

static enum verdict load(const struct file *manifest, const uint8_t public[32])
{
    struct frame frame;
    if (!frame_decode(manifest->data, manifest->len, &frame))
        return VERDICT_MALFORMED;
    return configuration_load(&loaded, &frame, public);
}

static void a_manifest_says_what_the_hellos_said(void **state)
{
    struct file manifest;
    (void)state;
    make_members();
    sign(&manifest);
    assert_int_equal(load(&manifest, admin.public), VERDICT_ACCEPT);
    assert_int_equal(loaded.write_quorum, 2);
    assert_int_equal(loaded.read_quorum, 0);
    assert_int_equal(loaded.number, 1);
    for (replica_id r = 0; r < 4; r++)
        for (int i = 0; i < MEMBER_KINDS; i++)
            assert_memory_equal(loaded.member[i][r].sign_public, member_sign[r][i].public, 32);
    file_free(&manifest);
    config.fast_reads = true;
    sign(&manifest);
    assert_int_equal(load(&manifest, admin.public), VERDICT_ACCEPT);
    assert_int_equal(loaded.write_quorum, 3);
    assert_int_equal(loaded.read_quorum, 3);
    file_free(&manifest);
}

/* Every E, and nobody else, opens its share; all get the same key, whose public half is in the manifest. */
static void the_group_key_is_sealed_to_each_execution(void **state)
{
    struct file manifest;
    struct frame frame;
    (void)state;
    make_members();
    sign(&manifest);
    assert_int_equal(load(&manifest, admin.public), VERDICT_ACCEPT);
    assert_true(frame_decode(manifest.data, manifest.len, &frame));
    assert_int_equal(sealed_count(frame.attachment), 4);
    for (replica_id r = 0; r < 4; r++) {
        struct sealed entry = sealed_at(frame.attachment, r);
        uint8_t sealed[32 + SEAL_BYTES], secret[32];
        struct box_key group;
        memcpy(sealed, entry.half0.bytes, 32);
        memcpy(sealed + 32, entry.half1.bytes, 32);
        memcpy(sealed + 64, entry.tail.bytes, 16);
        assert_true(box_open(secret, &member_box[r][KIND_EXECUTION - KIND_HOST], sealed, sizeof sealed));
        box_keypair_from(&group, secret);
        assert_memory_equal(group.public, loaded.group_public, 32);
        assert_false(box_open(secret, &member_box[r][KIND_PREPARATION - KIND_HOST], sealed, sizeof sealed));
        assert_false(
            box_open(secret, &member_box[(r + 1) % 4][KIND_EXECUTION - KIND_HOST], sealed, sizeof sealed));
    }
    file_free(&manifest);
}

static void a_tampered_manifest_is_refused(void **state)
{
    struct file manifest;
    struct frame frame;
    struct sign_key other;
    (void)state;
    make_members();
    sign(&manifest);
    sign_keypair(&other);
    assert_int_equal(load(&manifest, other.public), VERDICT_BAD_SIGNATURE);
    assert_true(frame_decode(manifest.data, manifest.len, &frame));
    size_t covered = FRAME_HEADER_BYTES + frame.body.len + frame.auth.len;
    for (size_t at = 0; at < covered; at += 37) {
        manifest.data[at] ^= 0x10;
        assert_int_not_equal(load(&manifest, admin.public), VERDICT_ACCEPT);
        manifest.data[at] ^= 0x10;
    }
    assert_int_equal(load(&manifest, admin.public), VERDICT_ACCEPT);
    file_free(&manifest);
}

static void every_founding_is_another_cluster(void **state)
{
    struct file manifest;
    struct tag16 first;
    uint8_t group[32];
    (void)state;
    make_members();
    sign(&manifest);
    load(&manifest, admin.public);
    first = loaded.cluster;
    memcpy(group, loaded.group_public, 32);
    file_free(&manifest);
    sign(&manifest);
    load(&manifest, admin.public);
    assert_memory_not_equal(first.bytes, loaded.cluster.bytes, 16);
    assert_memory_not_equal(group, loaded.group_public, 32);
    file_free(&manifest);
}

/* Up to f may have lost their logs; platforms, cluster and group key stay; epochs and the view rise. */
static void a_resume_goes_on_from_the_manifest_before(void **state)
{
    static const struct slice chains[REPLICAS_MAX];
    struct file manifest, next;
    struct frame before;
    struct error error;
    (void)state;
    make_members();
    sign(&manifest);
    assert_int_equal(load(&manifest, admin.public), VERDICT_ACCEPT);
    struct tag16 cluster_id = loaded.cluster;
    assert_true(frame_decode(manifest.data, manifest.len, &before));
    for (replica_id r = 0; r < 4; r++)
        for (int i = 0; i < MEMBER_KINDS; i++) {
            hellos[r].member[i].sender.epoch = 8;
            hellos[r].member[i].hello.head.bytes[0] = r != 3;
            hellos[r].member[i].hello.view = 7;
        }
    assert_int_equal(founding_resume(&next, &config, hellos, &before, chains, &admin, &error), 0);
    assert_int_equal(load(&next, admin.public), VERDICT_ACCEPT);
    assert_int_equal(loaded.resumed, 1);
    assert_int_equal(loaded.number, 2);
    assert_int_equal(configuration_ordered(&loaded), 1);
    assert_int_equal(loaded.view, 8);
    assert_int_equal(loaded.retired_count, 4);
    assert_true(loaded.platform[2].present && !loaded.fixed);
    assert_int_equal(loaded.ordered[1][2].epoch, 1);
    assert_memory_equal(loaded.cluster.bytes, cluster_id.bytes, sizeof cluster_id.bytes);
    file_free(&next);
    hellos[1].member[KIND_CONFIRMATION - KIND_HOST].hello.head.bytes[0] = 0; /* one that learned */
    assert_int_equal(founding_resume(&next, &config, hellos, &before, chains, &admin, &error), -1);
    assert_non_null(strstr(error.text, "2 of 4 replicas"));
    file_free(&manifest);
}

/* All show logs, of epoch 8 and view 7, behind a founding that is in `manifest`. */
static void show_logs(struct file *manifest, struct frame *before)
{
    make_members();
    sign(manifest);
    assert_true(frame_decode(manifest->data, manifest->len, before));
    for (replica_id r = 0; r < 4; r++)
        for (int i = 0; i < MEMBER_KINDS; i++) {
            hellos[r].member[i].sender.epoch = 8;
            hellos[r].member[i].hello.head.bytes[0] = 1;
            hellos[r].member[i].hello.view = i ? 7 : 0;
        }
}

static int resume(struct file *next, const struct frame *before, struct error *error)
{
    static const struct slice chains[REPLICAS_MAX];
    return founding_resume(next, &config, hellos, before, chains, &admin, error);
}

/* A CONFIGURATION that E 0 and 1 of `before` signed, as one host keeps it: a list with its length. */
static struct slice chain_of(const struct configuration *before)
{
    static uint8_t list[8192];
    static struct configuration as;
    uint8_t members[renewal_BYTES], body[RECONFIG_BYTES_MAX], steps[RECONFIG_BYTES_MAX + 12], said[80];
    uint8_t signers[2 * signer_BYTES], bytes[4096], frame[4096];
    struct writer mw = writer_to(members, sizeof members), bw = writer_to(body, sizeof body);
    struct writer lw = writer_to(steps, sizeof steps), sw = writer_to(signers, sizeof signers);
    struct writer w = writer_to(bytes, sizeof bytes), out = writer_to(list, sizeof list);
    const struct sender self = {KIND_EXECUTION, 0, 0};
    struct digest root = {{5}}, content;
    renewal_put(&mw, &(struct renewal){.kind = KIND_PREPARATION, .epoch = 5});
    reconfig_put(&bw, &(struct reconfig){.configuration = 1, .replica = 3, .members = {members, mw.len}});
    put_u64(&lw, 2);
    put_slice(&lw, (struct slice){body, bw.len});
    struct chain chain = {.first = 2,
                          .steps = {steps, lw.len},
                          .slot = CHECKPOINT_INTERVAL,
                          .root = root,
                          .signers = {signers, 0}};
    as = *before;
    configuration_walk(&as, &chain);
    for (replica_id r = 0; r < 2; r++) {
        struct auth auth = {.sign = member_sign[r][KIND_EXECUTION - KIND_HOST]};
        struct sender e = {KIND_EXECUTION, r, 1};
        struct signer signer = {.replica = r, .epoch = 1, .configuration = 2};
        struct writer s = writer_to(said, sizeof said);
        checkpoint_put(&s, &(struct checkpoint){.configuration = 2,
                                                .chain = configuration_step(&as, 2)->chain,
                                                .slot = CHECKPOINT_INTERVAL,
                                                .root = root});
        auth_content(&as.cluster, FRAME_CHECKPOINT, &e, (struct slice){said, s.len}, &content);
        auth_sign_content(&auth, &content, signer.signature.bytes);
        signer_put(&sw, &signer);
    }
    chain.signers.len = sw.len;
    chain_put(&w, &chain);
    size_t len = frame_encode(frame, sizeof frame, FRAME_CONFIGURATION, &self, AUTH_NONE,
                              (struct slice){bytes, w.len}, (struct slice){NULL, 0}, (struct slice){NULL, 0});
    put_slice(&out, (struct slice){frame, len});
    assert_false(out.bad || w.bad);
    return (struct slice){list, out.len};
}

/* One host that shows it is enough, and one that shows something else changes nothing. */
static void a_resume_goes_on_from_what_hosts_kept(void **state)
{
    struct slice chains[REPLICAS_MAX] = {{NULL, 0}};
    struct file manifest, next;
    struct frame before;
    struct error error;
    (void)state;
    show_logs(&manifest, &before);
    assert_int_equal(load(&manifest, admin.public), VERDICT_ACCEPT);
    chains[2] = chain_of(&loaded);
    assert_int_equal(founding_resume(&next, &config, hellos, &before, chains, &admin, &error), 0);
    assert_int_equal(load(&next, admin.public), VERDICT_ACCEPT);
    assert_int_equal(configuration_ordered(&loaded), 2);
    assert_int_equal(loaded.number, 3);
    assert_int_equal(loaded.ordered[KIND_PREPARATION - KIND_HOST][3].epoch, 5);
    file_free(&next);
    for (size_t at = 40; at < chains[2].len; at += 7) {
        uint8_t *byte = (uint8_t *)(uintptr_t)chains[2].data + at;
        *byte ^= 1;
        assert_int_equal(founding_resume(&next, &config, hellos, &before, chains, &admin, &error), 0);
        assert_int_equal(load(&next, admin.public), VERDICT_ACCEPT);
        assert_int_equal(configuration_ordered(&loaded), 1);
        file_free(&next);
        *byte ^= 1;
    }
    file_free(&manifest);
}

/* START's view is above all that were shown: one host that shows the highest there is would leave no view to go on to, for good. */
static void a_view_that_nobody_came_to_is_not_believed(void **state)
{
    static const view_no made_up[] = {UINT64_MAX, UINT64_MAX - 1, 1ull << 60};
    struct file manifest, next;
    struct frame before;
    struct error error;
    (void)state;
    show_logs(&manifest, &before);
    for (unsigned i = 0; i < 3; i++) {
        hellos[2].member[KIND_PREPARATION - KIND_HOST].hello.view = made_up[i];
        assert_int_equal(resume(&next, &before, &error), 0);
        assert_int_equal(load(&next, admin.public), VERDICT_ACCEPT);
        assert_int_equal(loaded.view, 8);
        file_free(&next);
    }
    /* Its log counts as lost: with another one that is, there are too many. */
    hellos[3].member[KIND_EXECUTION - KIND_HOST].hello.head.bytes[0] = 0;
    assert_int_equal(resume(&next, &before, &error), -1);
    assert_non_null(strstr(error.text, "2 of 4 replicas"));
    /* One that left some views alone is no liar. */
    hellos[3].member[KIND_EXECUTION - KIND_HOST].hello.head.bytes[0] = 1;
    hellos[2].member[KIND_PREPARATION - KIND_HOST].hello.view = 1000000;
    assert_int_equal(resume(&next, &before, &error), 0);
    assert_int_equal(load(&next, admin.public), VERDICT_ACCEPT);
    assert_int_equal(loaded.view, 1000001);
    file_free(&next);
    file_free(&manifest);
}

static void an_epoch_that_nothing_comes_after_is_refused(void **state)
{
    struct file manifest, next;
    struct frame before;
    struct error error;
    (void)state;
    show_logs(&manifest, &before);
    for (int i = 0; i < MEMBER_KINDS; i++) {
        hellos[2].member[i].sender.epoch = UINT64_MAX - 1;
        assert_int_equal(resume(&next, &before, &error), -1);
        assert_non_null(strstr(error.text, "replica 2"));
        hellos[2].member[i].sender.epoch = 1800000000000000u; /* the time, in microseconds */
        assert_int_equal(resume(&next, &before, &error), 0);
        file_free(&next);
    }
    hellos[1].member[0].sender.epoch = UINT64_MAX;
    assert_int_equal(
        founding_sign(&next, &config, hellos, (struct slice){origins, sizeof origins}, &admin, &error), -1);
    assert_non_null(strstr(error.text, "replica 1"));
    hellos[1].member[0].sender.epoch = 8;
    hellos[1].member[KIND_EXECUTION - KIND_HOST].sender.epoch = 1; /* the founding's */
    assert_int_equal(resume(&next, &before, &error), -1);
    assert_non_null(strstr(error.text, "replica 1"));
    file_free(&manifest);
}

/* `start` was interrupted before all had the manifest: run again it gives out the same one. */
static void what_was_signed_is_not_signed_again(void **state)
{
    struct file manifest, next, again;
    struct frame before;
    struct error error;
    (void)state;
    show_logs(&manifest, &before);
    assert_int_equal(resume(&next, &before, &error), 0);
    assert_true(frame_decode(next.data, next.len, &before));
    assert_int_equal(resume(&again, &before, &error), 0);
    assert_int_equal(again.len, next.len);
    assert_memory_equal(again.data, next.data, next.len);
    file_free(&again);
    /* So is a founding, in which nobody has a log. */
    make_members();
    file_free(&manifest);
    sign(&manifest);
    assert_true(frame_decode(manifest.data, manifest.len, &before));
    memset(&hellos[0].member[1].hello.head, 0, sizeof hellos[0].member[1].hello.head);
    assert_int_equal(resume(&again, &before, &error), 0);
    assert_memory_equal(again.data, manifest.data, manifest.len);
    file_free(&again);
    file_free(&next);
    file_free(&manifest);
}

/* ---------------------------------------------------------------- another size */

#define CLOSED activation_slot(7)

static struct slice signed_close(uint8_t body[RECONFIG_BYTES_MAX], uint32_t size)
{
    static uint8_t signature[SIGNATURE_BYTES];
    static struct auth auth;
    struct reconfig close = {.configuration = 1, .size = size};
    struct digest_state state;
    struct digest content;
    struct writer w = writer_to(body, RECONFIG_BYTES_MAX);
    auth.sign = admin;
    reconfig_put(&w, &close);
    digest_begin(&state, RECONFIG_TAG);
    digest_add(&state, loaded.cluster.bytes, sizeof loaded.cluster.bytes);
    digest_add(&state, body, w.len);
    digest_end(&state, &content);
    auth_sign_content(&auth, &content, signature);
    close.signature = (struct slice){signature, sizeof signature};
    w = writer_to(body, RECONFIG_BYTES_MAX);
    reconfig_put(&w, &close);
    return (struct slice){body, w.len};
}

/* What a host's chain is when the cluster was closed for `size`: the CONFIGURATION of the CLOSE, by so many E at the closed slot. */
static struct slice closing(uint32_t size, uint32_t signers)
{
    static uint8_t out[4096];
    static struct auth auth;
    uint8_t close[RECONFIG_BYTES_MAX], steps[RECONFIG_BYTES_MAX + 12], list[4 * signer_BYTES], body[4096];
    struct configuration *c = malloc(sizeof *c);
    struct reconfig m;
    struct slice bytes = signed_close(close, size);
    struct digest root = {{9}};
    struct writer sw = writer_to(steps, sizeof steps), lw = writer_to(list, sizeof list);
    *c = loaded;
    assert_int_equal(reconfig_body_check(bytes, &m), VERDICT_ACCEPT);
    assert_int_equal(configuration_reconfigure(c, &m, bytes, 7), VERDICT_ACCEPT);
    put_u64(&sw, 7);
    put_slice(&sw, bytes);
    for (replica_id r = 0; r < signers; r++) {
        struct sender e = {KIND_EXECUTION, r, 1};
        struct digest content;
        struct signer signer = {.replica = r, .epoch = 1, .configuration = 2};
        struct writer w = writer_to(body, sizeof body);
        checkpoint_put(&w, &(struct checkpoint){.configuration = 2,
                                                .chain = configuration_step(c, 2)->chain,
                                                .slot = CLOSED,
                                                .root = root});
        auth.sign = member_sign[r][KIND_EXECUTION - KIND_HOST];
        auth_content(&c->cluster, FRAME_CHECKPOINT, &e, (struct slice){body, w.len}, &content);
        auth_sign_content(&auth, &content, signer.signature.bytes);
        signer_put(&lw, &signer);
    }
    free(c);
    struct writer w = writer_to(body, sizeof body);
    chain_put(
        &w,
        &(struct chain){
            .first = 2, .steps = {steps, sw.len}, .slot = CLOSED, .root = root, .signers = {list, lw.len}});
    struct sender e = {KIND_EXECUTION, 0, 1};
    uint8_t frame[4096];
    size_t len = frame_encode(frame, sizeof frame, FRAME_CONFIGURATION, &e, AUTH_NONE,
                              (struct slice){body, w.len}, (struct slice){NULL, 0}, (struct slice){NULL, 0});
    struct writer ow = writer_to(out, sizeof out);
    put_slice(&ow, (struct slice){frame, len});
    assert_false(ow.bad || len == 0);
    return (struct slice){out, ow.len};
}

static void another_size_goes_on_from_where_it_was_closed(void **state)
{
    struct slice chains[REPLICAS_MAX] = {{NULL, 0}};
    struct file manifest, next;
    struct frame before;
    struct error error;
    (void)state;
    make_members();
    sign(&manifest);
    assert_int_equal(load(&manifest, admin.public), VERDICT_ACCEPT);
    assert_true(frame_decode(manifest.data, manifest.len, &before));
    for (replica_id r = 0; r < 5; r++)
        for (int i = 0; i < MEMBER_KINDS; i++) {
            hellos[r].member[i].sender.epoch = 8;
            hellos[r].member[i].hello.view = 7;
            hellos[r].member[i].hello.slot = r < 2 ? CLOSED : 0;
        }
    config.replicas = 5;
    assert_int_equal(founding_resume(&next, &config, hellos, &before, chains, &admin, &error), -1);
    assert_non_null(strstr(error.text, "it lists 5 replicas, and the manifest 4"));
    chains[1] = closing(6, 2);
    assert_int_equal(founding_resume(&next, &config, hellos, &before, chains, &admin, &error), -1);
    assert_non_null(strstr(error.text, "it lists 5 replicas, and the cluster was closed to have 6"));
    chains[1] = closing(5, 1); /* one E only says so */
    assert_int_equal(founding_resume(&next, &config, hellos, &before, chains, &admin, &error), -1);
    chains[1] = closing(5, 2);
    hellos[1].member[KIND_EXECUTION - KIND_HOST].hello.slot--;
    assert_int_equal(founding_resume(&next, &config, hellos, &before, chains, &admin, &error), -1);
    assert_non_null(strstr(error.text, "only 1 of the replicas that stay have the state"));
    hellos[1].member[KIND_EXECUTION - KIND_HOST].hello.slot++;
    assert_int_equal(founding_resume(&next, &config, hellos, &before, chains, &admin, &error), 0);
    assert_int_equal(load(&next, admin.public), VERDICT_ACCEPT);
    assert_true(configuration_resizes(&loaded));
    assert_int_equal(loaded.replicas, 5);
    assert_int_equal(quorum_vote(&loaded), 4);
    assert_int_equal(loaded.write_quorum, 2);
    assert_int_equal(loaded.closed_slot, CLOSED);
    assert_int_equal(loaded.number, 3);
    assert_int_equal(loaded.view, 8);
    assert_int_equal(loaded.retired_count, 0);
    assert_int_equal(loaded.ordered[1][2].epoch, 1);
    assert_int_equal(loaded.ordered[1][4].epoch, 8);
    assert_true(loaded.platform[4].present);
    file_free(&next);
    file_free(&manifest);
}

static void a_chain_travels_with_the_hello(void **state)
{
    char dir[] = "/tmp/redoubt-hello.XXXXXX", path[PATH_BYTES];
    uint8_t configuration[] = {4, 0, 0, 0, 1, FRAME_CONFIGURATION, 1, 2};
    uint8_t other[] = {4, 0, 0, 0, 1, FRAME_HELLO, 1, 2};
    struct slice none[MEMBER_KINDS] = {{NULL, 0}};
    struct file chain;
    struct hellos read;
    struct error error;
    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/replica-2", dir);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(hellos_write(dir, 2, none, (struct slice){configuration, sizeof configuration}, &error),
                     0);
    assert_int_equal(hellos_chain(&chain, dir, 2, &error), 0);
    assert_int_equal(chain.len, sizeof configuration);
    assert_memory_equal(chain.data, configuration, sizeof configuration);
    file_free(&chain);
    assert_int_equal(hellos_write(dir, 2, none, (struct slice){other, sizeof other}, &error), 0);
    assert_int_equal(hellos_read(&read, dir, 2, PROTOCOL_SPLITBFT, admin.public, &error), -1);
    snprintf(path, sizeof path, "%s/replica-2/hello", dir);
    unlink(path);
    snprintf(path, sizeof path, "%s/replica-2", dir);
    rmdir(path);
    rmdir(dir);
}

static void epochs_only_rise(void **state)
{
    char dir[] = "/tmp/redoubt-epoch.XXXXXX", path[PATH_BYTES];
    epoch_no first, second;
    struct error error;
    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/replica-1", dir);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(epoch_draw(&first, 1, dir, 1, &error), 0);
    assert_int_equal(epoch_draw(&second, first + 1000000000ull, dir, 1, &error), 0);
    assert_int_equal(second, first + 1000000001ull); /* a clock that was set back */
    assert_int_equal(epoch_draw(&first, 1, dir, 1, &error), 0);
    assert_true(first > second);
    /* The cluster knows a later one, of another machine's clock. */
    assert_int_equal(epoch_outdo(first + 5000000000ull, dir, 1, &error), 0);
    assert_int_equal(epoch_draw(&second, 1, dir, 1, &error), 0);
    assert_int_equal(second, first + 5000000001ull);
    snprintf(path, sizeof path, "%s/replica-1/epoch", dir);
    unlink(path);
    snprintf(path, sizeof path, "%s/replica-1", dir);
    rmdir(path);
    rmdir(dir);
}

static void a_hello_stands_for_its_sender_only(void **state)
{
    uint8_t frame[HOST_HELLO_MAX];
    struct member_hello out;
    struct sign_key key, other;
    struct error error;
    (void)state;
    sign_keypair(&admin);
    sign_keypair(&key);
    sign_keypair(&other);
    struct slice whole = {frame, hello_of_host(frame, &key, 2, 1, key.public, admin.public)};
    assert_int_equal(hello_check(&out, whole, KIND_HOST, 2, admin.public, &error), 0);
    assert_memory_equal(out.hello.sign_public.bytes, key.public, 32);
    assert_int_equal(hello_check(&out, whole, KIND_HOST, 1, admin.public, &error), -1);
    assert_int_equal(hello_check(&out, whole, KIND_EXECUTION, 2, admin.public, &error), -1);
    assert_int_equal(hello_check(&out, whole, KIND_HOST, 2, other.public, &error), -1);
    assert_non_null(strstr(error.text, "another administrator"));
    for (size_t at = 0; at < whole.len; at++) {
        frame[at] ^= 1;
        assert_int_equal(hello_check(&out, whole, KIND_HOST, 2, admin.public, &error), -1);
        frame[at] ^= 1;
    }
    for (size_t len = 0; len < whole.len; len++)
        assert_int_equal(hello_check(&out, (struct slice){frame, len}, KIND_HOST, 2, admin.public, &error),
                         -1);
}

static void client_keys_come_back(void **state)
{
    char dir[] = "/tmp/redoubt-keys.XXXXXX", path[PATH_BYTES];
    struct client_keys made, read;
    struct error error;
    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/clients", dir);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(client_keys_make(&made, dir, 7, &error), 0);
    assert_int_equal(client_keys_read(&read, dir, 7, &error), 0);
    assert_memory_equal(&made, &read, sizeof made);
    assert_true(client_key_path(path, dir, 7));
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(client_keys_read(&read, dir, 7, &error), -1);
    assert_non_null(strstr(error.text, "others may read"));
    assert_int_equal(client_keys_read(&read, dir, 8, &error), -1);
    unlink(path);
    snprintf(path, sizeof path, "%s/clients", dir);
    rmdir(path);
    rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_manifest_says_what_the_hellos_said),
        cmocka_unit_test(the_group_key_is_sealed_to_each_execution),
        cmocka_unit_test(a_tampered_manifest_is_refused),
        cmocka_unit_test(every_founding_is_another_cluster),
        cmocka_unit_test(a_resume_goes_on_from_the_manifest_before),
        cmocka_unit_test(a_resume_goes_on_from_what_hosts_kept),
        cmocka_unit_test(a_view_that_nobody_came_to_is_not_believed),
        cmocka_unit_test(an_epoch_that_nothing_comes_after_is_refused),
        cmocka_unit_test(what_was_signed_is_not_signed_again),
        cmocka_unit_test(another_size_goes_on_from_where_it_was_closed),
        cmocka_unit_test(a_chain_travels_with_the_hello),
        cmocka_unit_test(epochs_only_rise),
        cmocka_unit_test(a_hello_stands_for_its_sender_only),
        cmocka_unit_test(client_keys_come_back),
    };
    return crypto_start() != 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
