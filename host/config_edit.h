/* Changes what a command must change in cluster.yaml, and leaves everything else as people wrote it. */
#ifndef HOST_CONFIG_EDIT_H
#define HOST_CONFIG_EDIT_H

#include "config.h"

/* Names another `host` for replica `id`: the text is changed in one place, read again, and written only when nothing but that
 * replica's addresses is different. `config` is what was read, and is then as the new file says. */
int config_set_host(struct config *config, replica_id id, const char *host, struct error *error);

/* One replica more at the end of the list, on `host`, with ports ten above the last one's; or one less there. `faults` becomes what so
 * many tolerate. As above: read again, and written only when nothing else is different. */
int config_add_replica(struct config *config, const char *host, struct error *error);
int config_remove_replica(struct config *config, struct error *error);

/* `user` is listed with its name, salt and hash, in the place of one with that name or at the end; `line` is not looked at. Or NAME
 * is listed no more, and with the last one goes the list. As above: read again, and written only when nothing else is different. */
int config_set_user(struct config *config, const struct user_config *user, struct error *error);
int config_remove_user(struct config *config, const char *name, struct error *error);

#endif
