/*
 * Which requests have been done already: an HTTP client that sends a POST with an Idempotency-Key twice, since it did not hear
 * an answer, is told the first answer again. The latest KV_REMEMBERED_MAX are kept, in the state, so for all replicas alike.
 */
#ifndef KV_REMEMBER_H
#define KV_REMEMBER_H

#include "kv_run.h"

#define KV_REMEMBERED_MAX       10000u
#define KV_IDEMPOTENCY_KEY_MAX  255u
#define KV_REMEMBERED_REPLY_MAX 2048u

/* Has `key` been used? Then true, and it is answered: with the reply of that request if it was this one (`what`, all of it), else
 * with an error. An empty key has never been used. */
bool kv_remember_answers(struct kv_run *run, struct slice key, struct slice what);
/* The reply behind `begin` is that of this request. At the end of the command that wrote it. */
void kv_remember(struct kv_run *run, struct slice key, struct slice what, size_t begin);

#define KV_USED_OTHERWISE "IDEMPOTENCY the key was used for another request"

#endif
