/*
 * The fingerprint of a model: the same for all that differ only in the names of the two proposals of an order, or in VIEW-CHANGEs for
 * a view that has its NEW-VIEW.
 */
#ifndef EXPLORER_HYBSTER_FINGERPRINT_OF_H
#define EXPLORER_HYBSTER_FINGERPRINT_OF_H

#include "fingerprint.h"
#include "model.h"

struct fingerprint fingerprint_of(const struct model *model);

#endif
