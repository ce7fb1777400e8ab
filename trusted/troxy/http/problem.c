#include "troxy/http/problem.h"

#include "troxy/text.h"

#define DETAIL_MAX  768u
#define PROBLEM_MAX 1024u /* with the longest phrase and detail */

static bool is_continuation(uint8_t c)
{
    return (c & 0xc0) == 0x80;
}

/* Length of the character at the start of `text`; 0 when it is not UTF-8 (overlong and surrogates included). */
static size_t character_len(struct slice text)
{
    uint8_t c = text.data[0];
    size_t len = c < 0x80                ? 1
                 : c >= 0xc2 && c < 0xe0 ? 2
                 : c >= 0xe0 && c < 0xf0 ? 3
                 : c >= 0xf0 && c < 0xf5 ? 4
                                         : 0;
    if (len == 0 || text.len < len)
        return 0;
    for (size_t i = 1; i < len; i++)
        if (!is_continuation(text.data[i]))
            return 0;
    uint8_t second = len > 1 ? text.data[1] : 0;
    bool wrong = (c == 0xe0 && second < 0xa0) || (c == 0xed && second > 0x9f) ||
                 (c == 0xf0 && second < 0x90) || (c == 0xf4 && second > 0x8f);
    return wrong ? 0 : len;
}

/* One character of JSON text into `out`; moves `text` behind it. Returns the length. */
static size_t escape_character(uint8_t out[6], struct slice *text)
{
    static const char hex[] = "0123456789abcdef";
    uint8_t c = text->data[0];
    size_t len = character_len(*text);
    if (len == 0) {
        *text = text_from(*text, 1);
        memcpy(out, "\xef\xbf\xbd", 3);
        return 3;
    }
    if (c == '"' || c == '\\') {
        out[0] = '\\';
        out[1] = c;
    } else if (text_is_control(c)) {
        memcpy(out, "\\u00", 4);
        out[4] = (uint8_t)hex[c >> 4];
        out[5] = (uint8_t)hex[c & 15];
    } else {
        memcpy(out, text->data, len);
    }
    *text = text_from(*text, len);
    return c == '"' || c == '\\' ? 2 : text_is_control(c) ? 6 : len;
}

void put_json_text(struct writer *w, struct slice text, size_t most)
{
    size_t written = 0;
    while (text.len) {
        uint8_t character[6];
        size_t len = escape_character(character, &text);
        if (written + len > most)
            return;
        put_raw(w, character, len);
        written += len;
    }
}

bool http_problem_end(struct http_response *r, struct slice detail)
{
    uint8_t body[PROBLEM_MAX];
    struct writer w = writer_to(body, sizeof body);
    put_text(&w, "{\"type\":\"about:blank\",\"title\":\"");
    put_text(&w, http_status_phrase(r->status));
    put_text(&w, "\",\"status\":");
    put_number(&w, r->status);
    if (detail.len) {
        put_text(&w, ",\"detail\":\"");
        put_json_text(&w, detail, DETAIL_MAX);
        put_text(&w, "\"");
    }
    put_text(&w, "}\n");
    http_response_field(r, "Content-Type", text_of("application/problem+json"));
    return http_response_end(r, (struct slice){body, w.len});
}

bool http_problem_refusal(struct http_response *r, void *memory, size_t cap,
                          const struct http_refusal *refusal, uint64_t date_s)
{
    http_response_begin(r, memory, cap, NULL, refusal->status, date_s);
    return http_problem_end(r, text_of(refusal->why));
}
