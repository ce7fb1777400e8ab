/*
 * Checker: what must never happen, decided from the whole state, which no replica can see.
 */
#ifndef EXPLORER_CHECKER_H
#define EXPLORER_CHECKER_H

#include "model.h"

/* What a run came to. Anything but CHECKER_GREEN is a flaw of the rules. */
enum checker_verdict {
    CHECKER_GREEN,
    CHECKER_CONFLICT,        /* two digests committed at one slot */
    CHECKER_STUCK_SELECTION, /* S held 2f+1 correct VIEW-CHANGEs and still did not do */
    CHECKER_STUCK_CLAIM      /* a correct C waits for PARTINGs that cannot come any more */
};

/* To be called after each commit of a correct C. */
void checker_on_commit(struct model *model, unsigned view, unsigned slot, enum digest digest);

/* Looks for a conflict, then for a stuck claim; stuck selections are the rules' to report. */
enum checker_verdict checker_run(const struct model *model);

const char *checker_verdict_name(enum checker_verdict verdict);

#endif
