#include "orderers.h"

#include <stdlib.h>
#include <sys/mman.h>

static struct member member_of[7][MEMBER_KINDS];
static uint8_t start_bytes[96 * 1024];
static size_t start_len;

static void *map(size_t bytes)
{
    void *memory =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(memory != MAP_FAILED);
    return memory;
}

static void take_hello(struct orderers *o, replica_id r, enum kind kind)
{
    struct slice bytes;
    struct frame frame;
    struct hello hello;
    size_t at = 0;
    CHECK(outbox_next(&o->at[r].out, &at, &bytes) && frame_decode(bytes.data, bytes.len, &frame) &&
          hello_decode(frame.body, &hello));
    member_of[r][member_row(kind)] = (struct member){.replica = r,
                                                     .kind = kind,
                                                     .epoch = frame.sender.epoch,
                                                     .sign_public = hello.sign_public,
                                                     .box_public = hello.box_public};
    o->at[r].out.len = 0;
}

static void begin_cells(struct orderers *o, replica_id r)
{
    struct compartment_config config = {.replica = r, .epoch = o->at[r].epoch, .one_domain = true};
    memcpy(config.admin_public, o->admin.public, 32);
    memset(config.domain_seed, 11 + (int)r + 10 * (int)config.epoch, sizeof config.domain_seed);
    for (int k = 0; k < 2; k++) {
        o->at[r].type[k] = k ? &counter_type : &orderer_type;
        config.kind = o->at[r].type[k]->kind;
        o->at[r].memory[k] = map(o->at[r].type[k]->arena_bytes);
        arena_init(&o->at[r].arena[k], o->at[r].memory[k], o->at[r].type[k]->arena_bytes);
        o->at[r].state[k] = o->at[r].type[k]->init(&o->at[r].arena[k], &config, &o->at[r].out);
        take_hello(o, r, config.kind);
    }
    struct member *host = &member_of[r][0], *execution = &member_of[r][member_row(KIND_EXECUTION)];
    *execution = *host = member_of[r][member_row(KIND_PREPARATION)];
    execution->kind = KIND_EXECUTION;
    host->kind = KIND_HOST;
}

static size_t sign(struct orderers *o, enum frame_type type, struct slice body, uint8_t *out, size_t cap)
{
    struct frame frame = {.type = type, .sender = {KIND_ADMIN, 0, 0}, .body = body};
    struct digest content;
    uint8_t signature[SIGNATURE_BYTES];
    configuration_content(&frame, &content);
    content_sign(&o->admin, &content, signature);
    return frame_encode(out, cap, type, &frame.sender, AUTH_SIGNATURE, body,
                        (struct slice){signature, sizeof signature}, (struct slice){NULL, 0});
}

static size_t make_start(struct orderers *o, uint8_t *out, size_t cap)
{
    static uint8_t members[7 * MEMBER_KINDS * member_BYTES], platforms[7 * platform_BYTES], body[64 * 1024];
    struct writer mw = writer_to(members, sizeof members), bw = writer_to(body, sizeof body);
    struct writer pw = writer_to(platforms, sizeof platforms);
    for (replica_id r = 0; r < o->n; r++) {
        platform_put(&pw, &(struct platform){.replica = r, .public = {{(uint8_t)r}}});
        for (int k = 0; k < MEMBER_KINDS; k++)
            member_put(&mw, &member_of[r][k]);
    }
    struct start start = {.cluster = o->cluster,
                          .protocol = PROTOCOL_HYBSTER,
                          .pillars = (uint8_t)o->pillars,
                          .faults = (uint16_t)faults_with(PROTOCOL_HYBSTER, o->n),
                          .configuration = 1,
                          .replicas = o->n,
                          .write_quorum = faults_with(PROTOCOL_HYBSTER, o->n) + 1,
                          .view_timeout_us = 1000000,
                          .members = {members, mw.len},
                          .platforms = {platforms, pw.len}};
    start_put(&bw, &start);
    CHECK(!mw.bad && !bw.bad);
    return sign(o, FRAME_START, (struct slice){body, bw.len}, out, cap);
}

