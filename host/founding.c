#include "founding.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "counter_key.h"
#include "keys.h"
#include "resume.h"

#define VIEW_STEP_MAX  (1ull << 40) /* one a microsecond, for days */
#define RESUME_WAIT_MS 600000u /* compartments execute what is in their logs before they show their keys */

static void members_put(struct writer *w, const struct config *config, const struct hellos hellos[])
{
    for (replica_id r = 0; r < config->replicas; r++) {
        for (int i = 0; i < MEMBER_KINDS; i++) {
            const struct member_hello *h = &hellos[r].member[i];
            struct member member = {
                .replica = r,
                .kind = (uint32_t)h->sender.kind,
                .epoch = h->sender.epoch,
                .sign_public = h->hello.sign_public,
                .box_public = h->hello.box_public,
                .measurement = h->hello.measurement,
                .head = h->hello.head,
            };
            member_put(w, &member);
        }
    }
}

/* The group's secret, sealed to each E. */
static void secrets_put(struct writer *w, const struct config *config, const struct hellos hellos[],
                        const struct box_key *group)
{
    uint8_t bytes[32 + SEAL_BYTES];
    for (replica_id r = 0; r < config->replicas; r++) {
        struct sealed entry = {.replica = r};
        box_seal(bytes, hellos[r].member[KIND_EXECUTION - KIND_HOST].hello.box_public.bytes, group->secret,
                 32);
        memcpy(entry.half0.bytes, bytes, 32);
        memcpy(entry.half1.bytes, bytes + 32, 32);
        memcpy(entry.tail.bytes, bytes + 64, 16);
        sealed_put(w, &entry);
    }
}

/* A host shows its platform key where a compartment shows its box key. */
static void platforms_put(struct writer *w, const struct config *config, const struct hellos hellos[])
{
    for (replica_id r = 0; r < config->replicas; r++) {
        struct platform platform = {.replica = r, .public = hellos[r].member[0].hello.box_public};
        platform_put(w, &platform);
    }
}

static struct start start_of(const struct config *config, const struct box_key *group, struct slice members,
                             struct slice origins)
{
    struct start start = {
        .protocol = (uint8_t)config->protocol,
        .fast_reads = config->fast_reads,
        .pillars = (uint8_t)config->pillars,
        .faults = (uint16_t)config->faults,
        .configuration = 1,
        .replicas = config->replicas,
        .write_quorum = config->fast_reads ? quorum_of(config->replicas) : config->faults + 1,
        .read_quorum = config->fast_reads ? quorum_of(config->replicas) : 0,
        /* A PRE-PREPARE may be as old as a view takes at the highest back-off; else a slow network would stop voting. */
        .view_timeout_us = (uint64_t)config->request_timeout_ms * 1000 * 64,
        .members = members,
        .origins = origins,
    };
    crypto_random(start.cluster.bytes, sizeof start.cluster.bytes);
    memcpy(start.group_public.bytes, group->public, 32);
    return start;
}

static void sign_start(uint8_t signature[SIGNATURE_BYTES], const struct sender *sender, struct slice body,
                       const struct sign_key *admin)
{
    struct frame frame = {.type = FRAME_START, .sender = *sender, .auth_kind = AUTH_SIGNATURE, .body = body};
    struct digest content;
    struct auth *auth = calloc(1, sizeof *auth);
    CHECK(auth && "out of memory");
    auth->sign = *admin;
    configuration_content(&frame, &content);
    auth_sign_content(auth, &content, signature);
    crypto_wipe(auth, sizeof *auth);
    free(auth);
}

