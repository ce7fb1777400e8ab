#include "ordering/configuration.h"

#include "base/check.h"
#include "ordering/attest.h"
#include "ordering/auth.h"
#include "ordering/hosts.h"
#include "ordering/mutant.h"
#include "ordering/stable.h"

void configuration_content(const struct frame *start, struct digest *content)
{
    static const struct tag16 no_cluster;
    auth_content(&no_cluster, start->type, &start->sender, start->body, content);
}

/* A later incarnation; what it follows stays listed for a while. */
static void member_push(struct configuration *c, unsigned kind, replica_id r, const struct member_keys *next)
{
    struct member_keys *latest = &c->member[kind][r];
    struct member_keys *earlier = c->earlier[kind][r];
    if (latest->present) {
        memmove(&earlier[1], &earlier[0], (EPOCHS_KEPT - 1) * sizeof *earlier);
        earlier[0] = *latest;
    }
    *latest = *next;
}

/* Hybster has a counter where the others have a Confirmation. */
static bool kind_possible(const struct configuration *c, uint32_t kind)
{
    if (kind == KIND_COUNTER || kind == KIND_CONFIRMATION)
        return (kind == KIND_COUNTER) == (c->protocol == PROTOCOL_HYBSTER);
    return kind >= KIND_HOST && kind <= KIND_EXECUTION;
}

static bool members_load(struct configuration *c, struct slice members)
{
    uint32_t present = 0;
    if (!member_list_ok(members, MEMBER_KINDS * REPLICAS_MAX * (1 + EPOCHS_KEPT)))
        return false;
    for (uint32_t i = 0; i < member_count(members); i++) {
        struct member m = member_at(members, i);
        if (!kind_possible(c, m.kind) || m.replica >= c->replicas)
            return false;
        unsigned row = member_row((enum kind)m.kind);
        struct member_keys *known = &c->member[row][m.replica];
        if (known->present && (m.epoch <= known->epoch || m.after <= known->after))
            return false;
        if (c->earlier[row][m.replica][EPOCHS_KEPT - 1].present)
            return false;
        present += !known->present;
        struct member_keys keys = {.present = true,
                                   .epoch = m.epoch,
                                   .after = m.after,
                                   .measurement = m.measurement,
                                   .head = m.head};
        memcpy(keys.sign_public, m.sign_public.bytes, 32);
        memcpy(keys.box_public, m.box_public.bytes, 32);
        member_push(c, row, m.replica, &keys);
    }
    return present == MEMBER_KINDS * c->replicas;
}

static bool platforms_load(struct configuration *c, struct slice platforms)
{
    if (!platform_list_ok(platforms, REPLICAS_MAX))
        return false;
    c->fixed = true;
    for (uint32_t i = 0; i < platform_count(platforms); i++) {
        struct platform p = platform_at(platforms, i);
        if (p.replica >= c->replicas || c->platform[p.replica].present)
            return false;
        c->platform[p.replica].present = true;
        c->fixed = false;
        memcpy(c->platform[p.replica].public, p.public.bytes, 32);
    }
    return true;
}

/* All replicas', or nobody's. A Troxy that starts again has another key and no history, so there is nobody who may start again. */
static bool certifiers_load(struct configuration *c, struct slice certifiers)
{
    static const uint8_t none[32];
    uint32_t count = certifier_count(certifiers);
    if (!c->certifies)
        return true;
    for (uint32_t i = 0; i < count; i++) {
        struct certifier k = certifier_at(certifiers, i);
        if (k.replica >= c->replicas || memcmp(k.box_public.bytes, none, 32) == 0 ||
            memcmp(c->certifier[k.replica], none, 32) != 0)
            return false;
        memcpy(c->certifier[k.replica], k.box_public.bytes, 32);
    }
    return count == c->replicas && c->protocol == PROTOCOL_HYBSTER && c->fixed;
}

