/* The counter service; its requests are in counter_codec.h. */
#ifndef COUNTER_H
#define COUNTER_H

#include "redoubt/app.h"

#define COUNTER_ORIGINS_MAX 1024u

extern const struct redoubt_service redoubt_service_counter;

#endif
