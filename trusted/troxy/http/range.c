#include "troxy/http/range.h"

#include "troxy/text.h"

/* A number that may be left out. */
static bool optional_number(struct slice text, uint64_t *number)
{
    return text.len == 0 || text_number(text, number);
}

struct http_range http_range_read(struct slice value)
{
    static const char unit[] = "bytes=";
    struct http_range range = {HTTP_RANGE_FROM, 0, UINT64_MAX}, whole = {HTTP_RANGE_WHOLE, 0, 0};
    size_t unit_len = sizeof unit - 1;
    if (value.len < unit_len || !text_is_any_case((struct slice){value.data, unit_len}, unit))
        return whole;
    struct slice rest = text_trim(text_from(value, unit_len));
    const uint8_t *dash = rest.len ? memchr(rest.data, '-', rest.len) : NULL;
    if (!dash || rest.len == 1)
        return whole;
    struct slice first = {rest.data, (size_t)(dash - rest.data)};
    struct slice last = text_from(rest, first.len + 1);
    if (!optional_number(first, &range.first) || !optional_number(last, &range.last))
        return whole;
    if (first.len == 0)
        range.kind = HTTP_RANGE_SUFFIX;
    return range.first > range.last ? whole : range;
}

enum http_range_fit http_range_fit(const struct http_range *range, uint64_t size, uint64_t *first,
                                   uint64_t *last)
{
    *first = 0;
    *last = size ? size - 1 : 0;
    if (range->kind == HTTP_RANGE_WHOLE)
        return HTTP_RANGE_ALL;
    if (range->kind == HTTP_RANGE_SUFFIX) {
        if (range->last == 0 || size == 0)
            return HTTP_RANGE_UNSATISFIABLE;
        *first = range->last < size ? size - range->last : 0;
        return HTTP_RANGE_PART;
    }
    if (range->first >= size)
        return HTTP_RANGE_UNSATISFIABLE;
    *first = range->first;
    if (range->last < *last)
        *last = range->last;
    return HTTP_RANGE_PART;
}
