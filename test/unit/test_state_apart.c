/*
 * Everything that test_state.c shows, with services apart (called through trusted/application) at all replicas but one, which must
 * come to the same states and results.
 */
#define APART 0xbu
#include "test_state.c"
