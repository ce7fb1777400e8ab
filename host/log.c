#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct {
    bool json;
    enum log_level least;
    int replica;
} settings = {false, LOG_INFO, -1};

static const char *const level_name[] = {"debug", "info", "warning", "error"};

void log_init(bool json, enum log_level least, int replica)
{
    settings.json = json;
    settings.least = least;
    settings.replica = replica;
}

/* Text that may hold a peer's bytes: nothing that a terminal or a JSON reader takes for its own. */
static size_t clean(char *out, size_t cap, const char *text, bool json)
{
    static const char hex[] = "0123456789abcdef";
    size_t len = 0;
    for (const unsigned char *p = (const unsigned char *)text; *p && len + 7 < cap; p++) {
        if (json && (*p == '"' || *p == '\\')) {
            out[len++] = '\\';
            out[len++] = (char)*p;
        } else if (*p < 0x20 || *p == 0x7f) {
            if (*p == '\n' && !json) {
                out[len++] = ' ';
                continue;
            }
            memcpy(out + len, "\\u00", 4);
            out[len + 4] = hex[*p >> 4];
            out[len + 5] = hex[*p & 15];
            len += 6;
        } else {
            out[len++] = (char)*p;
        }
    }
    out[len] = 0;
    return len;
}

static size_t stamp(char *out, size_t cap)
{
    struct timespec now;
    struct tm tm;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    size_t len = strftime(out, cap, "%Y-%m-%dT%H:%M:%S", &tm);
    return len + (size_t)snprintf(out + len, cap - len, ".%03ldZ", now.tv_nsec / 1000000);
}

void log_line(enum log_level level, const char *format, ...)
{
    if (level < settings.least)
        return;
    char text[1024], safe[2048], time[40], line[2400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    clean(safe, sizeof safe, text, settings.json);
    stamp(time, sizeof time);
    int len;
    if (settings.json && settings.replica >= 0)
        len =
            snprintf(line, sizeof line, "{\"time\":\"%s\",\"level\":\"%s\",\"replica\":%d,\"text\":\"%s\"}\n",
                     time, level_name[level], settings.replica, safe);
    else if (settings.json)
        len = snprintf(line, sizeof line, "{\"time\":\"%s\",\"level\":\"%s\",\"text\":\"%s\"}\n", time,
                       level_name[level], safe);
    else if (settings.replica >= 0)
        len = snprintf(line, sizeof line, "%s %s replica %d: %s\n", time, level_name[level], settings.replica,
                       safe);
    else
        len = snprintf(line, sizeof line, "%s %s %s\n", time, level_name[level], safe);
    if (len > 0)
        (void)!write(STDERR_FILENO, line, (size_t)len < sizeof line ? (size_t)len : sizeof line - 1);
}

bool log_allows(struct log_limit *limit, uint64_t *left_out)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    uint64_t second = (uint64_t)now.tv_sec + 1;
    if (limit->second == second) {
        limit->left_out++;
        return false;
    }
    limit->second = second;
    *left_out = limit->left_out;
    limit->left_out = 0;
    return true;
}
