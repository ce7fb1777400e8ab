#include "troxy/http/head.h"

#include "troxy/http/target.h"
#include "troxy/text.h"

static const char *const method_name[] = {
    [HTTP_METHOD_GET] = "GET",         [HTTP_METHOD_HEAD] = "HEAD",     [HTTP_METHOD_POST] = "POST",
    [HTTP_METHOD_PUT] = "PUT",         [HTTP_METHOD_DELETE] = "DELETE", [HTTP_METHOD_PATCH] = "PATCH",
    [HTTP_METHOD_OPTIONS] = "OPTIONS",
};

/* Field by field: the large tables need no clearing. */
void http_head_clear(struct http_request *r)
{
    static const struct slice none;
    r->fields = r->head_len = 0;
    r->version_1_0 = r->keep_alive = r->chunked = r->expects_continue = false;
    r->content_length = 0;
    r->target = r->authority = r->path = r->query = none;
}

/* The part of a line before its next space; moves `rest` behind that. Without a space: all of it. */
static struct slice word(struct slice *rest)
{
    const uint8_t *space = rest->len ? memchr(rest->data, ' ', rest->len) : NULL;
    size_t len = space ? (size_t)(space - rest->data) : rest->len;
    struct slice found = {rest->data, len};
    *rest = text_from(*rest, space ? len + 1 : len);
    return found;
}

static struct http_refusal read_version(struct http_request *r, struct slice text)
{
    if (text.len != 8 || memcmp(text.data, "HTTP/", 5) != 0 || !text_is_digit(text.data[5]) ||
        text.data[6] != '.' || !text_is_digit(text.data[7]))
        return HTTP_NO(400, "the request line does not end with an HTTP version");
    if (text.data[5] != '1' || text.data[7] > '1')
        return HTTP_NO(505, "HTTP/1.1 and HTTP/1.0 are spoken here");
    r->version_1_0 = text.data[7] == '0';
    return HTTP_FINE;
}

static struct http_refusal read_method(struct http_request *r, struct slice text)
{
    if (!text_is_token(text))
        return HTTP_NO(400, "the method is not a word");
    for (unsigned i = 0; i < sizeof method_name / sizeof *method_name; i++) {
        if (text_is(text, method_name[i])) {
            r->method = (enum http_request_method)i;
            return HTTP_FINE;
        }
    }
    return HTTP_NO(501, "an unknown method");
}

struct http_refusal http_head_request_line(struct http_request *r, struct slice line)
{
    struct slice rest = line;
    struct slice method = word(&rest);
    struct slice target = word(&rest);
    struct http_refusal refusal = read_version(r, rest);
    if (!refusal.status)
        refusal = read_method(r, method);
    if (refusal.status)
        return refusal;
    struct http_target parts;
    if (!http_target_read(&parts, target) || (parts.asterisk && r->method != HTTP_METHOD_OPTIONS))
        return HTTP_NO(400, "a malformed request target");
    r->target = target;
    r->authority = parts.authority;
    r->path = parts.path;
    r->query = parts.query;
    return HTTP_FINE;
}

struct http_refusal http_head_field(struct http_request *r, struct slice line)
{
    if (line.data[0] == ' ' || line.data[0] == '\t')
        return HTTP_NO(400, "a folded header");
    const uint8_t *colon = memchr(line.data, ':', line.len);
    size_t name_len = colon ? (size_t)(colon - line.data) : 0;
    struct slice name = {line.data, name_len};
    if (!text_is_token(name))
        return HTTP_NO(400, "a header is not `name: value`");
    if (r->fields == HTTP_FIELDS_MAX)
        return HTTP_NO(431, "too many headers");
    r->field[r->fields++] = (struct http_field){name, text_trim(text_from(line, name_len + 1))};
    return HTTP_FINE;
}

/* The only field of a name; NULL when there is none. False: there are several. */
static bool only_field(const struct http_request *r, const char *name, const struct http_field **field)
{
    *field = http_request_field(r, name, NULL);
    return !*field || !http_request_field(r, name, *field);
}

static struct http_refusal read_host(struct http_request *r)
{
    const struct http_field *host;
    if (!only_field(r, "host", &host))
        return HTTP_NO(400, "Host twice");
    if (!host)
        return r->version_1_0 ? HTTP_FINE : HTTP_NO(400, "no Host");
    if (!http_authority_is_valid(host->value))
        return HTTP_NO(400, "a malformed Host");
    if (r->authority.len == 0)
        r->authority = host->value;
    return HTTP_FINE;
}

static struct http_refusal read_framing(struct http_request *r)
{
    const struct http_field *coding, *length;
    if (!only_field(r, "transfer-encoding", &coding))
        return HTTP_NO(400, "Transfer-Encoding twice");
    if (!only_field(r, "content-length", &length))
        return HTTP_NO(400, "Content-Length twice");
    if (coding && length)
        return HTTP_NO(400, "Content-Length beside Transfer-Encoding");
    if (coding && r->version_1_0)
        return HTTP_NO(400, "Transfer-Encoding in HTTP/1.0");
    if (coding && !text_is_any_case(coding->value, "chunked"))
        return HTTP_NO(501, "a Transfer-Encoding other than `chunked`");
    if (length && !text_number(length->value, &r->content_length))
        return HTTP_NO(400, "Content-Length is not a decimal number");
    if (r->content_length > HTTP_BODY_MAX)
        return HTTP_NO(413, "the body is too large");
    r->chunked = coding;
    return HTTP_FINE;
}

static struct http_refusal read_expect(struct http_request *r)
{
    const struct http_field *expect = http_request_field(r, "expect", NULL);
    if (!expect || r->version_1_0)
        return HTTP_FINE;
    if (http_request_field(r, "expect", expect) || !text_is_any_case(expect->value, "100-continue"))
        return HTTP_NO(417, "an expectation other than `100-continue`");
    r->expects_continue = r->chunked || r->content_length > 0;
    return HTTP_FINE;
}

/* Looks for words in one Connection field. */
static void read_options(struct slice value, bool *close, bool *keep)
{
    while (value.len) {
        const uint8_t *comma = memchr(value.data, ',', value.len);
        size_t len = comma ? (size_t)(comma - value.data) : value.len;
        struct slice option = text_trim((struct slice){value.data, len});
        *close |= text_is_any_case(option, "close");
        *keep |= text_is_any_case(option, "keep-alive");
        value = text_from(value, comma ? len + 1 : len);
    }
}

static void read_connection(struct http_request *r)
{
    bool close = false, keep = false;
    for (const struct http_field *f = NULL; (f = http_request_field(r, "connection", f));)
        read_options(f->value, &close, &keep);
    r->keep_alive = !close && (keep || !r->version_1_0);
}

struct http_refusal http_head_complete(struct http_request *r)
{
    struct http_refusal refusal = read_host(r);
    if (!refusal.status)
        refusal = read_framing(r);
    if (!refusal.status)
        refusal = read_expect(r);
    read_connection(r);
    return refusal;
}