static bool origins_load(struct configuration *c, struct slice origins)
{
    if (!origin_entry_list_ok(origins, ORIGINS_MAX))
        return false;
    for (uint32_t i = 0; i < origin_entry_count(origins); i++) {
        struct origin_entry entry = origin_entry_at(origins, i);
        if (entry.id >= ORIGINS_MAX || c->origin[entry.id].present)
            return false;
        struct origin_keys *keys = &c->origin[entry.id];
        keys->present = true;
        keys->access = entry.access;
        memcpy(keys->sign_public, entry.sign_public.bytes, 32);
        memcpy(keys->box_public, entry.box_public.bytes, 32);
        if (entry.id >= c->origins)
            c->origins = entry.id + 1;
    }
    return true;
}

static const struct retired_keys *retired_find(const struct configuration *c, replica_id replica,
                                               epoch_no epoch)
{
    for (uint32_t i = 0; i < c->retired_count; i++)
        if (c->retired[i].replica == replica && c->retired[i].epoch == epoch)
            return &c->retired[i];
    return NULL;
}

static bool retired_load(struct configuration *c, struct slice retired)
{
    if (!retired_list_ok(retired, RETIRED_MAX))
        return false;
    for (uint32_t i = 0; i < retired_count(retired); i++) {
        struct retired r = retired_at(retired, i);
        struct sender sender = {.kind = KIND_EXECUTION, .id = r.replica, .epoch = r.epoch};
        if (r.replica >= c->replicas || configuration_member_ever(c, &sender) ||
            retired_find(c, r.replica, r.epoch)) /* of now, or named twice */
            return false;
        struct retired_keys *keys = &c->retired[c->retired_count++];
        *keys =
            (struct retired_keys){.replica = r.replica, .epoch = r.epoch, .after = r.after, .until = r.until};
        memcpy(keys->sign_public, r.sign_public.bytes, 32);
    }
    return true;
}

/* A founding has nothing before it; a resume has, and goes on in a view that is entered by NEW-VIEW. */
static bool resume_possible(const struct start *m)
{
    if (m->resumed == 0)
        return m->view == 0 && m->retired.len == 0 && m->steps.len == 0 && m->ordered.len == 0 &&
               m->closed_slot == 0 && m->closed_life == 0;
    return m->configuration > m->resumed && m->view > 0 && m->steps.len > 0;
}

static bool genesis_load(struct configuration *c, struct slice genesis)
{
    c->restored = genesis.len > 0;
    return !c->restored || (genesis_decode(genesis, &c->genesis) && c->genesis.leaf_count > 0);
}

/* In one fault domain the three compartments share epoch and keys (a counter has keys of its own), and the pairwise keys of a replica are
 * those. */
static bool one_domain_unify(struct configuration *c, replica_id r)
{
    const struct member_keys *p = &c->member[KIND_PREPARATION - KIND_HOST][r];
    for (int k = KIND_CONFIRMATION - KIND_HOST; k < MEMBER_KINDS; k++) {
        const struct member_keys *other = &c->member[k][r];
        bool counter = c->protocol == PROTOCOL_HYBSTER && (unsigned)k == member_row(KIND_COUNTER);
        if (other->epoch != p->epoch || (!counter && memcmp(other->box_public, p->box_public, 32) != 0))
            return false;
    }
    struct member_keys host = c->member[0][r];
    host.epoch = p->epoch;
    host.after = p->after;
    memcpy(host.box_public, p->box_public, 32);
    if (host.after)
        member_push(c, 0, r, &host);
    else
        c->member[0][r] = host;
    return true;
}

static bool one_domain_unify_all(struct configuration *c)
{
    for (replica_id r = 0; r < c->replicas; r++)
        if (!one_domain_unify(c, r))
            return false;
    return true;
}

