#include "troxy/http/chunked.h"

#include "base/limits.h"
#include "troxy/text.h"

void chunked_init(struct chunked *chunked)
{
    *chunked = (struct chunked){.state = CHUNKED_SIZE};
}

static bool is_field_byte(uint8_t c)
{
    return !text_is_control(c) || c == '\t';
}

static struct http_refusal size_ended(struct chunked *c)
{
    if (c->digits == 0)
        return HTTP_NO(400, "a chunk without a size");
    c->digits = 0;
    c->body += c->left;
    return c->body > HTTP_BODY_MAX ? HTTP_NO(413, "the body is too large") : HTTP_FINE;
}

static struct http_refusal size_byte(struct chunked *c, uint8_t byte)
{
    int digit = text_hex_digit(byte);
    if (digit >= 0) {
        if (c->digits++ == HTTP_CHUNK_DIGITS_MAX)
            return HTTP_NO(400, "a chunk's size has too many digits");
        c->left = c->left << 4 | (uint64_t)digit;
        return HTTP_FINE;
    }
    if (byte != '\r' && byte != ';')
        return HTTP_NO(400, "a chunk's size is not a hexadecimal number");
    c->state = byte == ';' ? CHUNKED_EXTENSION : CHUNKED_SIZE_LF;
    return size_ended(c);
}

static struct http_refusal extension_byte(struct chunked *c, uint8_t byte)
{
    if (byte == '\r') {
        c->state = CHUNKED_SIZE_LF;
        return HTTP_FINE;
    }
    if (!is_field_byte(byte))
        return HTTP_NO(400, "a control character in a chunk's extension");
    return ++c->extension > HTTP_CHUNK_EXTENSIONS_MAX ? HTTP_NO(400, "too many chunk extensions") : HTTP_FINE;
}

static struct http_refusal trailer_byte(struct chunked *c, uint8_t byte)
{
    if (c->state == CHUNKED_TRAILER && byte == '\r') {
        c->state = CHUNKED_LAST_LF;
        return HTTP_FINE;
    }
    if (++c->trailer > HTTP_TRAILERS_MAX)
        return HTTP_NO(431, "the trailers are too long");
    if (c->state == CHUNKED_TRAILER_VALUE) {
        if (byte == '\r')
            c->state = CHUNKED_TRAILER_LF;
        else if (!is_field_byte(byte))
            return HTTP_NO(400, "a control character in a trailer");
        return HTTP_FINE;
    }
    if (c->state == CHUNKED_TRAILER_NAME && byte == ':') {
        c->state = CHUNKED_TRAILER_VALUE;
        return HTTP_FINE;
    }
    c->state = CHUNKED_TRAILER_NAME;
    return text_is_token_byte(byte) ? HTTP_FINE : HTTP_NO(400, "a trailer is not `name: value`");
}

/* The one byte that may stand here. */
static struct http_refusal only_byte(struct chunked *c, uint8_t byte, uint8_t wanted, enum chunked_state next)
{
    c->state = next;
    return byte == wanted ? HTTP_FINE : HTTP_NO(400, "a line of the chunked body does not end with CR LF");
}

static struct http_refusal framing_byte(struct chunked *c, uint8_t byte)
{
    switch (c->state) {
    case CHUNKED_SIZE:
        return size_byte(c, byte);
    case CHUNKED_EXTENSION:
        return extension_byte(c, byte);
    case CHUNKED_SIZE_LF:
        return only_byte(c, byte, '\n', c->left ? CHUNKED_DATA : CHUNKED_TRAILER);
    case CHUNKED_DATA_CR:
        return only_byte(c, byte, '\r', CHUNKED_DATA_LF);
    case CHUNKED_DATA_LF:
        return only_byte(c, byte, '\n', CHUNKED_SIZE);
    case CHUNKED_TRAILER_LF:
    case CHUNKED_LAST_LF:
        return only_byte(c, byte, '\n', CHUNKED_TRAILER);
    default:
        return trailer_byte(c, byte);
    }
}

static enum chunked_event take_data(struct chunked *c, struct slice *input, struct slice *piece)
{
    size_t len = input->len < c->left ? input->len : (size_t)c->left;
    *piece = (struct slice){input->data, len};
    *input = text_from(*input, len);
    c->left -= len;
    if (c->left == 0)
        c->state = CHUNKED_DATA_CR;
    return CHUNKED_PIECE;
}

enum chunked_event chunked_step(struct chunked *c, struct slice *input, struct slice *piece)
{
    while (input->len && !c->refusal.status) {
        if (c->state == CHUNKED_DATA)
            return take_data(c, input, piece);
        bool last = c->state == CHUNKED_LAST_LF;
        c->refusal = framing_byte(c, input->data[0]);
        *input = text_from(*input, 1);
        if (last && !c->refusal.status)
            return CHUNKED_END;
    }
    return c->refusal.status ? CHUNKED_REFUSED : CHUNKED_MORE;
}
