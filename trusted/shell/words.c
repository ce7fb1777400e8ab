#include "shell/words.h"

#include <string.h>
#include <unistd.h>

static struct shared *words_shared;

void words_open(struct shared *shared)
{
    words_shared = shared;
}

static size_t say(char *out, size_t at, const char *text)
{
    size_t len = strlen(text);
    if (len > LAST_WORDS_MAX - at)
        len = LAST_WORDS_MAX - at;
    memcpy(out + at, text, len);
    return at + len;
}

static _Noreturn void die(const char *text, size_t len)
{
    if (words_shared) {
        memcpy(words_shared->last_words, text, len);
        atomic_store_explicit(&words_shared->last_words_len, (uint32_t)len, memory_order_release);
    } else {
        ssize_t written = write(STDERR_FILENO, text, len);
        written = write(STDERR_FILENO, "\n", 1);
        (void)written;
    }
    _exit(SHELL_EXIT_STATUS);
}

_Noreturn void shell_fail(const char *what, const char *detail)
{
    char text[LAST_WORDS_MAX];
    size_t len = say(text, 0, what);
    if (detail) {
        len = say(text, len, ": ");
        len = say(text, len, detail);
    }
    die(text, len);
}

_Noreturn void shell_check_failed(const char *expression, const char *file, int line)
{
    char text[LAST_WORDS_MAX], digits[16];
    size_t at = sizeof digits - 1;
    digits[at] = '\0';
    for (unsigned value = (unsigned)line; at > 0 && (value > 0 || digits[at] == '\0'); value /= 10)
        digits[--at] = (char)('0' + value % 10);

    size_t len = say(text, 0, "check failed: ");
    len = say(text, len, expression);
    len = say(text, len, " (");
    len = say(text, len, file);
    len = say(text, len, ":");
    len = say(text, len, digits + at);
    len = say(text, len, ")");
    die(text, len);
}