/* Encodes and signs; `start` is complete but for its members, which are those of the hellos. */
static int manifest_make(struct file *out, struct start *start, const struct config *config,
                         const struct hellos hellos[], struct slice secrets, const struct sign_key *admin,
                         struct error *error)
{
    static uint8_t members[MEMBER_KINDS * REPLICAS_MAX * member_BYTES];
    const struct sender sender = {KIND_ADMIN, 0, 0};
    struct writer members_writer = writer_to(members, sizeof members);
    uint8_t signature[SIGNATURE_BYTES];
    *out = (struct file){malloc(FRAME_MAX), 0};
    uint8_t *body = malloc(FRAME_MAX);
    CHECK(out->data && body && "out of memory");
    members_put(&members_writer, config, hellos);
    start->members = (struct slice){members, members_writer.len};
    struct writer w = writer_to(body, FRAME_MAX);
    start_put(&w, start);
    CHECK(!w.bad && !members_writer.bad);
    sign_start(signature, &sender, (struct slice){body, w.len}, admin);
    out->len =
        frame_encode(out->data, FRAME_MAX, FRAME_START, &sender, AUTH_SIGNATURE, (struct slice){body, w.len},
                     (struct slice){signature, sizeof signature}, secrets);
    free(body);
    if (out->len > 0)
        return 0;
    file_free(out);
    return error_set(error, "clients.pub: too many clients for one manifest");
}

static view_no view_shown(const struct hellos *hellos)
{
    view_no view = 0;
    for (int i = 1; i < MEMBER_KINDS; i++)
        if (hellos->member[i].hello.view > view)
            view = hellos->member[i].hello.view;
    return view;
}

/* Views that lie further above what f+1 replicas show no correct one has come to. A faulty one that is believed leaves the cluster no
 * view to go on to, for good: its highest would be START's. */
static view_no view_most(const struct config *config, const struct hellos hellos[], view_no before)
{
    view_no views[REPLICAS_MAX];
    for (replica_id r = 0; r < config->replicas; r++) {
        view_no view = view_shown(&hellos[r]);
        replica_id at = r;
        for (; at > 0 && views[at - 1] < view; at--)
            views[at] = views[at - 1];
        views[at] = view;
    }
    view_no base = views[config->faults] > before ? views[config->faults] : before;
    return base < UINT64_MAX - VIEW_STEP_MAX ? base + VIEW_STEP_MAX : UINT64_MAX - 1;
}

/* Has every replica but f its log? What is missing counts as rolled back, and resuming assumes that of f at most. */
static int heads_check(const struct config *config, const struct hellos hellos[], view_no *view,
                       struct error *error)
{
    uint32_t lost = 0;
    view_no most = view_most(config, hellos, *view);
    for (replica_id r = 0; r < config->replicas; r++) {
        bool complete = view_shown(&hellos[r]) <= most;
        if (complete && view_shown(&hellos[r]) > *view)
            *view = view_shown(&hellos[r]);
        for (int i = 1; i < MEMBER_KINDS; i++)
            complete = complete && !digest_is_zero(&hellos[r].member[i].hello.head);
        lost += !complete;
    }
    if (lost <= config->faults)
        return 0;
    return error_set(
        error,
        "start: %u of %u replicas have lost their log, and at most %u may: restore their directories; or, "
        "to begin with an empty state, remove %s/manifest and every replica-N/{manifest,log,checkpoint}",
        lost, config->replicas, config->faults, config->dir);
}

/* What the manifest before and the CONFIGURATIONs since lead to; `chains`: one list for each replica. */
static void follow(struct configuration *c, const struct slice chains[])
{
    bool risen = true;
    while (risen) {
        risen = false;
        for (replica_id r = 0; r < c->replicas; r++)
            risen = resume_follow(c, chains[r]) || risen;
    }
}

static bool was_retired(const struct configuration *c, const struct sender *e)
{
    for (uint32_t i = 0; i < c->retired_count; i++)
        if (c->retired[i].replica == e->id && c->retired[i].epoch == e->epoch)
            return true;
    return false;
}

