#include "troxy/resp/reply.h"

#include "troxy/text.h"

static void put_line_end(struct resp_reply *r)
{
    put_raw(&r->out, "\r\n", 2);
}

static void put_header(struct resp_reply *r, char type, uint64_t number)
{
    put_u8(&r->out, (uint8_t)type);
    put_number(&r->out, number);
    put_line_end(r);
}

static void put_line(struct resp_reply *r, char type, struct slice text)
{
    put_u8(&r->out, (uint8_t)type);
    for (size_t i = 0; i < text.len; i++)
        put_u8(&r->out, text_is_control(text.data[i]) ? ' ' : text.data[i]);
    put_line_end(r);
}

void put_resp_simple(struct resp_reply *r, struct slice text)
{
    put_line(r, '+', text);
}

void put_resp_error(struct resp_reply *r, struct slice text)
{
    put_line(r, '-', text);
}

void put_resp_integer(struct resp_reply *r, int64_t number)
{
    put_u8(&r->out, ':');
    if (number < 0)
        put_u8(&r->out, '-');
    put_number(&r->out, number < 0 ? 0 - (uint64_t)number : (uint64_t)number);
    put_line_end(r);
}

void put_resp_bulk(struct resp_reply *r, struct slice bytes)
{
    put_header(r, '$', bytes.len);
    put_raw(&r->out, bytes.data, bytes.len);
    put_line_end(r);
}

void put_resp_verbatim(struct resp_reply *r, struct slice text)
{
    if (r->version == RESP_2) {
        put_resp_bulk(r, text);
        return;
    }
    put_header(r, '=', text.len + 4);
    put_text(&r->out, "txt:");
    put_raw(&r->out, text.data, text.len);
    put_line_end(r);
}

void put_resp_null(struct resp_reply *r)
{
    put_text(&r->out, r->version == RESP_2 ? "$-1\r\n" : "_\r\n");
}

void put_resp_null_array(struct resp_reply *r)
{
    put_text(&r->out, r->version == RESP_2 ? "*-1\r\n" : "_\r\n");
}

void put_resp_boolean(struct resp_reply *r, bool value)
{
    if (r->version == RESP_2)
        put_text(&r->out, value ? ":1\r\n" : ":0\r\n");
    else
        put_text(&r->out, value ? "#t\r\n" : "#f\r\n");
}

static bool is_double(struct slice text)
{
    if (text_is(text, "inf") || text_is(text, "-inf") || text_is(text, "nan"))
        return true;
    bool digit = false;
    for (size_t i = 0; i < text.len; i++) {
        digit |= text_is_digit(text.data[i]);
        if (!text_is_digit(text.data[i]) && !memchr("+-.e", text.data[i], 4))
            return false;
    }
    return digit;
}

void put_resp_double(struct resp_reply *r, struct slice text)
{
    if (!is_double(text))
        r->out.bad = true;
    else if (r->version == RESP_2)
        put_resp_bulk(r, text);
    else
        put_line(r, ',', text);
}

void put_resp_array(struct resp_reply *r, uint64_t elements)
{
    put_header(r, '*', elements);
}

void put_resp_map(struct resp_reply *r, uint64_t pairs)
{
    put_header(r, r->version == RESP_2 ? '*' : '%', r->version == RESP_2 ? 2 * pairs : pairs);
}

void put_resp_set(struct resp_reply *r, uint64_t elements)
{
    put_header(r, r->version == RESP_2 ? '*' : '~', elements);
}

void put_resp_push(struct resp_reply *r, uint64_t elements)
{
    put_header(r, r->version == RESP_2 ? '*' : '>', elements);
}
