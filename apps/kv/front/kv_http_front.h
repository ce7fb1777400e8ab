/* kv over HTTP: docs/HTTP.md. */
#ifndef KV_HTTP_FRONT_H
#define KV_HTTP_FRONT_H

#include "troxy/http/exchange.h"

extern const struct http_type kv_http_type;

#endif