/* The quorums on which consistency rests: with unordered reads a write and a read must share f+1 replicas. */
static bool quorums_possible(const struct configuration *c)
{
    uint32_t least = c->protocol == PROTOCOL_HYBSTER ? HYBSTER_REPLICAS_MIN : REPLICAS_MIN;
    if (c->replicas < least || c->replicas > REPLICAS_MAX ||
        c->faults != faults_with(c->protocol, c->replicas) || c->faults > FAULTS_MAX)
        return false;
    if (c->protocol == PROTOCOL_HYBSTER && (c->read_quorum > 0) != c->certifies)
        return false; /* unordered reads need certified replies */
    if (c->read_quorum == 0)
        return c->write_quorum == quorum_one_correct(c);
    return c->write_quorum == quorum_vote(c) && c->read_quorum == quorum_vote(c);
}

/*
 * Where the chain digest begins: what a resume does not change, so that certificates of before still verify after it. (Not
 * START's content. The administrator signs one founding per cluster id, and what lies between it and a resume is in the chain.)
 */
static void chain_begin(struct configuration *c)
{
    configuration_no number = configuration_ordered(c);
    struct configuration_step *first = &c->step[number % STEPS_KEPT];
    uint8_t begin[sizeof c->cluster.bytes + 8 + 32];
    struct writer w = writer_to(begin, sizeof begin);
    put_raw(&w, c->cluster.bytes, sizeof c->cluster.bytes);
    put_u64(&w, number);
    put_raw(&w, c->group_public, sizeof c->group_public);
    *first = (struct configuration_step){.number = number};
    digest_of(&first->chain, "chain begins", begin, w.len);
}

/* At the founding the ordered state knows what START lists. */
static void ordered_begin(struct configuration *c)
{
    for (unsigned k = 0; k < MEMBER_KINDS; k++)
        for (replica_id r = 0; r < c->replicas; r++)
            c->ordered[k][r] = (struct ordered_keys){.epoch = c->member[k][r].epoch,
                                                     .after = c->member[k][r].after,
                                                     .measurement = c->member[k][r].measurement};
    for (replica_id r = 0; r < c->replicas; r++)
        memcpy(c->ordered[0][r].measurement.bytes, c->platform[r].public, 32);
}

void configuration_put_ordered(const struct configuration *c, struct writer *steps, struct writer *ordered)
{
    configuration_no first = configuration_ordered(c), number;
    while (configuration_step(c, first - 1))
        first--;
    for (number = first; number <= configuration_ordered(c); number++) {
        const struct configuration_step *step = configuration_step(c, number);
        known_step_put(steps,
                       &(struct known_step){
                           .number = number, .slot = step->slot, .chain = step->chain, .size = step->size});
    }
    for (replica_id r = 0; r < c->replicas; r++)
        for (unsigned k = 0; k < MEMBER_KINDS; k++)
            ordered_member_put(ordered,
                               &(struct ordered_member){.replica = r,
                                                        .kind = KIND_HOST + k,
                                                        .epoch = c->ordered[k][r].epoch,
                                                        .after = c->ordered[k][r].after,
                                                        .measurement = c->ordered[k][r].measurement});
}

/* Without gaps, up to `last`; only the founding's was made at no slot. */
static bool steps_load(struct configuration *c, struct slice steps, configuration_no last)
{
    uint32_t count = known_step_count(steps);
    memset(c->step, 0, sizeof c->step);
    if (!known_step_list_ok(steps, STEPS_KEPT) || count == 0 || last < count)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        struct known_step step = known_step_at(steps, i);
        configuration_no number = last - count + 1 + i;
        const struct configuration_step *before = configuration_step(c, number - 1);
        if (step.number != number || (before && step.slot <= before->slot) ||
            (step.size && (step.size < REPLICAS_MIN || step.size > REPLICAS_MAX || step.slot == 0)))
            return false;
        c->step[number % STEPS_KEPT] =
            (struct configuration_step){.number = number,
                                        .slot = step.slot,
                                        .activation = step.slot ? activation_slot(step.slot) : 0,
                                        .chain = step.chain,
                                        .size = step.size};
    }
    return true;
}

