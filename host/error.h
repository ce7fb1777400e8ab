/*
 * What went wrong, as one line for a person: "WHAT: WHY". Filled in where the cause is known, printed once at the top.
 */
#ifndef HOST_ERROR_H
#define HOST_ERROR_H

struct error {
    char text[768];
};

/* Writes the text; always returns -1, so that a failing function can `return error_set(...)`. */
int error_set(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
