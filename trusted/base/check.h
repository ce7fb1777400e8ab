/*
 * Asserts on our own invariants, on in release too. Never on anything that a peer sent.
 * The shell of a compartment (or the host, or the simulator) provides check_failed: it keeps the text as the
 * compartment's last words and ends the process.
 */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

_Noreturn void check_failed(const char *expression, const char *file, int line);

#define CHECK(expression) ((expression) ? (void)0 : check_failed(#expression, __FILE__, __LINE__))

#endif
