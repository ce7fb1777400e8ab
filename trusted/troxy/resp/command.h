/*
 * Commands as Redis clients send them: arrays of bulk strings (`*2\r\n$3\r\nGET\r\n$1\r\na\r\n`), and inline commands, lines with
 * quoting, as a person types them into telnet. Pure; allocates nothing, and takes no memory by a length that was announced.
 *
 * The caller keeps what has arrived of a command in one piece of memory and asks again when there is more; it may move the
 * bytes meanwhile, and it should let that memory grow with what arrives. Where reading stopped is remembered, so a command that
 * comes byte by byte costs no more than one that comes at once.
 *
 * As redis-server reads them, but stricter: every CR LF is looked at, a negative count of arguments is refused, and so is a NUL
 * in an inline command. Limits are smaller (base/limits.h), and refused as soon as a length says that they will be exceeded.
 * Note for whoever runs commands: redis-server closes the connection on the commands `POST` and `Host:`, which are a browser's.
 */
#ifndef TROXY_RESP_COMMAND_H
#define TROXY_RESP_COMMAND_H

#include "base/limits.h"
#include "base/types.h"

enum resp_state { RESP_BEGIN, RESP_COUNT, RESP_LENGTH, RESP_ARGUMENT, RESP_INLINE, RESP_BROKEN };

struct resp_parser {
    enum resp_state state;
    size_t at;      /* bytes of the command that need not be looked at again */
    uint32_t count; /* arguments */
    uint32_t left;  /* of them, still to come */
    size_t bulk;    /* length of the argument that is coming */
    const char *why;
};

/* Complete. Arguments point into the bytes that were handed in. No arguments: nothing to do, and nothing to answer. */
struct resp_command {
    size_t bytes; /* that it took */
    uint32_t count;
    struct slice argument[RESP_ARGS_MAX];
};

enum resp_event {
    RESP_MORE,
    RESP_COMMAND, /* drop command->bytes when it was dealt with */
    RESP_REFUSED, /* answer with the error parser->why and close: nothing after it can be understood. Repeats itself. */
};

void resp_parser_init(struct resp_parser *parser);
/* `data` starts where the command does, so with what an earlier call has seen. Inline commands are unquoted in place. */
enum resp_event resp_parse(struct resp_parser *parser, uint8_t *data, size_t len,
                           struct resp_command *command);

#endif
