#define _GNU_SOURCE 1
#include "shell/memory.h"

#include <sys/mman.h>

#define GUARD     ((size_t)65536)
#define HUGE_PAGE ((size_t)2 * 1024 * 1024)
#define LARGE     (32 * HUGE_PAGE)

static size_t rounded(size_t bytes)
{
    return (bytes + GUARD - 1) / GUARD * GUARD;
}

void *memory_map(size_t bytes)
{
    if (bytes == 0 || bytes > SIZE_MAX / 4)
        return NULL;
    /* Reserve enough to find a boundary of huge pages in it, then give back all but one guard on each side.
     * */
    size_t usable = rounded(bytes), reserved = usable + HUGE_PAGE + 2 * GUARD;
    uint8_t *region = mmap(NULL, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (region == MAP_FAILED)
        return NULL;
    size_t past = (uintptr_t)(region + GUARD) % HUGE_PAGE;
    uint8_t *memory = region + GUARD + (past ? HUGE_PAGE - past : 0);
    uint8_t *first = memory - GUARD, *last = memory + usable + GUARD;
    if (first > region)
        munmap(region, (size_t)(first - region));
    if (last < region + reserved)
        munmap(last, (size_t)(region + reserved - last));

    if (mprotect(memory, usable, PROT_READ | PROT_WRITE) != 0) {
        memory_unmap(memory, bytes);
        return NULL;
    }
    madvise(memory, usable, MADV_DONTDUMP);
    if (bytes >= LARGE)
        madvise(memory, usable, MADV_HUGEPAGE);
    return memory;
}

void memory_unmap(void *memory, size_t bytes)
{
    if (memory)
        munmap((uint8_t *)memory - GUARD, rounded(bytes) + 2 * GUARD);
}
