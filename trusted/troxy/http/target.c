#include "troxy/http/target.h"

#include "troxy/text.h"

/* Those that no URL has unencoded, and `\`, which some programs take for a slash. */
static bool is_target_byte(uint8_t c)
{
    static const char never[] = "\"#<>\\";
    return c > ' ' && c < 0x7f && !memchr(never, c, sizeof never - 1);
}

static bool is_target(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!is_target_byte(text.data[i]))
            return false;
        if (text.data[i] != '%')
            continue;
        if (text.len - i < 3 || text_hex_digit(text.data[i + 1]) < 0 || text_hex_digit(text.data[i + 2]) < 0)
            return false;
        i += 2;
    }
    return text.len > 0;
}

static void split_query(struct http_target *target, struct slice text)
{
    const uint8_t *mark = memchr(text.data, '?', text.len);
    size_t len = mark ? (size_t)(mark - text.data) : text.len;
    target->path = (struct slice){text.data, len};
    if (mark)
        target->query = text_from(text, len + 1);
}

/* Length of "http://" or "https://" at the start; 0 without. */
static size_t scheme_len(struct slice text)
{
    static const char *const scheme[] = {"http://", "https://"};
    for (unsigned i = 0; i < 2; i++) {
        size_t len = strlen(scheme[i]);
        if (text.len > len && text_is_any_case((struct slice){text.data, len}, scheme[i]))
            return len;
    }
    return 0;
}

static bool read_absolute(struct http_target *target, struct slice text)
{
    size_t len = 0;
    while (len < text.len && text.data[len] != '/' && text.data[len] != '?')
        len++;
    target->authority = (struct slice){text.data, len};
    if (len < text.len)
        split_query(target, text_from(text, len));
    if (target->path.len == 0)
        target->path = text_of("/");
    return http_authority_is_valid(target->authority);
}

bool http_target_read(struct http_target *target, struct slice text)
{
    *target = (struct http_target){0};
    if (!is_target(text))
        return false;
    if (text.data[0] == '/') {
        split_query(target, text);
        return true;
    }
    if (text_is(text, "*")) {
        target->asterisk = true;
        target->path = text;
        return true;
    }
    size_t scheme = scheme_len(text);
    return scheme && read_absolute(target, text_from(text, scheme));
}

static bool is_name_byte(uint8_t c)
{
    static const char others[] = "-._~!$&'()*+,;=%";
    return text_is_letter(c) || text_is_digit(c) || memchr(others, c, sizeof others - 1);
}

/* Length of a name or of an address in brackets; 0 when it is neither. */
static size_t host_len(struct slice text)
{
    size_t len = 0;
    if (text.len && text.data[0] == '[') {
        for (len = 1; len < text.len && text.data[len] != ']'; len++)
            if (text_hex_digit(text.data[len]) < 0 && text.data[len] != ':' && text.data[len] != '.')
                return 0;
        return len > 1 && len < text.len ? len + 1 : 0;
    }
    while (len < text.len && is_name_byte(text.data[len]))
        len++;
    return len;
}

bool http_authority_is_valid(struct slice text)
{
    size_t len = host_len(text);
    uint64_t port;
    if (len == 0 || len == text.len)
        return len > 0;
    struct slice rest = text_from(text, len + 1);
    return text.data[len] == ':' && rest.len <= 5 && text_number(rest, &port) && port <= 65535;
}

/* One byte of encoded text; moves `at` behind it. -1 for a bad escape. */
static int decode_byte(struct slice text, enum http_plus plus, size_t *at)
{
    uint8_t c = text.data[(*at)++];
    if (c == '+' && plus == HTTP_PLUS_IS_SPACE)
        return ' ';
    if (c != '%')
        return c;
    if (text.len - *at < 2)
        return -1;
    int high = text_hex_digit(text.data[*at]);
    int low = text_hex_digit(text.data[*at + 1]);
    *at += 2;
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

bool http_percent_decode(struct slice text, enum http_plus plus, uint8_t *out, size_t cap, size_t *len)
{
    *len = 0;
    for (size_t at = 0; at < text.len;) {
        int c = decode_byte(text, plus, &at);
        if (c < 0 || *len == cap)
            return false;
        out[(*len)++] = (uint8_t)c;
    }
    return true;
}

bool http_query_next(struct slice *query, struct slice *name, struct slice *value)
{
    while (query->len) {
        const uint8_t *end = memchr(query->data, '&', query->len);
        size_t len = end ? (size_t)(end - query->data) : query->len;
        struct slice part = {query->data, len};
        *query = text_from(*query, end ? len + 1 : len);
        if (len == 0)
            continue;
        const uint8_t *equals = memchr(part.data, '=', len);
        size_t name_len = equals ? (size_t)(equals - part.data) : len;
        *name = (struct slice){part.data, name_len};
        *value = text_from(part, equals ? name_len + 1 : name_len);
        return true;
    }
    return false;
}
