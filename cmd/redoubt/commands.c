#include "commands.h"

#include <libgen.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int say_failed(const char *format, ...)
{
    va_list arguments;
    fputs("redoubt: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return 1;
}

int say_usage(const char *command, const char *format, ...)
{
    va_list arguments;
    fputs("redoubt: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, " (see `redoubt %s --help`)\n", command);
    return 2;
}

int say_help(const char *text)
{
    fputs(text, stdout);
    return fflush(stdout) == 0 ? 0 : 1;
}

bool number_read(const char *text, uint64_t least, uint64_t most, uint64_t *value)
{
    uint64_t sum = 0;
    if (!*text)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || sum > (UINT64_MAX - 9) / 10)
            return false;
        sum = 10 * sum + (uint64_t)(*text - '0');
    }
    *value = sum;
    return sum >= least && sum <= most;
}

bool binaries_find(char *out, size_t cap)
{
    static const char *const places[] = {".", "../libexec/redoubt"};
    char self[PATH_MAX], probe[PATH_MAX + 64];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0)
        return false;
    self[n] = 0;
    const char *dir = dirname(self);
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        snprintf(probe, sizeof probe, "%s/%s/redoubt-preparation", dir, places[i]);
        if (access(probe, X_OK) == 0)
            return (size_t)snprintf(out, cap, "%s/%s", dir, places[i]) < cap;
    }
    return (size_t)snprintf(out, cap, "%s", dir) < cap;
}
