#include "wire/fetch_reply.h"

WIRE_CODE(fetch_reply, FETCH_REPLY_FIELDS)
