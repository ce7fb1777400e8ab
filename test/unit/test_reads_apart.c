/*
 * Everything that test_reads.c shows, with services apart at all replicas but one.
 */
#define APART 0xbu
#include "test_reads.c"