/* One that nothing comes after would be that replica's last: who shows it is named. */
static int epoch_possible(const struct sender *sender, epoch_no before, struct error *error)
{
    if (sender->epoch <= before || sender->epoch - before <= EPOCH_STEP_MAX)
        return 0;
    return error_set(
        error,
        "start: replica %u shows epoch %llu of its %s, which no clock gives: start that replica anew, or "
        "put another machine in its place",
        sender->id, (unsigned long long)sender->epoch, kind_name(sender->kind));
}

/* And an epoch stands for one life. */
static int epochs_check(const struct configuration *c, const struct config *config,
                        const struct hellos hellos[], struct error *error)
{
    for (replica_id r = 0; r < config->replicas; r++)
        for (int i = 0; i < MEMBER_KINDS; i++) {
            const struct sender *sender = &hellos[r].member[i].sender;
            bool known = r < c->replicas;
            if (epoch_possible(sender, known ? c->member[i][r].epoch : 0, error))
                return -1;
            if (known && sender->kind == KIND_EXECUTION &&
                (configuration_member_ever(c, sender) || was_retired(c, sender)))
                return error_set(error,
                                 "start: replica %u shows epoch %llu, which was used before: start that "
                                 "replica anew",
                                 r, (unsigned long long)sender->epoch);
        }
    return 0;
}

/* Are these the keys that it names? Then it was signed for them, and not all of them got it. */
static bool names_these(const struct configuration *c, const struct hellos hellos[])
{
    for (replica_id r = 0; r < c->replicas; r++)
        for (int i = 0; i < MEMBER_KINDS; i++) {
            const struct member_hello *h = &hellos[r].member[i];
            if (c->member[i][r].epoch != h->sender.epoch ||
                memcmp(c->member[i][r].sign_public, h->hello.sign_public.bytes, 32) != 0)
                return false;
        }
    return true;
}

static void copy_of(struct file *out, struct slice bytes)
{
    *out = (struct file){malloc(bytes.len), bytes.len};
    CHECK(out->data && "out of memory");
    memcpy(out->data, bytes.data, bytes.len);
}

/* ---------------------------------------------------------------- another size */

/* f+1 of those that stay have the state at which the cluster was closed: so a correct one has it, and gives it to the others. */
static int states_check(const struct configuration *c, const struct config *config,
                        const struct hellos hellos[], slot_no slot, struct error *error)
{
    uint32_t there = 0;
    for (replica_id r = 0; r < c->replicas && r < config->replicas; r++)
        there += hellos[r].member[KIND_EXECUTION - KIND_HOST].hello.slot == slot;
    if (there > c->faults)
        return 0;
    return error_set(
        error,
        "start: only %u of the replicas that stay have the state that the cluster was closed with "
        "(slot %llu), and %u must: restore their directories",
        there, (unsigned long long)slot, c->faults + 1);
}

static int closed_find(const struct configuration *c, const struct config *config,
                       const struct slice chains[], struct start *start, struct error *error)
{
    const struct configuration_step *last = configuration_step(c, configuration_ordered(c));
    bool closed = false;
    for (replica_id r = 0; r < c->replicas && !closed; r++)
        closed = resume_closed(c, chains[r], &start->closed_slot, &start->closed_root);
    if (!closed)
        return error_set(error,
                         "%s/cluster.yaml: it lists %u replicas, and the manifest %u: how many there are is "
                         "changed by `redoubt add` and `redoubt remove`, while the cluster runs",
                         config->dir, config->replicas, c->replicas);
    if (last->size != config->replicas)
        return error_set(error,
                         "%s/cluster.yaml: it lists %u replicas, and the cluster was closed to have %u",
                         config->dir, config->replicas, last->size);
    return 0;
}

