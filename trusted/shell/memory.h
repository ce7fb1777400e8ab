/*
 * Memory for a compartment: mapped once, backed by the kernel only as it is touched, inaccessible pages on
 * both sides.
 */
#ifndef SHELL_MEMORY_H
#define SHELL_MEMORY_H

#include "base/types.h"

/* Zeroed and page-aligned, kept out of core dumps; NULL when the kernel refuses. Large regions ask for huge
 * pages. */
void *memory_map(size_t bytes);
void memory_unmap(void *memory, size_t bytes);

#endif
