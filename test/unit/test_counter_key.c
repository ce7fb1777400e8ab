/* What begins the counters of a hybster cluster: made for one counter of one start, and good for no other. */
#include "testing.h"

#include <sys/stat.h>
#include <unistd.h>

#include "counter_key.h"
#include "counter_world.h"
#include "counting.h"

enum { REPLICAS = 3 };

static char dir[] = "/tmp/redoubt-counter-key.XXXXXX";
static struct config config;
static struct sign_key admin;
static struct hellos hellos[REPLICAS_MAX];
static const struct tag16 cluster = {{1, 2, 3}};
static struct error error;

static struct member_hello *counter_of(replica_id r)
{
    return &hellos[r].member[member_row(KIND_COUNTER)];
}

static int make(void **state)
{
    char path[PATH_BYTES];
    (void)state;
    assert_int_equal(crypto_start(), 0);
    assert_non_null(mkdtemp(dir));
    config = (struct config){.protocol = PROTOCOL_HYBSTER, .pillars = 2, .faults = 1, .replicas = REPLICAS};
    snprintf(config.dir, sizeof config.dir, "%s", dir);
    sign_keypair(&admin);
    for (replica_id r = 0; r < REPLICAS; r++) {
        struct box_key box;
        box_keypair(&box);
        snprintf(path, sizeof path, "%s/replica-%u", dir, r);
        assert_int_equal(mkdir(path, 0700), 0);
        counter_of(r)->sender = (struct sender){KIND_COUNTER, r, 1};
        memcpy(counter_of(r)->hello.box_public.bytes, box.public, 32);
    }
    return 0;
}

static int clean(void **state)
{
    char path[PATH_BYTES];
    (void)state;
    for (replica_id r = 0; r < REPLICAS; r++) {
        assert_true(counter_key_path(path, dir, r));
        unlink(path);
        snprintf(path, sizeof path, "%s/replica-%u", dir, r);
        rmdir(path);
    }
    return rmdir(dir);
}

static int read_key(struct file *file, const struct tag16 *of, const struct member_hello *mine)
{
    return counter_key_read(file, dir, of, mine, admin.public, &error);
}

static void a_key_is_for_one_counter_of_one_start(void **state)
{
    static const struct tag16 other_cluster = {{9}};
    struct file file;
    (void)state;
    assert_int_equal(read_key(&file, &cluster, counter_of(0)), 0); /* none yet */
    assert_int_equal(counter_keys_write(&config, &cluster, hellos, &admin, &error), 0);
    for (replica_id r = 0; r < REPLICAS; r++) {
        assert_int_equal(read_key(&file, &cluster, counter_of(r)), 1);
        file_free(&file);
        assert_int_equal(read_key(&file, &other_cluster, counter_of(r)), 0);
        struct member_hello later = *counter_of(r);
        later.sender.epoch++;
        assert_int_equal(read_key(&file, &cluster, &later), 0);
        later = *counter_of(r);
        later.hello.box_public.bytes[5] ^= 1;
        assert_int_equal(read_key(&file, &cluster, &later), 0);
    }
    struct member_hello swapped = *counter_of(1);
    swapped.sender.id = 2; /* reads replica 2's file */
    assert_int_equal(read_key(&file, &cluster, &swapped), 0);
}

static void what_the_administrator_did_not_sign_is_an_error(void **state)
{
    char path[PATH_BYTES];
    struct file file, changed;
    struct sign_key other;
    (void)state;
    sign_keypair(&other);
    assert_int_equal(counter_keys_write(&config, &cluster, hellos, &admin, &error), 0);
    assert_int_equal(counter_key_read(&file, dir, &cluster, counter_of(0), other.public, &error), -1);
    assert_non_null(strstr(error.text, "forged"));
    assert_int_equal(read_key(&file, &cluster, counter_of(0)), 1);
    assert_true(counter_key_path(path, dir, 0));
    for (size_t at = 0; at < file.len; at++) {
        file.data[at] ^= 1;
        assert_int_equal(file_write(path, file.data, file.len, 0644, &error), 0);
        assert_true(read_key(&changed, &cluster, counter_of(0)) <= 0);
        file.data[at] ^= 1;
    }
    file.data[file.len - SIGNATURE_BYTES] ^= 1;
    assert_int_equal(file_write(path, file.data, file.len, 0644, &error), 0);
    assert_int_equal(read_key(&changed, &cluster, counter_of(0)), -1);
    file_free(&file);
}

