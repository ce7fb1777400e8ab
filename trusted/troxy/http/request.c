#include "troxy/http/request.h"

#include "troxy/http/head.h"
#include "troxy/text.h"

void http_request_parser_init(struct http_request_parser *p)
{
    *p = (struct http_request_parser){.state = HTTP_BETWEEN};
}

bool http_request_parser_is_idle(const struct http_request_parser *p)
{
    return p->state == HTTP_BETWEEN;
}

static enum http_event refuse(struct http_request_parser *p, struct http_refusal refusal)
{
    p->refusal = refusal;
    p->state = HTTP_REFUSED;
    return HTTP_EVENT_REFUSED;
}

static enum http_event end(struct http_request_parser *p)
{
    p->state = HTTP_BETWEEN;
    return HTTP_EVENT_END;
}

static void begin(struct http_request_parser *p, struct http_request *r)
{
    p->state = HTTP_HEAD_LINES;
    p->skipped_line = false;
    p->carriage = false;
    p->line = 0;
    http_head_clear(r);
}

static void begin_body(struct http_request_parser *p, const struct http_request *r)
{
    p->body_left = r->content_length;
    chunked_init(&p->chunked);
    p->state = r->expects_continue ? HTTP_EXPECTING : r->chunked ? HTTP_CHUNKED_BODY : HTTP_FIXED_BODY;
}

/* The request line is known by its having a target. */
static bool in_request_line(const struct http_request *r)
{
    return r->target.len == 0;
}

/* A line is complete. Sets `whole` when it was the empty one that ends the head. */
static struct http_refusal take_line(struct http_request_parser *p, struct http_request *r, bool *whole)
{
    struct slice line = {r->head + p->line, r->head_len - p->line};
    p->line = r->head_len;
    if (line.len == 0 && in_request_line(r)) {
        bool again = p->skipped_line;
        p->skipped_line = true;
        return again ? HTTP_NO(400, "empty lines before the request") : HTTP_FINE;
    }
    if (in_request_line(r))
        return http_head_request_line(r, line);
    *whole = line.len == 0;
    return *whole ? http_head_complete(r) : http_head_field(r, line);
}

static struct http_refusal take_head_byte(struct http_request_parser *p, struct http_request *r, uint8_t byte,
                                          bool *whole)
{
    if (p->carriage) {
        p->carriage = false;
        return byte == '\n' ? take_line(p, r, whole) : HTTP_NO(400, "a CR that no LF follows");
    }
    if (byte == '\r') {
        p->carriage = true;
        return HTTP_FINE;
    }
    if (byte == '\n')
        return HTTP_NO(400, "a line that does not end with CR LF");
    if (text_is_control(byte) && byte != '\t')
        return HTTP_NO(400, "a control character in the head");
    if (in_request_line(r) && r->head_len == HTTP_REQUEST_LINE_MAX)
        return HTTP_NO(414, "the request line is too long");
    if (r->head_len == HTTP_HEAD_MAX)
        return HTTP_NO(431, "the head is too long");
    r->head[r->head_len++] = byte;
    return HTTP_FINE;
}

static enum http_event take_head(struct http_request_parser *p, struct http_request *r, struct slice *input)
{
    bool whole = false;
    for (size_t i = 0; i < input->len; i++) {
        struct http_refusal refusal = take_head_byte(p, r, input->data[i], &whole);
        if (refusal.status) {
            *input = text_from(*input, i + 1);
            return refuse(p, refusal);
        }
        if (whole) {
            *input = text_from(*input, i + 1);
            begin_body(p, r);
            return HTTP_EVENT_HEAD;
        }
    }
    *input = text_from(*input, input->len);
    return HTTP_EVENT_MORE;
}

static enum http_event take_fixed(struct http_request_parser *p, struct slice *input, struct slice *piece)
{
    if (p->body_left == 0)
        return end(p);
    size_t len = input->len < p->body_left ? input->len : (size_t)p->body_left;
    if (len == 0)
        return HTTP_EVENT_MORE;
    *piece = (struct slice){input->data, len};
    *input = text_from(*input, len);
    p->body_left -= len;
    return HTTP_EVENT_BODY;
}

static enum http_event take_chunked(struct http_request_parser *p, struct slice *input, struct slice *piece)
{
    switch (chunked_step(&p->chunked, input, piece)) {
    case CHUNKED_MORE:
        return HTTP_EVENT_MORE;
    case CHUNKED_PIECE:
        return HTTP_EVENT_BODY;
    case CHUNKED_END:
        return end(p);
    case CHUNKED_REFUSED:
        break;
    }
    return refuse(p, p->chunked.refusal);
}

enum http_event http_request_step(struct http_request_parser *p, struct http_request *r, struct slice *input,
                                  struct slice *piece)
{
    *piece = (struct slice){NULL, 0};
    switch (p->state) {
    case HTTP_BETWEEN:
        if (input->len == 0)
            return HTTP_EVENT_MORE;
        begin(p, r);
        return take_head(p, r, input);
    case HTTP_HEAD_LINES:
        return take_head(p, r, input);
    case HTTP_EXPECTING:
        p->state = r->chunked ? HTTP_CHUNKED_BODY : HTTP_FIXED_BODY;
        return HTTP_EVENT_EXPECT;
    case HTTP_FIXED_BODY:
        return take_fixed(p, input, piece);
    case HTTP_CHUNKED_BODY:
        return take_chunked(p, input, piece);
    case HTTP_REFUSED:
        break;
    }
    return HTTP_EVENT_REFUSED;
}

const struct http_field *http_request_field(const struct http_request *r, const char *name,
                                            const struct http_field *after)
{
    for (uint32_t i = after ? (uint32_t)(after - r->field) + 1 : 0; i < r->fields; i++)
        if (text_is_any_case(r->field[i].name, name))
            return &r->field[i];
    return NULL;
}
