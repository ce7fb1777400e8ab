/*
 * One command a line; `#` begins a comment; a line of `---` ends the story (what follows is the expected trace).
 *
 *   protocol splitbft|pbft|hybster | seed N | clients N | faulty P|C|E R | until MILLISECONDS | troxies
 *   reads sound|published: how clients read
 *   at T ms COMMAND:  put C KEY VALUE, get C KEY, add C KEY N   operations of client C on keys a to l
 *                     sput S KEY VALUE, sget S KEY: of stock client S, which is connected to the Troxy of replica S
 *                     kill R, restart R, cut R, lag R (from replicas, not from clients), heal, bad-macs C R, equivocate R, attack NAME
 */
#include "scenario.h"

#include "kv/kv_codec.h"
#include "report.h"
#include "takeover.h"

#define LINES_MAX 200u

struct line {
    uint64_t at_us;
    char word[5][64];
    int words;
};

static struct story {
    struct sim_options options;
    struct line line[LINES_MAX];
    uint32_t lines;
    uint64_t until_us;
    uint32_t faulty[CELLS];
    uint32_t equivocator;
} story;

/* ------------------------------------------------------------------------------------------------ reading */

static bool set_faulty(const char *kind, const char *replica)
{
    static const char kinds[] = "PCE";
    const char *at = strchr(kinds, kind[0]);
    uint32_t r = (uint32_t)strtoul(replica, NULL, 10);
    if (!at || !kind[0] || kind[1] || r >= REPLICAS_MAX)
        return false;
    story.faulty[at - kinds] |= 1u << r;
    return true;
}

static bool read_head(const char *word, const char *a, const char *b)
{
    if (strcmp(word, "protocol") == 0) {
        story.options.protocol = strcmp(a, "hybster") == 0 ? PROTOCOL_HYBSTER
                                 : strcmp(a, "pbft") == 0  ? PROTOCOL_PBFT
                                                           : PROTOCOL_SPLITBFT;
        story.options.fast_reads = story.options.protocol != PROTOCOL_HYBSTER;
    } else if (strcmp(word, "seed") == 0)
        story.options.seed = strtoull(a, NULL, 10);
    else if (strcmp(word, "clients") == 0)
        story.options.clients = (int)strtoul(a, NULL, 10);
    else if (strcmp(word, "until") == 0)
        story.until_us = strtoull(a, NULL, 10) * 1000;
    else if (strcmp(word, "troxies") == 0)
        story.options.troxies = 1;
    else if (strcmp(word, "reads") == 0)
        story.options.reads = strcmp(a, "sound") == 0 ? REDOUBT_READ_SOUND : REDOUBT_READ_PUBLISHED;
    else if (strcmp(word, "faulty") == 0)
        return set_faulty(a, b);
    else
        return false;
    return true;
}

static bool read_line(const char *text)
{
    char word[7][64] = {{0}};
    int words = sscanf(text, "%63s %63s %63s %63s %63s %63s %63s", word[0], word[1], word[2], word[3],
                       word[4], word[5], word[6]);
    if (words <= 0 || word[0][0] == '#')
        return true;
    if (strcmp(word[0], "at") != 0)
        return read_head(word[0], word[1], word[2]);
    if (words < 4 || strcmp(word[2], "ms") != 0 || story.lines == LINES_MAX)
        return false;
    struct line *line = &story.line[story.lines++];
    line->at_us = strtoull(word[1], NULL, 10) * 1000;
    line->words = words - 3;
    memcpy(line->word, word[3], 4 * sizeof word[3]);
    return true;
}

static bool read_story(const char *path)
{
    char text[256];
    unsigned number = 0;
    FILE *file = fopen(path, "r");
    if (!file) {
        fprintf(stderr, "redoubt: %s: cannot be read\n", path);
        return false;
    }
    bool good = true;
    while (good && fgets(text, sizeof text, file) && strncmp(text, "---", 3) != 0) {
        number++;
        good = read_line(text);
    }
    fclose(file);
    if (!good)
        fprintf(stderr, "redoubt: %s:%u: not a command of scenarios\n", path, number);
    return good;
}

/* ------------------------------------------------------------------------------------------------ doing */

static void request(struct world *w, uint32_t client, const char *verb, const char *key, const char *value)
{
    uint8_t bytes[OP_BYTES_MAX];
    size_t len = 0;
    if (strcmp(verb, "put") == 0)
        len = kv_put_encode(bytes, sizeof bytes, key, 1, value, strlen(value));
    else if (strcmp(verb, "get") == 0)
        len = kv_get_encode(bytes, sizeof bytes, key, 1);
    else
        len = kv_increment_encode(bytes, sizeof bytes, key, 1, strtoll(value, NULL, 10));
    CHECK(len > 0 && client < w->clients);
    if (w->read_mode != REDOUBT_READ_ORDERED && strcmp(verb, "get") == 0)
        world_story(w, "client %u: reads %s", client, key);
    else
        world_story(w, "client %u: operation %llu is %s %s %s", client, (unsigned long long)w->ledger.ops + 1,
                    verb, key, value);
    client_submit(w, client, bytes, len, UINT64_MAX);
}

static void stock_request(struct world *w, uint32_t stock, bool put, const char *key, const char *value)
{
    uint8_t bytes[OP_BYTES_MAX];
    size_t len = put ? kv_put_encode(bytes, sizeof bytes, key, 1, value, strlen(value))
                     : kv_get_encode(bytes, sizeof bytes, key, 1);
    CHECK(len > 0 && w->troxies && stock < w->stocks);
    world_story(w, "stock %u: %s %s %s", stock, put ? "put" : "get", key, value);
    troxy_submit(w, stock, bytes, len);
}