static size_t make_key(struct orderers *o, replica_id r, uint8_t *out, size_t cap)
{
    const struct member *n = &member_of[r][member_row(KIND_COUNTER)];
    struct counter_key key = {.cluster = o->cluster,
                              .replica = r,
                              .epoch = n->epoch,
                              .box_public = n->box_public,
                              .pillars = o->pillars};
    uint8_t sealed[32 + SEAL_BYTES], body[256];
    struct writer bw = writer_to(body, sizeof body);
    box_seal(sealed, n->box_public.bytes, o->group, sizeof o->group);
    memcpy(key.half0.bytes, sealed, 32);
    memcpy(key.half1.bytes, sealed + 32, 32);
    memcpy(key.tail.bytes, sealed + 64, 16);
    counter_key_put(&bw, &key);
    return sign(o, FRAME_COUNTER_KEY, (struct slice){body, bw.len}, out, cap);
}

static enum verdict step(struct orderers *o, replica_id r, int k, struct slice frame)
{
    struct compartment_input in = {.frame = frame.data, .len = frame.len, .now_us = o->now_us};
    enum verdict verdict = o->at[r].type[k]->step(o->at[r].state[k], &in, &o->at[r].out);
    o->at[r].type[k]->validate(o->at[r].state[k]);
    return verdict;
}

static void note(struct orderers *o, replica_id r, const struct frame *frame)
{
    struct hybster_committed committed;
    if (frame->type == FRAME_HYBSTER_COMMITTED && hybster_committed_decode(frame->body, &committed)) {
        CHECK(committed.slot < ORDERERS_SLOTS);
        o->at[r].committed[committed.slot] = committed.batch;
    }
}

static void collect(struct orderers *o, replica_id r);

/* N's answer to a call. */
static void ask_counter(struct orderers *o, replica_id r, struct slice call)
{
    uint8_t *copy = malloc(call.len);
    CHECK(copy != NULL);
    memcpy(copy, call.data, call.len);
    o->at[r].out.len = 0;
    CHECK(step(o, r, 1, (struct slice){copy, call.len}) == VERDICT_ACCEPT);
    free(copy);
    size_t at = 0;
    struct slice answer;
    CHECK(outbox_next(&o->at[r].out, &at, &answer));
    uint8_t *said = malloc(answer.len);
    CHECK(said != NULL);
    memcpy(said, answer.data, answer.len);
    o->at[r].out.len = 0;
    (void)orderers_give(o, r, (struct slice){said, answer.len});
    free(said);
}

/* What an orderer left: kept for others, or carried to its counter at once. */
static void collect(struct orderers *o, replica_id r)
{
    struct slice bytes;
    uint8_t *call = NULL;
    size_t call_len = 0;
    for (size_t at = 0; outbox_next(&o->at[r].out, &at, &bytes);) {
        struct orderers_frame *sent = &o->sent[o->frames];
        uint8_t *copy = malloc(bytes.len);
        CHECK(copy != NULL && o->frames < ORDERERS_FRAMES);
        memcpy(copy, bytes.data, bytes.len);
        *sent = (struct orderers_frame){.from = r, .data = copy, .len = bytes.len, .done = 1u << r};
        CHECK(frame_decode(copy, bytes.len, &sent->frame));
        note(o, r, &sent->frame);
        if (sent->frame.type == FRAME_LOCAL_COUNT) {
            CHECK(call == NULL);
            call = copy;
            call_len = bytes.len;
        } else if (sent->frame.type < FRAME_LOCAL_PROPOSE) {
            o->frames++;
        } else {
            free(copy);
        }
    }
    o->at[r].out.len = 0;
    if (call && o->hold >> r & 1) {
        CHECK(o->at[r].held_count < 16);
        o->at[r].held[o->at[r].held_count] = call;
        o->at[r].held_len[o->at[r].held_count++] = call_len;
        return;
    }
    if (call)
        ask_counter(o, r, (struct slice){call, call_len});
    free(call);
}

