#include "wire/counter_answer.h"

WIRE_CODE(local_counted, LOCAL_COUNTED_FIELDS)
WIRE_CODE(counter_made, COUNTER_MADE_FIELDS)
WIRE_CODE(counter_signature, COUNTER_SIGNATURE_FIELDS)

enum verdict local_counted_check(const struct frame *frame, struct local_counted *counted)
{
    bool good = local_counted_decode(frame->body, counted) &&
                counter_made_list_ok(counted->made, COUNTER_COMMANDS_MAX) &&
                counted->verdicts.len <= COUNTER_CHECKS_MAX &&
                counter_signature_list_ok(counted->signatures, COUNTER_SIGNS_MAX);
    return good ? VERDICT_ACCEPT : VERDICT_MALFORMED;
}
