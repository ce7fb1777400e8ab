#include "troxy/resp/inline.h"

#include "troxy/text.h"

#define UNBALANCED "ERR Protocol error: a quote is not closed, or not followed by a space"

/* Reads at `at`, writes at `to`, which never overtakes it. */
struct line {
    uint8_t *data;
    size_t len;
    size_t at;
    size_t to;
};

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Vertical tab and form feed separate words, but do not end one: so does redis-server. */
static bool ends_word(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static uint8_t escaped(uint8_t c)
{
    switch (c) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'b':
        return '\b';
    case 'a':
        return '\a';
    default:
        return c;
    }
}

/* Behind a backslash in double quotes. */
static void take_escape(struct line *l)
{
    size_t left = l->len - l->at;
    if (left >= 3 && l->data[l->at] == 'x') {
        int high = text_hex_digit(l->data[l->at + 1]), low = text_hex_digit(l->data[l->at + 2]);
        if (high >= 0 && low >= 0) {
            l->data[l->to++] = (uint8_t)(high << 4 | low);
            l->at += 3;
            return;
        }
    }
    l->data[l->to++] = escaped(l->data[l->at++]);
}

/* Up to and with the closing quote, which must end the word. */
static bool take_quoted(struct line *l, uint8_t quote)
{
    while (l->at < l->len) {
        uint8_t c = l->data[l->at++];
        bool more = l->at < l->len;
        if (c == quote)
            return !more || is_space(l->data[l->at]);
        if (c == '\\' && more && quote == '"')
            take_escape(l);
        else if (c == '\\' && more && l->data[l->at] == '\'')
            l->data[l->to++] = l->data[l->at++];
        else
            l->data[l->to++] = c;
    }
    return false;
}

static bool take_word(struct line *l, struct slice *word)
{
    size_t start = l->to;
    while (l->at < l->len && !ends_word(l->data[l->at])) {
        uint8_t c = l->data[l->at++];
        if (c != '"' && c != '\'') {
            l->data[l->to++] = c;
        } else if (take_quoted(l, c)) {
            break;
        } else {
            return false;
        }
    }
    *word = (struct slice){l->data + start, l->to - start};
    return true;
}

const char *resp_inline_split(uint8_t *line, size_t len, struct resp_command *command)
{
    struct line l = {.data = line, .len = len};
    command->count = 0;
    if (memchr(line, 0, len))
        return "ERR Protocol error: a NUL in an inline command";
    for (;;) {
        while (l.at < len && is_space(line[l.at]))
            l.at++;
        if (l.at == len)
            return NULL;
        if (command->count == RESP_ARGS_MAX)
            return "ERR Protocol error: too many arguments";
        if (!take_word(&l, &command->argument[command->count++]))
            return UNBALANCED;
    }
}
