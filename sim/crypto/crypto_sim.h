/*
 * The simulator's cryptography, beside trusted/crypto/crypto.h: its seed. Everything drawn afterwards follows from it.
 */
#ifndef SIM_CRYPTO_SIM_H
#define SIM_CRYPTO_SIM_H

#include <stdint.h>

/* Forgets all keys; randomness starts over from `seed`. */
void crypto_sim_reset(uint64_t seed);

#endif
