#include "pages_codec.h"

#include "redoubt/app.h"

static struct slice bounded(struct reader *r, size_t most)
{
    struct slice s = get_slice(r);
    r->bad = r->bad || s.len > most;
    return s;
}

static struct slice path_read(struct reader *r)
{
    struct slice path = bounded(r, PAGES_PATH_MAX);
    r->bad = r->bad || path.len == 0;
    return path;
}

bool pages_request_decode(struct pages_request *request, const uint8_t *data, size_t bytes)
{
    struct reader r = reader_of(data, bytes);
    *request = (struct pages_request){.opcode = (enum pages_opcode)get_u8(&r)};
    switch (request->opcode) {
    case PAGES_FETCH:
        request->path = path_read(&r);
        break;
    case PAGES_STORE:
        request->path = path_read(&r);
        request->conditions = bounded(&r, 4096);
        request->type = bounded(&r, PAGES_TYPE_MAX);
        request->bytes = bounded(&r, PAGES_BYTES_MAX);
        break;
    case PAGES_ERASE:
        request->path = path_read(&r);
        request->conditions = bounded(&r, 4096);
        break;
    case PAGES_CREATE:
        request->path = bounded(&r, PAGES_PATH_MAX - PAGES_NAME);
        request->idempotency = bounded(&r, 255);
        request->type = bounded(&r, PAGES_TYPE_MAX);
        request->bytes = bounded(&r, PAGES_BYTES_MAX);
        break;
    case PAGES_LIST:
        request->path = bounded(&r, PAGES_PATH_MAX);
        request->after = bounded(&r, PAGES_PATH_MAX);
        request->limit = get_u32(&r);
        r.bad = r.bad || request->limit == 0;
        break;
    default:
        return false;
    }
    return bytes <= REDOUBT_OP_MAX_BYTES && reader_done(&r);
}

bool pages_page_decode(struct pages_page *page, struct slice data)
{
    struct reader r = reader_of(data.data, data.len);
    page->tag = reader_take(&r, PAGES_TAG_BYTES);
    page->changed_us = get_u64(&r);
    page->once = page->changed_us & PAGES_ONCE;
    page->changed_us &= ~PAGES_ONCE;
    page->type.len = get_u8(&r);
    page->type.data = reader_take(&r, page->type.len);
    page->bytes.len = reader_left(&r);
    page->bytes.data = reader_take(&r, page->bytes.len);
    return reader_done(&r);
}
