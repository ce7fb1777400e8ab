/*
 * A counter that starts again in a hybster cluster that runs: the administrator makes the secret of that cluster once more, from his own key,
 * and seals it to the new counter. And to none whose keys are not those of a replica that starts again.
 */
#include "testing.h"

#include <sys/stat.h>
#include <unistd.h>

#include "counter_key.h"
#include "counter_world.h"
#include "founding.h"
#include "keys.h"
#include "members.h"
#include "ordering/hello.h"

enum { REPLICAS = 3, LATER = 7 };

static char dir[] = "/tmp/redoubt-counter-renewal.XXXXXX";
static struct config config;
static struct counter_world world; /* its administrator */
static struct counter_under_test counter[REPLICAS];
static struct tag16 cluster;
static uint8_t origins[origin_entry_BYTES];
static struct error error;
static struct sign_key link_key[REPLICAS]; /* of the hosts */
static struct box_key platform_key[REPLICAS];

static const char *path_in(const char *name)
{
    static char path[PATH_BYTES];
    assert_true(path_make(path, "%s/%s", dir, name));
    return path;
}

/* Orderer and E have one pair of keys; the host shows others. Returns the length; `out` has 512 bytes. */
static size_t hello_of(uint8_t out[512], enum kind kind, replica_id r, epoch_no epoch,
                       const struct sign_key *sign, const struct box_key *platform,
                       const uint8_t admin_public[32])
{
    struct sender self = {kind, r, epoch};
    struct outbox box = {.data = malloc(65536), .cap = 65536};
    struct slice frame;
    struct box_key keys;
    uint8_t seed[32] = {(uint8_t)r, 9};
    size_t at = 0;
    box_keypair_from(&keys, seed);
    if (kind == KIND_HOST)
        keys = *platform;
    hello_say(&box, &self, sign, keys.public, admin_public, &(struct hello_head){0});
    assert_true(outbox_next(&box, &at, &frame) && frame.len <= 512);
    memcpy(out, frame.data, frame.len);
    free(box.data);
    return frame.len;
}

/* All four members of a replica with this counter, as a host with these keys leaves them. */
static void show_by(const struct counter_under_test *c, const struct sign_key *link,
                    const struct box_key *platform, const uint8_t admin_public[32])
{
    static uint8_t bytes[MEMBER_KINDS][512];
    struct slice frames[MEMBER_KINDS];
    struct sign_key sign;
    size_t at = 0;
    sign_keypair(&sign);
    for (int i = 0; i < MEMBER_KINDS; i++) {
        enum kind kind = member_kind(PROTOCOL_HYBSTER, i);
        frames[i] = (struct slice){bytes[i], 0};
        if (kind == KIND_COUNTER)
            assert_true(outbox_next(&c->out, &at, &frames[i]));
        else
            frames[i].len =
                hello_of(bytes[i], kind, c->replica, c->epoch, i ? &sign : link, platform, admin_public);
    }
    assert_int_equal(hellos_write(dir, c->replica, frames, (struct slice){NULL, 0}, &error), 0);
}

static void show(const struct counter_under_test *c, const uint8_t admin_public[32])
{
    show_by(c, &link_key[c->replica], &platform_key[c->replica], admin_public);
}

static bool hello_there(replica_id r)
{
    char path[PATH_BYTES];
    return hello_path(path, dir, r) && file_exists(path);
}

static void begin_with_key(struct counter_under_test *c, const struct member_hello *mine)
{
    struct file file;
    assert_int_equal(counter_key_read(&file, dir, &cluster, mine, world.admin.public, &error), 1);
    assert_verdict(counter_give(c, file.data, file.len), ACCEPT);
    file_free(&file);
}

