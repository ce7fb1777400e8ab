/*
 * HYBSTER-SUSPECT: a replica would rather be in `view`. A trusted MAC, which moves no counter: its sender goes on in its view until f+1 say
 * so. Being a MAC to all alike it can be handed on.
 */
#ifndef WIRE_HYBSTER_SUSPECT_H
#define WIRE_HYBSTER_SUSPECT_H

#include "wire/hybster_prepare.h"

#define HYBSTER_SUSPECT_FIELDS(F) F(u64, view)
WIRE_STRUCT(hybster_suspect, HYBSTER_SUSPECT_FIELDS)

enum verdict hybster_suspect_check(const struct frame *frame, struct hybster_suspect *suspect);

#endif
