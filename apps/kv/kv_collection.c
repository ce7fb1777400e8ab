#include "kv_collection.h"

#include "base/bytes.h"
#include "base/check.h"

struct kv_collection kv_collection_read(struct slice value)
{
    struct reader r = reader_of(value.data, value.len);
    struct kv_collection c = {.number = get_u64(&r)};
    c.version = get_u64(&r);
    c.first = get_u64(&r);
    c.count = get_u64(&r);
    CHECK(reader_done(&r));
    return c;
}

void kv_collection_write(uint8_t out[KV_COLLECTION_BYTES], const struct kv_collection *collection)
{
    struct writer w = writer_to(out, KV_COLLECTION_BYTES);
    put_u64(&w, collection->number);
    put_u64(&w, collection->version);
    put_u64(&w, collection->first);
    put_u64(&w, collection->count);
}
