/*
 * A whole cluster in one thread: replicas (the real broker and the real compartments), clients (the real client core), a
 * network between them, faults, and a ledger that sees everything and knows what must not happen.
 *
 * Everything follows from the seed: same seed, same trace.
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include <setjmp.h>
#include <stdio.h>

#include "origin/reads.h"
#include "confirmation/confirmation.h"
#include "disk.h"
#include "engine.h"
#include "execution/execution.h"
#include "hybster/orderer.h"
#include "ledger.h"
#include "ordering/mutant.h"
#include "preparation/preparation.h"
#include "queue.h"
#include "troxy/replicated.h"
#include "troxy/witness.h"
#include "random.h"

enum { CELLS = 3 }; /* P, C, E; with hybster orderer, counter, E */
#define CLIENTS_MAX 24u
#define CELL_P      0u
#define CELL_C      1u
#define CELL_N      1u /* hybster */
#define CELL_E      2u

enum sim_faults {
    FAULTS_CRASH = 1,
    FAULTS_NETWORK = 2,
    FAULTS_BYZANTINE = 4,
    FAULTS_STORAGE = 8, /* with durability sync: power losses, disks that fail, are full, lose their log */
    FAULTS_ALL = 15,
    FAULTS_RESTART = 16 /* with durability memory: a replica comes back with nothing */
};
/* Before healing one replica is left out; then, of those who may crash, each does: at once, or over its next COMMIT. */
enum sim_end { END_ANYHOW = 0, END_CRASH, END_CRASH_OVER_COMMIT };
enum sim_service { SERVICE_DRAWN = 0, SERVICE_KV = 1, SERVICE_COUNTER = 2 };

struct sim_options {
    unsigned protocol; /* PROTOCOL_... */
    uint64_t seed;
    uint32_t seconds;
    unsigned faults; /* enum sim_faults */
    enum mutant mutant;
    FILE *trace;
    FILE *story; /* the few lines that a reader wants; see world_story */
    /* What the run otherwise draws; -1: drawn. */
    int tolerated;       /* f */
    int faulty[CELLS];   /* faulty compartments of each kind */
    int faulty_replicas; /* pbft, hybster: whole replicas; may exceed f in tests */
    int hosts;           /* Byzantine hosts */
    int replicas;        /* n; 0: 3f+1 */
    int resizes;         /* replicas are added and removed (with disks only); -1: drawn */
    int plots; /* see plot.c: 1: in this run, beside f faulty E that lie whenever they can; -1: drawn */
    int fast_reads;
    int service;
    int clients;
    int reads;               /* enum redoubt_read_mode of clients; -1: drawn, ordered or sound */
    bool prophecy;           /* Troxies ask one replica, see prophecy.c; with fast_reads */
    int troxies;             /* every replica has one, and stock clients connect to them; -1: drawn */
    double attacks_per_s;    /* take-overs of all hosts; -1: drawn */
    bool plain_network;      /* no loss, constant delay: for scenarios */
    const char *only_attack; /* by name, for tests; NULL: any */
    enum sim_end end;        /* of the safety phase */
    bool rules_unchecked; /* of reconfiguration, see rejoin.c: only what follows from breaking them counts */
    bool restless;        /* whoever may restart does, and is back soon; or disks have no peace */
    bool rot_everywhere;  /* every disk, not f; with safety_only */
    bool idle;            /* clients stop early on */
    int replaces;         /* restarts on other machines, by the administrator; -1: drawn */
    bool evil_launchers;  /* renew keys of running replicas at any moment; with safety_only */
    bool safety_only;     /* whether requests finish is not looked at */
};

struct sim_result {
    bool violation;
    bool stuck;
    char text[400];
    uint64_t ops, events, faults, simulated_us, power_losses;
    uint64_t fast_reads, read_conflicts, stale_reads;
    uint64_t unordered_reads; /* of clients */
    uint64_t slots, view_changes, state_transfers, attacks, rejoins, resizes;
    uint64_t trace_hash;
};

/* A compartment. */
struct given {
    struct parcel *parcel;
    bool local;
};

struct cell {
    const struct compartment_type *type;
    void *state;
    struct arena *arena; /* stays where it is when the cell becomes a ghost */
    struct given *input;
    size_t inputs, input_cap;
    bool waking;
    bool faulty;
    double omits; /* faulty: part of its frames that it keeps back */
    double lies;  /* faulty E: part of the state it sends that is wrong */
    uint64_t verdict[VERDICT_COUNT];
    uint64_t refused; /* types of frames whose refusal a scenario told of */
};

