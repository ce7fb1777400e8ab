/*
 * Everything that test_kv_model.c shows, with the service apart: called through trusted/application.
 */
#define KV_APART
#include "test_kv_model.c"
