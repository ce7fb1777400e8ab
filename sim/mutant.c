#include "ordering/mutant.h"

enum mutant mutant_on = MUTANT_NONE;
