#include "counter_key.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "keys.h"
#include "members.h"
#include "ordering/content.h"
#include "wire/counter_key.h"

#define COUNTER_KEY_FILE_MAX 1024u

static const struct tag16 no_cluster;

bool counter_key_path(char *out, const char *dir, replica_id replica)
{
    return path_make(out, "%s/replica-%u/counter-key", dir, replica);
}

/* From the seed that the key pair is made of; in a domain of its own, so it says nothing about that key, nor about the secret of another
 * cluster. */
static void group_make(uint8_t group[32], const struct sign_key *admin, const struct tag16 *cluster)
{
    struct secret_key seed, made;
    memcpy(seed.bytes, admin->secret, sizeof seed.bytes);
    key_derive(&made, &seed, "redoubt counters of a cluster", cluster->bytes, sizeof cluster->bytes);
    memcpy(group, made.bytes, sizeof made.bytes);
    crypto_wipe(&seed, sizeof seed);
    crypto_wipe(&made, sizeof made);
}

void counter_fingerprint(char out[FINGERPRINT_BYTES], const uint8_t box_public[32])
{
    for (int i = 0; i < 8; i++)
        snprintf(out + 5 * (size_t)i, 6, "%02x%02x%s", box_public[2 * i], box_public[2 * i + 1],
                 i < 7 ? " " : "");
}

static int key_write(const char *dir, struct counter_key *key, const uint8_t group[32],
                     const struct sign_key *admin, struct error *error)
{
    const struct sender sender = {KIND_ADMIN, 0, 0};
    uint8_t sealed[32 + SEAL_BYTES], body[256], frame[COUNTER_KEY_FILE_MAX], signature[SIGNATURE_BYTES];
    char path[PATH_BYTES];
    struct digest content;
    struct writer w = writer_to(body, sizeof body);
    box_seal(sealed, key->box_public.bytes, group, 32);
    memcpy(key->half0.bytes, sealed, 32);
    memcpy(key->half1.bytes, sealed + 32, 32);
    memcpy(key->tail.bytes, sealed + 64, 16);
    counter_key_put(&w, key);
    CHECK(!w.bad);
    auth_content(&no_cluster, FRAME_COUNTER_KEY, &sender, (struct slice){body, w.len}, &content);
    content_sign(admin, &content, signature);
    size_t len = frame_encode(frame, sizeof frame, FRAME_COUNTER_KEY, &sender, AUTH_SIGNATURE,
                              (struct slice){body, w.len}, (struct slice){signature, sizeof signature},
                              (struct slice){NULL, 0});
    CHECK(len > 0);
    return counter_key_path(path, dir, key->replica) ? file_write(path, frame, len, 0644, error)
                                                     : error_set(error, "%s: name too long", dir);
}

static int key_make(const struct config *config, const struct tag16 *cluster, uint32_t pillars,
                    const struct hellos *hellos, replica_id replica, const struct sign_key *admin,
                    struct error *error)
{
    const struct member_hello *counter = &hellos->member[member_row(KIND_COUNTER)];
    struct counter_key key = {.cluster = *cluster,
                              .replica = replica,
                              .epoch = counter->sender.epoch,
                              .box_public = counter->hello.box_public,
                              .pillars = pillars};
    uint8_t group[32];
    group_make(group, admin, cluster);
    int result = key_write(config->dir, &key, group, admin, error);
    crypto_wipe(group, sizeof group);
    return result;
}

int counter_keys_write(const struct config *config, const struct tag16 *cluster, const struct hellos hellos[],
                       const struct sign_key *admin, struct error *error)
{
    int result = 0;
    for (replica_id r = 0; r < config->replicas && result == 0; r++)
        result = key_make(config, cluster, config->pillars, &hellos[r], r, admin, error);
    return result;
}

/* ---------------------------------------------------------------- one that starts again */

/* Could a RECONFIG admit these keys? Their epoch must be above that of the start, and one that a clock gives. */
static int epoch_later(const struct configuration *start, const struct member_hello *counter,
                       const struct config *config, struct error *error)
{
    epoch_no before = start->member[member_row(KIND_COUNTER)][counter->sender.id].epoch,
             epoch = counter->sender.epoch;
    if (epoch <= before)
        return error_set(error,
                         "%s/replica-%u/hello: it is of a start of the whole cluster: started with "
                         "--rejoin the replica comes back into the one that runs, and shows another one",
                         config->dir, counter->sender.id);
    if (epoch - before > EPOCH_STEP_MAX)
        return error_set(error, "%s/replica-%u/hello: its epoch %llu is none that a clock gives", config->dir,
                         counter->sender.id, (unsigned long long)epoch);
    return 0;
}