/* Those of before, and those of new replicas. */
static struct slice platforms_resized(const struct start *start, const struct config *config,
                                      const struct hellos hellos[], uint32_t before)
{
    static uint8_t bytes[REPLICAS_MAX * platform_BYTES];
    struct writer w = writer_to(bytes, sizeof bytes);
    for (uint32_t i = 0; i < platform_count(start->platforms); i++) {
        struct platform platform = platform_at(start->platforms, i);
        if (platform.replica < config->replicas)
            platform_put(&w, &platform);
    }
    for (replica_id r = before; r < config->replicas; r++)
        platform_put(&w, &(struct platform){.replica = r, .public = hellos[r].member[0].hello.box_public});
    CHECK(!w.bad);
    return (struct slice){bytes, w.len};
}

/* `start` is the one before, `c` where it led: to a CLOSE. */
static int resized(struct start *start, struct configuration *c, const struct slice chains[], view_no *view,
                   const struct config *config, const struct hellos hellos[], struct error *error)
{
    static uint8_t members[MEMBER_KINDS * REPLICAS_MAX * member_BYTES];
    struct writer w = writer_to(members, sizeof members);
    if (closed_find(c, config, chains, start, error) ||
        states_check(c, config, hellos, start->closed_slot, error))
        return -1;
    const view_no most = view_most(config, hellos, *view);
    for (replica_id r = 0; r < config->replicas; r++)
        if (view_shown(&hellos[r]) <= most && view_shown(&hellos[r]) > *view)
            *view = view_shown(&hellos[r]);
    start->platforms = platforms_resized(start, config, hellos, c->replicas);
    members_put(&w, config, hellos);
    CHECK(!w.bad);
    resume_resize(c, config->replicas, (struct slice){members, w.len});
    start->replicas = c->replicas;
    start->faults = (uint16_t)c->faults;
    start->read_quorum = start->read_quorum ? quorum_of(c->replicas) : 0;
    start->write_quorum = start->read_quorum ? start->read_quorum : c->faults + 1;
    start->closed_life = start->resumed + 1;
    return 0;
}

/* `start` is the one before: cluster, group key, clients, platforms and quorums stay. `c`: where it led. */
static int start_resumed(struct file *out, struct start *start, const struct configuration *c, view_no view,
                         const struct config *config, const struct hellos hellos[],
                         const struct sign_key *admin, struct error *error)
{
    static uint8_t retired[RETIRED_MAX * retired_BYTES];
    uint8_t steps[CONFIGURATION_STEPS_BYTES], ordered[CONFIGURATION_ORDERED_BYTES];
    struct writer sw = writer_to(steps, sizeof steps), ow = writer_to(ordered, sizeof ordered);
    configuration_put_ordered(c, &sw, &ow);
    CHECK(!sw.bad && !ow.bad);
    start->resumed++;
    start->configuration = configuration_ordered(c) + start->resumed;
    start->view = view + 1;
    start->retired = (struct slice){retired, resume_retired(c, retired, sizeof retired)};
    if (start->closed_life == start->resumed)
        start->retired.len = 0; /* no certificate of before is needed */
    start->steps = (struct slice){steps, sw.len};
    start->ordered = (struct slice){ordered, ow.len};
    return manifest_make(out, start, config, hellos, (struct slice){NULL, 0}, admin, error);
}

int founding_resume(struct file *out, const struct config *config, const struct hellos hellos[],
                    const struct frame *before, const struct slice chains[], const struct sign_key *admin,
                    struct error *error)
{
    struct configuration *c = malloc(sizeof *c);
    struct start start;
    CHECK(c && "out of memory");
    int result = 0;
    if (configuration_load(c, before, admin->public) != VERDICT_ACCEPT || !start_decode(before->body, &start))
        result = error_set(error, "%s/manifest: it is not signed by admin.key", config->dir);
    else if (c->protocol != config->protocol)
        result = error_set(error, "%s/manifest: it is of another cluster than cluster.yaml", config->dir);
    bool signed_already = result == 0 && c->replicas == config->replicas && names_these(c, hellos);
    view_no view = result ? 0 : c->view;
    if (signed_already) {
        copy_of(out, before->whole);
    } else if (result == 0) {
        follow(c, chains);
        result = epochs_check(c, config, hellos, error);
        if (result == 0)
            result = c->replicas == config->replicas
                         ? heads_check(config, hellos, &view, error)
                         : resized(&start, c, chains, &view, config, hellos, error);
        if (result == 0)
            result = start_resumed(out, &start, c, view, config, hellos, admin, error);
    }
    free(c);
    return result;
}

