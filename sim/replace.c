/*
 * Replacements: when a replica starts anew it may do so on another machine. The administrator has its host's keys changed (a
 * RECONFIG that it signs, shown to whoever is there, again and again), perhaps locks the compartments of before out, and rotates
 * link keys of others in between. Whoever has the machine of before goes on vouching with its platform key, and tries
 * a signature that is none.
 */
#include "world.h"

#include "ordering/attest.h"
#include "ordering/hosts.h"

#define OLD_MARK   ((uint64_t)1 << 40) /* epochs that the machine of before makes up after it was replaced */
#define FORGED_KEY 0xf0
#define ANEW_US    5000000u /* shown in vain for so long, a change is signed anew */

static bool taken(const struct world *w, replica_id r)
{
    return host_has(&w->known, r, w->replica[r].link_key, w->platform[r].public);
}

static bool locked_out(const struct world *w, replica_id r)
{
    for (unsigned k = 1; k < MEMBER_KINDS; k++)
        if (w->known.member[k][r].epoch <= w->known.host[r].before[k])
            return false;
    return true;
}

static uint64_t attempt_now(const struct world *w)
{
    return 1 + w->now_us / ANEW_US;
}

static size_t encode(struct world *w, replica_id r, struct slice members, const struct sign_key *by,
                     uint8_t *out)
{
    uint8_t body[RECONFIG_BYTES_MAX], signature[SIGNATURE_BYTES];
    struct sender admin = {.kind = KIND_ADMIN};
    struct reconfig reconfig = {.configuration = configuration_ordered(&w->known),
                                .replica = r,
                                .attempt = attempt_now(w),
                                .members = members};
    struct writer bw = writer_to(body, sizeof body);
    if (by) {
        struct digest_state state;
        struct digest content;
        struct auth auth = {.sign = *by};
        reconfig_put(&bw, &reconfig);
        digest_begin(&state, RECONFIG_TAG);
        digest_add(&state, w->configuration.cluster.bytes, sizeof w->configuration.cluster.bytes);
        digest_add(&state, body, bw.len);
        digest_end(&state, &content);
        auth_sign_content(&auth, &content, signature);
        reconfig.signature = (struct slice){signature, sizeof signature};
        bw = writer_to(body, sizeof body);
    }
    reconfig_put(&bw, &reconfig);
    CHECK(!bw.bad);
    size_t len = frame_encode(out, RECONFIG_BYTES_MAX + 64, FRAME_RECONFIG, &admin, AUTH_NONE,
                              (struct slice){body, bw.len}, (struct slice){NULL, 0}, (struct slice){NULL, 0});
    CHECK(len > 0);
    return len;
}

/* To most of those who are there; what was shown before may come again, however late. */
void replace_show(struct world *w, const uint8_t *frame, size_t len)
{
    struct parcel **last = &w->shown[dice_below(&w->members_dice, SHOWN_KEPT)];
    for (replica_id r = 0; r < w->n; r++)
        if (replica_is_up(w, r) && dice_chance(&w->members_dice, 0.8))
            replica_event(w, r, EVENT_CLIENT, ADMIN_CONNECTION, (struct slice){frame, len});
    parcel_drop(*last);
    *last = parcel_of((struct slice){frame, len});
    struct parcel *again = w->shown[dice_below(&w->members_dice, SHOWN_KEPT)];
    replica_id to = dice_below(&w->members_dice, w->n);
    if (again && replica_is_up(w, to))
        replica_event(w, to, EVENT_CLIENT, ADMIN_CONNECTION, parcel_slice(again));
}

/* `platform` NULL: a rotation. */
static void order_host(struct world *w, replica_id r, const uint8_t link[32], const struct sign_key *platform,
                       const struct sign_key *by)
{
    uint8_t members[renewal_BYTES], frame[RECONFIG_BYTES_MAX + 64];
    struct writer mw = writer_to(members, sizeof members);
    struct renewal host = {.kind = KIND_HOST, .epoch = w->known.host[r].epoch + 1};
    memcpy(host.sign_public.bytes, link, 32);
    if (platform)
        memcpy(host.box_public.bytes, platform->public, 32);
    renewal_put(&mw, &host);
    world_trace(w, "administrator: %s of r%u on %llu", platform ? "another machine" : "another link key", r,
                (unsigned long long)configuration_ordered(&w->known));
    replace_show(w, frame, encode(w, r, (struct slice){members, mw.len}, by, frame));
}

