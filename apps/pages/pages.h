/* The pages service: an object store. Its requests are in pages_codec.h. */
#ifndef PAGES_H
#define PAGES_H

#include "redoubt/app.h"

extern const struct redoubt_service redoubt_service_pages;

#endif
