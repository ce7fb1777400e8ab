#include <string.h>

#include "base/check.h"
#include "base/compartment.h"

#define RECORD_HEADER 8u

static size_t padded(size_t len)
{
    return (len + 7) & ~(size_t)7;
}

uint8_t *outbox_reserve(struct outbox *out, size_t max)
{
    CHECK(out->cap - out->len >= RECORD_HEADER + padded(max));
    return out->data + out->len + RECORD_HEADER;
}

void outbox_commit(struct outbox *out, size_t len)
{
    uint32_t header[2] = {(uint32_t)len, 0};
    memcpy(out->data + out->len, header, sizeof header);
    memset(out->data + out->len + RECORD_HEADER + len, 0, padded(len) - len);
    out->len += RECORD_HEADER + padded(len);
}

bool outbox_next(const struct outbox *out, size_t *at, struct slice *frame)
{
    if (*at >= out->len)
        return false;
    uint32_t len;
    memcpy(&len, out->data + *at, sizeof len);
    *frame = (struct slice){.data = out->data + *at + RECORD_HEADER, .len = len};
    *at += RECORD_HEADER + padded(len);
    return true;
}
