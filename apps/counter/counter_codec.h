/*
 * Requests and results of the counter service.
 *
 *   request := u8 opcode, u64 amount, u32 reply_bytes, u32 padding_len, padding      `get` has amount 0
 *   result  := u64 global, u64 own, zeros up to the reply size
 *
 * Little-endian. Padding makes requests as large as a measurement wants them; it is not looked at. Encoders return the
 * number of bytes written, or 0 when they do not fit; decoders return false for anything that is not of the format.
 */
#ifndef COUNTER_CODEC_H
#define COUNTER_CODEC_H

#include "base/types.h"

/* The numbers are part of the format. */
enum counter_opcode {
    COUNTER_INCR = 1,
    COUNTER_GET = 2,
};

#define COUNTER_REQUEST_BYTES 17u /* without padding */
#define COUNTER_RESULT_BYTES  16u /* without padding */

struct counter_request {
    enum counter_opcode opcode;
    uint64_t amount;      /* added by incr; 0 for get */
    uint32_t reply_bytes; /* size of the result; 0: what the service's options say */
    uint32_t padding_len;
};

struct counter_result {
    uint64_t global; /* sum over all origins */
    uint64_t own;    /* the asking origin's */
};

size_t counter_request_encode(uint8_t *out, size_t cap, const struct counter_request *request);
bool counter_request_decode(struct counter_request *request, const uint8_t *data, size_t bytes);
size_t counter_result_encode(uint8_t *out, size_t cap, const struct counter_result *result,
                             size_t reply_bytes);
bool counter_result_decode(struct counter_result *result, const uint8_t *data, size_t bytes);

#endif
