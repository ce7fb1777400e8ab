/*
 * A frame on its way, shared by everybody who has yet to receive it.
 */
#ifndef SIM_PARCEL_H
#define SIM_PARCEL_H

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/types.h"

struct parcel {
    uint32_t refs;
    uint32_t len;
    uint8_t data[];
};

static inline struct parcel *parcel_new(const struct slice *parts, unsigned count)
{
    size_t len = 0;
    for (unsigned i = 0; i < count; i++)
        len += parts[i].len;
    struct parcel *p = malloc(sizeof *p + len + 1);
    CHECK(p != NULL);
    p->refs = 1;
    p->len = (uint32_t)len;
    size_t at = 0;
    for (unsigned i = 0; i < count; i++) {
        if (parts[i].len)
            memcpy(p->data + at, parts[i].data, parts[i].len);
        at += parts[i].len;
    }
    return p;
}

static inline struct parcel *parcel_of(struct slice frame)
{
    return parcel_new(&frame, 1);
}

static inline struct parcel *parcel_hold(struct parcel *p)
{
    if (p)
        p->refs++;
    return p;
}

static inline void parcel_drop(struct parcel *p)
{
    if (p && --p->refs == 0)
        free(p);
}

static inline struct slice parcel_slice(const struct parcel *p)
{
    return (struct slice){p->data, p->len};
}

#endif
