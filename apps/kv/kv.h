/* The kv service; its requests are in kv_codec.h. */
#ifndef KV_H
#define KV_H

#include "redoubt/app.h"

extern const struct redoubt_service redoubt_service_kv;

#endif
