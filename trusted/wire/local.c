#include "wire/local.h"

WIRE_CODE(local_propose, LOCAL_PROPOSE_FIELDS)
WIRE_CODE(local_leave, LOCAL_LEAVE_FIELDS)
WIRE_CODE(local_admitted, LOCAL_ADMITTED_FIELDS)
WIRE_CODE(local_progress, LOCAL_PROGRESS_FIELDS)
WIRE_CODE(local_need, LOCAL_NEED_FIELDS)
WIRE_CODE(local_catch_up, LOCAL_CATCH_UP_FIELDS)
WIRE_CODE(local_view, LOCAL_VIEW_FIELDS)
WIRE_CODE(local_settled, LOCAL_SETTLED_FIELDS)
WIRE_CODE(local_checkpoint, LOCAL_CHECKPOINT_FIELDS)
WIRE_CODE(local_transfer, LOCAL_TRANSFER_FIELDS)

const char *transfer_phase_name(unsigned phase)
{
    static const char *const names[TRANSFER_PHASES] = {"none",  "head",   "prepare",
                                                       "nodes", "leaves", "origins"};
    return phase < TRANSFER_PHASES ? names[phase] : "unknown";
}
WIRE_CODE(local_committed, LOCAL_COMMITTED_FIELDS)
WIRE_CODE(local_reconfigured, LOCAL_RECONFIGURED_FIELDS)
