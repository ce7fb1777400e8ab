/* What a Troxy for the service pages links: docs/HTTP.md. */
#ifndef PAGES_FRONT_H
#define PAGES_FRONT_H

#include "troxy/conversation.h"

extern const struct service_front pages_front;

#endif
