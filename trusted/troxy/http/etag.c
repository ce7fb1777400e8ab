#include "troxy/http/etag.h"

#include "troxy/text.h"

static bool is_etag_byte(uint8_t c)
{
    return c > ' ' && c != '"' && c != 0x7f;
}

/* A tag at the start of `text`; moves `text` behind it. */
static bool take_etag(struct slice *text, struct http_etag *etag)
{
    *etag = (struct http_etag){.weak = text->len >= 2 && memcmp(text->data, "W/", 2) == 0};
    struct slice rest = text_from(*text, etag->weak ? 2 : 0);
    if (rest.len == 0 || rest.data[0] != '"')
        return false;
    size_t end = 1;
    while (end < rest.len && is_etag_byte(rest.data[end]))
        end++;
    if (end == rest.len || rest.data[end] != '"')
        return false;
    etag->text = (struct slice){rest.data + 1, end - 1};
    *text = text_from(rest, end + 1);
    return true;
}

enum http_etags http_etag_next(struct slice *list, struct http_etag *etag)
{
    struct slice rest = text_trim(*list);
    while (rest.len && rest.data[0] == ',')
        rest = text_trim(text_from(rest, 1));
    *list = text_from(rest, rest.len);
    if (rest.len == 0)
        return HTTP_ETAGS_END;
    if (text_is(rest, "*")) {
        *etag = (struct http_etag){.any = true};
        return HTTP_ETAGS_ONE;
    }
    if (!take_etag(&rest, etag))
        return HTTP_ETAGS_BAD;
    *list = text_trim(rest);
    return list->len == 0 || list->data[0] == ',' ? HTTP_ETAGS_ONE : HTTP_ETAGS_BAD;
}

bool http_etag_equal(const struct http_etag *a, const struct http_etag *b, enum http_comparison comparison)
{
    if (comparison == HTTP_COMPARE_STRONG && (a->weak || b->weak))
        return false;
    return text_equal(a->text, b->text);
}

/* One field; `tags` counts those of all fields. */
static enum http_match match_list(struct slice list, const struct http_etag *current,
                                  enum http_comparison comparison, unsigned *tags, bool *any)
{
    enum http_match match = HTTP_MATCH_NO;
    struct http_etag etag;
    for (;;) {
        enum http_etags next = http_etag_next(&list, &etag);
        if (next == HTTP_ETAGS_END)
            return match;
        if (next == HTTP_ETAGS_BAD)
            return HTTP_MATCH_BAD;
        *tags += 1;
        *any |= etag.any;
        if (current && (etag.any || http_etag_equal(&etag, current, comparison)))
            match = HTTP_MATCH_YES;
    }
}

enum http_match http_etag_match(const struct http_request *request, const char *name,
                                const struct http_etag *current, enum http_comparison comparison)
{
    enum http_match all = HTTP_MATCH_ABSENT;
    unsigned tags = 0;
    bool any = false;
    for (const struct http_field *f = NULL; (f = http_request_field(request, name, f));) {
        enum http_match one = match_list(f->value, current, comparison, &tags, &any);
        if (one == HTTP_MATCH_BAD)
            return HTTP_MATCH_BAD;
        if (all != HTTP_MATCH_YES)
            all = one;
    }
    bool malformed = any ? tags != 1 : tags == 0;
    return all != HTTP_MATCH_ABSENT && malformed ? HTTP_MATCH_BAD : all;
}
