/*
 * The ledger: what clients asked for, what every correct Execution compartment did, and what clients were told. It sees
 * through all walls, so its checks are exact:
 *
 *   - one batch digest, one list of operations and one time per slot, over all correct E; equal state at equal slots
 *   - every executed operation was issued by its origin, and stands at one place only
 *   - every result is what a model of the service, driven in that order, gives
 *   - an acknowledged operation stands in the order, with the result that was told, after all that was acknowledged before
 *     it was issued (with one order known, this is linearizability, decided without search); nothing that was rejected
 *     stands there
 *   - time never falls
 */
#ifndef SIM_LEDGER_H
#define SIM_LEDGER_H

#include "base/types.h"
#include "redoubt/client.h"

struct world;

#define OP_BYTES_MAX 320u

enum op_state { OP_ISSUED, OP_COMMITTED, OP_REJECTED, OP_UNKNOWN };

struct op_record {
    uint32_t client;
    uint32_t origin;
    enum op_state state;
    uint64_t issued_us;
    uint64_t after; /* highest place acknowledged when it was issued */
    uint64_t place; /* slot << 20 | index; 0: not executed */
    struct digest result;
    bool must_finish; /* no deadline */
    uint16_t len;
    uint8_t request[OP_BYTES_MAX];
};

struct slot_op {
    uint32_t index;
    uint64_t op;        /* 0: of a faulty origin */
    struct digest what; /* of the operation's bytes */
    struct digest result;
};

struct slot_record {
    bool known;
    struct digest batch;
    bool rooted;
    struct digest root;
    uint64_t time_us;
    bool finished;
    uint32_t count, cap;
    struct slot_op *ops;
    uint32_t done[16]; /* operations, by replica */
};

struct model_key {
    bool present;
    uint8_t value[64];
    size_t len;
    uint64_t expires_us; /* by the time of batches; 0: never */
};
#define MODEL_KEYS 12u

struct ledger {
    struct op_record *op; /* by number, from 1 */
    uint64_t ops, op_cap;
    struct slot_record *slot;
    uint64_t slots, slot_cap;
    uint64_t acknowledged_place;
    uint64_t committed, rejected, unknown;
    uint64_t must_finish; /* not over yet */
    slot_no top;          /* highest slot that a correct E finished */
    struct model_key key[MODEL_KEYS];
    struct key_history { /* of each key, in order */
        struct key_at {
            uint64_t place;
            struct model_key key;
        } * at;
        size_t count, cap;
    } history[MODEL_KEYS];
    uint64_t reads;
    uint64_t global, own[64];
    uint64_t time_us[16]; /* of each replica's last operation */
};

void ledger_free(struct ledger *ledger);
/* A new operation; its number is the first eight bytes of what is sent. */
uint64_t ledger_issue(struct world *w, uint32_t client, const uint8_t *request, size_t len, bool must_finish);
/* Of an origin that is no client of its own. */
uint64_t ledger_issue_as(struct world *w, uint32_t label, uint32_t origin, const uint8_t *request, size_t len,
                         bool must_finish);
/* Is it right at a place above `after` or at it? The first one is set. */
bool ledger_could_read(const struct world *w, uint64_t after, const uint8_t *request, size_t len,
                       const struct redoubt_outcome *outcome, uint64_t *place);
/* A read without a number was told this: there must be a place above `after` (or at it) at which it is right; returns the first.
 * Of any number of keys. */
uint64_t ledger_read(struct world *w, const char *whose, uint32_t label, uint64_t after,
                     const uint8_t *request, size_t len, const struct redoubt_outcome *outcome);
/* Where a committed operation stands. */
uint64_t ledger_place(const struct world *w, uint64_t op);
void ledger_outcome(struct world *w, uint64_t op, const struct redoubt_outcome *outcome);
/* A correct E executes. */
void ledger_executed(struct world *w, replica_id r, const struct redoubt_op *op, enum redoubt_status status,
                     const struct redoubt_result *result);
/* After every step of a correct E. */
void ledger_observe(struct world *w, replica_id r);
/* Its processes begin again: it will execute what it has executed once more, and the same. */
void ledger_forget_replica(struct world *w, replica_id r);
/* Before START, after each record that its E took. */
void ledger_recalled(struct world *w, replica_id r);
void ledger_finish(struct world *w);

/* model.c. Keys that are not single letters of the model, or commands that it does not know, are REDOUBT_INVALID to it. */
void model_apply(struct world *w, uint32_t origin, uint64_t time_us, const uint8_t *request, size_t len,
                 struct digest *result);
/* Does this operation only read? */
bool model_reads(const uint8_t *request, size_t len);
/* Such a one, of a state: is this its result? The state stays. */
bool model_read_gives(struct model_key *keys, const uint8_t *request, size_t len,
                      const struct redoubt_outcome *told);
struct model_key *model_key_of(struct model_key *keys, struct slice name); /* NULL: none of the model's */
void model_key_set(struct model_key *key, struct slice value, uint64_t expires_us);
void model_key_clear(struct model_key *key);
/* The sum takes the place of the number and keeps its time. False: there is something else. */
bool model_key_add(struct model_key *key, int64_t delta, int64_t *sum);
/* model_command.c: a status, and `*len` bytes of a reply. */
unsigned model_command(struct model_key *keys, uint64_t time_us, const uint8_t *data, size_t bytes,
                       uint8_t *out, size_t cap, size_t *len);
void result_digest(struct digest *out, unsigned status, const void *data, size_t len);

#endif
