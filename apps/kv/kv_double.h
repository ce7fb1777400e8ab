/*
 * Floating point numbers and their decimal texts, exactly: what is read is the nearest double (ties to even), what is written is
 * what C's "%.17g" writes. Without the C library, whose texts depend on a locale; by whole numbers of many digits, so that
 * every replica has the same bits.
 *
 * INCRBYFLOAT and HINCRBYFLOAT do not calculate with doubles but with decimals of 17 places (struct kv_decimal): 0.1 and 0.2 are
 * 0.3.
 */
#ifndef KV_DOUBLE_H
#define KV_DOUBLE_H

#include "base/types.h"

#define KV_DOUBLE_TEXT_MAX 32u

/* [+-] digits [. digits] [e [+-] digits], or inf, infinity with a sign or none, letters of either case. False: anything else, a
 * number beyond the largest, one that is not 0 but reads as 0, or more than 400 characters. */
bool kv_double_read(struct slice text, double *number);
/* Returns the length. Not for NaN. */
size_t kv_double_write(uint8_t text[KV_DOUBLE_TEXT_MAX], double number);

/* Doubles as 64 bits whose unsigned order is theirs; -0 is 0. Not for NaN. */
uint64_t kv_double_order(double number);
double kv_double_of_order(uint64_t order);

/* A number times 10^17. */
#define KV_DECIMAL_TEXT_MAX 48u
__extension__ typedef __int128 kv_decimal;
/* As kv_double_read, without inf; rounded to 17 places. False also beyond 10^20. */
bool kv_decimal_read(struct slice text, kv_decimal *number);
/* "inf" and the like. */
bool kv_is_infinite(struct slice text);
/* False: beyond 10^20. */
bool kv_decimal_add(kv_decimal a, kv_decimal b, kv_decimal *sum);
size_t kv_decimal_write(uint8_t text[KV_DECIMAL_TEXT_MAX], kv_decimal number);

#endif