static bool hold_all(struct takeover *t, const struct item *item, replica_id to, uint32_t cell)
{
    (void)t;
    (void)to;
    (void)cell;
    return item->forged;
}

/* The primary of the current view shows one batch to half of the replicas and another to the rest. */
static void equivocate(struct takeover *t)
{
    replica_id r = story.equivocator;
    t->view = takeover_p(t, r)->view;
    t->slot = takeover_e(t, (r + 1) % t->w->n)->executed + 1;
    forge_batches(t);
    for (uint32_t i = 0; i < 2; i++) {
        uint64_t to = 0;
        for (replica_id k = 0; k < t->w->n; k++)
            if (k != r && (k % 2 == i))
                to |= takeover_bit(k, CELL_P) | takeover_bit(k, CELL_C);
        forge_vote(t, r, CELL_P, FRAME_PRE_PREPARE, t->view, t->slot, &t->batch[i], t->list[i], to);
    }
    /* And once more, the other way round. */
    forge_vote(t, r, CELL_P, FRAME_PRE_PREPARE, t->view, t->slot, &t->batch[0], t->list[0],
               takeover_bit((r + 1) % t->w->n, CELL_P));
    forge_vote(t, r, CELL_P, FRAME_PRE_PREPARE, t->view, t->slot, &t->batch[1], t->list[1],
               takeover_bit((r + 1) % t->w->n, CELL_P));
    takeover_settle(t, hold_all);
    for (uint32_t i = 0; i < t->items; i++)
        t->item[i].to = 0; /* the rest goes by the network */
}

static void lag(struct world *w, uint32_t r)
{
    for (replica_id k = 0; k < w->n; k++)
        w->link[r][k].cut = w->link[k][r].cut = k != r;
}

static void cut_off(struct world *w, uint32_t r)
{
    lag(w, r);
    for (uint32_t c = 0; c < w->clients; c++)
        w->client[c].cut[r] = true;
}

static void heal(struct world *w)
{
    network_heal(w);
    for (uint32_t c = 0; c < w->clients; c++)
        memset(w->client[c].cut, 0, sizeof w->client[c].cut);
}

static void act(struct world *w, uint32_t number)
{
    struct line *line = &story.line[number];
    uint32_t a = (uint32_t)strtoul(line->word[1], NULL, 10), b = (uint32_t)strtoul(line->word[2], NULL, 10);
    const char *verb = line->word[0];
    if (strcmp(verb, "put") == 0 || strcmp(verb, "get") == 0 || strcmp(verb, "add") == 0) {
        request(w, a, verb, line->word[2], line->word[3]);
        return;
    }
    if (strcmp(verb, "sput") == 0 || strcmp(verb, "sget") == 0) {
        stock_request(w, a, verb[1] == 'p', line->word[2], line->word[3]);
        return;
    }
    world_story(w, "-- %s %s %s", verb, line->word[1], line->word[2]);
    if (strcmp(verb, "kill") == 0 && a < w->n)
        w->replica[a].crashed = true;
    else if (strcmp(verb, "restart") == 0 && a < w->n)
        rejoin_kill(w, a, 50000, false);
    else if (strcmp(verb, "cut") == 0 && a < w->n)
        cut_off(w, a);
    else if (strcmp(verb, "lag") == 0 && a < w->n)
        lag(w, a);
    else if (strcmp(verb, "heal") == 0)
        heal(w);
    else if (strcmp(verb, "bad-macs") == 0 && a < w->clients && b < w->n)
        w->client[a].bad_macs |= 1u << b;
    else if (strcmp(verb, "equivocate") == 0 && a < w->n && world_is_faulty(w, a, CELL_P)) {
        story.equivocator = a;
        takeover_with(w, equivocate, "equivocate");
    } else if (strcmp(verb, "attack") == 0) {
        w->options.only_attack = line->word[1];
        takeover_run(w);
    } else {
        world_violation(w, "the scenario's line \"%s\" cannot be carried out", verb);
    }
}

static bool play(struct world *w, struct sim_result *result)
{
    if (!world_open(w, &story.options, result))
        return false;
    w->on_script = act;
    w->heal_at_us = w->end_at_us = UINT64_MAX / 2;
    for (uint32_t k = 0; k < CELLS; k++)
        for (replica_id r = 0; r < w->n; r++)
            w->replica[r].cell[k].faulty = story.faulty[k] >> r & 1;
    for (uint32_t i = 0; i < story.lines; i++)
        world_later(w, story.line[i].at_us, DUE_SCRIPT, i, 0, 0, NULL);
    return world_advance(w, 1000000 + story.until_us);
}

bool scenario_run(const char *path, FILE *out)
{
    static struct world world;
    struct sim_result result = {0};
    memset(&story, 0, sizeof story);
    sim_options_init(&story.options);
    story.options.plain_network = true;
    story.options.faults = FAULTS_BYZANTINE;
    story.options.faulty[CELL_P] = story.options.faulty[CELL_C] = story.options.faulty[CELL_E] = 0;
    story.options.faulty_replicas = 0;
    story.options.hosts = 0;
    story.options.tolerated = 1;
    story.options.service = SERVICE_KV;
    story.options.fast_reads = 1;
    story.options.clients = 1;
    story.options.troxies = 0;
    story.options.attacks_per_s = 0;
    story.options.seconds = 1;
    story.options.story = out;
    story.until_us = 1000000;
    if (!read_story(path))
        return false;
    bool good = play(&world, &result);
    uint64_t open_requests = world.ledger.must_finish;
    world.options.story = NULL;
    world_close(&world);
    fprintf(out, "%s: %llu operations committed, %llu open\n", good ? "end" : "violation",
            (unsigned long long)result.ops, (unsigned long long)open_requests);
    return good;
}