static bool ordered_load(struct configuration *c, struct slice ordered)
{
    bool seen[MEMBER_KINDS][REPLICAS_MAX] = {{false}};
    if (!ordered_member_list_ok(ordered, MEMBER_KINDS * REPLICAS_MAX) ||
        ordered_member_count(ordered) != MEMBER_KINDS * c->replicas)
        return false;
    for (uint32_t i = 0; i < ordered_member_count(ordered); i++) {
        struct ordered_member m = ordered_member_at(ordered, i);
        if (m.replica >= c->replicas || m.kind < KIND_HOST || m.kind > KIND_EXECUTION ||
            seen[m.kind - KIND_HOST][m.replica])
            return false;
        seen[m.kind - KIND_HOST][m.replica] = true;
        c->ordered[m.kind - KIND_HOST][m.replica] =
            (struct ordered_keys){.epoch = m.epoch, .after = m.after, .measurement = m.measurement};
    }
    return true;
}

bool configuration_set_ordered(struct configuration *c, struct slice steps, struct slice ordered)
{
    uint32_t count = known_step_count(steps);
    if (!known_step_list_ok(steps, STEPS_KEPT) || count == 0)
        return false;
    configuration_no last = known_step_at(steps, count - 1).number;
    if (last == 0 || last > UINT64_MAX / 2 || !steps_load(c, steps, last) || !ordered_load(c, ordered))
        return false;
    c->number = last + c->resumed;
    return true;
}

bool configuration_agrees(const struct configuration *a, const struct configuration *b)
{
    for (unsigned i = 0; i < STEPS_KEPT; i++) {
        const struct configuration_step *x = &a->step[i], *y = configuration_step(b, x->number);
        if (y && (x->slot != y->slot || !digest_equal(&x->chain, &y->chain)))
            return false;
    }
    return true;
}

/* A START that changes the size goes on from where a CLOSE that named this size ended what was before. */
static bool closed_possible(const struct configuration *c)
{
    const struct configuration_step *last = configuration_step(c, configuration_ordered(c));
    if (c->closed_slot % CHECKPOINT_INTERVAL != 0 || c->closed_life > c->resumed ||
        (c->closed_slot == 0) != (c->closed_life == 0))
        return false;
    if (!configuration_resizes(c) || mutant(MUTANT_CLOSED_ELSEWHERE))
        return true;
    return last && last->size == c->replicas && last->activation == c->closed_slot && c->retired_count == 0;
}

enum verdict configuration_load(struct configuration *c, const struct frame *start,
                                const uint8_t admin_public[32])
{
    struct start m;
    memset(c, 0, sizeof *c);
    if (start->type != FRAME_START || start->sender.kind != KIND_ADMIN)
        return VERDICT_WRONG_KIND;
    if (start->auth_kind != AUTH_SIGNATURE || start->auth.len != SIGNATURE_BYTES ||
        !start_decode(start->body, &m))
        return VERDICT_MALFORMED;
    struct digest content;
    configuration_content(start, &content);
    if (!auth_signature_ok(start->auth.data, admin_public, &content))
        return VERDICT_BAD_SIGNATURE;
    c->cluster = m.cluster;
    c->number = m.configuration;
    c->resumed = m.resumed;
    c->view = m.view;
    c->closed_slot = m.closed_slot;
    c->closed_root = m.closed_root;
    c->closed_life = m.closed_life;
    c->protocol = m.protocol;
    c->faults = m.faults;
    c->replicas = m.replicas;
    c->write_quorum = m.write_quorum;
    c->read_quorum = m.read_quorum;
    c->view_timeout_us = m.view_timeout_us;
    memcpy(c->group_public, m.group_public.bytes, 32);
    memcpy(c->admin_public, admin_public, 32);
    if (c->number <= c->resumed)
        return VERDICT_MALFORMED;
    chain_begin(c);
    if (m.protocol != PROTOCOL_SPLITBFT && m.protocol != PROTOCOL_PBFT && m.protocol != PROTOCOL_HYBSTER)
        return VERDICT_MALFORMED;
    c->certifies = m.troxies.len > 0;
    if (!certifier_list_ok(m.troxies, REPLICAS_MAX) || !quorums_possible(c) || !members_load(c, m.members) ||
        !origins_load(c, m.origins) || !platforms_load(c, m.platforms) || !certifiers_load(c, m.troxies) ||
        !resume_possible(&m) || !retired_load(c, m.retired) || !genesis_load(c, m.genesis))
        return VERDICT_MALFORMED;
    if (one_domain_with(m.protocol) && !one_domain_unify_all(c))
        return VERDICT_MISMATCH;
    if (m.protocol == PROTOCOL_HYBSTER && (m.resumed || c->restored))
        return VERDICT_MALFORMED; /* no counter goes on after all were down, yet */
    if (m.resumed == 0)
        ordered_begin(c);
    else if (!configuration_set_ordered(c, m.steps, m.ordered) || c->number != m.configuration ||
             !closed_possible(c))
        return VERDICT_MALFORMED;
    hosts_load(c);
    return VERDICT_ACCEPT;
}

