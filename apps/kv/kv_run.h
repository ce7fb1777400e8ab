/*
 * One command of a Redis client being executed: its arguments, its reply, and what it has changed so far, which is taken back
 * when there is no room for the rest of it, or for its reply.
 *
 * A key whose time has come is not there for any command; it is replaced by whoever writes it, or swept away (kv_tidy).
 */
#ifndef KV_RUN_H
#define KV_RUN_H

#include "kv_codec.h"
#include "kv_collection.h"
#include "kv_reply.h"
#include "kv_store.h"

#define KV_ARGS_MAX    4096u
#define KV_CHANGES_FEW 8u

struct kv_command;

struct kv_run {
    struct kv_store *store;
    const struct redoubt_op *op;
    const struct kv_command *command;
    const struct slice *arg; /* behind the command's name */
    uint32_t args;
    struct writer out;
    bool is_volatile;
    bool full;     /* no room: what was changed must be taken back */
    bool too_long; /* kv_run_spend: so must it be then */
    uint64_t left; /* steps that the operation may still take */
    uint32_t made;
    uint32_t room;
    uint64_t collections; /* that there were before */
    struct kv_change *change;
    struct kv_change few[KV_CHANGES_FEW];
};

/* Everything since the start, or since the last of these, is final; or never was. */
void kv_run_commit(struct kv_run *run);
void kv_run_undo(struct kv_run *run);

/* One operation may take so many steps of some nanoseconds, all its commands together: nothing else happens meanwhile. What costs no more
 * than its request and its reply need not be counted. */
#define KV_WORK_MAX    (1ull << 28)
#define KV_WORK_ENTRY  32u  /* of looking at an entry */
#define KV_WORK_CHANGE 256u /* of removing one */
/* False: there are not so many left; the command is to end, and fails. */
bool kv_run_spend(struct kv_run *run, uint64_t steps);

uint64_t kv_run_now_ms(const struct kv_run *run);
/* NULL: no such key, or its time has come. */
const struct kv_entry *kv_run_find(struct kv_run *run, struct slice key);
/* The same for a key that must have a type; false: it has another one, and the reply says so. */
bool kv_run_find_typed(struct kv_run *run, struct slice key, uint8_t type, const struct kv_entry **entry);
/* False: no room. What is replaced may be of any type. */
bool kv_run_put(struct kv_run *run, struct slice key, const struct kv_content *content);
bool kv_run_remove(struct kv_run *run, struct slice key);
/* The entry alone: the pieces of a collection stay, under another key. */
bool kv_run_drop(struct kv_run *run, struct slice key);

/* A collection as a command sees it: that under a key, or an empty one. */
struct kv_opened {
    struct slice key;
    uint8_t type;
    bool exists;
    uint64_t expires_us;
    struct kv_collection c;
};
/* False: the key has another type, and the reply says so. */
bool kv_run_open(struct kv_run *run, struct slice key, uint8_t type, struct kv_opened *opened);
/* Before the first change of its pieces; and after the last: an empty one vanishes. False: no room. */
bool kv_run_begin(struct kv_run *run, struct kv_opened *opened);
bool kv_run_save(struct kv_run *run, struct kv_opened *opened);

/* The name of a piece. */
struct kv_piece {
    size_t len;
    uint8_t key[KV_INNER_KEY_MAX];
};
#define KV_PIECE_HEAD 9u /* number and kind */
struct kv_piece kv_piece_of(uint64_t number, uint8_t kind);
void kv_piece_add(struct kv_piece *piece, struct slice bytes);
void kv_piece_add_u64(struct kv_piece *piece, uint64_t number);
struct slice kv_piece_key(const struct kv_piece *piece);

const struct kv_entry *kv_run_piece(const struct kv_run *run, const struct kv_piece *piece);
bool kv_run_piece_put(struct kv_run *run, const struct kv_piece *piece, struct slice value);
/* For one that takes no more than what the run has removed: that is no reason to refuse, however full the store is. Its value has always one size. */
bool kv_run_piece_keep(struct kv_run *run, const struct kv_piece *piece, struct slice value);
bool kv_run_piece_remove(struct kv_run *run, const struct kv_piece *piece);

/* Walks the pieces whose names begin as `piece` does. */
struct kv_walk {
    struct kv_cursor cursor;
    struct kv_piece prefix;
};
void kv_walk_start(struct kv_walk *walk, const struct kv_run *run, const struct kv_piece *prefix);
/* The piece that the walk stands on, and its name behind the prefix; NULL at the end. */
const struct kv_entry *kv_walk_at(const struct kv_walk *walk, struct slice *name);
void kv_walk_on(struct kv_walk *walk);
/* The same from the last to the first. */
void kv_walk_start_down(struct kv_walk *walk, const struct kv_run *run, const struct kv_piece *prefix);
void kv_walk_down(struct kv_walk *walk);

/* After every operation that wrote: drops some pieces of collections that are gone, and what has expired in one leaf. */
void kv_tidy(struct kv_store *store, const struct redoubt_op *op);
/* Has it expired? */
bool kv_is_over(const struct kv_entry *entry, uint64_t time_us);
/* Before a key is replaced or removed outside of a command: the collection that goes with it, 0 for none; and after it. */
uint64_t kv_collection_at(struct kv_place place);
bool kv_bury(struct kv_store *store, uint64_t number, const uint8_t *seed, struct kv_change *change);

/* ------------------------------------------------------------------------------------------------ arguments, replies */

#define KV_WRONG_TYPE  "WRONGTYPE Operation against a key holding the wrong kind of value"
#define KV_NOT_INTEGER "ERR value is not an integer or out of range"
#define KV_NOT_FLOAT   "ERR value is not a valid float"
#define KV_SYNTAX      "ERR syntax error"
#define KV_OVERFLOW    "ERR increment or decrement would overflow"
#define KV_TOO_LARGE   "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
#define KV_NO_KEY      "ERR no such key"

void kv_run_error(struct kv_run *run, const char *text);
/* "ERR wrong number of arguments for 'NAME' command" */
void kv_run_arity_error(struct kv_run *run);
void kv_run_ok(struct kv_run *run);
void kv_run_integer(struct kv_run *run, int64_t number);
/* An argument as a number; false: it is none, and the reply says so. */
bool kv_run_number(struct kv_run *run, uint32_t arg, int64_t *number);
/* The argument is this word, in letters of any case; `word` is lower-case. */
bool kv_run_is(const struct kv_run *run, uint32_t arg, const char *word);

#endif
