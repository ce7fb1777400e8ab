#include "kv_glob.h"

static struct slice from(struct slice s, size_t at)
{
    return (struct slice){s.data + at, s.len - at};
}

/* A class behind its "[", which it moves past, as redis-server reads it: what is not closed ends with the pattern. */
static bool class_matches(struct slice *p, uint8_t c)
{
    bool found = false;
    bool negated = p->len && p->data[0] == '^';
    if (negated)
        *p = from(*p, 1);
    for (;;) {
        if (p->len >= 2 && p->data[0] == '\\') {
            *p = from(*p, 1);
            found |= p->data[0] == c;
        } else if (p->len == 0) {
            return found != negated;
        } else if (p->data[0] == ']') {
            *p = from(*p, 1);
            return found != negated;
        } else if (p->len >= 3 && p->data[1] == '-') {
            uint8_t low = p->data[0], high = p->data[2];
            found |= low <= high ? c >= low && c <= high : c >= high && c <= low;
            *p = from(*p, 2);
        } else {
            found |= p->data[0] == c;
        }
        *p = from(*p, 1);
    }
}

/* One character of the text against what the pattern begins with, which is no `*`; moves the pattern on. */
static bool one_matches(struct slice *p, uint8_t c)
{
    uint8_t want = p->data[0];
    *p = from(*p, 1);
    if (want == '?')
        return true;
    if (want == '[')
        return class_matches(p, c);
    if (want == '\\' && p->len) {
        want = p->data[0];
        *p = from(*p, 1);
    }
    return want == c;
}

/* Only the last `*` is ever tried again, so it costs no more than pattern times text; which is much when both are long. */
bool kv_glob_matches(struct slice pattern, struct slice text, uint64_t *left)
{
    struct slice retry_pattern = {0}, retry_text = {0};
    bool star = false;
    while (text.len) {
        size_t before = pattern.len;
        if (*left == 0)
            return false;
        --*left;
        if (pattern.len && pattern.data[0] == '*') {
            star = true;
            pattern = from(pattern, 1);
            retry_pattern = pattern;
            retry_text = text;
            continue;
        }
        bool matches = pattern.len && one_matches(&pattern, text.data[0]);
        size_t looked_at = before - pattern.len;
        *left -= looked_at < *left ? looked_at : *left;
        if (matches) {
            text = from(text, 1);
            continue;
        }
        if (!star)
            return false;
        retry_text = from(retry_text, 1);
        text = retry_text;
        pattern = retry_pattern;
    }
    while (pattern.len && pattern.data[0] == '*')
        pattern = from(pattern, 1);
    return pattern.len == 0;
}

struct slice kv_glob_prefix(struct slice pattern)
{
    size_t len = 0;
    while (len < pattern.len && pattern.data[len] != '*' && pattern.data[len] != '?' &&
           pattern.data[len] != '[' && pattern.data[len] != '\\')
        len++;
    return (struct slice){pattern.data, len};
}
