/*
 * A Redis client's connection: commands in, operations of the service out, replies in the order of the commands.
 *
 * What does not need the service (PING, HELLO, MULTI, ...) is answered here, in its turn behind what is under way. Commands between
 * MULTI and EXEC are kept, in their form as a request, and become one operation. WATCH asks the service for marks of its keys;
 * EXEC gives them back as conditions. docs/REDIS.md lists all commands.
 */
#ifndef KV_RESP_H
#define KV_RESP_H

#include "kv/kv_command.h"
#include "troxy/conversation.h"
#include "troxy/resp/command.h"
#include "troxy/resp/reply.h"

#define KV_RESP_PENDING_MAX 1024u           /* replies that a connection waits for */
#define KV_RESP_LOCAL_MAX   (16u * 1024u)   /* the longest reply that is made here */
#define KV_RESP_KEPT_MAX    (256u * 1024u)  /* bytes of replies made here that wait for their turn */
#define KV_RESP_QUEUE_MAX   (1024u * 1024u) /* bytes of commands between MULTI and EXEC */
#define KV_RESP_WATCH_MAX   256u            /* keys */
#define KV_RESP_NAME_MAX    64u             /* bytes of CLIENT SETNAME */

/* Bytes that grow, in the front's arena. */
struct kv_bytes {
    uint8_t *data;
    size_t len;
    size_t cap;
};

enum kv_pending_kind { KV_PENDING_OPERATION, KV_PENDING_WATCH, KV_PENDING_LOCAL };

/* A reply that is to come. */
struct kv_pending {
    struct kv_pending *next;
    enum kv_pending_kind kind;
    bool closes;
    size_t len;
    uint8_t bytes[]; /* LOCAL: the reply; WATCH: u16 key_len, key of each */
};

struct kv_resp {
    struct conversation base;
    struct resp_parser parser;
    enum resp_version version;
    bool known; /* has said who he is, or need not */
    bool closing;
    bool multi;
    bool aborted;       /* a command between MULTI and EXEC was refused */
    uint64_t submitted; /* tickets */
    uint64_t told;
    struct kv_pending *first;
    struct kv_pending *last;
    uint32_t pending;
    uint32_t watching; /* WATCHes whose marks are to come */
    size_t kept;
    uint32_t queued;
    uint32_t watches;
    struct kv_bytes queue;
    struct kv_bytes marks; /* conditions, as in a request */
    uint8_t name_len;
    uint8_t name[KV_RESP_NAME_MAX];
};

extern const struct conversation_type kv_resp_type;

/* For kv_resp_local.c: what came of a command. */
enum kv_taken {
    KV_TAKEN,
    KV_WAIT, /* not yet: offer it again after the next outcome */
};

/* A reply in its turn. */
void kv_resp_say(struct kv_resp *c, const struct resp_reply *reply);
void kv_resp_say_ok(struct kv_resp *c);
void kv_resp_error(struct kv_resp *c, const char *text);
/* Says so in its turn and closes then. */
void kv_resp_say_and_close(struct kv_resp *c, const struct resp_reply *reply);
void kv_resp_forget_multi(struct kv_resp *c);
void kv_resp_forget_watch(struct kv_resp *c);
struct resp_reply kv_resp_reply(const struct kv_resp *c, uint8_t *room, size_t bytes);

/* Commands that are answered here; NULL: it is none of them. */
struct kv_local {
    const char *name;
    int arity;
    unsigned flags;
    enum kv_taken (*run)(struct kv_resp *c, const struct resp_command *command);
};
#define KV_LOCAL_STRANGER 1u /* before AUTH too */
#define KV_LOCAL_MULTI    2u /* between MULTI and EXEC too */
const struct kv_local *kv_local_find(struct slice name);

/* kv_resp.c has these of them. */
enum kv_taken kv_resp_exec(struct kv_resp *c, const struct resp_command *command);
enum kv_taken kv_resp_watch(struct kv_resp *c, const struct resp_command *command);

#endif