struct held {
    struct parcel *parcel;
    uint32_t cell;
    bool local;
};

struct replica {
    replica_id id;
    struct cell cell[CELLS];
    void *engine;
    struct arena arena;
    bool crashed;
    bool doomed;               /* crashes while it sends its next COMMIT */
    uint32_t unreached;        /* crashed: who gets nothing more of what it had sent; a bit each */
    bool host_faulty;          /* Byzantine host */
    uint64_t dawdles_until_us; /* see troxy.c */
    double mischief;           /* how often it interferes with a frame */
    uint64_t paused_until_us;
    uint64_t timer_set; /* counts settings */
    bool run_ending;
    slot_no seen_executed;
    slot_no seen_checkpoint;
    uint64_t seen_transfers;
    struct disk disk;
    struct disk *earlier;     /* a state that it had: may come again */
    uint32_t incarnation;     /* restarts with amnesia so far */
    bool rejoining;           /* restarted, and not full again */
    bool newcomer;            /* ... or rather, it was added */
    bool drawn;               /* ... as one of restarts_left, and not because all lost power */
    uint64_t attempts;        /* RECONFIGs made */
    bool replacing;           /* it came back on another machine: the administrator is to say so */
    uint8_t link_key[32];     /* of that machine's host */
    bool lives_on;            /* when it begins again, its Byzantine host keeps this incarnation running */
    struct cell ghost[CELLS]; /* the incarnation before, kept running by a Byzantine host */
    struct held *held;        /* what a Byzantine host keeps back from its compartments, until it is healed */
    size_t helds, held_cap;
};

struct link {
    bool cut;
    double loss;
    double replay;
    uint64_t delay_us;
    uint64_t jitter_us;
};

struct sim_client {
    struct client_core core;
    struct client_reads reads;
    struct configuration configuration; /* that it was opened with */
    struct sign_key sign;
    struct box_key box;
    bool alive;
    bool faulty;     /* a Byzantine origin */
    uint32_t number; /* its origin number */
    uint32_t incarnation;
    epoch_no epoch;
    uint64_t timer_at_us;
    uint64_t timer_set;
    uint32_t outstanding;
    uint32_t window; /* operations outstanding at most */
    uint64_t think_us;
    uint32_t issued;
    bool cut[REPLICAS_MAX];
    uint32_t bad_macs; /* replicas whose P cannot verify its MACs */
};

/* What a Prophecy has told, by request: places that it must not go back behind. */
#define PROPHECY_TOLD 256u
struct prophecy_told {
    uint64_t place;
    uint16_t len;
    uint8_t request[OP_BYTES_MAX];
};
struct prophecy {
    struct prophecy_told told[PROPHECY_TOLD]; /* by hash; what is pushed out is not checked */
};

/* A Troxy's replicated access, in the middle of its replica. */
#define STOCK_MAX    8u
#define SEEN_ATTESTS 32u
struct sim_troxy {
    struct replicated *access;
    struct configuration configuration; /* that it was started with */
    void *memory;
    size_t memory_bytes;
    struct arena arena;
    struct sign_key sign;
    struct box_key box;
    uint32_t number; /* its origin number */
    epoch_no epoch;
    bool faulty;
    uint32_t incarnation;               /* starts so far */
    uint32_t replica_incarnation, life; /* of what it was started beside */
    uint64_t timer_at_us, timer_set;
    uint32_t said; /* bundles and questions sent */
    struct prophecy prophecy;
    uint64_t deaf_until_us;            /* its host keeps CONFIGURATIONs from it */
    struct parcel *seen[SEEN_ATTESTS]; /* by a Byzantine host around it */
    replica_id seen_from[SEEN_ATTESTS];
    uint32_t seens;
};

/* The witness in a Troxy, see witness.c. */
#define STEPS_SEEN 16u
struct sim_witness {
    struct witness *state;
    struct arena arena;
    uint64_t given_us;      /* what it was given last comes then */
    uint64_t dark_until_us; /* its host shows it nothing, ... */
    bool pretends;          /* ... or that nothing was written, ... */
    bool leaks;             /* ... but for some steps */
    struct parcel *seen[STEPS_SEEN];
    uint32_t steps;
};

