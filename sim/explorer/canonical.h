/*
 * Canonical: one byte string for all models that differ only in names, and its fingerprint.
 *
 * Interchangeable are correct C among themselves, correct P that are primary of no view, and the two proposals of a
 * slot: no rule tells them apart.
 */
#ifndef EXPLORER_CANONICAL_H
#define EXPLORER_CANONICAL_H

#include "fingerprint.h"
#include "model.h"

struct fingerprint canonical_fingerprint(const struct model *model);

#endif