/* Keys that nobody has. */
static void order_lock_out(struct world *w, replica_id r)
{
    uint8_t members[RENEWALS_MAX * renewal_BYTES], frame[RECONFIG_BYTES_MAX + 64];
    struct writer mw = writer_to(members, sizeof members);
    struct lock_out *lock = &w->lock_out[r];
    if (lock->attempt != attempt_now(w))
        box_keypair(&lock->box);
    lock->attempt = attempt_now(w);
    for (uint32_t k = 0; k < CELLS; k++) {
        const struct member_keys *known = &w->known.member[k + 1][r];
        struct renewal renewal = {
            .kind = cell_kind(w, k), .epoch = known->epoch + 1, .measurement = known->measurement};
        memcpy(renewal.box_public.bytes, lock->box.public, 32);
        renewal_put(&mw, &renewal);
    }
    world_trace(w, "administrator: locks the compartments of r%u out, on %llu", r,
                (unsigned long long)configuration_ordered(&w->known));
    replace_show(w, frame, encode(w, r, (struct slice){members, mw.len}, &w->admin, frame));
}

/* Whoever has the old platform key vouches for keys of his own. */
static void old_machine(struct world *w, replica_id r)
{
    uint8_t members[RENEWALS_MAX * renewal_BYTES], frame[RECONFIG_BYTES_MAX + 64], body[RECONFIG_BYTES_MAX];
    uint8_t report_data[REPORT_BYTES];
    struct sender admin = {.kind = KIND_ADMIN};
    struct writer mw = writer_to(members, sizeof members), bw = writer_to(body, sizeof body);
    uint64_t attempt = dice_u64(&w->members_dice);
    struct box_key box;
    box_keypair(&box);
    for (uint32_t k = 0; k < CELLS; k++) {
        const struct member_keys *known = &w->known.member[k + 1][r];
        struct renewal renewal = {
            .kind = cell_kind(w, k), .epoch = known->epoch + OLD_MARK, .measurement = known->measurement};
        memcpy(renewal.box_public.bytes, box.public, 32);
        attest_bound(&w->configuration.cluster, r, &renewal, configuration_ordered(&w->known), attempt,
                     report_data);
        attest_software(&renewal, &w->old_platform[r], report_data);
        renewal_put(&mw, &renewal);
    }
    reconfig_put(&bw, &(struct reconfig){.configuration = configuration_ordered(&w->known),
                                         .replica = r,
                                         .attempt = attempt,
                                         .members = {members, mw.len}});
    CHECK(!mw.bad && !bw.bad);
    size_t len = frame_encode(frame, sizeof frame, FRAME_RECONFIG, &admin, AUTH_NONE,
                              (struct slice){body, bw.len}, (struct slice){NULL, 0}, (struct slice){NULL, 0});
    world_trace(w, "r%u's machine of before vouches for keys, on %llu", r,
                (unsigned long long)configuration_ordered(&w->known));
    for (replica_id to = 0; to < w->n; to++)
        if (to != r && replica_is_up(w, to))
            replica_event(w, to, EVENT_PEER, r, (struct slice){frame, len});
}

bool replace_begin(struct world *w, replica_id r)
{
    struct replica *replica = &w->replica[r];
    if (!w->replaces || !dice_chance(&w->members_dice, 0.5))
        return false;
    replica->replacing = true;
    w->old_platform[r] = w->platform[r];
    sign_keypair(&w->platform[r]);
    crypto_random(replica->link_key, sizeof replica->link_key);
    replica->link_key[0] = 1;
    world_trace(w, "r%u is another machine from now on", r);
    world_story(w, "r%u is replaced", r);
    return true;
}

void replace_tick(struct world *w, replica_id r)
{
    struct replica *replica = &w->replica[r];
    struct dice *d = &w->members_dice;
    if (!replica->replacing)
        return;
    if (!taken(w, r)) {
        order_host(w, r, replica->link_key, &w->platform[r], &w->admin);
        return;
    }
    if (dice_chance(d, 0.5))
        old_machine(w, r);
    if (!locked_out(w, r) && dice_chance(d, 0.5))
        order_lock_out(w, r);
}

void replace_fault(struct world *w)
{
    struct dice *d = &w->members_dice;
    uint8_t link[32] = {0};
    if (!w->replaces)
        return;
    replica_id r = dice_below(d, w->n);
    if (dice_chance(d, 0.1) && !w->replica[r].rejoining) {
        crypto_random(link + 1, sizeof link - 1);
        order_host(w, r, link, NULL, &w->admin);
    }
    if (dice_chance(d, 0.1)) {
        struct sign_key nobody;
        sign_keypair(&nobody);
        memset(link, FORGED_KEY, sizeof link);
        order_host(w, r, link, &nobody, &nobody);
    }
}

void replace_check(struct world *w)
{
    for (replica_id r = 0; r < w->n; r++) {
        if (w->known.host[r].link_public[0] == FORGED_KEY && w->known.host[r].link_public[31] == FORGED_KEY)
            world_violation(w, "replica %u's host was changed by somebody else than the administrator", r);
        for (unsigned k = 1; k < MEMBER_KINDS; k++)
            if (w->known.member[k][r].epoch >= OLD_MARK)
                world_violation(w, "the machine that replica %u ran on before renewed its compartments", r);
    }
}

void replace_free(struct world *w)
{
    for (unsigned i = 0; i < SHOWN_KEPT; i++)
        parcel_drop(w->shown[i]);
}
