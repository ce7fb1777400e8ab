#include "wire/batch.h"

#include "crypto/crypto.h"

WIRE_CODE(batch_frame, BATCH_FIELDS)
WIRE_CODE(batch_entry, BATCH_ENTRY_FIELDS)

bool batch_decode(struct slice attachment, struct batch *batch)
{
    struct reader r = reader_of(attachment.data, attachment.len);
    batch->time_us = get_u64(&r);
    if (r.bad)
        return false;
    batch->entries = (struct slice){attachment.data + 8, attachment.len - 8};
    return batch_entry_list_ok(batch->entries, BATCH_BUNDLES_MAX);
}

void batch_digest(struct digest *out, struct slice attachment)
{
    digest_of(out, "batch", attachment.data, attachment.len);
}
