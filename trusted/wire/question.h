/*
 * QUESTION and ANSWER: an unordered read, asked of one E under the pairwise session key and answered from executed
 * state with the number of the last slot executed.
 */
#ifndef WIRE_QUESTION_H
#define WIRE_QUESTION_H

#include "base/limits.h"
#include "wire/frame.h"

#define QUESTION_FIELDS(F) F(u64, nonce) F(slice, sealed)
WIRE_STRUCT(question, QUESTION_FIELDS)

#define ANSWER_FIELDS(F)                                                                                         \
    F(u32, origin) F(u64, epoch) F(u64, nonce) F(u64, configuration) F(u64, slot) F(u64, counter)
WIRE_STRUCT(answer, ANSWER_FIELDS)

#endif
