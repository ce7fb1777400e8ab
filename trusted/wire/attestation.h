/*
 * ASK-ATTEST and ATTEST: an origin asks an E which versions cells have now, and E says so. The authenticator of both is one MAC under a
 * key of the session and that E, over the content digest: so a question is never an answer, and neither is of another session. The nonce is
 * the question's, and an origin uses each once in a session: an answer was made after its question.
 *
 * questions: (u8 count, count times u32 cell)*, at most QUESTIONS_MAX; `versions`: for each the highest version of its cells,
 * u64 each (ordering/versions.h). Many reads travel in one question.
 */
#ifndef WIRE_ATTESTATION_H
#define WIRE_ATTESTATION_H

#include <redoubt/app.h>

#include "base/limits.h"
#include "wire/frame.h"

#define ATTEST_MAC_BYTES    16u
#define QUESTIONS_MAX       256u
#define QUESTIONS_BYTES_MAX (QUESTIONS_MAX * (1u + 4u * REDOUBT_KEYS_MAX))

#define ASK_ATTEST_FIELDS(F) F(u32, replica) F(u64, nonce) F(slice, questions)
WIRE_STRUCT(ask_attest, ASK_ATTEST_FIELDS)

#define ATTEST_FIELDS(F) F(u32, origin) F(u64, epoch) F(u64, nonce) F(u64, configuration) F(slice, versions)
WIRE_STRUCT(attest, ATTEST_FIELDS)

/* On the message alone: kinds, sizes, every question. */
enum verdict ask_attest_check(const struct frame *frame, struct ask_attest *ask);
enum verdict attest_check(const struct frame *frame, struct attest *attest);

/* The next question; false at the end, or (r->bad) when it is none. */
bool question_next(struct reader *r, uint32_t cells[REDOUBT_KEYS_MAX], uint32_t *count);
void question_put(struct writer *w, const uint32_t *cells, uint32_t count);

#endif
