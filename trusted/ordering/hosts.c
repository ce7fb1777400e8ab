#include "ordering/hosts.h"

#include "base/check.h"
#include "ordering/auth.h"

void hosts_load(struct configuration *c)
{
    for (replica_id r = 0; r < c->replicas; r++) {
        const struct member_keys *start = &c->member[0][r];
        epoch_no ordered = c->ordered[0][r].epoch; /* START's are later than all that was ordered before it */
        c->host[r].epoch = start->epoch > ordered ? start->epoch : ordered;
        memcpy(c->host[r].link_public, start->sign_public, 32);
    }
}

static bool moves(const struct renewal *renewal)
{
    static const uint8_t none[32];
    return memcmp(renewal->box_public.bytes, none, sizeof none) != 0;
}

enum verdict host_admissible(const struct configuration *c, const struct reconfig *m,
                             const struct renewal *renewal)
{
    if (m->signature.len != SIGNATURE_BYTES)
        return VERDICT_BAD_SIGNATURE;
    return renewal->epoch > c->ordered[0][m->replica].epoch ? VERDICT_ACCEPT : VERDICT_STALE;
}

enum verdict host_timely(const struct configuration *c, const struct reconfig *m, slot_no slot)
{
    uint32_t pending = 0;
    for (replica_id r = 0; r < c->replicas; r++)
        pending += c->ordered[0][r].after >= slot;
    if (c->ordered[0][m->replica].after >= slot)
        return VERDICT_EARLY;
    return pending < c->faults ? VERDICT_ACCEPT : VERDICT_LIMIT;
}

bool host_has(const struct configuration *c, replica_id replica, const uint8_t link_public[32],
              const uint8_t platform_public[32])
{
    return memcmp(c->host[replica].link_public, link_public, 32) == 0 &&
           memcmp(c->ordered[0][replica].measurement.bytes, platform_public, 32) == 0;
}

static void address_set(char out[ADDRESS_BYTES_MAX + 1], struct slice text)
{
    CHECK(text.len <= ADDRESS_BYTES_MAX);
    if (text.len == 0)
        return;
    memset(out, 0, ADDRESS_BYTES_MAX + 1);
    memcpy(out, text.data, text.len);
}

void host_apply(struct configuration *c, const struct reconfig *m, const struct renewal *renewal,
                slot_no activation)
{
    struct host_keys *host = &c->host[m->replica];
    struct ordered_keys *ordered = &c->ordered[0][m->replica];
    ordered->epoch = renewal->epoch;
    ordered->after = activation;
    if (moves(renewal))
        memcpy(ordered->measurement.bytes, renewal->box_public.bytes, 32);
    c->platform[m->replica].present |= moves(renewal);
    if (renewal->epoch <= host->epoch)
        return; /* of before a resume, executed again: START names later keys */
    host->epoch = renewal->epoch;
    /* A START may have named the new machine's link key, and its compartments, before its platform key was ordered. */
    bool here = memcmp(host->link_public, renewal->sign_public.bytes, 32) == 0;
    for (unsigned k = KIND_PREPARATION - KIND_HOST; moves(renewal) && !here && k < MEMBER_KINDS; k++)
        host->before[k] = c->member[k][m->replica].epoch;
    host->rotated = !moves(renewal);
    memcpy(host->link_before, host->link_public, 32);
    memcpy(host->link_public, renewal->sign_public.bytes, 32);
    address_set(host->peer, m->peer);
    address_set(host->client, m->client);
}
