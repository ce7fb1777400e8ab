/*
 * START: the manifest is believed only as the administrator signed it, and only when it is complete and its quorums are those
 * that consistency rests on; and a compartment starts only under a manifest that names it with its own keys.
 */
#include "testing.h"

#include "cluster.h"

static struct cluster *cluster;
static struct configuration configuration;

static int setup(void **state)
{
    (void)state;
    cluster = cluster_new(&(struct cluster_options){.unstarted = true});
    return 0;
}

static int setup_pbft(void **state)
{
    (void)state;
    cluster = cluster_new(&(struct cluster_options){.unstarted = true, .protocol = PROTOCOL_PBFT});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cluster_free(cluster);
    return 0;
}

static enum verdict load_bytes(struct slice bytes)
{
    struct frame frame;
    return frame_decode(bytes.data, bytes.len, &frame)
               ? configuration_load(&configuration, &frame, cluster->admin.public)
               : VERDICT_MALFORMED;
}

static enum verdict load(const struct start *manifest)
{
    return load_bytes(cluster_sign_start(cluster, manifest, &cluster->admin));
}

static struct member *member_list(struct slice list, struct member *out)
{
    for (uint32_t i = 0; i < member_count(list); i++)
        out[i] = member_at(list, i);
    return out;
}

static struct slice member_bytes(const struct member *list, uint32_t count)
{
    static uint8_t bytes[64 * member_BYTES];
    struct writer w = writer_to(bytes, sizeof bytes);
    for (uint32_t i = 0; i < count; i++)
        member_put(&w, &list[i]);
    assert_false(w.bad);
    return (struct slice){bytes, w.len};
}

static void a_manifest_is_unpacked(void **state)
{
    (void)state;
    struct start manifest = cluster_manifest(cluster);
    assert_verdict(load(&manifest), ACCEPT);
    assert_int_equal(configuration.replicas, 4);
    assert_int_equal(configuration.origins, 4);
    assert_int_equal(configuration.origin[ORIGIN_READER].access, ACCESS_READ);
    assert_int_equal(quorum_vote(&configuration), 3);
    assert_int_equal(quorum_one_correct(&configuration), 2);
    assert_int_equal(primary_of(&configuration, 5), 1);
    struct sender c2 = cluster_auth(cluster, KIND_CONFIRMATION, 2)->self;
    assert_memory_equal(configuration_member(&configuration, &c2)->sign_public,
                        cluster_auth(cluster, KIND_CONFIRMATION, 2)->sign.public, 32);
    c2.epoch++;
    assert_null(configuration_member(&configuration, &c2));
    c2 = (struct sender){KIND_CONFIRMATION, 4, 104};
    assert_null(configuration_member(&configuration, &c2));
    c2 = (struct sender){KIND_ORIGIN, 0, 7};
    assert_null(configuration_member(&configuration, &c2));
}

static void only_the_administrator_signs(void **state)
{
    (void)state;
    struct start manifest = cluster_manifest(cluster);
    struct sign_key other;
    sign_keypair(&other);
    assert_verdict(load_bytes(cluster_sign_start(cluster, &manifest, &other)), BAD_SIGNATURE);
    struct slice good = cluster_sign_start(cluster, &manifest, &cluster->admin);
    struct frame frame;
    assert_true(frame_decode(good.data, good.len, &frame));
    size_t is_signed = FRAME_HEADER_BYTES + frame.body.len + frame.auth.len; /* the sealed keys are not */
    uint8_t *bytes = (uint8_t *)(uintptr_t)good.data;
    for (size_t at = 0; at < is_signed; at++) {
        bytes[at] ^= (uint8_t)(1u << at % 8);
        assert_refused(load_bytes(good), at);
        bytes[at] ^= (uint8_t)(1u << at % 8);
    }
    for (size_t len = 0; len < good.len; len += 7)
        assert_refused(load_bytes((struct slice){good.data, len}), len);
    assert_verdict(load_bytes(good), ACCEPT);
}

