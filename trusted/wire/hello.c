#include "wire/hello.h"

WIRE_CODE(hello, HELLO_FIELDS)
