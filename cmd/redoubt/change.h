/*
 * What `redoubt replace` and `redoubt rotate` share: an order to change one replica's host, carried on until the cluster has
 * executed it, whatever moment it was begun or broken off at.
 */
#ifndef CMD_CHANGE_H
#define CMD_CHANGE_H

#include "administrator.h"

struct change {
    struct administrator admin;
    replica_id id;
    bool again; /* another one, though the last is done */
    uint64_t deadline_ms;
    uint64_t shown_ms; /* the RECONFIG under way was first shown ... */
    uint64_t attempt;  /* ... as this */
    uint64_t told_ms;
    uint64_t begun_ms;
};

uint64_t change_now_ms(void);

/* Opens DIR for a change of replica `id`. */
int change_open(struct change *change, const char *dir, replica_id id, unsigned wait_s, struct error *error);
/* The same for whoever changes how many there are; `id` comes later. */
int change_open_any_size(struct change *change, const char *dir, unsigned wait_s, struct error *error);
void change_close(struct change *change);

/* Walks to the end of the chain, as far as can be told. */
void change_catch_up(struct change *change);

/* The fields of a change of host: this link key, and this platform key or (NULL) the one that it has. */
struct slice change_host(struct change *change, const uint8_t link_public[32],
                         const uint8_t *platform_public);
/* Keys that nobody has for its compartments: whoever ran them has no say any more. */
struct slice change_lock_out(struct change *change);

/*
 * Shows a RECONFIG again and again until `done` says that the chain has it. Others may come before it, or be pending; it waits and says
 * so. `make` is called for the fields whenever it has to be signed anew.
 */
int change_carry_out(struct change *change, bool (*done)(const struct change *change, const void *context),
                     struct slice (*make)(struct change *change, const void *context), const void *context,
                     const char *peer, const char *client, const char *what, struct error *error);

/* All replicas can be reached, but for `but` (REPLICAS_MAX: none): waits for it. */
int change_await_all(struct change *change, replica_id but, struct error *error);
/* 2f+1 of the others can be reached, and say that they are well as far as they say anything: waits for it. */
int change_await_others(struct change *change, struct error *error);

/* Says a line on standard error, the same kind at most every five seconds. */
void change_progress(struct change *change, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool change_timed_out(const struct change *change);

/* DIR/replica-N/NAME into `out`; `suffix` goes behind the folder's name. */
int change_path(char *out, const struct change *change, const char *suffix, const char *name,
                struct error *error);

/* Removes a folder that a run left unfinished, with the files in it, whatever they are called. */
void change_remove(const char *folder);
/* Draws a link key and its certificate into a folder that is there. */
int change_draw_link(const char *folder, replica_id id, struct error *error);
int change_link_public(uint8_t public[32], const char *folder, struct error *error);

/* Does `redoubt up` run this cluster here? */
bool change_is_up(const struct change *change);

/* endpoints.json as cluster.yaml says now. */
int endpoints_write(const struct config *config, struct error *error);

#endif
