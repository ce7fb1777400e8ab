/*
 * cluster.yaml: what people edit. Read through libyaml's document API, so that every complaint names file, line and column.
 * Nothing in it is secret and nothing in it is believed by a compartment: keys and quorums stand in the signed manifest.
 */
#ifndef HOST_CONFIG_H
#define HOST_CONFIG_H

#include "base/limits.h"
#include "base/types.h"
#include "compartment.h"
#include "error.h"
#include "file.h"

#define HOST_NAME_BYTES 256

/* Isolations that have a name but are not built (see compartment.h for those that are). */
enum { ISOLATION_KVM = 3, ISOLATION_SGX = 4 };
enum durability { DURABILITY_MEMORY, DURABILITY_SYNC };
enum affinity { AFFINITY_SPREAD, AFFINITY_NONE };

struct address {
    char host[HOST_NAME_BYTES];
    uint16_t port; /* 0: no such listener */
};

struct replica_config {
    char host[HOST_NAME_BYTES];
    struct address peer;
    struct address client;
    struct address metrics;
    struct address front[4]; /* https, rediss, http, redis: enum front_listener */
    int core;                /* -1: as `affinity` says */
    int line;                /* where it stands in the file */
};

/* Somebody whom the front serves: what is kept of the password is what conversation_user_hash makes of it. */
struct user_config {
    char name[FRONT_USER_NAME_MAX + 1];
    uint8_t salt[16];
    uint8_t hash[32];
    int line; /* where it stands in the file */
};

struct config {
    char dir[PATH_BYTES];
    unsigned protocol; /* PROTOCOL_SPLITBFT, ... */
    uint32_t pillars;  /* hybster; else 1 */
    uint32_t faults;
    char service[PATH_BYTES]; /* kv, pages, counter, or the path of a program */
    char service_options[1024];
    unsigned isolation; /* ISOLATION_* */
    bool split_app;     /* the service runs in a process of its own */
    enum durability durability;
    bool restart; /* `up` starts a replica that died again, and it rejoins */
    enum affinity affinity;
    bool fast_reads;
    bool front; /* stock clients are served */
    char
        client_ca[PATH_BYTES]; /* ... if they show a certificate that this authority signed; empty: without */
    uint32_t front_idle_s;     /* 0: never closed for that */
    uint32_t front_request_s;
    uint32_t front_operation_ms;
    uint32_t users; /* 0: the front asks nobody who he is */
    struct user_config user[FRONT_USERS_MAX];
    bool spin;
    bool log_json;
    uint32_t request_timeout_ms;
    uint32_t memory_mb;
    uint32_t catch_up_mb; /* MiB of state in a second for replicas that lag */
    uint32_t log_mb;      /* durability sync: the log takes at most this much of the disk */
    uint32_t replicas;
    struct replica_config replica[REPLICAS_MAX];
};

/* Reads DIR/cluster.yaml. */
int config_read(struct config *config, const char *dir, struct error *error);
/* The same from text; `path` is for messages. */
int config_parse(struct config *config, const char *path, const char *text, size_t len, struct error *error);

/* Can somebody be called that? Letters, digits and ._@+-, the first neither of . and -; at most FRONT_USER_NAME_MAX. */
bool config_user_name(const char *name);
/* Number of this user; -1: there is none. */
int config_user_find(const struct config *config, const char *name);

/* What is not built yet, or cannot go together. */
int config_supported(const struct config *config, struct error *error);
/* Every key file that replica `id` needs is there, and for its owner alone. */
int config_check_secrets(const struct config *config, replica_id id, struct error *error);

uint32_t replicas_needed(unsigned protocol, uint32_t faults);
const char *protocol_name(unsigned protocol);
/* isolation_name, for those that are not built as well. */
const char *isolation_text(unsigned isolation);
const char *durability_name(enum durability durability);
/* Number of a name; -1 when there is no such. */
int protocol_number(const char *name);
int isolation_number(const char *name);
int durability_number(const char *name);

#endif