void orderers_answer(struct orderers *o, replica_id r)
{
    CHECK(o->at[r].held_count > 0);
    uint8_t *call = o->at[r].held[0];
    size_t len = o->at[r].held_len[0];
    o->at[r].held_count--;
    memmove(o->at[r].held, o->at[r].held + 1, o->at[r].held_count * sizeof o->at[r].held[0]);
    memmove(o->at[r].held_len, o->at[r].held_len + 1, o->at[r].held_count * sizeof o->at[r].held_len[0]);
    ask_counter(o, r, (struct slice){call, len});
    free(call);
}

enum verdict orderers_give(struct orderers *o, replica_id r, struct slice frame)
{
    enum verdict verdict = step(o, r, 0, frame);
    (void)o->at[r].type[0]->flush(o->at[r].state[0], o->now_us, &o->at[r].out);
    collect(o, r);
    return verdict;
}

void orderers_run(struct orderers *o)
{
    for (unsigned i = 0; i < o->frames; i++)
        for (replica_id to = 0; to < o->n; to++) {
            struct orderers_frame *sent = &o->sent[i];
            if (sent->done >> to & 1 || (o->down >> to | o->down >> sent->from) & 1)
                continue;
            sent->done |= 1u << to;
            if (!o->drop || !o->drop(sent, to))
                (void)orderers_give(o, to, orderers_slice(sent));
        }
}

/* N gets its key, and the orderer the manifest of the beginning. */
static void begin(struct orderers *o, replica_id r)
{
    static uint8_t bytes[1024];
    size_t len = make_key(o, r, bytes, sizeof bytes);
    CHECK(step(o, r, 1, (struct slice){bytes, len}) == VERDICT_ACCEPT);
    CHECK(orderers_give(o, r, (struct slice){start_bytes, start_len}) == VERDICT_ACCEPT);
}

static void end_cells(struct orderers *o, replica_id r)
{
    for (int k = 0; k < 2; k++)
        munmap(o->at[r].memory[k], o->at[r].type[k]->arena_bytes);
}

struct orderers *orderers_new(uint32_t n)
{
    return orderers_with_pillars(n, 1);
}

struct orderers *orderers_with_pillars(uint32_t n, uint32_t pillars)
{
    struct orderers *o = calloc(1, sizeof *o);
    CHECK(o != NULL && n <= 7);
    o->n = n;
    o->pillars = pillars;
    o->now_us = 1000000;
    sign_keypair(&o->admin);
    crypto_random(o->group, sizeof o->group);
    crypto_random(o->cluster.bytes, sizeof o->cluster.bytes);
    for (replica_id r = 0; r < n; r++) {
        o->at[r].out = (struct outbox){map(OUTBOX_MIN_BYTES * 2), OUTBOX_MIN_BYTES * 2, 0};
        memset(o->at[r].committed, 0xff, sizeof o->at[r].committed);
        o->at[r].epoch = 1;
        begin_cells(o, r);
    }
    start_len = make_start(o, start_bytes, sizeof start_bytes);
    for (replica_id r = 0; r < n; r++)
        begin(o, r);
    return o;
}

void orderers_restart(struct orderers *o, replica_id r)
{
    end_cells(o, r);
    o->at[r].epoch++;
    begin_cells(o, r);
    begin(o, r);
}

/* --- configurations --------------------------------------------------------------------------------------------------- */

static size_t make_reconfig(replica_id r, bool nobodys, uint8_t *out, size_t cap)
{
    uint8_t members[RENEWALS_MAX * renewal_BYTES], no_signature[SIGNATURE_BYTES] = {0};
    struct writer mw = writer_to(members, sizeof members), w = writer_to(out, cap);
    for (int k = 1; k < MEMBER_KINDS; k++) {
        const struct member *m = &member_of[r][k];
        struct renewal renewal = {.kind = m->kind,
                                  .epoch = m->epoch + nobodys,
                                  .sign_public = m->sign_public,
                                  .box_public = m->box_public};
        renewal.box_public.bytes[0] ^= nobodys;
        renewal_put(&mw, &renewal);
    }
    reconfig_put(&w, &(struct reconfig){.configuration = 1,
                                        .replica = r,
                                        .members = {members, mw.len},
                                        .signature = {no_signature, sizeof no_signature}});
    CHECK(!mw.bad && !w.bad);
    return w.len;
}

