#include "wire/state.h"

WIRE_CODE(ask_executed, ASK_EXECUTED_FIELDS)
WIRE_CODE(ask_state, ASK_STATE_FIELDS)
WIRE_CODE(state, STATE_FIELDS)
WIRE_CODE(state_head, STATE_HEAD_FIELDS)
