/*
 * Who may ask for a backup, and for which key: the administrator, by a signature that covers cluster, session and key.
 */
#ifndef ORDERING_BACKUP_REQUEST_H
#define ORDERING_BACKUP_REQUEST_H

#include "ordering/auth.h"
#include "wire/backup.h"

/* ACCEPT: decoded into `ask`, and signed by this administrator for this cluster. */
enum verdict backup_request_check(const struct frame *frame, const struct tag16 *cluster,
                                  const uint8_t admin_public[32], struct ask_backup *ask);

#endif
