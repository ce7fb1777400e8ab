/* What a fuzz target asserts. */
#ifndef FUZZ_NEED_H
#define FUZZ_NEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

#define need(condition) ((condition) ? (void)0 : need_failed(#condition, __FILE__, __LINE__))

static inline _Noreturn void need_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: not so: %s\n", file, line, condition);
    abort();
}

/* Looks at every byte, so that a sanitizer would see one that is not there. */
static inline unsigned look_at(const uint8_t *data, size_t len)
{
    unsigned sum = 0;
    for (size_t i = 0; i < len; i++)
        sum += data[i];
    return sum;
}

#endif
