#include "counter_codec.h"

#include <string.h>

#include "base/bytes.h"
#include "redoubt/app.h"

size_t counter_request_encode(uint8_t *out, size_t cap, const struct counter_request *request)
{
    struct writer w = writer_to(out, cap);
    put_u8(&w, (uint8_t)request->opcode);
    put_u64(&w, request->amount);
    put_u32(&w, request->reply_bytes);
    put_u32(&w, request->padding_len);
    uint8_t *padding = writer_take(&w, request->padding_len);
    if (w.bad || w.len > REDOUBT_OP_MAX_BYTES)
        return 0;
    memset(padding, 0, request->padding_len);
    return w.len;
}

bool counter_request_decode(struct counter_request *request, const uint8_t *data, size_t bytes)
{
    struct reader r = reader_of(data, bytes);
    request->opcode = (enum counter_opcode)get_u8(&r);
    request->amount = get_u64(&r);
    request->reply_bytes = get_u32(&r);
    request->padding_len = get_u32(&r);
    reader_take(&r, request->padding_len);
    if (!reader_done(&r))
        return false;
    return request->opcode == COUNTER_INCR || (request->opcode == COUNTER_GET && request->amount == 0);
}

size_t counter_result_encode(uint8_t *out, size_t cap, const struct counter_result *result,
                             size_t reply_bytes)
{
    struct writer w = writer_to(out, cap);
    put_u64(&w, result->global);
    put_u64(&w, result->own);
    size_t padding_len = reply_bytes > COUNTER_RESULT_BYTES ? reply_bytes - COUNTER_RESULT_BYTES : 0;
    uint8_t *padding = writer_take(&w, padding_len);
    if (w.bad)
        return 0;
    memset(padding, 0, padding_len);
    return w.len;
}

bool counter_result_decode(struct counter_result *result, const uint8_t *data, size_t bytes)
{
    struct reader r = reader_of(data, bytes);
    result->global = get_u64(&r);
    result->own = get_u64(&r);
    while (!r.bad && reader_left(&r))
        if (get_u8(&r) != 0)
            return false;
    return reader_done(&r);
}
