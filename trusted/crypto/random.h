/*
 * Randomness for a process that may make no system call: a generator in memory, seeded once.
 *
 * ChaCha20 with fast key erasure: every block of output begins with the next key, which replaces the old one,
 * so who later reads the state learns nothing of what was drawn before. It takes the library's random source
 * over, so that key pairs and sealed boxes draw from it too. Not for processes with threads or that fork.
 */
#ifndef CRYPTO_RANDOM_H
#define CRYPTO_RANDOM_H

/* After crypto_start, before the sandbox closes. 0, or -1 when the library cannot. */
int crypto_random_alone(void);

#endif
