/*
 * ASK-READ and READ-ANSWER: an origin asks an E what operations that only read give in the state which it has executed, without having them
 * ordered. The attachment of both is sealed under a key of the session and that E that serves nothing else, with type, sender and
 * body: so a question is never an answer, and neither passes for a reply, an attestation or what belongs to another session. The nonce is
 * the question's, and an origin uses each once in a session: an answer was made after its question. The digest is of the question's
 * plaintext. E numbers its answers by a counter of its own, since a question may be brought to it twice.
 *
 * Attachments in clear: of a question (u32 length, operation)*, as in a bundle; of an answer results as in a reply, long ones in full
 * where the question says so, else by digest. RESULT_RETRY is said of whatever has to be ordered: what would write, depends on time, or
 * does not fit. All others have a version.
 */
#ifndef WIRE_READING_H
#define WIRE_READING_H

#include "base/limits.h"
#include "wire/frame.h"

#define READING_TAG       "read question"
#define READING_TAG_BYTES 16u /* of the seal */

#define ASK_READ_FIELDS(F) F(u32, replica) F(u64, nonce) F(u8, full)
WIRE_STRUCT(ask_read, ASK_READ_FIELDS)

#define READ_ANSWER_FIELDS(F)                                                                                \
    F(u32, origin) F(u64, epoch) F(u64, nonce) F(u64, configuration) F(u64, counter) F(digest, question)
WIRE_STRUCT(read_answer, READ_ANSWER_FIELDS)

/* On the message alone, as it is sealed: kinds and sizes. */
enum verdict ask_read_check(const struct frame *frame, struct ask_read *ask);
enum verdict read_answer_check(const struct frame *frame, struct read_answer *answer);

#endif
