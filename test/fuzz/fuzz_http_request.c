/*
 * HTTP requests from anywhere. However the bytes are cut, the same comes of them; and what is taken, http-parser takes alike:
 * method, target, headers and body; and when ours keeps the connection, so does it.
 *
 * Input: two bytes that say how to cut, then what the client sends. Known differences:
 *   - in trailers http-parser looks at Content-Length and others; ours are dropped, whatever they are called
 *   - it takes names that only begin with Transfer-Encoding for that
 *   - it takes Proxy-Connection for Connection, which it is not
 *   - whether the connection stays is compared one way, and not for lists: it does not know empty elements and tabs in them, and
 *     does not look for `close` in HTTP/1.0
 */
#include "http_transcript.h"
#include "need.h"
#include "troxy/http/etag.h"
#include "troxy/http/range.h"
#include "troxy/http/target.h"
#include "troxy/text.h"

/* Cuts the word "stays" or "closes" out of the first line; true when it was "stays". */
static bool cut_stays(struct slice text, struct slice *before, struct slice *after)
{
    const uint8_t *end = memchr(text.data, '\n', text.len);
    need(end);
    size_t line = (size_t)(end - text.data), word = line;
    while (text.data[word - 1] != ' ')
        word--;
    *before = (struct slice){text.data, word};
    *after = text_from(text, line);
    return text.data[word] == 's';
}

/* Whether there is a name, in the head or anywhere, that begins with `name` (lower-case) and has `more` behind it, or not. */
static bool mentions(struct slice text, const char *name, bool more)
{
    size_t len = strlen(name);
    for (size_t i = 0; i + len < text.len; i++)
        if (text_is_any_case((struct slice){text.data + i, len}, name) &&
            text_is_token_byte(text.data[i + len]) == more)
            return true;
    return false;
}

/* It may refuse what ours takes: see above. */
static bool may_refuse(const struct http_transcript *t, unsigned i, struct slice ours)
{
    return t->request[i].trailers || mentions(ours, "transfer-encoding", true);
}

/* It may close where ours stays. */
static bool may_close(struct slice ours)
{
    return mentions(ours, "proxy-connection", false) || memchr(ours.data, ',', ours.len) ||
           memchr(ours.data, '\t', ours.len);
}

static void compare_texts(struct slice ours, struct slice other)
{
    struct slice a, b, c, d;
    bool our_stays = cut_stays(ours, &a, &b), other_stays = cut_stays(other, &c, &d);
    bool same = text_equal(a, c) && text_equal(b, d) && (!our_stays || other_stays || may_close(ours));
    if (!same)
        fprintf(stderr, "%.*s\nhttp-parser:\n%.*s\n", (int)ours.len, (const char *)ours.data, (int)other.len,
                (const char *)other.data);
    need(same);
}

static void compare(const struct http_transcript *t, unsigned i, struct slice input)
{
    static uint8_t memory[1u << 18];
    struct writer out = writer_to(memory, sizeof memory);
    struct slice request = {input.data + t->request[i].start, t->request[i].end - t->request[i].start};
    struct slice ours = {t->text + t->request[i].text, t->request[i].text_after - t->request[i].text};
    const char *why = other_http_read(&out, request);
    if (why && may_refuse(t, i, ours))
        return;
    if (why)
        fprintf(stderr, "http-parser: %s\n", why);
    need(!why);
    compare_texts(ours, (struct slice){memory, out.len});
}

/* What is made of the parts of a request later on. */
static void read_parts(struct slice text)
{
    struct slice list = text, query = text, name, value;
    struct http_etag etag;
    uint64_t first, last;
    uint8_t out[64];
    size_t len;
    while (http_etag_next(&list, &etag) == HTTP_ETAGS_ONE)
        look_at(etag.text.data, etag.text.len);
    while (http_query_next(&query, &name, &value)) {
        look_at(name.data, name.len);
        if (http_percent_decode(value, HTTP_PLUS_IS_SPACE, out, sizeof out, &len))
            need(len <= value.len && len <= sizeof out);
    }
    struct http_range range = http_range_read(text);
    if (http_range_fit(&range, 1000, &first, &last) == HTTP_RANGE_PART)
        need(first <= last && last < 1000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct http_transcript whole, cut;
    if (size < 2 || size > 60000)
        return 0;
    struct slice input = {data + 2, size - 2};
    http_transcript_make(&whole, input, 0, SIZE_MAX);
    http_transcript_make(&cut, input, data[0], 1u + data[1]);
    need(text_equal((struct slice){whole.text, whole.out.len}, (struct slice){cut.text, cut.out.len}));
    for (unsigned i = 0; i < whole.requests && i < TRANSCRIPT_REQUESTS; i++)
        compare(&whole, i, input);
    read_parts(input);
    return 0;
}