/* What a stock client waits for. */
struct stock_op {
    uint64_t number; /* in the ledger; 0: a read */
    uint64_t after;  /* highest place acknowledged when it was issued */
    uint64_t floor;  /* prophecy: where its Troxy has told an answer to the same request before */
    bool caught_up;  /* prophecy: all replicas had executed up to `after` then */
    bool open, must_finish;
    uint16_t len;
    uint8_t request[OP_BYTES_MAX];
};
#define STOCK_OPS 8u

/* A client of some Troxy: knows no replicas, and connects to another Troxy when one fails it. */
struct stock {
    bool connected;
    uint32_t troxy;
    uint64_t place; /* of the last that it was told */
    uint64_t next;  /* ticket */
    uint64_t told;  /* tickets below were told */
    uint64_t told_before;
    struct stock_op op[STOCK_OPS];
    uint32_t window;
    uint64_t think_us;
    double reads;  /* part of what it asks for */
    uint64_t life; /* counts connections */
};

/* See plot.c. */
struct plot {
    bool on, lags;
    replica_id renewed, victim;
    uint32_t reader; /* a Troxy */
    uint64_t until_us;
};

/* See outlive.c. */
struct outlive {
    bool on, stalls, lost, resumed;
    uint64_t since_us;
    bool unanswered; /* replies to the reader are kept back */
    uint32_t reader; /* a Troxy */
    slot_no slot;    /* E are kept there; 0: at their checkpoint */
    uint64_t until_us;
};

#define SHOWN_KEPT       8u
#define ADMIN_CONNECTION UINT32_MAX

/* Frames seen, for replays and for bodies that an attack needs. */
#define MEMORY_FRAMES 2048u

/* The keys that the administrator draws to lock compartments out: new ones with each attempt. */
struct lock_out {
    uint64_t attempt;
    struct box_key box;
};

struct world {
    struct sim_options options;
    uint64_t now_us;
    struct queue queue;
    uint32_t n, f;
    bool whole; /* pbft, hybster: a replica is one fault domain, and faulty as a whole; but not its counter */
    bool hybster;
    bool certifies; /* hybster with fast reads */
    bool durable;   /* durability: sync */
    uint32_t life;  /* STARTs */
    struct replica replica[REPLICAS_MAX];
    struct link link[REPLICAS_MAX][REPLICAS_MAX];
    struct link client_link;
    struct sim_client client[CLIENTS_MAX];
    uint32_t clients;
    enum redoubt_read_mode read_mode; /* of clients */
    bool troxies;
    struct sim_troxy troxy[REPLICAS_MAX];
    struct stock stock[STOCK_MAX];
    uint32_t stocks;
    struct dice troxy_dice;
    struct sim_witness witness[REPLICAS_MAX];
    struct dice witness_dice;
    bool plots;
    struct plot plot;
    struct outlive outlive;
    struct dice plot_dice;
    struct configuration configuration; /* START's: what everybody begins with */
    struct configuration known;         /* the highest that a correct E announced */
    struct sign_key platform[REPLICAS_MAX];
    struct sign_key admin;
    struct box_key host_box[REPLICAS_MAX];
    struct parcel *start;
    struct redoubt_service service; /* the wrapped one, see service.c */
    const struct redoubt_service *inner;
    struct outbox outbox;
    struct ledger ledger;
    struct dice disk_dice;
    struct dice network_dice, fault_dice, client_dice, attack_dice, host_dice, liar_dice;
    uint64_t request_timeout_us;
    bool healing; /* the liveness phase has begun */
    uint64_t heal_at_us, end_at_us;
    struct parcel *memory[MEMORY_FRAMES];
    uint32_t remembered;
    struct parcel *old_bundle[256];
    uint32_t old_bundles;
    uint32_t attacks;
    double attacks_per_s;
    uint32_t crashes_left;
    uint32_t forgetful;     /* replicas whose disks may give back less than they had; a bit each */
    uint32_t left_out;      /* a bit each */
    bool massacre;          /* more than f were killed: until the next power loss */
    uint32_t restarts_left; /* replicas that may be restarting at the same time */
    struct dice rejoin_dice;
    struct dice impose_dice;
    struct parcel *imposed; /* hybster: a bundle of nobody's that a faulty leader listed; or NULL */
    bool replaces;          /* some come back on another machine; see replace.c */
    struct dice members_dice;
    struct sign_key old_platform[REPLICAS_MAX];
    struct lock_out lock_out[REPLICAS_MAX];
    bool resizes;
    struct dice size_dice;
    uint32_t wanted;     /* number of replicas that the administrator wants; 0: what there are */
    bool resizing;       /* the START to come changes the size */
    slot_no closed_slot; /* as START says it */
    struct digest closed_root;
    uint64_t closed_life;
    struct parcel *shown[SHOWN_KEPT]; /* what the administrator signed */
    struct sim_result *result;
    jmp_buf failed;
    struct parcel *in_hand[8]; /* of actions under way, one in another: a violation leaves by longjmp */
    unsigned in_hands;
    struct parcel *taken; /* from the queue, likewise */
    bool in_takeover;
    void (*takeover_output)(struct world *w, replica_id from, uint32_t cell, struct parcel *parcel);
    void *takeover;
    void (*on_script)(struct world *w, uint32_t line);
};

