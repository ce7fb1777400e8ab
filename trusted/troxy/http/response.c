#include "troxy/http/response.h"

#include "troxy/http/date.h"
#include "troxy/text.h"

static const struct {
    unsigned status;
    const char *phrase;
} phrases[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {425, "Too Early"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
};

const char *http_status_phrase(unsigned status)
{
    for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++)
        if (phrases[i].status == status)
            return phrases[i].phrase;
    return "Unknown";
}

void http_response_begin(struct http_response *r, void *memory, size_t cap,
                         const struct http_request *request, unsigned status, uint64_t date_s)
{
    *r = (struct http_response){
        .out = writer_to(memory, cap),
        .status = status,
        .head_only = request && request->method == HTTP_METHOD_HEAD,
        .close = !request || !request->keep_alive,
        .says_stays = request && request->version_1_0,
    };
    put_text(&r->out, "HTTP/1.1 ");
    put_number(&r->out, status);
    put_text(&r->out, " ");
    put_text(&r->out, http_status_phrase(status));
    put_text(&r->out, "\r\nDate: ");
    put_http_date(&r->out, date_s);
    put_text(&r->out, "\r\n");
}

static bool is_field_value(struct slice value)
{
    for (size_t i = 0; i < value.len; i++)
        if (text_is_control(value.data[i]) && value.data[i] != '\t')
            return false;
    return true;
}

void http_response_field(struct http_response *r, const char *name, struct slice value)
{
    if (!text_is_token(text_of(name)) || !is_field_value(value))
        r->out.bad = true;
    put_text(&r->out, name);
    put_text(&r->out, ": ");
    put_raw(&r->out, value.data, value.len);
    put_text(&r->out, "\r\n");
}

void http_response_number(struct http_response *r, const char *name, uint64_t value)
{
    uint8_t digits[20];
    struct writer w = writer_to(digits, sizeof digits);
    put_number(&w, value);
    http_response_field(r, name, (struct slice){digits, w.len});
}

static bool allows_body(unsigned status)
{
    return status >= 200 && status != 204 && status != 304;
}

bool http_response_has_body(const struct http_response *r)
{
    return allows_body(r->status) && !r->head_only;
}

bool http_response_end_head(struct http_response *r, uint64_t content_length)
{
    if (allows_body(r->status))
        http_response_number(r, "Content-Length", content_length);
    if (r->close)
        put_text(&r->out, "Connection: close\r\n");
    else if (r->says_stays)
        put_text(&r->out, "Connection: keep-alive\r\n");
    put_text(&r->out, "\r\n");
    return !r->out.bad;
}

bool http_response_end(struct http_response *r, struct slice body)
{
    http_response_end_head(r, body.len);
    if (http_response_has_body(r))
        put_raw(&r->out, body.data, body.len);
    return !r->out.bad;
}

struct slice http_response_continue(void)
{
    return text_of("HTTP/1.1 100 Continue\r\n\r\n");
}