static void half_a_key_is_waited_for(void **state)
{
    char path[PATH_BYTES];
    struct file file, part;
    (void)state;
    assert_int_equal(counter_keys_write(&config, &cluster, hellos, &admin, &error), 0);
    assert_int_equal(read_key(&file, &cluster, counter_of(0)), 1);
    assert_true(counter_key_path(path, dir, 0));
    for (size_t len = 0; len < file.len; len++) {
        assert_int_equal(file_write(path, file.data, len, 0644, &error), 0);
        assert_int_equal(read_key(&part, &cluster, counter_of(0)), 0);
    }
    file_free(&file);
}

static void note(struct counting *counting, const struct counter_under_test *c)
{
    size_t at = 0;
    struct slice frame;
    assert_true(outbox_next(&c->out, &at, &frame));
    counting_note(counting, frame);
}

/* The real compartment opens it, and all of them share a secret: one's certificates are good at another. */
static void a_compartment_begins_with_it(void **state)
{
    struct counter_world world = {.admin = admin};
    struct counter_under_test c[2];
    struct counting counting = {0};
    struct trinx_command command = {TRINX_INDEPENDENT, 0, 0, {1, 1}, {{7}}};
    struct trinx_certificate made;
    struct file file;
    (void)state;
    for (replica_id r = 0; r < 2; r++) {
        counter_start(&c[r], &world, r, 1);
        memcpy(counter_of(r)->hello.box_public.bytes, c[r].box_public, 32);
    }
    assert_int_equal(counter_keys_write(&config, &cluster, hellos, &admin, &error), 0);
    assert_int_equal(read_key(&file, &cluster, counter_of(0)), 1);
    assert_verdict(counter_give(&c[1], file.data, file.len), UNKNOWN_SENDER); /* another's */
    assert_verdict(counter_give(&c[0], file.data, file.len), ACCEPT);
    file_free(&file);
    assert_int_equal(read_key(&file, &cluster, counter_of(1)), 1);
    assert_verdict(counter_give(&c[1], file.data, file.len), ACCEPT);
    file_free(&file);
    assert_verdict(counter_certify(&c[0], &command, &made), ACCEPT);
    note(&counting, &c[0]);
    assert_verdict(counter_verify(&c[1], &made, &command.digest), ACCEPT);
    note(&counting, &c[1]);
    made.mac[0] ^= 1;
    assert_verdict(counter_verify(&c[1], &made, &command.digest), BAD_MAC);
    note(&counting, &c[1]);
    assert_verdict(counter_certify(&c[0], &command, &made), STALE);
    note(&counting, &c[0]);
    assert_int_equal(counting.calls, 4);
    assert_int_equal(counting.certified, 1);
    assert_int_equal(counting.refused, 1);
    assert_int_equal(counting.verified, 1);
    assert_int_equal(counting.forged, 1);
    counting_note(&counting, (struct slice){(const uint8_t *)"nonsense", 8});
    assert_int_equal(counting.calls, 4);
    counter_stop(&c[0]);
    counter_stop(&c[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_for_one_counter_of_one_start),
        cmocka_unit_test(what_the_administrator_did_not_sign_is_an_error),
        cmocka_unit_test(half_a_key_is_waited_for),
        cmocka_unit_test(a_compartment_begins_with_it),
    };
    return cmocka_run_group_tests(tests, make, clean);
}
