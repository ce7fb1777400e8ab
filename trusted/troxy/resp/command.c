#include "troxy/resp/command.h"

#include "troxy/resp/inline.h"
#include "troxy/text.h"

#define ERROR        "ERR Protocol error: "
#define DIGITS_MAX   10u /* of a count or length; more than any limit needs */
#define LENGTH_COUNT "the number of arguments is malformed or too large"
#define LENGTH_BULK  "the length of an argument is malformed or too large"
#define TOO_LARGE    "the command is too large"
#define NO_DOLLAR    "expected '$' before an argument"
#define NO_LINE_END  "an argument is longer than announced, or CR LF is missing behind it"
#define LONG_LINE    "an inline command is too long"

void resp_parser_init(struct resp_parser *p)
{
    *p = (struct resp_parser){.state = RESP_BEGIN};
}

static enum resp_event refuse(struct resp_parser *p, const char *why)
{
    p->state = RESP_BROKEN;
    p->why = why;
    return RESP_REFUSED;
}

static enum resp_event finish(struct resp_parser *p, struct resp_command *command, size_t bytes)
{
    command->bytes = bytes;
    resp_parser_init(p);
    return RESP_COMMAND;
}

enum line { LINE_MORE, LINE_NUMBER, LINE_BAD };

/* A number and CR LF behind the first byte of a line at p->at, which is known. Moves p->at behind it. */
static enum line take_number(struct resp_parser *p, const uint8_t *data, size_t len, uint64_t *number)
{
    size_t start = p->at + 1, end = start;
    while (end < len && text_is_digit(data[end]))
        end++;
    struct slice digits = {data + start, end - start};
    if (digits.len > DIGITS_MAX || (digits.len > 1 && data[start] == '0'))
        return LINE_BAD;
    if (end == len)
        return LINE_MORE;
    if (data[end] != '\r' || !text_number(digits, number))
        return LINE_BAD;
    if (end + 1 == len)
        return LINE_MORE;
    p->at = end + 2;
    return data[end + 1] == '\n' ? LINE_NUMBER : LINE_BAD;
}

/* Each of these reads one thing: MORE when it is not all there, COMMAND when it is, and the state has moved on. */
static enum resp_event take_count(struct resp_parser *p, const uint8_t *data, size_t len)
{
    uint64_t count = 0;
    enum line line = take_number(p, data, len, &count);
    if (line == LINE_MORE)
        return RESP_MORE;
    if (line == LINE_BAD || count > RESP_ARGS_MAX)
        return refuse(p, ERROR LENGTH_COUNT);
    p->count = p->left = (uint32_t)count;
    p->state = RESP_LENGTH;
    return RESP_COMMAND;
}

static enum resp_event take_length(struct resp_parser *p, const uint8_t *data, size_t len)
{
    uint64_t bulk = 0;
    if (p->at == len)
        return RESP_MORE;
    if (data[p->at] != '$')
        return refuse(p, ERROR NO_DOLLAR);
    enum line line = take_number(p, data, len, &bulk);
    if (line == LINE_MORE)
        return RESP_MORE;
    if (line == LINE_BAD || bulk > RESP_ARG_MAX)
        return refuse(p, ERROR LENGTH_BULK);
    if (p->at + bulk + 2 > RESP_COMMAND_MAX)
        return refuse(p, ERROR TOO_LARGE);
    p->bulk = (size_t)bulk;
    p->state = RESP_ARGUMENT;
    return RESP_COMMAND;
}

static enum resp_event take_argument(struct resp_parser *p, const uint8_t *data, size_t len)
{
    size_t end = p->at + p->bulk;
    if ((len > end && data[end] != '\r') || (len > end + 1 && data[end + 1] != '\n'))
        return refuse(p, ERROR NO_LINE_END);
    if (len < end + 2)
        return RESP_MORE;
    p->at = end + 2;
    p->left--;
    p->state = RESP_LENGTH;
    return RESP_COMMAND;
}

/* Walks once more over what was found good. */
static void point_at_arguments(const struct resp_parser *p, const uint8_t *data, struct resp_command *command)
{
    struct resp_parser walk = {.at = 0};
    uint64_t number = 0;
    (void)take_number(&walk, data, p->at, &number);
    command->count = p->count;
    for (uint32_t i = 0; i < p->count; i++) {
        (void)take_number(&walk, data, p->at, &number);
        command->argument[i] = (struct slice){data + walk.at, (size_t)number};
        walk.at += (size_t)number + 2;
    }
}

static enum resp_event take_inline(struct resp_parser *p, uint8_t *data, size_t len,
                                   struct resp_command *command)
{
    const uint8_t *end = memchr(data + p->at, '\n', len - p->at);
    size_t line = end ? (size_t)(end - data) : len;
    if (line > RESP_INLINE_MAX)
        return refuse(p, ERROR LONG_LINE);
    p->at = line;
    if (!end)
        return RESP_MORE;
    const char *why = resp_inline_split(data, line, command);
    return why ? refuse(p, why) : finish(p, command, line + 1);
}

enum resp_event resp_parse(struct resp_parser *p, uint8_t *data, size_t len, struct resp_command *command)
{
    enum resp_event event = len ? RESP_COMMAND : RESP_MORE;
    while (event == RESP_COMMAND) {
        switch (p->state) {
        case RESP_BEGIN:
            p->state = data[0] == '*' ? RESP_COUNT : RESP_INLINE;
            break;
        case RESP_COUNT:
            event = take_count(p, data, len);
            break;
        case RESP_LENGTH:
            if (p->left == 0) {
                point_at_arguments(p, data, command);
                return finish(p, command, p->at);
            }
            event = take_length(p, data, len);
            break;
        case RESP_ARGUMENT:
            event = take_argument(p, data, len);
            break;
        case RESP_INLINE:
            return take_inline(p, data, len, command);
        case RESP_BROKEN:
            return RESP_REFUSED;
        }
    }
    return event;
}