const uint8_t *configuration_retired_key(const struct configuration *c, replica_id replica, epoch_no epoch,
                                         slot_no slot)
{
    const struct retired_keys *keys = retired_find(c, replica, epoch);
    return keys && keys->after < slot && slot <= keys->until ? keys->sign_public : NULL;
}

static bool sender_possible(const struct configuration *c, const struct sender *sender)
{
    return kind_possible(c, sender->kind) && sender->id < c->replicas;
}

const struct member_keys *configuration_member(const struct configuration *c, const struct sender *sender)
{
    if (!sender_possible(c, sender))
        return NULL;
    const struct member_keys *keys = &c->member[member_row(sender->kind)][sender->id];
    return keys->present && keys->epoch == sender->epoch ? keys : NULL;
}

const struct member_keys *configuration_member_ever(const struct configuration *c,
                                                    const struct sender *sender)
{
    const struct member_keys *keys = configuration_member(c, sender);
    if (keys || !sender_possible(c, sender))
        return keys;
    for (unsigned i = 0; i < EPOCHS_KEPT; i++) {
        keys = &c->earlier[member_row(sender->kind)][sender->id][i];
        if (keys->present && keys->epoch == sender->epoch)
            return keys;
    }
    return NULL;
}

const struct member_keys *configuration_member_at(const struct configuration *c, const struct sender *sender,
                                                  slot_no slot)
{
    if (!sender_possible(c, sender))
        return NULL;
    const struct member_keys *keys = &c->member[member_row(sender->kind)][sender->id];
    for (unsigned i = 0; keys->present && keys->after && slot <= keys->after; i++) {
        if (i == EPOCHS_KEPT)
            return NULL;
        keys = &c->earlier[member_row(sender->kind)][sender->id][i];
    }
    return keys->present && keys->epoch == sender->epoch ? keys : NULL;
}

view_no configuration_view(const struct configuration *c)
{
    return (configuration_ordered(c) - 1) << 32;
}

const struct member_keys *configuration_counter(const struct configuration *c, replica_id replica,
                                                view_no view, slot_no *until)
{
    const struct member_keys *keys = &c->member[member_row(KIND_COUNTER)][replica];
    *until = UINT64_MAX;
    for (unsigned i = 0; keys->present && keys->since > view_configuration(view); i++) {
        if (i == EPOCHS_KEPT)
            return NULL;
        *until = keys->after;
        keys = &c->earlier[member_row(KIND_COUNTER)][replica][i];
    }
    return keys->present ? keys : NULL;
}

const struct configuration_step *configuration_step(const struct configuration *c, configuration_no number)
{
    const struct configuration_step *step = &c->step[number % STEPS_KEPT];
    return number && step->number == number ? step : NULL;
}

configuration_no configuration_number_at(const struct configuration *c, slot_no slot)
{
    configuration_no number = configuration_ordered(c);
    const struct configuration_step *step = configuration_step(c, number);
    while (step && step->slot > slot && configuration_step(c, number - 1))
        step = configuration_step(c, --number);
    return number;
}

