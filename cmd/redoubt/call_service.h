/*
 * What `redoubt call` knows of a service: words of the command line to a request, and a result to text or JSON.
 */
#ifndef CMD_CALL_SERVICE_H
#define CMD_CALL_SERVICE_H

#include <stdio.h>

#include "base/types.h"
#include "redoubt/client.h"

struct call {
    int argc; /* words of the operation, its name first */
    char **argv;
    struct slice words[2]; /* values, with `-` replaced by standard input */
    uint8_t *input;        /* standard input, when it was read */
    size_t input_len;
    uint8_t *request; /* REDOUBT_OP_MAX_BYTES of room */
    size_t request_len;
    bool json;
};

struct call_service {
    const char *name;
    /* 0, or an exit code after an error was printed. */
    int (*encode)(struct call *call);
    /* Prints the result of an executed operation to standard output: text (complete lines), or members of a JSON object, each
     * with a comma before it. Returns the exit code. */
    int (*print)(struct call *call, const struct redoubt_outcome *outcome);
};

extern const struct call_service call_kv;
extern const struct call_service call_counter;

/* Standard input, read once. 0, or an exit code after an error was printed. */
int call_read_input(struct call *call);
/* A word, or standard input for "-". */
int call_value(struct call *call, int word, struct slice *value);
/* , "name": "text" or, where it is not text, , "name_hex": "..." */
void call_json_bytes(const char *name, struct slice bytes);
/* "text" or null where it is not text. */
void call_json_string(struct slice bytes);

#endif
