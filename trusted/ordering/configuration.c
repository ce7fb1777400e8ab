#include "ordering/configuration.h"

#include "ordering/auth.h"

void configuration_content(const struct frame *start, struct digest *content)
{
    static const struct tag16 no_cluster;
    auth_content(&no_cluster, start->type, &start->sender, start->body, content);
}

static bool members_load(struct configuration *c, struct slice members)
{
    if (!member_list_ok(members, MEMBER_KINDS * REPLICAS_MAX))
        return false;
    for (uint32_t i = 0; i < member_count(members); i++) {
        struct member m = member_at(members, i);
        if (m.kind < KIND_HOST || m.kind > KIND_EXECUTION || m.replica >= c->replicas)
            return false;
        struct member_keys *keys = &c->member[m.kind - KIND_HOST][m.replica];
        if (keys->present)
            return false;
        keys->present = true;
        keys->epoch = m.epoch;
        memcpy(keys->sign_public, m.sign_public.bytes, 32);
        memcpy(keys->box_public, m.box_public.bytes, 32);
        keys->head = m.head;
    }
    return member_count(members) == MEMBER_KINDS * c->replicas;
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

static bool retired_load(struct configuration *c, struct slice retired)
{
    if (!retired_list_ok(retired, RETIRED_MAX))
        return false;
    for (uint32_t i = 0; i < retired_count(retired); i++) {
        struct retired r = retired_at(retired, i);
        if (r.replica >= c->replicas ||
            configuration_execution_key(c, r.replica, r.epoch)) /* of now, or named twice */
            return false;
        struct retired_keys *keys = &c->retired[c->retired_count++];
        *keys = (struct retired_keys){.replica = r.replica, .epoch = r.epoch};
        memcpy(keys->sign_public, r.sign_public.bytes, 32);
    }
    return true;
}

/* A founding has nothing before it; a resume has, and goes on in a view that is entered by NEW-VIEW. */
static bool resume_possible(const struct start *m)
{
    if (m->resumed == 0)
        return m->view == 0 && m->retired.len == 0;
    return m->configuration > m->resumed && m->view > 0;
}

/* In one fault domain the three compartments share their keys, and the pairwise keys of a replica are those. */
static bool one_domain_unify(struct configuration *c)
{
    for (replica_id r = 0; r < c->replicas; r++) {
        const struct member_keys *p = &c->member[KIND_PREPARATION - KIND_HOST][r];
        for (int k = KIND_CONFIRMATION - KIND_HOST; k < MEMBER_KINDS; k++) {
            const struct member_keys *other = &c->member[k][r];
            if (other->epoch != p->epoch || memcmp(other->box_public, p->box_public, 32) != 0)
                return false;
        }
        struct member_keys *host = &c->member[0][r];
        host->epoch = p->epoch;
        memcpy(host->box_public, p->box_public, 32);
    }
    return true;
}

/* The quorums on which consistency rests: with unordered reads a write and a read must share f+1 replicas. */
static bool quorums_possible(const struct configuration *c)
{
    if (c->faults < 1 || c->faults > FAULTS_MAX || c->replicas != 3 * c->faults + 1)
        return false;
    if (c->read_quorum == 0)
        return c->write_quorum == quorum_one_correct(c);
    return c->write_quorum == quorum_vote(c) && c->read_quorum == quorum_vote(c);
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
    c->base = m.configuration - m.resumed;
    c->view = m.view;
    c->protocol = m.protocol;
    c->faults = m.faults;
    c->replicas = m.replicas;
    c->write_quorum = m.write_quorum;
    c->read_quorum = m.read_quorum;
    c->view_timeout_us = m.view_timeout_us;
    memcpy(c->group_public, m.group_public.bytes, 32);
    if (m.protocol != PROTOCOL_SPLITBFT && m.protocol != PROTOCOL_PBFT)
        return VERDICT_MALFORMED;
    if (!quorums_possible(c) || !members_load(c, m.members) || !origins_load(c, m.origins) ||
        !resume_possible(&m) || !retired_load(c, m.retired))
        return VERDICT_MALFORMED;
    if (m.protocol == PROTOCOL_PBFT && !one_domain_unify(c))
        return VERDICT_MISMATCH;
    return VERDICT_ACCEPT;
}

const struct member_keys *configuration_member(const struct configuration *c, const struct sender *sender)
{
    if (sender->kind < KIND_HOST || sender->kind > KIND_EXECUTION || sender->id >= c->replicas)
        return NULL;
    const struct member_keys *keys = &c->member[sender->kind - KIND_HOST][sender->id];
    return keys->present && keys->epoch == sender->epoch ? keys : NULL;
}

const uint8_t *configuration_execution_key(const struct configuration *c, replica_id replica, epoch_no epoch)
{
    const struct member_keys *keys =
        configuration_member(c, &(struct sender){.kind = KIND_EXECUTION, .id = replica, .epoch = epoch});
    if (keys)
        return keys->sign_public;
    for (uint32_t i = 0; i < c->retired_count; i++)
        if (c->retired[i].replica == replica && c->retired[i].epoch == epoch)
            return c->retired[i].sign_public;
    return NULL;
}
