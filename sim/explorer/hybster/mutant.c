#include "mutant.h"

#include <string.h>

static const char *const names[] = {
#define M(name, text) text,
    MUTANTS(M)
#undef M
};

const char *mutant_name(enum mutant mutant)
{
    return names[mutant];
}

enum mutant mutant_find(const char *name)
{
    for (int i = 0; i < MUTANT_END; i++)
        if (strcmp(names[i], name) == 0)
            return (enum mutant)i;
    return MUTANT_END;
}
