/*
 * A service that runs elsewhere, as Execution calls it: every function of struct redoubt_service becomes a call to the
 * application (call.h). The answers are believed in one respect only: that they are what the service says. Lengths, counts,
 * order and what they may contain are checked here, and whoever breaks the rules has ended this compartment (link.fail).
 *
 * What Execution does when a leaf is touched needs the leaf as it was. The application cannot be asked then (it has long gone
 * on), so it is told in advance of which leaves digests or bytes are wanted: `struct service_apart`.
 */
#ifndef APPLICATION_PROXY_H
#define APPLICATION_PROXY_H

#include "application/call.h"
#include "base/compartment.h"

/* Memory that create takes of the environment, at most. */
#define PROXY_BYTES (96u * 1024u * 1024u)

extern const struct redoubt_service application_proxy;
extern const struct service_apart application_apart;

/* Whom the next application_proxy.create talks to; *link is copied. `keys`, which is told no state, asks the one created last. */
void application_proxy_use(const struct application_link *link);

#endif