/* DIR/genesis.key, as `redoubt restore` left it: the state that the cluster begins with, and the key of its pieces, which is
 * sealed to the group here. */
static int genesis_read(uint8_t out[], size_t cap, size_t *len, const struct config *config,
                        const struct box_key *group, struct error *error)
{
    char path[PATH_BYTES];
    struct file file;
    struct genesis genesis;
    uint8_t sealed[32 + SEAL_BYTES];
    *len = 0;
    if (!path_make(path, "%s/genesis.key", config->dir))
        return error_set(error, "%s: name too long", config->dir);
    if (!file_exists(path))
        return 0;
    if (file_read_secret(&file, path, cap, error))
        return -1;
    bool good = genesis_decode((struct slice){file.data, file.len}, &genesis);
    file_free(&file);
    if (!good)
        return error_set(error, "%s: not what `redoubt restore` makes", path);
    box_seal(sealed, group->public, genesis.half0.bytes, 32);
    memcpy(genesis.half0.bytes, sealed, 32);
    memcpy(genesis.half1.bytes, sealed + 32, 32);
    memcpy(genesis.tail.bytes, sealed + 64, 16);
    struct writer w = writer_to(out, cap);
    genesis_put(&w, &genesis);
    *len = w.len;
    return 0;
}

int founding_sign(struct file *out, const struct config *config, const struct hellos hellos[],
                  struct slice origins, const struct sign_key *admin, struct error *error)
{
    static uint8_t secrets[REPLICAS_MAX * sealed_BYTES];
    for (replica_id r = 0; r < config->replicas; r++)
        for (int i = 0; i < MEMBER_KINDS; i++)
            if (epoch_possible(&hellos[r].member[i].sender, 0, error))
                return -1;
    struct writer secrets_writer = writer_to(secrets, sizeof secrets);
    struct box_key group;
    box_keypair(&group);
    secrets_put(&secrets_writer, config, hellos, &group);
    CHECK(!secrets_writer.bad);
    struct start start = start_of(config, &group, (struct slice){NULL, 0}, origins);
    uint8_t platforms[REPLICAS_MAX * platform_BYTES];
    struct writer platforms_writer = writer_to(platforms, sizeof platforms);
    platforms_put(&platforms_writer, config, hellos);
    CHECK(!platforms_writer.bad);
    start.platforms = (struct slice){platforms, platforms_writer.len};
    uint8_t genesis[256];
    int result = genesis_read(genesis, sizeof genesis, &start.genesis.len, config, &group, error);
    start.genesis.data = genesis;
    if (result == 0)
        result = manifest_make(out, &start, config, hellos, (struct slice){secrets, secrets_writer.len},
                               admin, error);
    crypto_wipe(&group, sizeof group);
    return result;
}

/* ---------------------------------------------------------------- the whole act */

static int wait_for_hellos(struct hellos hellos[], const struct config *config,
                           const uint8_t admin_public[32], struct hello_wait *wait, struct error *error)
{
    for (replica_id r = 0; r < config->replicas; r++)
        if (hello_await(config->dir, r, wait, error) ||
            hellos_read(&hellos[r], config->dir, r, config->protocol, admin_public, error))
            return -1;
    return 0;
}

