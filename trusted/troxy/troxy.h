/*
 * The Troxy: the client's end of the protocol, moved into a compartment of the replica that a stock client talks to. Front above, an
 * origin below.
 *
 *   START           believed when the administrator signed it; it must list this Troxy's key as an origin's
 *   LOCAL-OPENED .. connections (front.h)
 *   LOCAL-LINK      a replica's client port is reached, or not
 *   LOCAL-ARRIVED   a frame from there; authenticated from compartment to compartment
 */
#ifndef TROXY_TROXY_H
#define TROXY_TROXY_H

#include "base/compartment.h"
#include "troxy/reception.h"

/* The config has `troxy`. */
extern const struct compartment_type troxy_type;

#endif
