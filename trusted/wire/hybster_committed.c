#include "wire/hybster_committed.h"

WIRE_CODE(hybster_committed, HYBSTER_COMMITTED_FIELDS)
WIRE_CODE(hybster_voter, HYBSTER_VOTER_FIELDS)

static bool voters_possible(struct slice voters)
{
    if (!hybster_voter_list_ok(voters, REPLICAS_MAX))
        return false;
    for (uint32_t i = 0; i < hybster_voter_count(voters); i++) {
        replica_id r = hybster_voter_at(voters, i).replica;
        if (r >= REPLICAS_MAX || (i && r <= hybster_voter_at(voters, i - 1).replica))
            return false;
    }
    return true;
}

enum verdict hybster_committed_check(const struct frame *frame, struct hybster_committed *committed)
{
    if (!hybster_committed_decode(frame->body, committed) || committed->slot == 0 ||
        committed->slot > HYBSTER_SLOT_MAX || committed->view > HYBSTER_VIEW_MAX ||
        !voters_possible(committed->commits))
        return VERDICT_MALFORMED;
    return VERDICT_ACCEPT;
}
