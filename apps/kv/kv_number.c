#include "kv_number.h"

bool kv_number_read(const uint8_t *text, size_t len, int64_t *number)
{
    bool negative = len > 0 && text[0] == '-';
    size_t at = negative;
    if (len == 0 || len > KV_NUMBER_MAX || at == len)
        return false;
    if (text[at] == '0' && len > 1)
        return false;
    uint64_t limit = (uint64_t)INT64_MAX + negative;
    uint64_t size = 0;
    for (; at < len; at++) {
        if (text[at] < '0' || text[at] > '9')
            return false;
        uint64_t digit = (uint64_t)(text[at] - '0');
        if (size > (limit - digit) / 10)
            return false;
        size = size * 10 + digit;
    }
    *number = (int64_t)(negative ? 0 - size : size);
    return true;
}

size_t kv_number_write(uint8_t text[KV_NUMBER_MAX], int64_t number)
{
    uint8_t digits[KV_NUMBER_MAX];
    size_t count = 0;
    size_t len = 0;
    uint64_t size = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    do {
        digits[count++] = (uint8_t)('0' + size % 10);
        size /= 10;
    } while (size);
    if (number < 0)
        text[len++] = '-';
    while (count)
        text[len++] = digits[--count];
    return len;
}

bool kv_number_add(int64_t a, int64_t b, int64_t *sum)
{
    return !__builtin_add_overflow(a, b, sum);
}
