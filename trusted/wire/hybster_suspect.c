#include "wire/hybster_suspect.h"

WIRE_CODE(hybster_suspect, HYBSTER_SUSPECT_FIELDS)

enum verdict hybster_suspect_check(const struct frame *frame, struct hybster_suspect *suspect)
{
    if (!hybster_suspect_decode(frame->body, suspect) || suspect->view == 0 ||
        suspect->view > HYBSTER_VIEW_MAX)
        return VERDICT_MALFORMED;
    return hybster_sender_check(frame, sizeof(struct tag16));
}
