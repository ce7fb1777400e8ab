/*
 * Text as protocols for people have it: bytes from outside, without a NUL at the end and without a locale. Pure.
 */
#ifndef TROXY_TEXT_H
#define TROXY_TEXT_H

#include "base/bytes.h"

static inline bool text_is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static inline bool text_is_letter(uint8_t c)
{
    return (uint8_t)((c | 0x20) - 'a') < 26;
}

static inline bool text_is_control(uint8_t c)
{
    return c < 0x20 || c == 0x7f;
}

/* 0 to 15, or -1. */
int text_hex_digit(uint8_t c);
/* What names of methods and headers are made of (RFC 9110, token). */
bool text_is_token_byte(uint8_t c);
/* At least one byte, and all of them such. */
bool text_is_token(struct slice text);

struct slice text_of(const char *text);
bool text_equal(struct slice a, struct slice b);
bool text_is(struct slice text, const char *expected);
/* Without regard to the case of letters; `expected` is lower-case. */
bool text_is_any_case(struct slice text, const char *expected);
/* Without spaces and tabs at both ends. */
struct slice text_trim(struct slice text);
/* What is left behind the first `at` bytes, of which there must be as many. */
struct slice text_from(struct slice text, size_t at);

/* Digits only, at least one; what is too large for 64 bits reads as UINT64_MAX. */
bool text_number(struct slice text, uint64_t *number);

void put_text(struct writer *w, const char *text);
void put_number(struct writer *w, uint64_t number);

#endif