/* E of a replica says what it came to at a checkpoint. */
static void sign_checkpoint(struct orderers *o, replica_id r, const struct checkpoint *checkpoint,
                            uint8_t signature[SIGNATURE_BYTES])
{
    struct sender self = {KIND_EXECUTION, r, o->at[r].epoch};
    uint8_t body[128];
    struct writer w = writer_to(body, sizeof body);
    struct digest content;
    checkpoint_put(&w, checkpoint);
    auth_content(&o->cluster, FRAME_CHECKPOINT, &self, (struct slice){body, w.len}, &content);
    content_sign(&orderers_at(o, r)->auth.sign, &content, signature);
}

struct slice orderers_configuration(struct orderers *o, replica_id r, bool nobodys)
{
    static uint8_t frame[8192];
    static struct configuration after;
    uint8_t body[2 * RECONFIG_BYTES_MAX], steps[RECONFIG_BYTES_MAX + 64], reconfig[RECONFIG_BYTES_MAX];
    uint8_t signers[7 * signer_BYTES];
    struct writer lw = writer_to(steps, sizeof steps), sw = writer_to(signers, sizeof signers);
    struct writer w = writer_to(body, sizeof body);
    put_u64(&lw, ORDERERS_RECONFIG);
    put_slice(&lw, (struct slice){reconfig, make_reconfig(r, nobodys, reconfig, sizeof reconfig)});
    struct chain chain = {.first = 2,
                          .steps = {steps, lw.len},
                          .slot = CHECKPOINT_INTERVAL,
                          .root = {{1, (uint8_t)CHECKPOINT_INTERVAL}}};
    struct frame start;
    CHECK(frame_decode(start_bytes, start_len, &start) &&
          configuration_load(&after, &start, o->admin.public) == VERDICT_ACCEPT);
    configuration_walk(&after, &chain);
    struct checkpoint checkpoint = {.configuration = 2,
                                    .chain = configuration_step(&after, 2)->chain,
                                    .slot = chain.slot,
                                    .root = chain.root};
    for (replica_id by = 0; by < o->n; by++) {
        struct signer signer = {.replica = by, .epoch = 1, .configuration = 2};
        if (by == r)
            continue;
        sign_checkpoint(o, by, &checkpoint, signer.signature.bytes);
        signer_put(&sw, &signer);
    }
    chain.signers = (struct slice){signers, sw.len};
    chain_put(&w, &chain);
    CHECK(!lw.bad && !sw.bad && !w.bad);
    struct sender self = {.kind = KIND_EXECUTION};
    size_t len = frame_encode(frame, sizeof frame, FRAME_CONFIGURATION, &self, AUTH_NONE,
                              (struct slice){body, w.len}, (struct slice){NULL, 0}, (struct slice){NULL, 0});
    CHECK(len > 0);
    return (struct slice){frame, len};
}

void orderers_free(struct orderers *o)
{
    for (replica_id r = 0; r < o->n; r++) {
        end_cells(o, r);
        munmap(o->at[r].out.data, o->at[r].out.cap);
        for (unsigned i = 0; i < o->at[r].held_count; i++)
            free(o->at[r].held[i]);
    }
    for (unsigned i = 0; i < o->frames; i++)
        free(o->sent[i].data);
    free(o);
}

