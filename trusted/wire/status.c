#include "wire/status.h"

WIRE_CODE(status, STATUS_FIELDS)
WIRE_CODE(fetch, FETCH_FIELDS)
