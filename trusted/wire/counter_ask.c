#include "wire/counter_ask.h"

WIRE_CODE(local_count, LOCAL_COUNT_FIELDS)
WIRE_CODE(counter_command, COUNTER_COMMAND_FIELDS)
WIRE_CODE(counter_check, COUNTER_CHECK_FIELDS)
WIRE_CODE(counter_sign, COUNTER_SIGN_FIELDS)

enum verdict local_count_check(const struct frame *frame, struct local_count *count)
{
    bool good = local_count_decode(frame->body, count) &&
                counter_command_list_ok(count->commands, COUNTER_COMMANDS_MAX) &&
                counter_check_list_ok(count->checks, COUNTER_CHECKS_MAX) &&
                counter_sign_list_ok(count->signs, COUNTER_SIGNS_MAX);
    return good ? VERDICT_ACCEPT : VERDICT_MALFORMED;
}
