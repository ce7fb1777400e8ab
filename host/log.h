/*
 * The host's log: lines on standard error, as text for people or as JSON for machines. Time, level and replica are added
 * here. No payloads, no keys. What a peer can trigger goes through LOG_LIMITED: at most one line a second and place in the
 * code, with the number of those left out.
 */
#ifndef HOST_LOG_H
#define HOST_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

struct log_limit {
    uint64_t second;
    uint64_t left_out;
};

/* `replica` -1: no replica. */
void log_init(bool json, enum log_level least, int replica);
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* True when a line may be written now; *left_out says how many were not since the last. */
bool log_allows(struct log_limit *limit, uint64_t *left_out);

#define LOG_LIMITED(level, format, ...)                                                                      \
    do {                                                                                                     \
        static struct log_limit limit_;                                                                      \
        uint64_t left_out_;                                                                                  \
        if (log_allows(&limit_, &left_out_)) {                                                               \
            if (left_out_)                                                                                   \
                log_line(level, format " (and %llu more like it)", __VA_ARGS__,                              \
                         (unsigned long long)left_out_);                                                     \
            else                                                                                             \
                log_line(level, format, __VA_ARGS__);                                                        \
        }                                                                                                    \
    } while (0)

#endif