/* Is it the host that the administrator knows, and not the one that was replaced? Whose hello it is, nothing else says: a hello is signed
 * with the key that it shows. */
static int host_known(const struct configuration *start, const struct config *config,
                      const struct member_hello *shown, struct error *error)
{
    static const uint8_t unknown[32];
    char path[PATH_BYTES];
    struct members members = {0};
    const replica_id r = shown->sender.id;
    members_follow(&members, start);
    if (!path_make(path, "%s/members", config->dir))
        return error_set(error, "%s: name too long", config->dir);
    if (members_read(&members, path, error))
        return -1;
    const struct host_keys *host = &members.host[r];
    const uint8_t *link = shown->hello.sign_public.bytes, *platform = shown->hello.box_public.bytes;
    /* After a rotation its host may not have gone over to the new one. */
    bool linked = memcmp(link, host->link_public, 32) == 0 ||
                  (host->rotated && memcmp(link, host->link_before, 32) == 0);
    if (linked &&
        (memcmp(members.platform[r], unknown, 32) == 0 || memcmp(platform, members.platform[r], 32) == 0))
        return 0;
    return error_set(
        error,
        "%s/replica-%u/hello: its %s key is not the one of replica %u (manifest, members): is it "
        "of a machine that was replaced? It gets no key",
        config->dir, r, linked ? "platform" : "link", r);
}

static int renew_in(const struct configuration *start, const struct config *config, replica_id replica,
                    const struct sign_key *admin, struct member_hello *made, struct error *error)
{
    struct hellos hellos;
    const struct member_hello *counter = &hellos.member[member_row(KIND_COUNTER)];
    if (start->protocol != PROTOCOL_HYBSTER || replica >= start->replicas)
        return error_set(error, "%s/manifest: it has no counter of a replica %u", config->dir, replica);
    if (hellos_read(&hellos, config->dir, replica, PROTOCOL_HYBSTER, admin->public, error) ||
        host_known(start, config, &hellos.member[0], error) || epoch_later(start, counter, config, error) ||
        key_make(config, &start->cluster, start->pillars, &hellos, replica, admin, error))
        return -1;
    hellos_used(&hellos, config->dir, replica, PROTOCOL_HYBSTER, admin->public);
    if (made)
        *made = *counter;
    return 0;
}

int counter_key_renew(const struct config *config, replica_id replica, struct member_hello *made,
                      struct error *error)
{
    char path[PATH_BYTES];
    struct configuration *start = malloc(sizeof *start);
    struct sign_key admin;
    struct frame frame;
    struct file file;
    CHECK(start && "out of memory");
    int result = admin_key_read(&admin, config->dir, error);
    if (result == 0 && !path_make(path, "%s/manifest", config->dir))
        result = error_set(error, "%s: name too long", config->dir);
    if (result == 0)
        result = manifest_read(start, &frame, &file, path, admin.public, error);
    if (result == 0) {
        result = renew_in(start, config, replica, &admin, made, error);
        file_free(&file);
    }
    crypto_wipe(&admin, sizeof admin);
    free(start);
    return result;
}

static bool signed_by(const struct frame *frame, const uint8_t admin_public[32])
{
    struct digest content;
    auth_content(&no_cluster, frame->type, &frame->sender, frame->body, &content);
    return frame->auth.len == SIGNATURE_BYTES && auth_signature_ok(frame->auth.data, admin_public, &content);
}

int counter_key_read(struct file *file, const char *dir, const struct tag16 *cluster,
                     const struct member_hello *mine, const uint8_t admin_public[32], struct error *error)
{
    char path[PATH_BYTES];
    struct frame frame;
    struct counter_key key;
    int result = 0;
    if (!counter_key_path(path, dir, mine->sender.id))
        return error_set(error, "%s: name too long", dir);
    if (!file_exists(path))
        return 0;
    if (file_read(file, path, COUNTER_KEY_FILE_MAX, error))
        return -1;
    if (!frame_decode(file->data, file->len, &frame) || frame.type != FRAME_COUNTER_KEY ||
        counter_key_check(&frame, &key) != VERDICT_ACCEPT)
        result = 0; /* perhaps it is being copied */
    else if (!signed_by(&frame, admin_public))
        result =
            error_set(error, "%s: forged: not signed by the administrator of this cluster (admin.pub)", path);
    else
        result = key.replica == mine->sender.id && key.epoch == mine->sender.epoch &&
                 memcmp(key.box_public.bytes, mine->hello.box_public.bytes, 32) == 0 &&
                 memcmp(key.cluster.bytes, cluster->bytes, sizeof cluster->bytes) == 0;
    if (result <= 0)
        file_free(file);
    return result;
}
