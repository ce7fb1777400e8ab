/*
 * A service in a process of its own ("application"): what Execution and it say to each other. Frames over two rings; the
 * first byte says what a frame is. Execution calls, the application answers every call but the last two, in order.
 *
 *   Execution's (proxy.c)                                   the application's (serve.c)
 *   CREATE   options                                        DONE  u8 good
 *   RUN      struct call_run, (u32 length, operation)*      DONE  u32 length of the results, these as in a reply: (u8 status,
 *                                                                 u8 form, u32 length, bytes)*; what each touched (versions.h);
 *                                                                 nothing: not executed, see RUN_GROUP_BYTES
 *   KEYS     struct call_run, operation                     DONE  u8 good, u8 reads all, u8 writes all, (u32 at, u32 length, u8 write)*
 *   DIGESTS  (u64 leaf)*                                    DONE  digest*
 *   SAVE     u64 leaf                                       LEAF* DONE
 *   RESET    u64 leaves, u8 keep                            DONE  u8 good
 *   DATA     a piece of what the next JUDGE or LOAD is about
 *   JUDGE    u64 leaf                                       DONE  u8 good, digest
 *   LOAD     u64 leaf                                       DONE  u8 good
 *   FREEZE   u64 leaves, bitmap of 64-bit words: before one of these leaves changes, its digest is wanted
 *   SERVE    u64 leaves: from now on, before one of these changes for the first time, its bytes are wanted; 0: no more
 *
 * Before the DONE of a call that changes the state come TOUCHES: (u64 leaf, u8 touch bits, digest if wanted)*, each leaf before
 * its first change; a leaf's old bytes (LEAF: u64 leaf, u32 total, u32 offset, bytes) come before the touch that they belong to.
 * DONE begins with u8 call, u64 leaves of the state.
 */
#ifndef APPLICATION_CALL_H
#define APPLICATION_CALL_H

#include <redoubt/app.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "ordering/versions.h"

enum call {
    CALL_CREATE = 1,
    CALL_RUN,
    CALL_KEYS,
    CALL_DIGESTS,
    CALL_SAVE,
    CALL_RESET,
    CALL_JUDGE,
    CALL_LOAD,
    CALL_DATA,
    CALL_FREEZE,
    CALL_SERVE,
};

enum answer { ANSWER_TOUCHES = 1, ANSWER_LEAF, ANSWER_DONE };

enum touch_bit { TOUCH_DIGEST = 1, TOUCH_BYTES = 2 };

/* How operations are run. READ_ONLY is for an origin that may not write: what would write is refused as DENIED. */
enum run_mode { RUN_EXECUTE = 1, RUN_READ, RUN_READ_ONLY };

#define CALL_PIECE_BYTES (1024u * 1024u) /* of a leaf, at most, in one frame */
#define CALL_RUN_BYTES   (1 + 1 + 4 + 8 + 4 + 8 + 32)
#define CALL_TOUCH_BYTES (8 + 1 + 32)
#define CALL_DONE_BYTES  (1 + 1 + 8)

/* RUNs that are sent one after the other, before the answer to the first has come, are a group. When the results of those before
 * in the group are more than this, a RUN is not executed: so what Execution has to say at once is bounded. */
#define RUN_GROUP_BYTES (256u * 1024u)

/* What the operations of a RUN have in common; `op.index` is that of the first. */
struct call_run {
    enum run_mode mode;
    bool follows; /* in a group; false: the first, or alone */
    struct redoubt_op op;
};
void call_run_put(struct writer *w, const struct call_run *run);
bool call_run_get(struct reader *r, struct call_run *run);

/* May this call change the state? */
static inline bool call_changes(enum call call)
{
    return call == CALL_CREATE || call == CALL_RUN || call == CALL_RESET || call == CALL_LOAD;
}

/* What Execution tells a service in another process besides calling it; it is NULL for one that is simply called. */
struct service_apart {
    /* Runs operations, (u32 length, bytes)*, one after the other. More may be begun before the first are finished (run->follows). */
    void (*begin)(void *state, const struct call_run *run, struct slice operations);
    /* Of those begun first: appends their results, and says what they touched (touched_get, one after the other; until the next
     * call). False: they were not executed, nor will those begun after them be. Nothing else is asked before all are finished. */
    bool (*finish)(void *state, struct slice operations, struct writer *results, struct slice *touched);
    /* Before one of these leaves is touched next, its digest will be asked for within `touch` (a bitmap of leaf_count bits). */
    void (*freeze)(void *state, const uint64_t *pending, uint64_t leaf_count);
    /* The same for the bytes of each leaf below leaf_count when it is first touched from now on; 0: no more. */
    void (*serve)(void *state, uint64_t leaf_count);
};

/* The rings, as this folder sees them; what waits lies in trusted/shell, or in a test. */
struct application_link {
    void *context;
    /* Appends a frame, gathered from parts, at most FRAME_MAX bytes in all. */
    void (*send)(void *context, const struct slice *parts, unsigned count);
    /* The next frame, in memory of its own until the next one; waits for it. Execution's side only. */
    struct slice (*receive)(void *context);
    /* The other side broke the rules, or is gone. Never returns. */
    void (*fail)(void *context, const char *what);
};

#endif
