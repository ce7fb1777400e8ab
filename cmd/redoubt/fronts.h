/*
 * The fronts of the services that are built in.
 */
#ifndef CMD_FRONTS_H
#define CMD_FRONTS_H

#include "troxy/conversation.h"

/* NULL: no such service, or it has none. */
const struct service_front *front_of_service(const char *name);

#endif