/* A cluster whose counters have begun. */
static void found(void)
{
    struct hellos hellos[REPLICAS_MAX];
    struct configuration *loaded = malloc(sizeof *loaded);
    struct file manifest;
    struct frame frame;
    for (replica_id r = 0; r < REPLICAS; r++) {
        counter_start(&counter[r], &world, r, 1);
        show(&counter[r], world.admin.public);
        assert_int_equal(hellos_read(&hellos[r], dir, r, PROTOCOL_HYBSTER, world.admin.public, &error), 0);
    }
    struct slice clients = {origins, sizeof origins};
    assert_int_equal(founding_sign(&manifest, &config, hellos, clients, &world.admin, &error), 0);
    assert_int_equal(file_write(path_in("manifest"), manifest.data, manifest.len, 0644, &error), 0);
    assert_true(frame_decode(manifest.data, manifest.len, &frame));
    assert_verdict(configuration_load(loaded, &frame, world.admin.public), ACCEPT);
    for (replica_id r = 0; r < REPLICAS; r++)
        assert_true(loaded->platform[r].present); /* so its launcher can have it admitted */
    cluster = loaded->cluster;
    file_free(&manifest);
    free(loaded);
    assert_int_equal(counter_keys_write(&config, &cluster, hellos, &world.admin, &error), 0);
    for (replica_id r = 0; r < REPLICAS; r++)
        begin_with_key(&counter[r], &hellos[r].member[member_row(KIND_COUNTER)]);
}

static void lose(void)
{
    for (replica_id r = 0; r < REPLICAS; r++)
        counter_stop(&counter[r]);
}

