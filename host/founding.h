/*
 * The founding of a cluster: the administrator looks at what all members show of themselves, draws a fresh cluster id and
 * a fresh key for the Execution group, and signs the manifest that every compartment obeys from then on. With `durability: sync`
 * there is one founding; every later start resumes.
 */
#ifndef HOST_FOUNDING_H
#define HOST_FOUNDING_H

#include "config.h"
#include "hello_file.h"

/* Makes and signs the manifest (a START frame); `out` is to be freed with file_free. `origins` is the content of clients.pub. */
int founding_sign(struct file *out, const struct config *config, const struct hellos hellos[],
                  struct slice origins, const struct sign_key *admin, struct error *error);
/* The same for a cluster all of whose replicas were down, and have their logs: it goes on from the manifest `before`, and from what
 * `chains` (one list of CONFIGURATIONs for each replica) says came after it. When `before` names these very keys, whoever signed it was
 * interrupted: then it is that one again. */
int founding_resume(struct file *out, const struct config *config, const struct hellos hellos[],
                    const struct frame *before, const struct slice chains[], const struct sign_key *admin,
                    struct error *error);

/* All of it, as `redoubt start`: waits at most wait_ms for every replica's hello, signs, writes DIR/manifest and
 * DIR/replica-N/manifest. `stop`, when not NULL, is asked between looks: true gives up. */
int founding_run(const struct config *config, unsigned wait_ms, bool (*stop)(void *context), void *context,
                 struct error *error);

#endif