slot_no activation_slot(slot_no slot)
{
    if (!mutant(MUTANT_ACTIVATION_WITHOUT_L))
        slot += WINDOW;
    return (slot + CHECKPOINT_INTERVAL - 1) / CHECKPOINT_INTERVAL * CHECKPOINT_INTERVAL;
}

slot_no configuration_activation(const struct configuration *c)
{
    const struct configuration_step *step = configuration_step(c, configuration_ordered(c));
    return step ? step->activation : 0;
}

/* The administrator signs cluster and body up to the signature (whose length comes before it). */
static bool admin_signed(const struct configuration *c, const struct reconfig *m)
{
    uint8_t body[RECONFIG_BYTES_MAX];
    struct writer w = writer_to(body, sizeof body);
    struct reconfig bare = *m;
    struct digest_state state;
    struct digest content;
    bare.signature = (struct slice){NULL, 0};
    reconfig_put(&w, &bare);
    digest_begin(&state, RECONFIG_TAG);
    digest_add(&state, c->cluster.bytes, sizeof c->cluster.bytes);
    digest_add(&state, body, w.len);
    digest_end(&state, &content);
    return !w.bad && auth_signature_ok(m->signature.data, c->admin_public, &content);
}

/* For a mere restart the launcher's evidence will do: its own replica, what is running already, fresh keys. */
static enum verdict launcher_vouches(const struct configuration *c, const struct reconfig *m,
                                     const struct renewal *renewal)
{
    uint8_t report_data[REPORT_BYTES];
    struct evidence evidence = evidence_of(renewal);
    const uint8_t *platform = mutant(MUTANT_OLD_PLATFORM_KEY) ? c->platform[m->replica].public
                                                              : c->ordered[0][m->replica].measurement.bytes;
    struct attest_policy policy = {
        .software_key = c->platform[m->replica].present ? platform : NULL,
        .measurement = &c->ordered[member_row((enum kind)renewal->kind)][m->replica].measurement,
    };
    attest_bound(&c->cluster, m->replica, renewal, m->configuration, m->attempt, report_data);
    return attest_verify(&evidence, &policy, report_data);
}

static bool names_host(const struct reconfig *m)
{
    return m->size == 0 && renewal_at(m->members, 0).kind == KIND_HOST;
}

/* As one_domain_unify asks for. */
static bool shares_domain(const struct renewal *renewal, const struct renewal *first)
{
    return renewal->epoch == first->epoch &&
           (renewal->kind == KIND_COUNTER || memcmp(&renewal->box_public, &first->box_public, 32) == 0);
}

enum verdict reconfig_admissible(const struct configuration *c, const struct reconfig *m)
{
    if (c->fixed)
        return VERDICT_UNEXPECTED;
    if (m->replica >= c->replicas)
        return VERDICT_UNKNOWN_SENDER;
    bool admin = m->signature.len == SIGNATURE_BYTES;
    if (admin && !admin_signed(c, m))
        return VERDICT_BAD_SIGNATURE;
    if (configuration_closes(c) != UINT64_MAX)
        return VERDICT_STALE; /* it ends here: the next one is of another size */
    if (m->size && c->protocol == PROTOCOL_HYBSTER)
        return VERDICT_UNEXPECTED; /* there is no going on with another size, yet */
    if (m->size)
        return admin && m->size != c->replicas ? VERDICT_ACCEPT : VERDICT_MALFORMED;
    uint32_t begin = names_host(m), count = renewal_count(m->members);
    if (one_domain_with(c->protocol) && count != begin && count != begin + 3)
        return VERDICT_MALFORMED; /* one fault domain: all or none */
    if (begin) {
        struct renewal host = renewal_at(m->members, 0);
        enum verdict verdict = host_admissible(c, m, &host);
        if (verdict != VERDICT_ACCEPT)
            return verdict;
    }
    for (uint32_t i = begin; i < count; i++) {
        struct renewal renewal = renewal_at(m->members, i);
        struct renewal first = renewal_at(m->members, begin);
        if (!kind_possible(c, renewal.kind))
            return VERDICT_MALFORMED;
        epoch_no before = c->ordered[member_row((enum kind)renewal.kind)][m->replica].epoch;
        if (renewal.epoch <= before)
            return VERDICT_STALE;
        if (!admin && renewal.epoch - before > EPOCH_STEP_MAX)
            return VERDICT_LIMIT;
        if (one_domain_with(c->protocol) && !shares_domain(&renewal, &first))
            return VERDICT_MALFORMED;
        enum verdict verdict = admin ? VERDICT_ACCEPT : launcher_vouches(c, m, &renewal);
        if (verdict != VERDICT_ACCEPT)
            return verdict;
    }
    return VERDICT_ACCEPT;
}