enum verdict orderers_certify(struct orderers *o, replica_id r, const struct counter_command *command,
                              struct counter_made *made)
{
    uint8_t one[counter_command_BYTES], body[256], bytes[512];
    struct writer c = writer_to(one, sizeof one), w = writer_to(body, sizeof body);
    struct sender self = {KIND_HOST, r, 0};
    struct slice answer;
    struct frame frame;
    struct local_counted counted;
    size_t at = 0;
    counter_command_put(&c, command);
    local_count_put(&w, &(struct local_count){.commands = {one, c.len}});
    size_t len = frame_encode(bytes, sizeof bytes, FRAME_LOCAL_COUNT, &self, AUTH_NONE,
                              (struct slice){body, w.len}, (struct slice){NULL, 0}, (struct slice){NULL, 0});
    CHECK(len > 0 && step(o, r, 1, (struct slice){bytes, len}) == VERDICT_ACCEPT);
    CHECK(outbox_next(&o->at[r].out, &at, &answer) && frame_decode(answer.data, answer.len, &frame) &&
          local_counted_decode(frame.body, &counted) && counter_made_count(counted.made) == 1);
    *made = counter_made_at(counted.made, 0);
    o->at[r].out.len = 0;
    return (enum verdict)made->verdict;
}

/* --- the host's word ------------------------------------------------------------------------------------------------- */

static enum verdict give_local(struct orderers *o, replica_id r, enum frame_type type, struct slice body)
{
    uint8_t bytes[256];
    struct sender self = {KIND_HOST, r, 0};
    size_t len = frame_encode(bytes, sizeof bytes, type, &self, AUTH_NONE, body, (struct slice){NULL, 0},
                              (struct slice){NULL, 0});
    CHECK(len > 0);
    return orderers_give(o, r, (struct slice){bytes, len});
}

enum verdict orderers_propose(struct orderers *o, replica_id r)
{
    uint8_t body[32];
    struct writer w = writer_to(body, sizeof body);
    local_propose_put(&w, &(struct local_propose){.time_us = o->now_us});
    return give_local(o, r, FRAME_LOCAL_PROPOSE, (struct slice){body, w.len});
}

enum verdict orderers_leave(struct orderers *o, replica_id r, view_no view)
{
    uint8_t body[8];
    struct writer w = writer_to(body, sizeof body);
    local_leave_put(&w, &(struct local_leave){.view = view});
    return give_local(o, r, FRAME_LOCAL_LEAVE, (struct slice){body, w.len});
}

void orderers_checkpoint(struct orderers *o, uint32_t by, slot_no slot)
{
    for (replica_id r = 0; r < o->n; r++) {
        const struct configuration *c = &orderers_at(o, r)->configuration;
        struct sender self = {KIND_EXECUTION, r, o->at[r].epoch};
        uint8_t body[128], bytes[512], signature[SIGNATURE_BYTES];
        struct writer w = writer_to(body, sizeof body);
        struct checkpoint checkpoint = {.configuration = configuration_ordered(c),
                                        .chain = configuration_step(c, configuration_ordered(c))->chain,
                                        .slot = slot,
                                        .root = {{1, (uint8_t)slot}}};
        checkpoint_put(&w, &checkpoint);
        sign_checkpoint(o, r, &checkpoint, signature);
        size_t len = frame_encode(bytes, sizeof bytes, FRAME_CHECKPOINT, &self, AUTH_SIGNATURE,
                                  (struct slice){body, w.len}, (struct slice){signature, sizeof signature},
                                  (struct slice){NULL, 0});
        for (replica_id to = 0; by >> r & 1 && to < o->n; to++)
            if (!(o->down >> to & 1))
                (void)orderers_give(o, to, (struct slice){bytes, len});
    }
}

bool orderers_committed(const struct orderers *o, replica_id r, slot_no slot)
{
    static const uint8_t nothing[2] = {0xff, 0xff};
    return memcmp(o->at[r].committed[slot].bytes, nothing, sizeof nothing) != 0;
}

const struct orderers_frame *orderers_last(const struct orderers *o, replica_id from, enum frame_type type)
{
    for (unsigned i = o->frames; i-- > 0;)
        if (o->sent[i].from == from && o->sent[i].frame.type == type)
            return &o->sent[i];
    return NULL;
}
