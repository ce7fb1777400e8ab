#include "kv_double.h"

#include <string.h>

#include "base/check.h"

#define TEXT_MAX   400u
#define DIGITS_MAX 400u /* of a text */
#define PLACES     17
#define WORDS      80u /* 2560 bits: 400 digits, or 10^700 */

/* A whole number, least word first. */
struct big {
    uint32_t len;
    uint32_t word[WORDS];
};

static struct big big_of(uint64_t number)
{
    struct big b = {.len = 0};
    for (; number; number >>= 32)
        b.word[b.len++] = (uint32_t)number;
    return b;
}

/* b = b * factor + addend */
static void big_scale(struct big *b, uint32_t factor, uint32_t addend)
{
    uint64_t carry = addend;
    for (uint32_t i = 0; i < b->len; i++) {
        carry += (uint64_t)b->word[i] * factor;
        b->word[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry) {
        CHECK(b->len < WORDS);
        b->word[b->len++] = (uint32_t)carry;
    }
}

static void big_scale_10(struct big *b, uint32_t power)
{
    for (; power >= 9; power -= 9)
        big_scale(b, 1000000000u, 0);
    for (; power; power--)
        big_scale(b, 10, 0);
}

static uint32_t big_bits(const struct big *b)
{
    return b->len ? 32 * b->len - (uint32_t)__builtin_clz(b->word[b->len - 1]) : 0;
}

static void big_shift(struct big *b, uint32_t bits)
{
    uint32_t words = bits / 32, rest = bits % 32;
    if (b->len == 0)
        return;
    CHECK(b->len + words < WORDS);
    memmove(b->word + words, b->word, b->len * sizeof *b->word);
    memset(b->word, 0, words * sizeof *b->word);
    b->len += words;
    if (rest)
        big_scale(b, (uint32_t)1 << rest, 0);
}

static int big_compare(const struct big *a, const struct big *b)
{
    if (a->len != b->len)
        return a->len < b->len ? -1 : 1;
    for (uint32_t i = a->len; i-- > 0;)
        if (a->word[i] != b->word[i])
            return a->word[i] < b->word[i] ? -1 : 1;
    return 0;
}

/* a -= b, which is not larger */
static void big_subtract(struct big *a, const struct big *b)
{
    uint64_t borrow = 0;
    for (uint32_t i = 0; i < a->len; i++) {
        uint64_t less = borrow + (i < b->len ? b->word[i] : 0);
        borrow = a->word[i] < less;
        a->word[i] -= (uint32_t)less;
    }
    while (a->len && a->word[a->len - 1] == 0)
        a->len--;
}

static void big_halve(struct big *b)
{
    for (uint32_t i = 0; i < b->len; i++)
        b->word[i] = b->word[i] >> 1 | (i + 1 < b->len ? b->word[i + 1] << 31 : 0);
    if (b->len && b->word[b->len - 1] == 0)
        b->len--;
}

/* a / b for a quotient below 2^64; the rest stays in a. */
static uint64_t big_divide(struct big *a, const struct big *b)
{
    uint32_t shift = big_bits(a) > big_bits(b) ? big_bits(a) - big_bits(b) : 0;
    struct big step = *b;
    uint64_t quotient = 0;
    CHECK(shift < 64);
    big_shift(&step, shift);
    for (uint32_t i = 0; i <= shift; i++) {
        quotient <<= 1;
        if (big_compare(a, &step) >= 0) {
            big_subtract(a, &step);
            quotient |= 1;
        }
        big_halve(&step);
    }
    return quotient;
}

/* ------------------------------------------------------------------------------------------------- reading */

struct text {
    bool negative;
    uint32_t digits;  /* significant ones */
    int32_t exponent; /* of ten, of the last of them */
    uint8_t digit[DIGITS_MAX];
};

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* Digits at the start of `s`; leading zeros of the number are left out. */
static size_t take_digits(struct slice *s, struct text *t, bool behind_point)
{
    size_t taken = 0;
    for (; taken < s->len && is_digit(s->data[taken]); taken++) {
        if (behind_point)
            t->exponent--;
        if (t->digits || s->data[taken] != '0')
            t->digit[t->digits++] = (uint8_t)(s->data[taken] - '0');
    }
    *s = (struct slice){s->data + taken, s->len - taken};
    return taken;
}

static bool take_exponent(struct slice *s, struct text *t)
{
    if (s->len == 0)
        return true;
    if ((s->data[0] | 0x20) != 'e')
        return false;
    size_t at = 1;
    bool negative = s->len > 1 && s->data[1] == '-';
    if (s->len > 1 && (s->data[1] == '-' || s->data[1] == '+'))
        at++;
    int32_t exponent = 0;
    if (at == s->len)
        return false;
    for (; at < s->len; at++) {
        if (!is_digit(s->data[at]))
            return false;
        if (exponent < 100000)
            exponent = exponent * 10 + (s->data[at] - '0');
    }
    t->exponent += negative ? -exponent : exponent;
    return true;
}

static bool take_sign(struct slice *s)
{
    bool negative = s->len && s->data[0] == '-';
    if (s->len && (negative || s->data[0] == '+'))
        *s = (struct slice){s->data + 1, s->len - 1};
    return negative;
}

static bool text_read(struct slice s, struct text *t)
{
    t->digits = 0;
    t->exponent = 0;
    if (s.len > TEXT_MAX)
        return false;
    t->negative = take_sign(&s);
    size_t taken = take_digits(&s, t, false);
    if (s.len && s.data[0] == '.') {
        s = (struct slice){s.data + 1, s.len - 1};
        taken += take_digits(&s, t, true);
    }
    return taken && take_exponent(&s, t);
}

static bool is_word(struct slice s, const char *word)
{
    size_t len = strlen(word);
    if (s.len != len)
        return false;
    for (size_t i = 0; i < len; i++)
        if ((s.data[i] | 0x20) != (uint8_t)word[i])
            return false;
    return true;
}

static double of_bits(uint64_t bits)
{
    double number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

static uint64_t bits_of(double number)
{
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    return bits;
}

#define INFINITE ((uint64_t)0x7ff << 52)
#define SIGN     ((uint64_t)1 << 63)

/* The double next to quotient * 2^power, `rest` saying that a little is missing; false beyond the largest, or when it is 0. */
static bool round_to_double(uint64_t quotient, bool rest, int32_t power, uint64_t *bits)
{
    int32_t top = 63 - (int32_t)__builtin_clzll(quotient) + power; /* 2^top <= number < 2^(top + 1) */
    int32_t least = top < -1022 ? -1074 : top - 52;                /* of the last bit that fits */
    int32_t drop = least - power;
    uint64_t kept;
    CHECK(drop > 0);
    if (drop >= 65)
        return false;
    kept = drop == 64 ? 0 : quotient >> drop;
    uint64_t half = (uint64_t)1 << (drop - 1);
    uint64_t dropped = drop == 64 ? quotient : quotient & (((uint64_t)1 << drop) - 1);
    if (dropped > half || (dropped == half && (rest || (kept & 1))))
        kept++;
    /* A carry out of the fraction raises the exponent, which is what it should. */
    *bits = top < -1022 ? kept : ((uint64_t)(top + 1022) << 52) + kept;
    return kept != 0 && top <= 1023 && *bits < INFINITE;
}

static bool digits_to_double(const struct text *t, uint64_t *bits)
{
    struct big number = {.len = 0}, divisor = big_of(1);
    int32_t power = 0;
    int32_t magnitude = (int32_t)t->digits + t->exponent;
    if (magnitude > 310 || magnitude < -330)
        return false;
    for (uint32_t i = 0; i < t->digits; i++) {
        if (number.len == 0 && t->digit[i])
            number = big_of(t->digit[i]);
        else
            big_scale(&number, 10, t->digit[i]);
    }
    if (t->exponent > 0)
        big_scale_10(&number, (uint32_t)t->exponent);
    else
        big_scale_10(&divisor, (uint32_t)-t->exponent);
    /* So that the quotient has 62 to 64 bits. */
    int32_t shift = 63 - ((int32_t)big_bits(&number) - (int32_t)big_bits(&divisor));
    if (shift > 0)
        big_shift(&number, (uint32_t)shift);
    else
        big_shift(&divisor, (uint32_t)-shift);
    power = -shift;
    uint64_t quotient = big_divide(&number, &divisor);
    return round_to_double(quotient, number.len > 0, power, bits);
}

/* Both numbers are exact, and so is what the processor makes of them but for one rounding, the right one. */
static bool read_short(const struct text *t, double *number)
{
    static const double ten[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    uint64_t whole = 0;
    if (t->digits > 15 || t->exponent > 22 || t->exponent < -22)
        return false;
    for (uint32_t i = 0; i < t->digits; i++)
        whole = whole * 10 + t->digit[i];
    *number = t->exponent < 0 ? (double)whole / ten[-t->exponent] : (double)whole * ten[t->exponent];
    return true;
}

bool kv_is_infinite(struct slice text)
{
    (void)take_sign(&text);
    return is_word(text, "inf") || is_word(text, "infinity");
}

bool kv_double_read(struct slice text, double *number)
{
    struct text t;
    struct slice rest = text;
    uint64_t bits = 0;
    bool negative = take_sign(&rest);
    if (is_word(rest, "inf") || is_word(rest, "infinity")) {
        *number = of_bits(INFINITE | (negative ? SIGN : 0));
        return true;
    }
    if (!text_read(text, &t))
        return false;
    if (t.digits == 0 || !read_short(&t, number)) {
        if (t.digits && !digits_to_double(&t, &bits))
            return false;
        *number = of_bits(bits);
    }
    if (t.negative)
        *number = of_bits(bits_of(*number) | SIGN);
    return true;
}

/* ------------------------------------------------------------------------------------------------- writing */

/* The 17 first digits of a number that is neither 0 nor infinite, rounded; returns the power of ten of the first. */
static int32_t digits_of(uint64_t bits, uint64_t *digits)
{
    uint64_t fraction = bits & (((uint64_t)1 << 52) - 1);
    int32_t exponent = (int32_t)(bits >> 52 & 0x7ff);
    int32_t power = exponent ? exponent - 1075 : -1074;
    uint64_t mantissa = exponent ? fraction | (uint64_t)1 << 52 : fraction;
    /* 2^top <= number < 2^(top + 1); the first digit's power of ten is this or one more. */
    int32_t top = 63 - (int32_t)__builtin_clzll(mantissa) + power;
    int32_t tens = (int32_t)((int64_t)top * 30103 / 100000) - (top < 0);
    for (;; tens++) {
        int32_t scale = 16 - tens; /* number * 10^scale has 17 digits before the point */
        struct big number = big_of(mantissa), divisor = big_of(1);
        big_scale_10(scale > 0 ? &number : &divisor, (uint32_t)(scale > 0 ? scale : -scale));
        big_shift(power > 0 ? &number : &divisor, (uint32_t)(power > 0 ? power : -power));
        *digits = big_divide(&number, &divisor);
        big_shift(&number, 1);
        int order = big_compare(&number, &divisor);
        if (order > 0 || (order == 0 && (*digits & 1)))
            ++*digits;
        if (*digits < 100000000000000000u)
            return tens;
    }
}

static size_t put_char(uint8_t *text, size_t len, char c)
{
    text[len] = (uint8_t)c;
    return len + 1;
}

size_t kv_double_write(uint8_t text[KV_DOUBLE_TEXT_MAX], double number)
{
    uint64_t bits = bits_of(number);
    uint8_t digit[17];
    uint64_t digits = 0;
    int32_t tens = 0;
    size_t len = 0, count = 17;
    if (bits & SIGN)
        len = put_char(text, len, '-');
    bits &= ~SIGN;
    if (bits == INFINITE) {
        memcpy(text + len, "inf", 3);
        return len + 3;
    }
    if (bits)
        tens = digits_of(bits, &digits);
    for (size_t i = 17; i-- > 0; digits /= 10)
        digit[i] = (uint8_t)('0' + digits % 10);
    while (count > 1 && digit[count - 1] == '0')
        count--;
    if (tens >= -4 && tens < 17) {
        if (tens < 0) {
            memcpy(text + len, "0.000", 2 + (size_t)(-tens - 1));
            len += 2 + (size_t)(-tens - 1);
        }
        for (size_t i = 0; i < count || (int32_t)i <= tens; i++) {
            if (tens >= 0 && (int32_t)i == tens + 1)
                len = put_char(text, len, '.');
            text[len++] = i < count ? digit[i] : '0';
        }
        return len;
    }
    text[len++] = digit[0];
    if (count > 1)
        len = put_char(text, len, '.');
    memcpy(text + len, digit + 1, count - 1);
    len += count - 1;
    len = put_char(text, len, 'e');
    len = put_char(text, len, tens < 0 ? '-' : '+');
    uint32_t size = (uint32_t)(tens < 0 ? -tens : tens);
    if (size >= 100)
        text[len++] = (uint8_t)('0' + size / 100);
    text[len++] = (uint8_t)('0' + size / 10 % 10);
    text[len++] = (uint8_t)('0' + size % 10);
    return len;
}

uint64_t kv_double_order(double number)
{
    uint64_t bits = number == 0 ? 0 : bits_of(number);
    return bits & SIGN ? ~bits : bits | SIGN;
}

double kv_double_of_order(uint64_t order)
{
    return of_bits(order & SIGN ? order & ~SIGN : ~order);
}

/* ------------------------------------------------------------------------------------------------- decimals */

static kv_decimal decimal_one(void)
{
    kv_decimal one = 1;
    for (int i = 0; i < PLACES; i++)
        one *= 10;
    return one;
}

static bool is_in_range(kv_decimal number)
{
    const kv_decimal limit = decimal_one() * 100 * 1000000000 * 1000000000; /* 10^20 */
    return number <= limit && number >= -limit;
}

bool kv_decimal_read(struct slice text, kv_decimal *number)
{
    struct text t;
    if (!text_read(text, &t))
        return false;
    if (t.digits && (int32_t)t.digits + t.exponent > 21)
        return false;
    int32_t places = -t.exponent; /* behind the point */
    uint32_t digits = t.digits;
    bool up = false;
    for (; digits && places > PLACES; digits--, places--)
        up = t.digit[digits - 1] >= 5; /* half away from zero */
    *number = 0;
    for (uint32_t i = 0; i < digits; i++)
        *number = *number * 10 + t.digit[i];
    *number += places == PLACES && up;
    for (; t.digits && *number && places < PLACES; places++)
        *number *= 10;
    if (t.negative)
        *number = -*number;
    return is_in_range(*number);
}

bool kv_decimal_add(kv_decimal a, kv_decimal b, kv_decimal *sum)
{
    *sum = a + b;
    return is_in_range(*sum);
}

size_t kv_decimal_write(uint8_t text[KV_DECIMAL_TEXT_MAX], kv_decimal number)
{
    uint8_t digit[KV_DECIMAL_TEXT_MAX];
    size_t count = 0, len = 0, zeros = 0;
    if (number < 0) {
        text[len++] = '-';
        number = -number;
    }
    for (; number || count <= PLACES; number /= 10)
        digit[count++] = (uint8_t)('0' + (int)(number % 10));
    while (zeros < PLACES && digit[zeros] == '0')
        zeros++;
    for (size_t i = count; i-- > zeros;) {
        if (i == PLACES - 1)
            text[len++] = '.';
        text[len++] = digit[i];
    }
    return len;
}
