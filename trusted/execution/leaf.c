/*
 * A leaf's bytes, or some of them, as the service gives them.
 */
#include "execution/execution.h"

struct range {
    struct redoubt_sink sink;
    uint8_t *to;
    size_t skip, cap, len, total;
};

static void range_write(struct redoubt_sink *sink, const void *data, size_t bytes)
{
    struct range *r = sink->context;
    const uint8_t *from = data;
    r->total += bytes;
    size_t skip = r->skip < bytes ? r->skip : bytes;
    r->skip -= skip;
    bytes -= skip;
    if (bytes > r->cap - r->len)
        bytes = r->cap - r->len;
    if (bytes)
        memcpy(r->to + r->len, from + skip, bytes);
    r->len += bytes;
}

size_t execution_leaf_part(struct execution *e, uint64_t leaf, size_t skip, uint8_t *to, size_t cap, size_t *len)
{
    struct range r = {.to = to, .skip = skip, .cap = cap};
    r.sink = (struct redoubt_sink){.context = &r, .write = range_write};
    e->service->leaf_save(e->service_state, leaf, &r.sink);
    *len = r.len;
    return r.total;
}
