#include "wire/schema.h"

void text_add(struct text *text, const char *string)
{
    while (*string && text->len + 1 < text->cap)
        text->data[text->len++] = *string++;
    if (text->cap)
        text->data[text->len] = 0;
}

void text_add_u64(struct text *text, uint64_t value)
{
    char digits[21];
    size_t at = sizeof digits - 1;
    digits[at] = 0;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    text_add(text, digits + at);
}

void text_add_hex(struct text *text, const uint8_t *data, size_t len)
{
    static const char hex[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        char pair[3] = {hex[data[i] >> 4], hex[data[i] & 15], 0};
        text_add(text, pair);
    }
}
