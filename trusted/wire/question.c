#include "wire/question.h"

WIRE_CODE(question, QUESTION_FIELDS)
WIRE_CODE(answer, ANSWER_FIELDS)
