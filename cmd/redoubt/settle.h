/*
 * Waits until every replica has what was written, and has digested it: the checkpoint of a million new keys is as much work as
 * the next million operations, and whoever is behind with it would catch up during the measurement, and be measured with it.
 */
#ifndef CMD_SETTLE_H
#define CMD_SETTLE_H

#include "config.h"

/* Asks the metrics addresses; replicas that do not answer are not waited for. False: one is still behind after half a minute,
 * said on standard error. */
bool settle_wait(const struct config *config);

#endif