/* Leaves out, in place, those who may do nothing any more: replicas would open sessions for them. */
static void withdrawn_drop(struct file *file)
{
    struct slice list = {file->data, file->len};
    size_t kept = 0;
    for (uint32_t i = 0; i < origin_entry_count(list); i++) {
        struct origin_entry entry = origin_entry_at(list, i);
        if (origin_is_withdrawn(&entry))
            continue;
        memmove(file->data + kept, file->data + (size_t)i * origin_entry_BYTES, origin_entry_BYTES);
        kept += origin_entry_BYTES;
    }
    file->len = kept;
}

static int origins_read(struct file *file, const struct config *config, struct error *error)
{
    char path[PATH_BYTES];
    if (!path_make(path, "%s/clients.pub", config->dir))
        return error_set(error, "%s: name too long", config->dir);
    if (file_read(file, path, ORIGINS_MAX * origin_entry_BYTES, error))
        return -1;
    if (origin_entry_list_ok((struct slice){file->data, file->len}, ORIGINS_MAX)) {
        withdrawn_drop(file);
        if (file->len > 0)
            return 0;
    }
    file_free(file);
    return error_set(error, "%s: not a list of client keys", path);
}

static int manifest_write(const struct config *config, const struct file *manifest,
                          const struct hellos hellos[], const struct sign_key *admin, struct error *error)
{
    char path[PATH_BYTES];
    struct frame frame;
    struct configuration *check = malloc(sizeof *check);
    CHECK(check && frame_decode(manifest->data, manifest->len, &frame));
    enum verdict verdict = configuration_load(check, &frame, admin->public);
    struct tag16 cluster = check->cluster;
    free(check);
    if (verdict != VERDICT_ACCEPT)
        return error_set(error, "manifest: inconsistent (%s): clients.pub or a hello is wrong",
                         verdict_name(verdict));
    /* Before all: a replica that has its manifest looks for it. */
    if (config->protocol == PROTOCOL_HYBSTER && counter_keys_write(config, &cluster, hellos, admin, error))
        return -1;
    /* DIR/manifest first: whoever sees a replica serve finds the manifest that clients read. */
    if (!path_make(path, "%s/manifest", config->dir) ||
        file_write(path, manifest->data, manifest->len, 0644, error))
        return -1;
    for (replica_id r = 0; r < config->replicas; r++)
        if (!path_make(path, "%s/replica-%u/manifest", config->dir, r) ||
            file_write(path, manifest->data, manifest->len, 0644, error))
            return -1;
    return 0;
}

/* DIR/closing, as `redoubt add` or `redoubt remove` left it, to one of the chains: hosts may have lost theirs. */
static int closing_read(struct file *chain, const char *dir, struct error *error)
{
    char path[PATH_BYTES];
    struct file file;
    if (!path_make(path, "%s/closing", dir))
        return error_set(error, "%s: name too long", dir);
    if (!file_exists(path))
        return 0;
    if (file_read(&file, path, FRAME_MAX, error))
        return -1;
    uint8_t *all = malloc(chain->len + file.len + 1);
    CHECK(all && "out of memory");
    if (chain->len)
        memcpy(all, chain->data, chain->len);
    memcpy(all + chain->len, file.data, file.len);
    size_t len = chain->len + file.len;
    file_free(chain);
    file_free(&file);
    *chain = (struct file){all, len};
    return 0;
}

static int resume_from(struct file *out, const struct config *config, const char *path,
                       const struct hellos hellos[], const struct sign_key *admin, struct error *error)
{
    struct file file, chain[REPLICAS_MAX] = {{NULL, 0}};
    struct slice chains[REPLICAS_MAX] = {{NULL, 0}};
    struct frame before;
    if (file_read(&file, path, FRAME_MAX, error))
        return -1;
    int result =
        frame_decode(file.data, file.len, &before) ? 0 : error_set(error, "%s: not a manifest", path);
    for (replica_id r = 0; r < config->replicas && result == 0; r++) {
        result = hellos_chain(&chain[r], config->dir, r, error);
        if (result == 0 && r == 0)
            result = closing_read(&chain[0], config->dir, error);
        if (result == 0)
            chains[r] = (struct slice){chain[r].data, chain[r].len};
    }
    if (result == 0)
        result = founding_resume(out, config, hellos, &before, chains, admin, error);
    for (replica_id r = 0; r < config->replicas; r++)
        file_free(&chain[r]);
    file_free(&file);
    return result;
}

