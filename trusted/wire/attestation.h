/*
 * ASK-ATTEST and ATTEST: an origin asks an E which versions cells have now, and E says so. The attachment of both is sealed under a key of
 * the session and that E, with body and sender: so a question is never an answer, neither is of another session, and hosts do
 * not see which keys are read. The nonce is the question's, and an origin uses each once in a session: an answer was made after its
 * question. E numbers its answers by a counter of its own, since a question may be brought to it twice.
 *
 * With hybster the Troxies answer, from the floors that they keep, under keys of their own with the origin (troxy/witness.h).
 *
 * Attachments in clear: (u8 count, count times u32 cell)*, at most QUESTIONS_MAX of them; and for each the highest version of its
 * cells, u64 each (ordering/versions.h). Many reads travel in one question.
 */
#ifndef WIRE_ATTESTATION_H
#define WIRE_ATTESTATION_H

#include <redoubt/app.h>

#include "base/limits.h"
#include "wire/frame.h"

#define ATTEST_TAG_BYTES    16u
#define QUESTIONS_MAX       256u
#define QUESTIONS_BYTES_MAX (QUESTIONS_MAX * (1u + 4u * REDOUBT_KEYS_MAX))

#define ASK_ATTEST_FIELDS(F) F(u32, replica) F(u64, nonce)
WIRE_STRUCT(ask_attest, ASK_ATTEST_FIELDS)

#define ATTEST_FIELDS(F) F(u32, origin) F(u64, epoch) F(u64, nonce) F(u64, configuration) F(u64, counter)
WIRE_STRUCT(attest, ATTEST_FIELDS)

/* On the message alone, as it is sealed: kinds and sizes. Which of the kinds answers is for the asker to say. */
enum verdict ask_attest_check(const struct frame *frame, struct ask_attest *ask);
enum verdict attest_check(const struct frame *frame, struct attest *attest);

/* Opened: at least one question, not too many, each of cells that there are. */
enum verdict questions_check(struct slice questions);
/* The next question; false at the end, or (r->bad) when it is none. */
bool question_next(struct reader *r, uint32_t cells[REDOUBT_KEYS_MAX], uint32_t *count);
void question_put(struct writer *w, const uint32_t *cells, uint32_t count);

#endif
