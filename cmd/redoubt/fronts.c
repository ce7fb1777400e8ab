#include "fronts.h"

#include <string.h>

#include "kv/front/kv_front.h"
#include "pages/front/pages_front.h"

const struct service_front *front_of_service(const char *name)
{
    if (strcmp(name, "kv") == 0)
        return &kv_front;
    if (strcmp(name, "pages") == 0)
        return &pages_front;
    return NULL;
}
