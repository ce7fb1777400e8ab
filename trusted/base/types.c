#include "base/types.h"

const char *kind_name(enum kind kind)
{
    switch (kind) {
    case KIND_NONE:
        return "none";
    case KIND_HOST:
        return "host";
    case KIND_PREPARATION:
        return "preparation";
    case KIND_CONFIRMATION:
        return "confirmation";
    case KIND_EXECUTION:
        return "execution";
    case KIND_ORIGIN:
        return "origin";
    case KIND_ADMIN:
        return "admin";
    case KIND_APPLICATION:
        return "application";
    case KIND_TROXY:
        return "troxy";
    case KIND_COUNTER:
        return "counter";
    }
    return "unknown";
}