static void chain_add(struct digest *chain, struct slice body, slot_no slot)
{
    struct digest_state state;
    uint8_t number[8];
    struct writer w = writer_to(number, sizeof number);
    put_u64(&w, slot);
    digest_begin(&state, "redoubt chain");
    digest_add(&state, chain->bytes, sizeof chain->bytes);
    digest_add(&state, number, sizeof number);
    digest_add(&state, body.data, body.len);
    digest_end(&state, chain);
}

/* Keys that START replaced stay replaced: a RECONFIG of before the resume, executed again, names compartments that are gone. */
static bool renew(struct configuration *c, replica_id r, const struct renewal *renewal, slot_no activation)
{
    unsigned kind = member_row((enum kind)renewal->kind);
    c->ordered[kind][r] = (struct ordered_keys){
        .epoch = renewal->epoch, .after = activation, .measurement = renewal->measurement};
    if (renewal->epoch <= c->member[kind][r].epoch && !mutant(MUTANT_DEAD_KEYS_INSTALLED))
        return false;
    struct member_keys keys = {.present = true,
                               .epoch = renewal->epoch,
                               .after = activation,
                               .since = configuration_ordered(c),
                               .measurement = renewal->measurement};
    memcpy(keys.sign_public, renewal->sign_public.bytes, 32);
    memcpy(keys.box_public, renewal->box_public.bytes, 32);
    member_push(c, kind, r, &keys);
    return true;
}

static void apply(struct configuration *c, const struct reconfig *m, struct slice body, slot_no slot)
{
    struct configuration_step next = *configuration_step(c, configuration_ordered(c));
    next.number++;
    next.slot = slot;
    next.activation = activation_slot(slot);
    next.size = m->size;
    chain_add(&next.chain, body, slot);
    c->number++;
    c->step[next.number % STEPS_KEPT] = next;
    bool renewed = false;
    uint32_t begin = names_host(m), count = renewal_count(m->members);
    if (begin) {
        struct renewal host = renewal_at(m->members, 0);
        host_apply(c, m, &host, next.activation);
    }
    for (uint32_t i = begin; i < count; i++) {
        struct renewal renewal = renewal_at(m->members, i);
        renewed = renew(c, m->replica, &renewal, next.activation);
    }
    if (one_domain_with(c->protocol) && renewed)
        (void)one_domain_unify(c, m->replica);
}

/* Members of a kind whose latest change is not in force at `slot` yet. */
static uint32_t pending_count(const struct configuration *c, unsigned kind, slot_no slot)
{
    uint32_t count = 0;
    for (replica_id r = 0; r < c->replicas; r++)
        count += c->ordered[member_row((enum kind)kind)][r].after >= slot;
    return count;
}

