#include "report.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void sim_options_init(struct sim_options *o)
{
    *o = (struct sim_options){
        .protocol = PROTOCOL_SPLITBFT,
        .seed = 1,
        .seconds = 60,
        .faults = FAULTS_ALL,
        .tolerated = -1,
        .faulty = {-1, -1, -1},
        .faulty_replicas = -1,
        .hosts = -1,
        .replicas = -1,
        .resizes = -1,
        .plots = -1,
        .fast_reads = -1,
        .clients = -1,
        .reads = REDOUBT_READ_ORDERED,
        .troxies = -1,
        .attacks_per_s = -1,
        .replaces = -1,
    };
}

static uint64_t real_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ------------------------------------------------------------------------------------------------ workers */

struct worker {
    pid_t pid;
    int fd;
};

static void work(const struct sim_options *options, uint64_t first, uint64_t step, uint64_t runs, int fd)
{
    for (uint64_t i = first; i < runs; i += step) {
        struct sim_options mine = *options;
        struct sim_result result;
        mine.seed += i;
        world_run(&mine, &result);
        if (write(fd, &result, sizeof result) != (ssize_t)sizeof result)
            break;
        if (result.violation || result.stuck)
            break;
    }
    _exit(0);
}

static bool receive(struct worker *worker, struct sim_result *result, uint64_t until_ms)
{
    size_t have = 0;
    while (have < sizeof *result) {
        struct pollfd p = {.fd = worker->fd, .events = POLLIN};
        int wait = -1;
        if (until_ms) {
            uint64_t now = real_ms();
            if (now >= until_ms)
                return false;
            wait = (int)(until_ms - now);
        }
        if (poll(&p, 1, wait) <= 0)
            return false;
        ssize_t got = read(worker->fd, (uint8_t *)result + have, sizeof *result - have);
        if (got <= 0)
            return false;
        have += (size_t)got;
    }
    return true;
}

static void start(struct worker *worker, const struct sim_options *options, uint64_t first, uint64_t step,
                  uint64_t runs)
{
    int ends[2];
    if (pipe(ends) != 0) {
        perror("redoubt-sim: pipe");
        exit(1);
    }
    worker->pid = fork();
    if (worker->pid < 0) {
        perror("redoubt-sim: fork");
        exit(1);
    }
    if (worker->pid == 0) {
        close(ends[0]);
        work(options, first, step, runs, ends[1]);
    }
    close(ends[1]);
    worker->fd = ends[0];
}

static void add(struct sim_totals *totals, const struct sim_result *result, uint64_t seed)
{
    totals->runs++;
    totals->events += result->events;
    totals->ops += result->ops;
    totals->faults += result->faults;
    totals->fast_reads += result->fast_reads;
    totals->unordered_reads += result->unordered_reads;
    totals->read_conflicts += result->read_conflicts;
    totals->resizes += result->resizes;
    totals->simulated_us += result->simulated_us;
    totals->violations += result->violation;
    totals->stuck += result->stuck;
    if (result->violation || result->stuck) {
        totals->failed = true;
        totals->failing_seed = seed;
    }
}

static void alone(const struct sim_options *options, uint64_t runs, struct sim_totals *totals,
                  struct sim_result *failing)
{
    for (uint64_t i = 0; i < runs && !totals->failed; i++) {
        struct sim_options mine = *options;
        mine.seed += i;
        world_run(&mine, failing);
        add(totals, failing, mine.seed);
    }
}

void sim_run_many(const struct sim_options *options, uint64_t runs, unsigned processes, unsigned seconds_max,
                  struct sim_totals *totals, struct sim_result *failing)
{
    struct worker workers[8];
    uint64_t until_ms = seconds_max ? real_ms() + seconds_max * 1000u : 0;
    memset(totals, 0, sizeof *totals);
    if (options->trace || runs == 1) {
        alone(options, runs, totals, failing);
        return;
    }
    processes = processes > 8 ? 8 : processes;
    fflush(NULL);
    for (unsigned i = 0; i < processes; i++)
        start(&workers[i], options, i, processes, runs);
    for (uint64_t i = 0; i < runs && !totals->failed; i++) {
        if (!receive(&workers[i % processes], failing, until_ms))
            break;
        add(totals, failing, options->seed + i);
        if (isatty(2) || (i + 1) % 25 == 0)
            fprintf(stderr, "%llu of %llu runs, %llu operations, %llu faults%s", (unsigned long long)i + 1,
                    (unsigned long long)runs, (unsigned long long)totals->ops,
                    (unsigned long long)totals->faults, isatty(2) ? "\r" : "\n");
    }
    if (isatty(2))
        fputc('\n', stderr);
    for (unsigned i = 0; i < processes; i++) {
        kill(workers[i].pid, SIGKILL);
        waitpid(workers[i].pid, NULL, 0);
        close(workers[i].fd);
    }
}