/* How many of them show keys that `c` names already. */
static uint32_t named(const struct configuration *c, const struct config *config,
                      const struct hellos hellos[], replica_id *who)
{
    uint32_t count = 0;
    for (replica_id r = 0; r < c->replicas && r < config->replicas; r++) {
        const struct member_hello *e = &hellos[r].member[KIND_EXECUTION - KIND_HOST];
        if (memcmp(c->member[KIND_EXECUTION - KIND_HOST][r].sign_public, e->hello.sign_public.bytes, 32) != 0)
            continue;
        *who = r;
        count++;
    }
    return count;
}

/* A cluster that begins with nothing; `before` is where the manifest of an earlier one may lie. Keys that it names belong to a cluster
 * that may be running: a hello that was left lying about makes no other one of it. All of them: the start was interrupted, and it is that
 * manifest again. */
static int found(struct file *out, const struct config *config, const char *before,
                 const struct hellos hellos[], struct slice origins, const struct sign_key *admin,
                 struct error *error)
{
    struct configuration *c = malloc(sizeof *c);
    struct frame start;
    struct file file;
    struct error ignored;
    replica_id who = 0;
    CHECK(c && "out of memory");
    int result = 1;
    if (file_exists(before) && manifest_read(c, &start, &file, before, admin->public, &ignored) == 0) {
        bool again = c->replicas == config->replicas && names_these(c, hellos);
        if (again) {
            copy_of(out, start.whole);
            result = 0;
        } else if (named(c, config, hellos, &who)) {
            result = error_set(
                error,
                "%s/replica-%u/hello: its keys were used at an earlier start: remove it. A cluster that "
                "runs is not to be started again: one replica comes back with --rejoin%s",
                config->dir, who, config->protocol == PROTOCOL_HYBSTER ? " and `redoubt start --id`" : "");
        }
        file_free(&file);
    }
    free(c);
    return result == 1 ? founding_sign(out, config, hellos, origins, admin, error) : result;
}

int founding_run(const struct config *config, unsigned wait_ms, bool (*stop)(void *), void *context,
                 struct error *error)
{
    struct sign_key admin;
    struct hellos *hellos = calloc(REPLICAS_MAX, sizeof *hellos);
    struct file origins = {NULL, 0}, manifest = {NULL, 0};
    CHECK(hellos && "out of memory");
    int result = admin_key_read(&admin, config->dir, error);
    char before[PATH_BYTES];
    if (result == 0 && !path_make(before, "%s/manifest", config->dir))
        result = error_set(error, "%s: name too long", config->dir);
    bool resume = result == 0 && config->durability == DURABILITY_SYNC && file_exists(before);
    struct hello_wait wait = {.wait_ms = resume ? RESUME_WAIT_MS : wait_ms, .stop = stop, .context = context};
    if (result == 0)
        result = origins_read(&origins, config, error);
    if (result == 0)
        result = wait_for_hellos(hellos, config, admin.public, &wait, error);
    if (result == 0 && resume)
        result = resume_from(&manifest, config, before, hellos, &admin, error);
    else if (result == 0)
        result = found(&manifest, config, before, hellos, (struct slice){origins.data, origins.len}, &admin,
                       error);
    if (result == 0)
        result = manifest_write(config, &manifest, hellos, &admin, error);
    for (replica_id r = 0; r < config->replicas && result == 0; r++)
        hellos_used(&hellos[r], config->dir, r, config->protocol, admin.public);
    file_free(&manifest);
    file_free(&origins);
    free(hellos);
    crypto_wipe(&admin, sizeof admin);
    return result;
}