extern struct world *world_current;

/* Runs one seed to the end. */
void world_run(const struct sim_options *options, struct sim_result *result);

/* In pieces, for scenarios and tests: between open and close a violation comes back through world_step returning false. */
bool world_open(struct world *w, const struct sim_options *options, struct sim_result *result);
bool world_advance(struct world *w, uint64_t until_us); /* false: violation */
void world_close(struct world *w);

/* Something that must not happen has happened: does not return. */
_Noreturn void world_violation(struct world *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void world_trace(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* What a scenario's golden trace consists of. */
void world_story(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
void world_trace_frame(struct world *w, const char *where, replica_id replica, struct slice frame,
                       const char *what);
void world_fault(struct world *w);
void world_later(struct world *w, uint64_t delay_us, enum due_kind kind, uint32_t a, uint32_t b, uint64_t x,
                 struct parcel *parcel);

static inline bool world_is_faulty(const struct world *w, replica_id r, uint32_t cell)
{
    return w->replica[r].cell[cell].faulty;
}

/* founding.c */
void founding_hello(struct world *w, replica_id r, uint32_t cell, struct slice frame);
/* Signs the START of this life; with `resumes`, one that goes on from the last. */
void founding_start(struct world *w);
/* COUNTER-KEY for a replica's counter. The caller's to drop. */
struct parcel *founding_counter_key(struct world *w, replica_id r);
/* The keys that a compartment showed last. */
const struct member *founding_member(replica_id r, uint32_t cell);

void founding_follow(struct world *w);

/* power.c */
void power_loss(struct world *w);

/* storage.c: disks that give back something else than they were given */
void storage_init(struct world *w);
void storage_power_loss(struct world *w, replica_id r);
/* After each sync. */
void storage_synced(struct world *w, replica_id r);
void storage_free(struct replica *replica);
bool storage_is_forgetful(const struct world *w, replica_id r);

/* cell.c */
enum kind cell_kind(const struct world *w, uint32_t cell);
uint32_t cell_of_kind(uint32_t kind);
void cell_init(struct world *w, replica_id r, uint32_t cell);
void cell_free(struct cell *cell);
void cell_give(struct world *w, replica_id r, uint32_t cell, struct parcel *parcel, bool local);
void cell_wake(struct world *w, replica_id r, uint32_t cell);
/* An incarnation that should be gone handles a frame; what it says goes to everybody. */
void cell_ghost_step(struct world *w, replica_id r, uint32_t cell, struct slice frame);
/* One frame, at once; output goes where output goes. */
enum verdict cell_step(struct world *w, replica_id r, uint32_t cell, struct slice frame, bool local);
void cell_flush(struct world *w, replica_id r, uint32_t cell);

/* replica.c */
void replica_init(struct world *w, replica_id r);
void replica_free(struct replica *replica);
/* Its processes begin again, with what is on its disk. */
void replica_reborn(struct world *w, replica_id r);
void replica_start(struct world *w, replica_id r);
/* An action that waited for the disk. */
void replica_carry_out(struct world *w, replica_id r, const struct disk_waiting *waiting);
void replica_event(struct world *w, replica_id r, enum event_kind kind, uint32_t from, struct slice frame);
void replica_on_output(struct world *w, replica_id r, uint32_t cell, struct parcel *parcel);
/* No plaintext leaves an E. */
void replica_check_secret(struct world *w, replica_id r, uint32_t cell, const struct parcel *parcel);
bool replica_is_up(const struct world *w, replica_id r);

void replica_start(struct world *w, replica_id r);

/* rejoin.c: restarts with amnesia, the launcher's part of coming back, clones of old epochs */
void rejoin_kill(struct world *w, replica_id r, uint64_t down_us, bool clone);
void rejoin_on_due(struct world *w, const struct due *due);
void rejoin_fault(struct world *w);
void rejoin_ghost_output(struct world *w, replica_id r, uint32_t cell, struct parcel *parcel);
void rejoin_check_output(struct world *w, replica_id r, uint32_t cell, struct slice frame);
/* Does who votes in that slot know the configuration that it belongs to? */
void rejoin_check_slot(struct world *w, replica_id r, slot_no slot, const struct configuration *held);
bool rejoin_done(const struct world *w);
/* Around a power loss: who has not the whole of what it promised in its log must not show a head; not more than f may lack theirs;
 * launchers go on. */
void rejoin_note_learners(struct world *w);
void rejoin_check_heads(struct world *w);
void rejoin_after_power_loss(struct world *w);

/* replace.c: the administrator replaces machines and rotates link keys */
bool replace_begin(struct world *w, replica_id r); /* it starts anew: on another machine? */
void replace_tick(struct world *w, replica_id r);
void replace_fault(struct world *w);
void replace_check(struct world *w);
void replace_free(struct world *w);

/* resize.c: the administrator adds and removes replicas */
void resize_init(struct world *w);
void resize_fault(struct world *w);
void resize_on_due(struct world *w);
bool resize_done(const struct world *w);
/* Those that were added have no log yet, and with others that are out they are more than f: a loss of power would be one fault too many. */
bool resize_is_fragile(const struct world *w);
/* The state of this life's configuration on any disk that shows that the cluster is closed. */
bool resize_closed(struct world *w, slot_no *slot, struct digest *root);

/* replace.c: shows the administrator's RECONFIG to most */
void replace_show(struct world *w, const uint8_t *frame, size_t len);

/* network.c */
void network_join(struct world *w, replica_id r);
void network_init(struct world *w);
void network_send(struct world *w, replica_id from, replica_id to, struct parcel *parcel);
void network_heal(struct world *w);

/* client.c */
void clients_init(struct world *w);
void clients_free(struct world *w);
void client_start(struct world *w, uint32_t client);
void client_stop(struct world *w, uint32_t client);
/* To replicas that all started again. */
void client_reconnect(struct world *w, uint32_t client);
void client_on_due(struct world *w, const struct due *due);
void client_send_to(struct world *w, replica_id from, uint32_t connection, struct parcel *parcel);
void client_dropped(struct world *w, replica_id by, uint32_t connection);
void client_submit(struct world *w, uint32_t client, const uint8_t *request, size_t len,
                   uint64_t deadline_us);
bool clients_done(const struct world *w);

/* requests.c: the next request of stock client `s`; STOCK_MAX: of nobody. Returns its length. */
size_t request_draw(struct world *w, uint32_t s, uint8_t *out, size_t cap);

/* troxy.c: Troxies beside their replicas, and stock clients */
void troxies_init(struct world *w);
void troxies_start(struct world *w);
void troxies_free(struct world *w);
/* All replicas began anew, by another START: a Byzantine host may keep its Troxy running over that. */
void troxies_live_on(struct world *w);
void troxy_on_due(struct world *w, const struct due *due);
/* A connection of which kind: of a Troxy to a replica? */
/* A Byzantine host keeps COMMITs from its E for a while, so that it attests what others are past; true: this one too. */
bool troxy_host_dawdles(struct world *w, replica_id r, struct parcel *parcel, bool local);
bool troxy_owns(const struct world *w, uint32_t connection);
void troxy_send_to(struct world *w, replica_id from, uint32_t connection, struct parcel *parcel);
/* Its origin number; false: none. `faulty`: whatever it says. */
/* What an incarnation says that should be gone. */
void troxy_hears_ghost(struct world *w, replica_id r, uint32_t origin, struct parcel *parcel);
bool troxy_is_origin(const struct world *w, uint32_t origin, bool *faulty);
/* witness.c */
void witnesses_init(struct world *w);
void witnesses_start(struct world *w);
void witnesses_free(struct world *w);
void witness_give(struct world *w, replica_id r, struct parcel *parcel);
void witness_on_due(struct world *w, replica_id r, struct parcel *parcel);
/* prophecy.c: what is to be held of reads that one replica vouched for */
void prophecy_issue(struct world *w, struct sim_troxy *troxy, struct stock_op *op);
void prophecy_told(struct world *w, uint32_t s, struct sim_troxy *troxy, const struct stock_op *op,
                   const struct redoubt_outcome *outcome);
void troxy_submit(struct world *w, uint32_t stock, const uint8_t *request, size_t len);

/* workload.c */
size_t workload_draw(struct world *w, uint32_t client, uint8_t *out, size_t cap);

/* service.c */
void service_wrap(struct world *w);

/* hybster.c: what a Byzantine replica does there, its counter being intact */
void hybster_fault(struct world *w);
/* After its orderer's step: when it begins a view as leader, the core that it certified may be nothing to it. */
void hybster_after_step(struct world *w, replica_id r);
/* Counts a correct orderer only what counts, by the configurations that the cluster has executed? */
void hybster_check_output(struct world *w, replica_id r, const struct frame *frame);

/* nemesis.c: the faults of the safety phase */
void nemesis_init(struct world *w);
void nemesis_on_due(struct world *w);
void nemesis_heal(struct world *w);
/* What a replica sends: one that is doomed crashes over it. */
void nemesis_sees(struct world *w, replica_id from, struct slice bytes);
void nemesis_mistreat_output(struct world *w, replica_id r, uint32_t cell, struct parcel **parcel,
                             bool *drop);

/* plot.c: hosts that work together against fast reads while a replica is renewed. */
void plot_begin(struct world *w, replica_id renewed);
bool plot_keeps_news(struct world *w, uint32_t troxy);
/* For how long from now a frame for the E of r is held back; 0: not at all. */
uint64_t plot_keeps_from_execution(struct world *w, replica_id r, unsigned type);
bool plot_keeps_from_clone(struct world *w, replica_id r, uint32_t cell, unsigned type);
/* Nobody writes: what the reader keeps is to be as good as it was until somebody lags, ... */
bool plot_is_quiet(struct world *w);
/* ... and from then on the clients of the reader do not: they would not hear of an outcome. */
bool plot_reads_only(struct world *w, uint32_t troxy);
/* Where a stock client goes that would go to `troxy`. */
uint32_t plot_invites(struct world *w, uint32_t troxy);
bool plot_keeps_answer(struct world *w, uint32_t troxy, replica_id from);
/* The E whose cells faulty E attest; NULL: no plot is that far. */
const struct execution *plot_model(struct world *w);

/* outlive.c: hosts that work together against fast reads over a loss of power. True: it will come, a little later. */
bool outlive_begin(struct world *w);
/* A client of this Troxy was told that it has written. */
void outlive_acknowledged(struct world *w, uint32_t troxy);
/* Clients of others write until power is lost. */
bool outlive_wants_writes(const struct world *w, uint32_t troxy);
/* Goes on when all others are begun anew. */
bool outlive_spares(const struct world *w, uint32_t troxy);
void outlive_resumed(struct world *w);
bool outlive_keeps_reply(struct world *w, uint32_t troxy, replica_id from, const struct parcel *parcel);
/* For how long from now; 0: not at all. */
uint64_t outlive_keeps_from_execution(struct world *w, replica_id r, const struct parcel *parcel);

/* liar.c: what a faulty E attests may be of another time: called around its steps. */
void liar_init(void);
void liar_before_step(struct world *w, replica_id r, struct slice frame);
void liar_after_step(struct world *w, replica_id r);
/* liar.c: a frame as a faulty E sends it: pieces of state may have something in them that is not true. The caller's to drop. */
struct parcel *liar_output(struct world *w, replica_id r, uint32_t cell, struct parcel *parcel);

/* host.c: what a Byzantine host does to frames; true when it has dealt with this one itself */
bool host_meddles_give(struct world *w, replica_id r, uint32_t cell, struct parcel *parcel, bool local);
bool host_meddles_send(struct world *w, replica_id r, uint32_t to, struct parcel *parcel);
void host_acts_up(struct world *w, replica_id r);
void host_releases(struct world *w, replica_id r);

#endif
