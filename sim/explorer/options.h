/* Options: the command line of redoubt-explorer. */
#ifndef EXPLORER_OPTIONS_H
#define EXPLORER_OPTIONS_H

#include "search.h"

enum options_verdict { OPTIONS_RUN, OPTIONS_HELP, OPTIONS_LIST_MUTANTS, OPTIONS_WRONG };

struct options {
    struct search_options search;
    bool exhaustive;
    bool trace;
    bool json;
};

/* Says on stderr what is wrong. */
enum options_verdict options_parse(struct options *options, int argc, char **argv);

void options_print_help(void);

#endif
