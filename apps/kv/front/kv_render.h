/* Replies of the service (kv_reply.h) as RESP2 or RESP3, in pieces, as they come. */
#ifndef KV_RENDER_H
#define KV_RENDER_H

#include "troxy/conversation.h"
#include "troxy/resp/reply.h"

/* False: malformed; some of it may have been written. */
bool kv_render(struct conversation *conversation, enum resp_version version, const uint8_t *data,
               size_t bytes);

#endif
