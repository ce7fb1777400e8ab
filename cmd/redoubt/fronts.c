#include "fronts.h"

#include <string.h>

#ifdef REDOUBT_FRONT_KV
#include "kv/front/kv_front.h"
#endif
#ifdef REDOUBT_FRONT_PAGES
#include "pages/front/pages_front.h"
#endif

const struct service_front *front_of_service(const char *name)
{
#ifdef REDOUBT_FRONT_KV
    if (strcmp(name, "kv") == 0)
        return &kv_front;
#endif
#ifdef REDOUBT_FRONT_PAGES
    if (strcmp(name, "pages") == 0)
        return &pages_front;
#endif
    (void)name;
    return NULL;
}
