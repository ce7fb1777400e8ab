/* Inline commands: words, quoted as redis-server (and redis-cli) reads them. For resp/command.c. Pure. */
#ifndef TROXY_RESP_INLINE_H
#define TROXY_RESP_INLINE_H

#include "troxy/resp/command.h"

/*
 * Splits a line (without its end) into arguments, unquoted in place: "..." with \n \r \t \b \a \xHH and \c for any other
 * character, '...' with \' alone. NULL, or why it is refused.
 */
const char *resp_inline_split(uint8_t *line, size_t len, struct resp_command *command);

#endif
