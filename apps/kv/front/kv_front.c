#include "kv_front.h"

#include "kv/kv.h"
#include "kv_resp.h"

const struct service_front kv_front = {.service = &redoubt_service_kv, .http = NULL, .resp = &kv_resp_type};
