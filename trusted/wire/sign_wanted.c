#include "wire/sign_wanted.h"

WIRE_CODE(sign_wanted, SIGN_WANTED_FIELDS)