static void quorums_that_do_not_intersect_are_refused(void **state)
{
    (void)state;
    static const struct {
        unsigned faults, replicas, write, read;
        bool good;
    } cases[] = {
        {1, 4, 3, 3, true},  {1, 4, 2, 0, true},     {1, 4, 2, 3, false}, {1, 4, 3, 2, false},
        {1, 4, 3, 0, false}, {1, 4, 1, 0, false},    {1, 4, 4, 4, false}, {1, 4, 0, 0, false},
        {0, 4, 1, 1, false}, {0, 1, 1, 1, false},    {1, 3, 3, 3, false}, {1, 5, 3, 3, false},
        {2, 4, 5, 5, false}, {5, 16, 11, 11, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct start m = cluster_manifest(cluster);
        m.faults = (uint16_t)cases[i].faults;
        m.replicas = cases[i].replicas;
        m.write_quorum = cases[i].write;
        m.read_quorum = cases[i].read;
        assert_int_equal(load(&m), cases[i].good ? VERDICT_ACCEPT : VERDICT_MALFORMED);
    }
}

static void pillars_are_hybsters_alone(void **state)
{
    (void)state;
    struct start m = cluster_manifest(cluster);
    for (unsigned pillars = 0; pillars < 256; pillars++) {
        m.pillars = (uint8_t)pillars;
        assert_int_equal(load(&m), pillars == 1 ? VERDICT_ACCEPT : VERDICT_MALFORMED);
    }
}

static void protocols_that_are_not_ours_are_refused(void **state)
{
    (void)state;
    struct start m = cluster_manifest(cluster);
    for (unsigned protocol = 0; protocol < 256; protocol++) {
        m.protocol = (uint8_t)protocol;
        /* Under pbft the three compartments would have to share their keys. */
        assert_int_equal(load(&m), protocol == PROTOCOL_SPLITBFT ? VERDICT_ACCEPT
                                   : protocol == PROTOCOL_PBFT   ? VERDICT_MISMATCH
                                                                 : VERDICT_MALFORMED);
    }
}

static void members_are_complete_and_named_once(void **state)
{
    (void)state;
    struct start m = cluster_manifest(cluster);
    struct slice members = m.members;
    struct member list[17];
    m.members = member_bytes(member_list(members, list), 15);
    assert_verdict(load(&m), MALFORMED);
    member_list(members, list);
    list[16] = list[15];
    m.members = member_bytes(list, 17);
    assert_verdict(load(&m), MALFORMED);
    list[3] = list[2]; /* the right number, but one twice */
    m.members = member_bytes(list, 16);
    assert_verdict(load(&m), MALFORMED);
    member_list(members, list)[5].replica = 4;
    m.members = member_bytes(list, 16);
    assert_verdict(load(&m), MALFORMED);
    static const uint32_t kinds[] = {KIND_NONE, KIND_ORIGIN, KIND_ADMIN, UINT32_MAX};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        member_list(members, list)[5].kind = kinds[i];
        m.members = member_bytes(list, 16);
        assert_verdict(load(&m), MALFORMED);
    }
    m.members = (struct slice){members.data, members.len - 1};
    assert_verdict(load(&m), MALFORMED);
    m.members = members;
    assert_verdict(load(&m), ACCEPT);
}

static void origins_are_bounded_and_named_once(void **state)
{
    (void)state;
    struct start m = cluster_manifest(cluster);
    static uint8_t bytes[(ORIGINS_MAX + 1) * origin_entry_BYTES];
    for (uint32_t count = ORIGINS_MAX - 1; count <= ORIGINS_MAX + 1; count++) {
        struct writer w = writer_to(bytes, sizeof bytes);
        for (uint32_t i = 0; i < count; i++)
            origin_entry_put(&w, &(struct origin_entry){.id = i});
        m.origins = (struct slice){bytes, w.len};
        assert_int_equal(load(&m), count <= ORIGINS_MAX ? VERDICT_ACCEPT : VERDICT_MALFORMED);
    }
    static const uint32_t ids[][2] = {{5, 5}, {0, ORIGINS_MAX}, {0, UINT32_MAX}};
    for (size_t i = 0; i < 3; i++) {
        struct writer w = writer_to(bytes, sizeof bytes);
        origin_entry_put(&w, &(struct origin_entry){.id = ids[i][0]});
        origin_entry_put(&w, &(struct origin_entry){.id = ids[i][1]});
        m.origins = (struct slice){bytes, w.len};
        assert_verdict(load(&m), MALFORMED);
    }
    struct writer w = writer_to(bytes, sizeof bytes); /* gaps are fine */
    origin_entry_put(&w, &(struct origin_entry){.id = 9});
    m.origins = (struct slice){bytes, w.len};
    assert_verdict(load(&m), ACCEPT);
    assert_int_equal(configuration.origins, 10);
    assert_true(configuration.origin[9].present && !configuration.origin[8].present);
    m.origins = SLICE_NONE;
    assert_verdict(load(&m), ACCEPT);
}

static void in_one_domain_keys_are_shared(void **state)
{
    (void)state;
    struct start m = cluster_manifest(cluster);
    assert_verdict(load(&m), ACCEPT);
    struct slice members = m.members;
    struct member list[16];
    member_list(members, list)[6].box_public.bytes[0] ^= 1; /* a C */
    m.members = member_bytes(list, 16);
    assert_verdict(load(&m), MISMATCH);
    member_list(members, list)[7].epoch++;
    m.members = member_bytes(list, 16);
    assert_verdict(load(&m), MISMATCH);
    /* A compartment of another fault domain is not to be told that its neighbours are believed. */
    m = cluster_manifest(cluster);
    m.protocol = PROTOCOL_SPLITBFT;
    struct slice start = cluster_sign_start(cluster, &m, &cluster->admin);
    for (enum kind kind = KIND_PREPARATION; kind <= KIND_EXECUTION; kind++)
        assert_verdict(cluster_give(cluster, kind, 0, start), MISMATCH);
}

/* --- at a compartment ------------------------------------------------------------------------------------------- */

