/*
 * Decimal text of signed 64-bit integers, as Redis' INCRBY takes it: "-" only before a nonzero number, no "+", no
 * leading zeros, no spaces. So every integer has exactly one text.
 */
#ifndef KV_NUMBER_H
#define KV_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KV_NUMBER_MAX 20u /* "-9223372036854775808" */

bool kv_number_read(const uint8_t *text, size_t len, int64_t *number);
/* Returns the length. */
size_t kv_number_write(uint8_t text[KV_NUMBER_MAX], int64_t number);
bool kv_number_add(int64_t a, int64_t b, int64_t *sum);

#endif
