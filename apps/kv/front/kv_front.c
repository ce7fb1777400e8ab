#include "kv_front.h"

#include "kv/kv.h"
#include "kv_http_front.h"
#include "kv_resp.h"

const struct service_front kv_front = {
    .service = &redoubt_service_kv, .http = &kv_http_type.type, .resp = &kv_resp_type};