/* ------------------------------------------------------------------------------------------------ mutants */

static const struct {
    const char *name;
    const char *kind;
} names[] = {{"none", "none"},
#define M(name, text, kind) {text, kind},
             MUTANTS(M)
#undef M
};

enum mutant sim_mutant_named(const char *name)
{
    for (size_t i = 1; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i].name, name) == 0)
            return (enum mutant)i;
    return MUTANT_NONE;
}

const char *sim_mutant_name(enum mutant mutant)
{
    return names[mutant].name;
}

bool sim_mutant_is_safety(enum mutant mutant)
{
    return strcmp(names[mutant].kind, "safety") == 0;
}

void sim_mutants_print(FILE *out)
{
    for (size_t i = 1; i < sizeof names / sizeof *names; i++)
        fprintf(out, "%s %s\n", names[i].name, names[i].kind);
}

/* Where each is looked for: what it breaks shows under the faults that it is there to withstand. */
static void aim(struct sim_options *o, enum mutant mutant)
{
    bool safety = sim_mutant_is_safety(mutant);
    o->mutant = mutant;
    o->replicas = o->resizes = 0;
    o->pillars = 1;
    o->troxies = 0;
    o->seconds = safety ? 20 : 30;
    o->safety_only = safety;
    o->faults = FAULTS_CRASH | FAULTS_NETWORK | FAULTS_BYZANTINE;
    if (safety) {
        o->tolerated = 1;
        o->faulty[CELL_P] = o->faulty[CELL_C] = o->faulty[CELL_E] = 1;
        o->attacks_per_s = 2;
    }
    switch (mutant) {
    case MUTANT_QUORUM_ONE_SHORT_C:
        o->tolerated = 1;
        o->faulty[CELL_P] = o->faulty[CELL_C] = o->faulty[CELL_E] = 1;
        o->attacks_per_s = 2;
        o->only_attack = "two-faces";
        break;
    case MUTANT_NO_DOMAIN_SEPARATION:
        o->protocol = PROTOCOL_PBFT;
        o->faulty_replicas = 1;
        o->only_attack = "relabel";
        break;
    case MUTANT_EVICTION_FORGETS_EPOCH:
        o->clients = 12;
        o->only_attack = "old-bundles";
        break;
    case MUTANT_BUNDLE_EXECUTES_TWICE:
        o->only_attack = "old-bundles";
        break;
    case MUTANT_REPLY_QUORUM_ONE_SHORT:
        o->fast_reads = 0;
        o->only_attack = "corrupt";
        break;
    case MUTANT_CHECKPOINT_AT_F:
    case MUTANT_STATE_ROOT_NOT_CHECKED:
        o->only_attack = "bad-state";
        break;
    case MUTANT_LEAF_UNCHECKED:
        o->attacks_per_s = 0; /* what a faulty E sends is enough */
        o->seed = 170;        /* rare: near one that shows it */
        break;
    case MUTANT_NEW_VIEW_H_NOT_ADOPTED:
        o->only_attack = "old-slots";
        break;
    case MUTANT_ADMISSION_SKIPPED:
        o->only_attack = "forged-bundle";
        break;
    case MUTANT_TIME_FALLS:
        o->only_attack = "time";
        break;
    case MUTANT_VOTES_BY_MESSAGE:
        o->only_attack = "false-witness";
        break;
    case MUTANT_BATCH_NOT_CHECKED:
    case MUTANT_BODY_NOT_CHECKED:
        o->attacks_per_s = 0;
        o->hosts = 4;
        break;
    /* One client: requests of others would be a reason to leave the view, by which all decide once more. */
    case MUTANT_EXECUTION_ON_COMMITS_ALONE:
    case MUTANT_NO_JOINING:
        o->seed = mutant == MUTANT_NO_JOINING ? 1180 : o->seed; /* rare: near one that shows it */
        o->faults = FAULTS_CRASH | FAULTS_NETWORK;
        o->end = mutant == MUTANT_NO_JOINING ? END_CRASH_OVER_COMMIT : END_CRASH;
        o->clients = 1;
        o->fast_reads = 1;
        o->seconds = 5;
        break;
    case MUTANT_PARTING_WITHOUT_CERTIFICATE:
        o->faults = FAULTS_CRASH | FAULTS_NETWORK;
        break;
    case MUTANT_NO_BACK_OFF:
    case MUTANT_NO_RETRANSMISSION:
    case MUTANT_NO_STATE_TRANSFER:
    case MUTANT_SILENT_PEER_KEPT:
        o->faults = FAULTS_CRASH | FAULTS_NETWORK;
        break;
    case MUTANT_SEND_BEFORE_PERSIST:
    case MUTANT_FSYNC_ERROR_IGNORED:
        o->faults = FAULTS_STORAGE | FAULTS_NETWORK;
        o->faulty[CELL_P] = o->faulty[CELL_C] = o->faulty[CELL_E] = -1;
        o->attacks_per_s = 0;
        o->seconds = 10;
        o->restless = true;
        break;
    case MUTANT_SAVED_UNHELD:
        o->faults = FAULTS_STORAGE;
        o->seconds = 20;
        break;
    case MUTANT_DAMAGE_TAKEN_FOR_END:
        o->faults = FAULTS_STORAGE | FAULTS_NETWORK;
        o->faulty[CELL_P] = o->faulty[CELL_C] = o->faulty[CELL_E] = -1;
        o->attacks_per_s = 0;
        o->seconds = 10;
        o->rot_everywhere = true;
        break;
    case MUTANT_RETIRED_KEYS_FORGOTTEN:
        o->faults = FAULTS_STORAGE | FAULTS_NETWORK;
        o->seconds = 10;
        break;
    case MUTANT_SEALED_KEY_VOTES:
    case MUTANT_ACTIVATION_WITHOUT_L:
    case MUTANT_CONFIGURATION_IGNORED:
    case MUTANT_OLD_EPOCH_VIEW_CHANGE:
    case MUTANT_REPLY_BEFORE_ACTIVATION:
    case MUTANT_MORE_THAN_F_PENDING:
        o->faults = FAULTS_RESTART | FAULTS_NETWORK | FAULTS_BYZANTINE;
        o->faulty[CELL_P] = o->faulty[CELL_C] = o->faulty[CELL_E] = 0;
        o->hosts = 4;
        o->attacks_per_s = 0;
        o->restless = mutant == MUTANT_SEALED_KEY_VOTES || mutant == MUTANT_OLD_EPOCH_VIEW_CHANGE ||
                      mutant == MUTANT_CONFIGURATION_IGNORED;
        o->replaces = 0;
        o->evil_launchers = mutant == MUTANT_MORE_THAN_F_PENDING;
        o->seed = mutant == MUTANT_CONFIGURATION_IGNORED   ? 75 /* rare: near one that shows it */
                  : mutant == MUTANT_OLD_EPOCH_VIEW_CHANGE ? 100
                                                           : o->seed;
        break;
    case MUTANT_DEAD_KEYS_INSTALLED:
    case MUTANT_LEARNER_COUNTS:
    case MUTANT_LEARNER_WRITES:
    case MUTANT_CHAIN_NOT_KEPT:
        o->faults = FAULTS_STORAGE | FAULTS_RESTART | FAULTS_NETWORK;
        o->seconds = 20;
        break;
    case MUTANT_CLOSE_IGNORED:
    case MUTANT_CLOSED_ELSEWHERE:
        o->faults = FAULTS_STORAGE | FAULTS_NETWORK;
        o->faulty[CELL_P] = o->faulty[CELL_C] = o->faulty[CELL_E] = -1;
        o->attacks_per_s = 0;
        o->resizes = 1;
        break;
    case MUTANT_VERSIONS_FORGOTTEN:
    case MUTANT_BROAD_WRITES_SPARE_CELLS:
    case MUTANT_KEPT_WITHOUT_VOTE:
    case MUTANT_WRITE_QUORUM_ONE_SHORT:
    case MUTANT_NONCE_REUSED:
    case MUTANT_ATTESTOR_COUNTED_TWICE:
    case MUTANT_READ_QUORUM_ONE_SHORT:
    case MUTANT_ATTESTED_BEFORE:
    case MUTANT_TWO_BUNDLES_OF_ONE:
    case MUTANT_WRITES_SPARE_THE_WHOLE:
    case MUTANT_VOLATILE_KEPT:
    case MUTANT_FIRST_CELL_ALONE:
    case MUTANT_ANSWERS_BEHIND_KEPT:
    case MUTANT_VERSION_NOT_VOTED:
        o->troxies = 1;
        o->plots =
            mutant == MUTANT_KEPT_WITHOUT_VOTE || mutant == MUTANT_VERSION_NOT_VOTED; /* for the lies */
        o->attacks_per_s = 0;
        o->hosts = 4;
        o->clients = 1;
        break;
    case MUTANT_FLOORS_FORGOTTEN:
    case MUTANT_FLOORS_WITHOUT_INDEX:
    case MUTANT_GAP_RAISES_NOTHING:
    case MUTANT_CERTIFIED_BEFORE_RAISING:
    case MUTANT_HEADS_NOT_COMPARED:
    case MUTANT_CERTIFICATE_OF_ANOTHER:
    case MUTANT_REPLIES_UNCERTIFIED:
    case MUTANT_WITNESS_OF_ANOTHER_LIFE:
        o->protocol = PROTOCOL_HYBSTER;
        o->faults = FAULTS_NETWORK | FAULTS_BYZANTINE;
        o->tolerated = o->faulty_replicas = 1;
        o->troxies = o->fast_reads = 1;
        o->attacks_per_s = 0;
        o->clients = 1;
        if (mutant == MUTANT_HEADS_NOT_COMPARED) {
            o->only_attack = "pretend";
            o->seed = 20; /* near one that shows it */
        }
        if (mutant == MUTANT_WITNESS_OF_ANOTHER_LIFE)
            o->only_attack = "another-life";
        break;
    case MUTANT_SOUND_READ_ONE_SHORT:
        o->protocol = PROTOCOL_HYBSTER;
        o->faults = FAULTS_NETWORK | FAULTS_BYZANTINE;
        o->tolerated = o->faulty_replicas = 1;
        o->service = SERVICE_KV;
        o->reads = REDOUBT_READ_SOUND;
        break;
    case MUTANT_HYBSTER_QUORUM_AT_F:
    case MUTANT_HYBSTER_GAP:
    case MUTANT_HYBSTER_CHECKPOINT_UNCHECKED:
    case MUTANT_HYBSTER_MIXED_FROM:
    case MUTANT_HYBSTER_ACT_IGNORED:
    case MUTANT_HYBSTER_CORE_NOT_SHOWN:
    case MUTANT_HYBSTER_CORE_NOT_CHECKED:
    case MUTANT_HYBSTER_LIFE_IGNORED:
    case MUTANT_HYBSTER_ADMISSION_ON_CORE:
    case MUTANT_HYBSTER_PILLAR_PART_MISSING:
    case MUTANT_HYBSTER_PILLAR_GAP:
        o->protocol = PROTOCOL_HYBSTER;
        if (mutant == MUTANT_HYBSTER_ADMISSION_ON_CORE)
            o->only_attack = "impose";
        if (mutant == MUTANT_HYBSTER_LIFE_IGNORED)
            o->only_attack = "roll-back";
        if (mutant == MUTANT_HYBSTER_PILLAR_PART_MISSING || mutant == MUTANT_HYBSTER_PILLAR_GAP) {
            o->pillars = 2;
            o->only_attack = mutant == MUTANT_HYBSTER_PILLAR_GAP ? "forget-slot" : "forget-pillar";
        }
        o->faults = FAULTS_NETWORK | FAULTS_BYZANTINE;
        o->tolerated = o->faulty_replicas = 1;
        o->seed = mutant == MUTANT_HYBSTER_MIXED_FROM             ? 4010 /* rare: near one that shows it */
                  : mutant == MUTANT_HYBSTER_CORE_NOT_CHECKED     ? 1000
                  : mutant == MUTANT_HYBSTER_CORE_NOT_SHOWN       ? 100
                  : mutant == MUTANT_HYBSTER_PILLAR_PART_MISSING  ? 15
                  : mutant == MUTANT_HYBSTER_PILLAR_GAP           ? 20
                  : mutant == MUTANT_HYBSTER_CHECKPOINT_UNCHECKED ? 45
                                                                  : o->seed;
        break;
    case MUTANT_HYBSTER_FRESH_IN_OLD_VIEWS:
    case MUTANT_HYBSTER_OLD_COUNTS_ON:
    case MUTANT_HYBSTER_FRESH_TOO_EARLY:
        o->protocol = PROTOCOL_HYBSTER;
        o->faults = FAULTS_RESTART | FAULTS_NETWORK | FAULTS_BYZANTINE;
        o->tolerated = 1;
        o->faulty_replicas = 0; /* but for clones of those that restart */
        o->faulty[CELL_P] = o->faulty[CELL_C] = o->faulty[CELL_E] = 0;
        o->attacks_per_s = 0;
        o->restless = true;
        o->replaces = 0;
        break;
    case MUTANT_ANY_NUMBER_COUNTS:
        o->faults = FAULTS_RESTART | FAULTS_BYZANTINE;
        o->faulty[CELL_P] = o->faulty[CELL_C] = 0;
        o->troxies = o->plots = 1;
        o->attacks_per_s = 0;
        o->hosts = 4;
        o->clients = 1;
        o->replaces = 0;
        o->restless = true;
        break;
    case MUTANT_KEPT_OVER_NUMBERS: /* by Troxies that outlive a loss of power */
    case MUTANT_LEARNED_OVER_NUMBERS:
        o->faults = FAULTS_STORAGE | FAULTS_NETWORK | FAULTS_BYZANTINE;
        o->faulty[CELL_P] = o->faulty[CELL_C] = o->faulty[CELL_E] = 0;
        o->troxies = o->plots = 1;
        o->attacks_per_s = 0;
        o->hosts = 4;
        o->clients = 1;
        o->restless = true;
        o->seed = mutant == MUTANT_KEPT_OVER_NUMBERS ? 37 : 23; /* near one that shows it */
        break;
    case MUTANT_SKETCH_NOT_COMPARED: /* whoever lags or lies is a reason for what is stale */
        o->faults = FAULTS_NETWORK;
        o->faulty[CELL_P] = o->faulty[CELL_C] = o->faulty[CELL_E] = 0;
        o->hosts = 0;
        o->attacks_per_s = 0;
        o->fast_reads = o->troxies = 1;
        o->prophecy = true;
        o->seconds = 5;
        break;
    case MUTANT_OLD_PLATFORM_KEY:
        o->faults = FAULTS_RESTART;
        o->replaces = 1;
        o->attacks_per_s = 0;
        break;
    case MUTANT_IDLE_NEVER_ACTIVATES:
        o->faults = FAULTS_RESTART;
        o->tolerated = 1;
        o->clients = 1;
        o->idle = true;
        break;
    default:
        if (safety)
            o->only_attack = "two-faces";
        break;
    }
}

bool sim_control(const struct sim_options *options, uint64_t seed, struct sim_result *failing)
{
    struct sim_options o = *options;
    struct sim_result control;
    o.seed = seed;
    o.mutant = MUTANT_NONE;
    o.trace = NULL; /* the trace asked for is that of the mutant */
    world_run(&o, &control);
    if (!control.violation && !control.stuck)
        return true;
    *failing = control;
    return false;
}

enum sim_search sim_find_mutant(enum mutant mutant, const struct sim_options *given, bool given_seed,
                                struct sim_totals *totals, struct sim_result *failing)
{
    struct sim_options o;
    sim_options_init(&o);
    aim(&o, mutant);
    o.trace = given->trace;
    if (given_seed)
        o.seed = given->seed;
    sim_run_many(&o, 100000, 2, 55, totals, failing);
    if (!totals->failed || !(sim_mutant_is_safety(mutant) ? failing->violation : failing->stuck))
        return SEARCH_NOT_FOUND;
    return sim_control(&o, totals->failing_seed, failing) ? SEARCH_FOUND : SEARCH_UNMUTATED;
}
