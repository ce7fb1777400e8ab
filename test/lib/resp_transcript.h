/*
 * What the RESP parser makes of bytes that come in pieces, as text: two ways to cut the same bytes must give the same text. And
 * what other parsers make of one command.
 */
#ifndef TEST_RESP_TRANSCRIPT_H
#define TEST_RESP_TRANSCRIPT_H

#include "base/bytes.h"

#define RESP_TRANSCRIPT_BYTES    (1u << 21)
#define RESP_TRANSCRIPT_COMMANDS 256u

/* Per command "(GET)(a) 22\n", the number being the bytes up to its end; at the end "== idle", "== more", or "== ERR why". */
struct resp_transcript {
    struct writer out;
    unsigned commands; /* those beyond the table are in the text only */
    bool refused;
    struct {
        size_t start, end;       /* of the input */
        size_t text, text_after; /* of `out`: its arguments */
    } command[RESP_TRANSCRIPT_COMMANDS];
    uint8_t text[RESP_TRANSCRIPT_BYTES];
};

/* Cuts the input into a piece of `first` bytes and others of `step`. What is kept lies elsewhere after every piece. */
void resp_transcript_make(struct resp_transcript *transcript, struct slice input, size_t first, size_t step);

/* What hiredis makes of one command, arrays by its reader, inline commands by its sdssplitargs: "(GET)(a)". False: it refuses. */
bool other_resp_read(struct writer *out, struct slice command);

#endif