static void nothing_is_done_before_the_start(void **state)
{
    (void)state;
    for (enum kind kind = KIND_PREPARATION; kind <= KIND_EXECUTION; kind++) {
        assert_int_equal(cluster_count(cluster, kind, 0, FRAME_HELLO), 1);
        assert_verdict(cluster_leave(cluster, kind, 0, 1), EARLY);
        cluster_flush(cluster, kind, 0);
        assert_int_equal(cluster_count(cluster, kind, 0, FRAME_PARTING), 0);
    }
}

static void a_hello_is_signed_with_the_key_that_it_shows(void **state)
{
    (void)state;
    for (enum kind kind = KIND_PREPARATION; kind <= KIND_EXECUTION; kind++) {
        const struct frame *frame = &cluster_last(cluster, kind, 1, FRAME_HELLO)->frame;
        static const struct tag16 no_cluster;
        struct hello hello;
        struct digest content;
        assert_true(hello_decode(frame->body, &hello));
        assert_memory_equal(hello.admin_public.bytes, cluster->admin.public, 32);
        auth_content(&no_cluster, FRAME_HELLO, &frame->sender, frame->body, &content);
        assert_true(auth_signature_ok(frame->auth.data, hello.sign_public.bytes, &content));
        content.bytes[0] ^= 1;
        assert_false(auth_signature_ok(frame->auth.data, hello.sign_public.bytes, &content));
    }
}

static void a_compartment_starts_once(void **state)
{
    (void)state;
    struct start m = cluster_manifest(cluster);
    struct slice start = cluster_sign_start(cluster, &m, &cluster->admin);
    struct sign_key other;
    sign_keypair(&other);
    for (enum kind kind = KIND_PREPARATION; kind <= KIND_EXECUTION; kind++) {
        assert_verdict(cluster_give(cluster, kind, 0, cluster_sign_start(cluster, &m, &other)),
                       BAD_SIGNATURE);
        assert_verdict(cluster_give(cluster, kind, 0, start), ACCEPT); /* a refused one does no harm */
        assert_verdict(cluster_give(cluster, kind, 0, start), DUPLICATE);
    }
}

static void a_manifest_that_names_other_keys_is_refused(void **state)
{
    (void)state;
    struct start m = cluster_manifest(cluster);
    struct slice members = m.members;
    for (unsigned what = 0; what < 3; what++) {
        struct member list[16];
        member_list(members, list);
        for (unsigned i = 1; i < 4; i++) { /* P, C, E of replica 0 */
            list[i].sign_public.bytes[3] ^= what == 0;
            list[i].box_public.bytes[3] ^= what == 1;
            list[i].epoch += what == 2;
        }
        m.members = member_bytes(list, 16);
        struct slice start = cluster_sign_start(cluster, &m, &cluster->admin);
        for (enum kind kind = KIND_PREPARATION; kind <= KIND_EXECUTION; kind++)
            assert_verdict(cluster_give(cluster, kind, 0, start), UNKNOWN_SENDER);
    }
    m.members = members;
    assert_verdict(
        cluster_give(cluster, KIND_PREPARATION, 0, cluster_sign_start(cluster, &m, &cluster->admin)), ACCEPT);
}

static void the_group_key_must_be_the_one_named(void **state)
{
    (void)state;
    struct start m = cluster_manifest(cluster);
    struct slice start = cluster_sign_start(cluster, &m, &cluster->admin);
    struct frame frame;
    assert_true(frame_decode(start.data, start.len, &frame));
    uint8_t *sealed = (uint8_t *)(uintptr_t)frame.attachment.data + sealed_BYTES; /* that of E_1 */
    for (size_t at = 0; at < sealed_BYTES; at++) {
        sealed[at] ^= 0x10;
        assert_verdict(cluster_give(cluster, KIND_EXECUTION, 1, start), MISMATCH);
        sealed[at] ^= 0x10;
    }
    uint8_t *bare = malloc(start.len);
    memcpy(bare, start.data, start.len);
    size_t len = frame_strip(bare, start.len, &frame);
    assert_verdict(cluster_give(cluster, KIND_EXECUTION, 1, (struct slice){bare, len}), MISMATCH);
    free(bare);
    struct box_key group = cluster->group;
    box_keypair(&cluster->group); /* sealed is another than the manifest names */
    assert_verdict(cluster_give(cluster, KIND_EXECUTION, 1, cluster_sign_start(cluster, &m, &cluster->admin)),
                   MISMATCH);
    cluster->group = group;
    assert_verdict(cluster_give(cluster, KIND_EXECUTION, 1, start), ACCEPT);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_manifest_is_unpacked),
        T(only_the_administrator_signs),
        T(quorums_that_do_not_intersect_are_refused),
        T(pillars_are_hybsters_alone),
        T(protocols_that_are_not_ours_are_refused),
        T(members_are_complete_and_named_once),
        T(origins_are_bounded_and_named_once),
        cmocka_unit_test_setup_teardown(in_one_domain_keys_are_shared, setup_pbft, teardown),
        T(nothing_is_done_before_the_start),
        T(a_hello_is_signed_with_the_key_that_it_shows),
        T(a_compartment_starts_once),
        T(a_manifest_that_names_other_keys_is_refused),
        T(the_group_key_must_be_the_one_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
