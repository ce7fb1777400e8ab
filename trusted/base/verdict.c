#include "base/verdict.h"

const char *verdict_name(enum verdict verdict)
{
    static const char *const names[] = {
#define V(name, text) text,
        VERDICTS(V)
#undef V
    };
    return verdict < VERDICT_COUNT ? names[verdict] : "?";
}
