/*
 * Everything that test_attest.c shows, with services apart at all replicas but one: versions come from what the application says.
 */
#define APART 0xbu
#include "test_attest.c"
