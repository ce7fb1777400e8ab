#include "troxy/text.h"

int text_hex_digit(uint8_t c)
{
    if (text_is_digit(c))
        return c - '0';
    uint8_t letter = c | 0x20;
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

bool text_is_token_byte(uint8_t c)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    return text_is_letter(c) || text_is_digit(c) || memchr(others, c, sizeof others - 1);
}

bool text_is_token(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!text_is_token_byte(text.data[i]))
            return false;
    return text.len > 0;
}

struct slice text_of(const char *text)
{
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

bool text_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool text_is(struct slice text, const char *expected)
{
    return text_equal(text, text_of(expected));
}

bool text_is_any_case(struct slice text, const char *expected)
{
    if (text.len != strlen(expected))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if ((text_is_letter(c) ? c | 0x20 : c) != (uint8_t)expected[i])
            return false;
    }
    return true;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

struct slice text_trim(struct slice text)
{
    while (text.len && is_blank(text.data[0]))
        text = text_from(text, 1);
    while (text.len && is_blank(text.data[text.len - 1]))
        text.len--;
    return text;
}

struct slice text_from(struct slice text, size_t at)
{
    return (struct slice){at ? text.data + at : text.data, text.len - at}; /* data may be NULL */
}

bool text_number(struct slice text, uint64_t *number)
{
    uint64_t sum = 0;
    bool huge = false;
    for (size_t i = 0; i < text.len; i++) {
        if (!text_is_digit(text.data[i]))
            return false;
        huge |= __builtin_mul_overflow(sum, 10u, &sum);
        huge |= __builtin_add_overflow(sum, (uint64_t)(text.data[i] - '0'), &sum);
    }
    *number = huge ? UINT64_MAX : sum;
    return text.len > 0;
}

void put_text(struct writer *w, const char *text)
{
    put_raw(w, text, strlen(text));
}

void put_number(struct writer *w, uint64_t number)
{
    uint8_t digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (uint8_t)('0' + number % 10);
        number /= 10;
    } while (number);
    put_raw(w, digits + at, sizeof digits - at);
}
