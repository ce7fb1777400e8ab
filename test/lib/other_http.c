/* http-parser (the one that Node.js had), which has seen more clients than we have. Lenient, so only an upper bound. */
#include <http_parser.h>

#include "http_transcript.h"
#include "troxy/text.h"

struct other {
    struct writer *out;
    bool head; /* in the head still: what comes as headers later are trailers */
    bool in_value;
    size_t value; /* where it starts */
    bool complete;
    size_t text; /* where the first line ends, but for what only the whole head tells */
    size_t target_len;
    uint8_t target[8192];
};

static int on_url(http_parser *parser, const char *at, size_t len)
{
    struct other *o = parser->data;
    if (len > sizeof o->target - o->target_len)
        return 1;
    memcpy(o->target + o->target_len, at, len);
    o->target_len += len;
    return 0;
}

/* Values may end with spaces here. */
static void end_value(struct other *o)
{
    struct writer *w = o->out;
    while (w->len > o->value && (w->data[w->len - 1] == ' ' || w->data[w->len - 1] == '\t'))
        w->len--;
    put_text(w, "\n");
    o->in_value = false;
}

static int on_name(http_parser *parser, const char *at, size_t len)
{
    struct other *o = parser->data;
    if (!o->head)
        return 0;
    if (o->in_value)
        end_value(o);
    put_raw(o->out, at, len);
    return 0;
}

static int on_value(http_parser *parser, const char *at, size_t len)
{
    struct other *o = parser->data;
    if (!o->head)
        return 0;
    if (!o->in_value) {
        put_text(o->out, ": ");
        o->value = o->out->len;
    }
    o->in_value = true;
    put_raw(o->out, at, len);
    return 0;
}

/* The first line cannot be written before this, so it goes in front of the headers now. */
static int on_head(http_parser *parser)
{
    struct other *o = parser->data;
    static uint8_t memory[9000];
    struct writer line = writer_to(memory, sizeof memory);
    if (o->in_value)
        end_value(o);
    put_text(&line, http_method_str((enum http_method)parser->method));
    put_text(&line, " ");
    put_raw(&line, o->target, o->target_len);
    put_text(&line, parser->http_minor == 0 ? " HTTP/1.0" : " HTTP/1.1");
    put_text(&line, http_should_keep_alive(parser) ? " stays\n" : " closes\n");
    if (line.bad || !writer_take(o->out, line.len))
        return -1;
    memmove(o->out->data + line.len, o->out->data, o->out->len - line.len);
    memcpy(o->out->data, line.data, line.len);
    put_text(o->out, "\n");
    o->head = false;
    parser->upgrade = 0; /* nobody here speaks anything else */
    return 0;
}

static int on_body(http_parser *parser, const char *at, size_t len)
{
    struct other *o = parser->data;
    put_raw(o->out, at, len);
    return 0;
}

static int on_complete(http_parser *parser)
{
    struct other *o = parser->data;
    bool again = o->complete;
    o->complete = true;
    return again;
}

const char *other_http_read(struct writer *out, struct slice request)
{
    struct other *o = &(struct other){.out = out, .head = true};
    http_parser_settings settings;
    http_parser parser;
    http_parser_settings_init(&settings);
    settings.on_url = on_url;
    settings.on_header_field = on_name;
    settings.on_header_value = on_value;
    settings.on_headers_complete = on_head;
    settings.on_body = on_body;
    settings.on_message_complete = on_complete;
    http_parser_init(&parser, HTTP_REQUEST);
    parser.data = o;
    size_t used = http_parser_execute(&parser, &settings, (const char *)request.data, request.len);
    if (HTTP_PARSER_ERRNO(&parser) != HPE_OK)
        return http_errno_name(HTTP_PARSER_ERRNO(&parser));
    return used == request.len && o->complete && !out->bad ? NULL : "not exactly one request";
}