enum verdict configuration_reconfigure(struct configuration *c, const struct reconfig *m, struct slice body,
                                       slot_no slot)
{
    if (c->fixed)
        return VERDICT_UNEXPECTED;
    configuration_no number = configuration_ordered(c);
    if (m->configuration != number || slot <= configuration_step(c, number)->slot)
        return VERDICT_STALE;
    enum verdict verdict = reconfig_admissible(c, m);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    if (names_host(m))
        verdict = host_timely(c, m, slot);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    for (uint32_t i = names_host(m); i < renewal_count(m->members); i++) {
        uint32_t kind = renewal_at(m->members, i).kind;
        if (c->ordered[member_row((enum kind)kind)][m->replica].after >= slot)
            return VERDICT_EARLY;
        if (pending_count(c, kind, slot) >= c->faults && !mutant(MUTANT_MORE_THAN_F_PENDING))
            return VERDICT_LIMIT;
    }
    apply(c, m, body, slot);
    return VERDICT_ACCEPT;
}

/* The digest over the steps that are new here, and whether they lie where the certificate can vouch for them: it is counted by
 * members in force at its slot, so that must not be above the activation slot of any of them. */
static enum verdict chain_continue(const struct configuration *c, const struct chain *m, struct digest *chain)
{
    size_t at = 0;
    struct chain_step step;
    configuration_no number = m->first;
    while (chain_step_next(m->steps, &at, &step)) {
        if (number++ <= configuration_ordered(c))
            continue;
        if (step.slot <= configuration_step(c, configuration_ordered(c))->slot ||
            m->slot > activation_slot(step.slot))
            return VERDICT_MALFORMED;
        chain_add(chain, step.body, step.slot);
    }
    return VERDICT_ACCEPT;
}

void configuration_walk(struct configuration *c, const struct chain *m)
{
    size_t at = 0;
    struct chain_step step;
    for (configuration_no number = m->first; chain_step_next(m->steps, &at, &step); number++) {
        struct reconfig reconfig;
        if (number != configuration_ordered(c) + 1)
            continue;
        CHECK(reconfig_body_check(step.body, &reconfig) == VERDICT_ACCEPT && reconfig.replica < c->replicas);
        apply(c, &reconfig, step.body, step.slot);
    }
}

/* A correct E executed them, so they name a replica that there is. */
static bool replicas_possible(const struct configuration *c, const struct chain *m)
{
    size_t at = 0;
    struct chain_step step;
    while (chain_step_next(m->steps, &at, &step)) {
        struct reconfig reconfig;
        if (reconfig_body_check(step.body, &reconfig) != VERDICT_ACCEPT || reconfig.replica >= c->replicas)
            return false;
    }
    return true;
}

enum verdict configuration_follow(struct configuration *c, const struct frame *frame)
{
    struct chain m;
    uint32_t count;
    enum verdict verdict = chain_check(frame, &m, &count);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    if (c->fixed)
        return VERDICT_UNEXPECTED;
    if (!replicas_possible(c, &m))
        return VERDICT_MALFORMED;
    configuration_no last = m.first + count - 1, number = configuration_ordered(c);
    if (last <= number)
        return VERDICT_DUPLICATE;
    if (m.first > number + 1)
        return VERDICT_EARLY;
    struct digest chain = configuration_step(c, number)->chain;
    verdict = chain_continue(c, &m, &chain);
    if (verdict == VERDICT_ACCEPT)
        verdict = signers_check(c, m.slot, &m.root, m.signers, last, &chain, quorum_one_correct(c));
    if (verdict == VERDICT_ACCEPT)
        configuration_walk(c, &m);
    return verdict;
}

bool configuration_closed(const struct configuration *c, const struct frame *frame, slot_no *slot,
                          struct digest *root)
{
    struct chain m;
    uint32_t count;
    configuration_no last = configuration_ordered(c);
    const struct configuration_step *step = configuration_step(c, last);
    if (configuration_closes(c) == UINT64_MAX || chain_check(frame, &m, &count) != VERDICT_ACCEPT ||
        m.first + count - 1 != last || m.slot != configuration_closes(c) ||
        signers_check(c, m.slot, &m.root, m.signers, last, &step->chain, quorum_one_correct(c)) !=
            VERDICT_ACCEPT)
        return false;
    *slot = m.slot;
    *root = m.root;
    return true;
}
