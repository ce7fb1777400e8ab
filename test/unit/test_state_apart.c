/*
 * Everything that test_state.c shows, with the services apart: called through trusted/application.
 */
#define APART true
#include "test_state.c"
