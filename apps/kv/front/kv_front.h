/* What a Troxy for the service kv links. */
#ifndef KV_FRONT_H
#define KV_FRONT_H

#include "troxy/conversation.h"

extern const struct service_front kv_front;

#endif