static int make(void **state)
{
    char path[PATH_BYTES];
    struct sign_key client;
    struct box_key box;
    struct writer w = writer_to(origins, sizeof origins);
    (void)state;
    assert_int_equal(crypto_start(), 0);
    assert_non_null(mkdtemp(dir));
    config = (struct config){.protocol = PROTOCOL_HYBSTER,
                             .pillars = 2,
                             .faults = 1,
                             .replicas = REPLICAS,
                             .request_timeout_ms = 1000};
    snprintf(config.dir, sizeof config.dir, "%s", dir);
    for (replica_id r = 0; r < REPLICAS; r++) {
        sign_keypair(&link_key[r]);
        box_keypair(&platform_key[r]);
        snprintf(path, sizeof path, "%s/replica-%u", dir, r);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    sign_keypair(&client);
    box_keypair(&box);
    struct origin_entry entry = {.access = ACCESS_WRITE | ACCESS_READ};
    memcpy(entry.sign_public.bytes, client.public, 32);
    memcpy(entry.box_public.bytes, box.public, 32);
    origin_entry_put(&w, &entry);
    return admin_key_make(&world.admin, dir, &error);
}

static int clean(void **state)
{
    char path[PATH_BYTES];
    (void)state;
    for (replica_id r = 0; r < REPLICAS; r++) {
        assert_true(hello_path(path, dir, r));
        unlink(path);
        assert_true(counter_key_path(path, dir, r));
        unlink(path);
        snprintf(path, sizeof path, "%s/replica-%u/manifest", dir, r);
        unlink(path);
        snprintf(path, sizeof path, "%s/replica-%u", dir, r);
        rmdir(path);
    }
    unlink(path_in("members"));
    unlink(path_in("clients.pub"));
    unlink(path_in("manifest"));
    unlink(path_in("admin.key"));
    unlink(path_in("admin.pub"));
    return rmdir(dir);
}

static void refused(const char *why)
{
    char path[PATH_BYTES];
    assert_true(counter_key_path(path, dir, 1));
    unlink(path);
    assert_int_equal(counter_key_renew(&config, 1, NULL, &error), -1);
    if (!strstr(error.text, why))
        fail_msg("said: %s", error.text);
    assert_false(file_exists(path));
}

/* It verifies what the others certify, they what it does; under its own name, and not under that of the counter before. */
static void one_that_starts_again_gets_the_same_secret(void **state)
{
    struct counter_under_test again;
    struct trinx_command command = {TRINX_INDEPENDENT, 0, 0, {1, 1}, {{7}}};
    struct trinx_certificate made;
    struct member_hello mine;
    (void)state;
    found();
    counter_start(&again, &world, 1, LATER);
    show(&again, world.admin.public);
    assert_int_equal(counter_key_renew(&config, 1, &mine, &error), 0);
    assert_false(hello_there(1)); /* used up */
    assert_int_equal(mine.sender.epoch, LATER);
    assert_memory_equal(mine.hello.box_public.bytes, again.box_public, 32);
    struct file file;
    assert_int_equal(counter_key_read(&file, dir, &cluster, &mine, world.admin.public, &error), 1);
    for (replica_id r = 0; r < REPLICAS; r++) /* nobody who has begun begins again */
        assert_verdict(counter_give(&counter[r], file.data, file.len), DUPLICATE);
    file_free(&file);
    begin_with_key(&again, &mine);
    assert_verdict(counter_certify(&counter[0], &command, &made), ACCEPT);
    assert_verdict(counter_verify(&again, &made, &command.digest), ACCEPT);
    assert_verdict(counter_certify(&again, &command, &made), ACCEPT);
    assert_verdict(counter_verify(&counter[0], &made, &command.digest), ACCEPT);
    made.instance.life = trinx_life(counter[1].box_public);
    assert_verdict(counter_verify(&counter[0], &made, &command.digest), BAD_MAC);
    made.instance.epoch = 1;
    assert_verdict(counter_verify(&counter[0], &made, &command.digest), BAD_MAC);
    counter_stop(&again);
    lose();
}

static void keys_of_no_restart_are_refused(void **state)
{
    static const epoch_no too_late = 1 + EPOCH_STEP_MAX + 1;
    struct counter_under_test again;
    struct counter_world other;
    (void)state;
    found();
    refused("of a start of the whole cluster");
    counter_start(&again, &world, 1, too_late);
    show(&again, world.admin.public);
    refused("none that a clock gives");
    counter_stop(&again);
    counter_start(&again, &world, 1, LATER);
    again.replica = 2;
    show(&again, world.admin.public); /* its counter is replica 1's, the others are not */
    assert_int_equal(counter_key_renew(&config, 2, NULL, &error), -1);
    assert_non_null(strstr(error.text, "another member"));
    counter_stop(&again);
    counter_world_init(&other);
    counter_start(&again, &other, 1, LATER);
    show(&again, other.admin.public);
    refused("obeys another administrator");
    counter_stop(&again);
    counter_start(&again, &world, 1, LATER);
    show(&again, world.admin.public);
    config.replicas = 4;
    assert_int_equal(counter_key_renew(&config, 3, NULL, &error), -1);
    assert_non_null(strstr(error.text, "no counter of a replica 3"));
    config.replicas = REPLICAS;
    assert_int_equal(counter_key_renew(&config, 1, NULL, &error), 0);
    assert_int_equal(unlink(path_in("manifest")), 0);
    refused("manifest");
    counter_stop(&again);
    lose();
}

static void renewed(const struct counter_under_test *again, const struct sign_key *link,
                    const struct box_key *platform)
{
    show_by(again, link, platform, world.admin.public);
    assert_int_equal(counter_key_renew(&config, 1, NULL, &error), 0);
}

/* A machine that `replace` locked out can draw fresh compartments and show them; it has not the keys of the one in its place. */
static void a_host_that_the_administrator_does_not_know_gets_no_key(void **state)
{
    struct counter_under_test again;
    struct configuration *held = calloc(1, sizeof *held);
    struct members members = {0};
    struct sign_key other_link, rotated;
    struct box_key other_platform;
    (void)state;
    found();
    sign_keypair(&other_link);
    sign_keypair(&rotated);
    box_keypair(&other_platform);
    counter_start(&again, &world, 1, LATER);
    show_by(&again, &other_link, &platform_key[1], world.admin.public);
    refused("its link key is not the one of replica 1");
    assert_true(hello_there(1));
    show_by(&again, &link_key[1], &other_platform, world.admin.public);
    refused("its platform key is not the one of replica 1");
    renewed(&again, &link_key[1], &platform_key[1]);
    /* It is replaced, as DIR/members tells. */
    held->cluster = cluster;
    held->replicas = REPLICAS;
    held->host[1].epoch = 5;
    memcpy(held->host[1].link_public, other_link.public, 32);
    memcpy(held->ordered[0][1].measurement.bytes, other_platform.public, 32);
    members_follow(&members, held);
    assert_int_equal(members_write(&members, path_in("members"), &error), 0);
    show_by(&again, &link_key[1], &platform_key[1], world.admin.public);
    refused("its link key is not the one of replica 1");
    show_by(&again, &other_link, &platform_key[1], world.admin.public);
    refused("its platform key is not the one of replica 1");
    renewed(&again, &other_link, &other_platform);
    /* Its link key is rotated: either will do, and none of before. */
    held->host[1].epoch = 6;
    held->host[1].rotated = true;
    memcpy(held->host[1].link_before, other_link.public, 32);
    memcpy(held->host[1].link_public, rotated.public, 32);
    members_follow(&members, held);
    assert_int_equal(members_write(&members, path_in("members"), &error), 0);
    renewed(&again, &other_link, &other_platform);
    renewed(&again, &rotated, &other_platform);
    show(&again, world.admin.public);
    refused("its link key is not the one of replica 1");
    assert_int_equal(unlink(path_in("members")), 0);
    free(held);
    counter_stop(&again);
    lose();
}

/* `redoubt start` without --id, over a cluster that runs: one hello is new, the others were left lying about. */
static void keys_of_an_earlier_start_found_no_cluster(void **state)
{
    struct counter_under_test again;
    struct file before, after;
    (void)state;
    assert_int_equal(file_write(path_in("clients.pub"), origins, sizeof origins, 0644, &error), 0);
    found();
    counter_start(&again, &world, 1, LATER);
    show(&again, world.admin.public);
    assert_int_equal(file_read(&before, path_in("manifest"), FRAME_MAX, &error), 0);
    assert_int_equal(founding_run(&config, 0, NULL, NULL, &error), -1);
    assert_non_null(strstr(error.text, "its keys were used at an earlier start"));
    assert_true(hello_there(0) && hello_there(1));
    assert_int_equal(file_read(&after, path_in("manifest"), FRAME_MAX, &error), 0);
    assert_int_equal(before.len, after.len);
    assert_memory_equal(before.data, after.data, before.len);
    file_free(&before);
    file_free(&after);
    counter_stop(&again);
    lose();
}

/* Nor does a hello that made a manifest make another one: it is gone. One that was interrupted is signed again as it was. */
static void a_start_uses_the_hellos_up(void **state)
{
    struct file before, after;
    (void)state;
    found();
    assert_int_equal(file_read(&before, path_in("manifest"), FRAME_MAX, &error), 0);
    assert_int_equal(founding_run(&config, 0, NULL, NULL, &error), 0);
    assert_int_equal(file_read(&after, path_in("manifest"), FRAME_MAX, &error), 0);
    assert_int_equal(before.len, after.len);
    assert_memory_equal(before.data, after.data, before.len);
    for (replica_id r = 0; r < REPLICAS; r++)
        assert_false(hello_there(r));
    assert_int_equal(founding_run(&config, 0, NULL, NULL, &error), -1);
    assert_non_null(strstr(error.text, "did not show its keys"));
    file_free(&before);
    file_free(&after);
    lose();
}

/* ---------------------------------------------------------------- the secret itself */

/* What is sealed to replica 0's counter, whose box key the test has. */
static void secret_of(uint8_t group[32], const struct tag16 *of, const struct sign_key *admin)
{
    static struct hellos hellos[REPLICAS_MAX];
    struct box_key box;
    struct counter_key key;
    struct frame frame;
    struct file file;
    char path[PATH_BYTES];
    uint8_t sealed[32 + SEAL_BYTES];
    box_keypair(&box);
    for (replica_id r = 0; r < REPLICAS; r++) {
        struct member_hello *counter_hello = &hellos[r].member[member_row(KIND_COUNTER)];
        counter_hello->sender = (struct sender){KIND_COUNTER, r, 1};
        memcpy(counter_hello->hello.box_public.bytes, box.public, 32);
    }
    assert_int_equal(counter_keys_write(&config, of, hellos, admin, &error), 0);
    assert_true(counter_key_path(path, dir, 0));
    assert_int_equal(file_read(&file, path, 1024, &error), 0);
    assert_true(frame_decode(file.data, file.len, &frame));
    assert_verdict(counter_key_check(&frame, &key), ACCEPT);
    memcpy(sealed, key.half0.bytes, 32);
    memcpy(sealed + 32, key.half1.bytes, 32);
    memcpy(sealed + 64, key.tail.bytes, 16);
    assert_true(box_open(group, &box, sealed, sizeof sealed));
    file_free(&file);
}

static void derived(uint8_t group[32], const uint8_t seed[32], const struct tag16 *of)
{
    struct secret_key from, made;
    memcpy(from.bytes, seed, 32);
    key_derive(&made, &from, "redoubt counters of a cluster", of->bytes, sizeof of->bytes);
    memcpy(group, made.bytes, 32);
}

static void the_secret_is_of_one_cluster_and_of_the_administrators_secret_key(void **state)
{
    struct sign_key other;
    struct tag16 first = {{1}}, second = {{2}};
    uint8_t a[32], again[32], elsewhere[32], by_other[32], expected[32];
    (void)state;
    sign_keypair(&other);
    secret_of(a, &first, &world.admin);
    secret_of(again, &first, &world.admin);
    secret_of(elsewhere, &second, &world.admin);
    secret_of(by_other, &first, &other);
    assert_memory_equal(a, again, 32);
    assert_memory_not_equal(a, elsewhere, 32);
    assert_memory_not_equal(a, by_other, 32);
    derived(expected, world.admin.secret, &first);
    assert_memory_equal(a, expected, 32);
    derived(expected, world.admin.public, &first); /* which everybody has */
    assert_memory_not_equal(a, expected, 32);
    assert_memory_not_equal(world.admin.secret, world.admin.public, 32);
    assert_memory_not_equal(a, world.admin.secret, 32);
}

/* The id of a cluster is drawn anew at each start, so its secret is, too. */
static void another_start_has_another_secret(void **state)
{
    struct counter_under_test before[REPLICAS];
    struct trinx_command command = {TRINX_MAC, 0, 0, {0, 0}, {{7}}};
    struct trinx_certificate made;
    (void)state;
    found();
    struct tag16 first = cluster;
    memcpy(before, counter, sizeof before);
    found();
    assert_memory_not_equal(first.bytes, cluster.bytes, sizeof first.bytes);
    assert_verdict(counter_certify(&before[0], &command, &made), ACCEPT);
    assert_verdict(counter_verify(&before[1], &made, &command.digest), ACCEPT);
    assert_verdict(counter_verify(&counter[1], &made, &command.digest), BAD_MAC);
    lose();
    memcpy(counter, before, sizeof before);
    lose();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_starts_again_gets_the_same_secret),
        cmocka_unit_test(keys_of_no_restart_are_refused),
        cmocka_unit_test(a_host_that_the_administrator_does_not_know_gets_no_key),
        cmocka_unit_test(keys_of_an_earlier_start_found_no_cluster),
        cmocka_unit_test(a_start_uses_the_hellos_up),
        cmocka_unit_test(the_secret_is_of_one_cluster_and_of_the_administrators_secret_key),
        cmocka_unit_test(another_start_has_another_secret),
    };
    return cmocka_run_group_tests(tests, make, clean);
}
