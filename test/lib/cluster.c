#include "cluster.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../../apps/counter/counter.h"
#include "../../apps/counter/counter_codec.h"

static const struct compartment_type *const types[3] = {&preparation_type, &confirmation_type,
                                                        &execution_type};

/* --- memory of the test ---------------------------------------------------------------------------------------- */

static void *keep(struct cluster *c, size_t bytes)
{
    if (c->scratches == c->scratch_cap) {
        c->scratch_cap = 2 * c->scratch_cap + 64;
        c->scratch = realloc(c->scratch, c->scratch_cap * sizeof *c->scratch);
        CHECK(c->scratch != NULL);
    }
    void *memory = malloc(bytes ? bytes : 1);
    CHECK(memory != NULL);
    return c->scratch[c->scratches++] = memory;
}

size_t cluster_mark(const struct cluster *c)
{
    return c->scratches;
}

void cluster_release(struct cluster *c, size_t mark)
{
    while (c->scratches > mark)
        free(c->scratch[--c->scratches]);
}

struct slice cluster_copy(struct cluster *c, const void *data, size_t len)
{
    uint8_t *copy = keep(c, len);
    if (len)
        memcpy(copy, data, len);
    return (struct slice){copy, len};
}

static uint8_t body_bytes[FRAME_MAX];
static struct writer body_writer;

struct writer *cluster_body_begin(void)
{
    body_writer = writer_to(body_bytes, sizeof body_bytes);
    return &body_writer;
}

struct slice cluster_body_end(struct cluster *c)
{
    CHECK(!body_writer.bad);
    return cluster_copy(c, body_bytes, body_writer.len);
}

/* --- randomness ------------------------------------------------------------------------------------------------ */

static uint64_t fixed_state;

static uint32_t fixed_u32(void)
{
    uint64_t z = (fixed_state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)(z ^ (z >> 31));
}

static void fixed_bytes(void *const out, const size_t len)
{
    uint8_t *to = out;
    for (size_t i = 0; i < len; i++)
        to[i] = (uint8_t)fixed_u32();
}

static const char *fixed_name(void)
{
    return "fixed, for tests";
}

void cluster_random_fixed(uint64_t seed)
{
    static randombytes_implementation fixed = {
        .implementation_name = fixed_name, .random = fixed_u32, .buf = fixed_bytes};
    fixed_state = seed;
    CHECK(randombytes_set_implementation(&fixed) == 0);
}

/* --- compartments ---------------------------------------------------------------------------------------------- */

static struct cell *cell_of(struct cluster *c, enum kind kind, replica_id r)
{
    CHECK(kind >= KIND_PREPARATION && kind <= KIND_EXECUTION && r < c->replicas);
    return &c->cell[r][kind - KIND_PREPARATION];
}

struct preparation *cluster_p(struct cluster *c, replica_id r)
{
    return cell_of(c, KIND_PREPARATION, r)->state;
}

struct confirmation *cluster_c(struct cluster *c, replica_id r)
{
    return cell_of(c, KIND_CONFIRMATION, r)->state;
}

struct execution *cluster_e(struct cluster *c, replica_id r)
{
    return cell_of(c, KIND_EXECUTION, r)->state;
}

struct auth *cluster_auth(struct cluster *c, enum kind kind, replica_id r)
{
    switch (kind) {
    case KIND_PREPARATION:
        return &cluster_p(c, r)->auth;
    case KIND_CONFIRMATION:
        return &cluster_c(c, r)->auth;
    default:
        return &cluster_e(c, r)->auth;
    }
}

static void collect(struct cluster *c, enum kind kind, replica_id r)
{
    struct outbox *out = &cell_of(c, kind, r)->out;
    struct slice bytes;
    for (size_t at = 0; outbox_next(out, &at, &bytes);) {
        if (c->sent_count == c->sent_cap) {
            c->sent_cap = 2 * c->sent_cap + 256;
            c->sent = realloc(c->sent, c->sent_cap * sizeof *c->sent);
            CHECK(c->sent != NULL);
        }
        struct sent *sent = &c->sent[c->sent_count++];
        *sent = (struct sent){.kind = kind, .replica = r, .len = bytes.len, .data = malloc(bytes.len)};
        CHECK(sent->data != NULL);
        memcpy(sent->data, bytes.data, bytes.len);
        CHECK(frame_decode(sent->data, sent->len, &sent->frame));
        if (c->seen)
            c->seen(sent);
    }
    out->len = 0;
}

static enum verdict give(struct cluster *c, enum kind kind, replica_id r, struct slice frame, bool local)
{
    struct cell *cell = cell_of(c, kind, r);
    /* A copy of the exact size, so that a sanitizer sees a read beyond its end. */
    uint8_t *copy = malloc(frame.len ? frame.len : 1);
    CHECK(copy != NULL);
    if (frame.len)
        memcpy(copy, frame.data, frame.len);
    struct compartment_input in = {.frame = copy, .len = frame.len, .local = local, .now_us = c->now_us};
    enum verdict verdict = cell->type->step(cell->state, &in, &cell->out);
    free(copy);
    cell->type->validate(cell->state);
    CHECK(verdict < VERDICT_COUNT);
    collect(c, kind, r);
    return verdict;
}

enum verdict cluster_give(struct cluster *c, enum kind kind, replica_id r, struct slice frame)
{
    return give(c, kind, r, frame, false);
}

enum verdict cluster_give_local(struct cluster *c, enum kind kind, replica_id r, struct slice frame)
{
    return give(c, kind, r, frame, true);
}

/* As a host does when nothing is executed for a while. */
static void finish_checkpoint(struct cluster *c, replica_id r)
{
    uint8_t body[8];
    struct writer w = writer_to(body, sizeof body);
    local_checkpoint_put(&w, &(struct local_checkpoint){.leaves = UINT64_MAX});
    while (cluster_e(c, r)->freeze.active)
        CHECK(cluster_give(c, KIND_EXECUTION, r,
                           cluster_local(c, FRAME_LOCAL_CHECKPOINT, (struct slice){body, w.len},
                                         (struct slice){NULL, 0})) == VERDICT_ACCEPT);
}

void cluster_flush(struct cluster *c, enum kind kind, replica_id r)
{
    struct cell *cell = cell_of(c, kind, r);
    bool more = true;
    for (unsigned i = 0; more && i < 1000000; i++) {
        more = cell->type->flush(cell->state, c->now_us, &cell->out);
        cell->type->validate(cell->state);
        collect(c, kind, r);
    }
    CHECK(!more);
    if (kind == KIND_EXECUTION && !c->no_nudges)
        finish_checkpoint(c, r);
}

static void *fresh_pages(void *at, size_t bytes)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (at ? MAP_FIXED : 0);
    void *memory = mmap(at, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
    CHECK(memory != MAP_FAILED);
    return memory;
}

static bool is_apart(const struct cluster *c, enum kind kind, replica_id r)
{
    return kind == KIND_EXECUTION && c->options.apart >> r & 1;
}

static void cell_apart(struct cluster *c, struct cell *cell)
{
    application_pair_free(cell->pair);
    cell->pair = application_pair_new(c->options.service, SERVICE_BYTES_MIN);
    struct application_link link = application_pair_link(cell->pair);
    application_proxy_use(&link);
    cell->config.service = &application_proxy;
    cell->config.apart = &application_apart;
}

void cluster_reborn(struct cluster *c, enum kind kind, replica_id r)
{
    struct cell *cell = cell_of(c, kind, r);
    struct sign_key sign = cluster_auth(c, kind, r)->sign;
    struct box_key box = cluster_auth(c, kind, r)->box;
    (void)fresh_pages(cell->memory, cell->memory_bytes);
    arena_init(&cell->arena, cell->memory, cell->memory_bytes);
    if (cell->pair)
        cell_apart(c, cell);
    cell->out.len = 0;
    cell->state = cell->type->init(&cell->arena, &cell->config, &cell->out);
    cell->out.len = 0;
    cluster_auth(c, kind, r)->sign = sign;
    cluster_auth(c, kind, r)->box = box;
    CHECK(cluster_give(c, kind, r, c->start) == VERDICT_ACCEPT);
}

void cluster_restarted(struct cluster *c, enum kind kind, replica_id r)
{
    struct cell *cell = cell_of(c, kind, r);
    (void)fresh_pages(cell->memory, cell->type->arena_bytes);
    arena_init(&cell->arena, cell->memory, cell->type->arena_bytes);
    cell->out.len = 0;
    cell->config.epoch++;
    cell->state = cell->type->init(&cell->arena, &cell->config, &cell->out);
    collect(c, kind, r);
}

static void cell_init(struct cluster *c, enum kind kind, replica_id r, const uint8_t domain_seed[32])
{
    struct cell *cell = cell_of(c, kind, r);
    cell->type = types[kind - KIND_PREPARATION];
    cell->memory_bytes = cell->type->arena_bytes + (is_apart(c, kind, r) ? PROXY_BYTES : 0);
    cell->memory = fresh_pages(NULL, cell->memory_bytes);
    arena_init(&cell->arena, cell->memory, cell->memory_bytes);
    cell->out = (struct outbox){.cap = 2 * OUTBOX_MIN_BYTES};
    cell->out.data = fresh_pages(NULL, cell->out.cap);
    cell->config = (struct compartment_config){
        .kind = kind,
        .replica = r,
        .epoch = 100 + r,
        .one_domain = c->options.protocol == PROTOCOL_PBFT,
        .durable = c->options.durable,
        .service = c->options.service,
        .service_options = c->options.service_options,
    };
    if (is_apart(c, kind, r))
        cell_apart(c, cell);
    memcpy(cell->config.admin_public, c->admin.public, 32);
    memcpy(cell->config.domain_seed, domain_seed, 32);
    memset(cell->config.sealing_secret, 0x30 + (int)r, sizeof cell->config.sealing_secret);
    cell->state = cell->type->init(&cell->arena, &cell->config, &cell->out);
    cell->type->validate(cell->state);
    collect(c, kind, r);
}

/* --- manifests ------------------------------------------------------------------------------------------------- */

/* Of what a compartment took back; zero when that is nothing. */
static struct digest head_of(struct cluster *c, enum kind kind, replica_id r)
{
    switch (kind) {
    case KIND_PREPARATION:
        return preparation_head(cluster_p(c, r)).head;
    case KIND_CONFIRMATION:
        return confirmation_head(cluster_c(c, r)).head;
    default:
        return execution_head(cluster_e(c, r)).head;
    }
}

static void put_members(struct cluster *c, struct writer *w)
{
    for (replica_id r = 0; r < c->replicas; r++) {
        struct member host = {.replica = r, .kind = KIND_HOST, .epoch = 1};
        memset(host.sign_public.bytes, 0x40 + (int)r, 32);
        memset(host.box_public.bytes, 0x80 + (int)r, 32);
        member_put(w, &host);
        for (enum kind kind = KIND_PREPARATION; kind <= KIND_EXECUTION; kind++) {
            const struct auth *auth = cluster_auth(c, kind, r);
            struct member member = {.replica = r, .kind = kind, .epoch = auth->self.epoch};
            member.head = head_of(c, kind, r);
            memcpy(member.sign_public.bytes, auth->sign.public, 32);
            memcpy(member.box_public.bytes, auth->box.public, 32);
            member_put(w, &member);
        }
    }
}

static uint32_t access_of(origin_id origin)
{
    return origin == ORIGIN_READER ? ACCESS_READ : origin == ORIGIN_NOBODY ? 0 : ACCESS_READ | ACCESS_WRITE;
}

struct start cluster_manifest(struct cluster *c)
{
    static uint8_t bytes[ORIGINS_MAX * origin_entry_BYTES];
    uint32_t f = c->options.faults;
    struct writer w = writer_to(bytes, sizeof bytes);
    put_members(c, &w);
    struct slice members = cluster_copy(c, bytes, w.len);
    w = writer_to(bytes, sizeof bytes);
    for (origin_id i = 0; i < c->options.origins; i++) {
        struct origin_entry entry = {.id = i, .access = access_of(i)};
        memcpy(entry.sign_public.bytes, c->origin[i].auth.sign.public, 32);
        memcpy(entry.box_public.bytes, c->origin[i].auth.box.public, 32);
        origin_entry_put(&w, &entry);
    }
    CHECK(!w.bad);
    struct start start = {
        .cluster = c->id,
        .protocol = (uint8_t)c->options.protocol,
        .fast_reads = !c->options.reads_ordered,
        .pillars = 1,
        .faults = (uint16_t)f,
        .configuration = 1,
        .replicas = c->replicas,
        .write_quorum = c->options.reads_ordered ? f + 1 : quorum_of(c->replicas),
        .read_quorum = c->options.reads_ordered ? 0 : quorum_of(c->replicas),
        .view_timeout_us = 1000000,
        .members = members,
        .origins = cluster_copy(c, bytes, w.len),
    };
    memcpy(start.group_public.bytes, c->group.public, 32);
    return start;
}

static struct slice seal_group(struct cluster *c)
{
    static uint8_t bytes[REPLICAS_MAX * sealed_BYTES];
    struct writer w = writer_to(bytes, sizeof bytes);
    for (replica_id r = 0; r < c->replicas; r++) {
        uint8_t box[32 + SEAL_BYTES];
        struct sealed sealed = {.replica = r};
        box_seal(box, cluster_e(c, r)->auth.box.public, c->group.secret, 32);
        memcpy(sealed.half0.bytes, box, 32);
        memcpy(sealed.half1.bytes, box + 32, 32);
        memcpy(sealed.tail.bytes, box + 64, 16);
        sealed_put(&w, &sealed);
    }
    CHECK(!w.bad);
    return cluster_copy(c, bytes, w.len);
}

struct slice cluster_sign_start(struct cluster *c, const struct start *manifest, const struct sign_key *admin)
{
    static struct auth auth;
    struct sender sender = {.kind = KIND_ADMIN};
    struct slice body = cluster_body(c, start, manifest);
    struct slice sealed = seal_group(c);
    struct frame frame = {.type = FRAME_START, .sender = sender, .body = body};
    struct digest content;
    uint8_t signature[SIGNATURE_BYTES];
    auth.sign = *admin;
    configuration_content(&frame, &content);
    auth_sign_content(&auth, &content, signature);
    size_t max = FRAME_HEADER_BYTES + body.len + sizeof signature + sealed.len;
    uint8_t *to = keep(c, max);
    size_t len = frame_encode(to, max, FRAME_START, &sender, AUTH_SIGNATURE, body,
                              (struct slice){signature, sizeof signature}, sealed);
    CHECK(len == max);
    return (struct slice){to, len};
}

struct start cluster_resumed(struct cluster *c, uint64_t resumed)
{
    static uint8_t steps[CONFIGURATION_STEPS_BYTES], ordered[CONFIGURATION_ORDERED_BYTES];
    static struct configuration founding;
    struct start start = cluster_manifest(c);
    struct writer sw = writer_to(steps, sizeof steps), ow = writer_to(ordered, sizeof ordered);
    struct slice bytes = cluster_sign_start(c, &start, &c->admin);
    struct frame frame;
    if (resumed == 0)
        return start;
    CHECK(frame_decode(bytes.data, bytes.len, &frame) &&
          configuration_load(&founding, &frame, c->admin.public) == VERDICT_ACCEPT);
    configuration_put_ordered(&founding, &sw, &ow);
    start.resumed = resumed;
    start.configuration += resumed;
    start.view = 3 * resumed;
    start.steps = (struct slice){steps, sw.len};
    start.ordered = (struct slice){ordered, ow.len};
    return start;
}

/* --- lifecycle ------------------------------------------------------------------------------------------------- */

static void origin_session(struct cluster *c, struct test_origin *o)
{
    struct secret_key shared;
    box_keypair(&o->session);
    CHECK(box_agree(&shared, &o->session, c->group.public));
    key_derive(&o->content_key, &shared, "redoubt content", c->id.bytes, sizeof c->id.bytes);
}

static void origins_init(struct cluster *c)
{
    c->origin = calloc(c->options.origins, sizeof *c->origin);
    CHECK(c->origin != NULL);
    for (origin_id i = 0; i < c->options.origins; i++) {
        auth_init(&c->origin[i].auth, (struct sender){.kind = KIND_ORIGIN, .id = i, .epoch = 7}, NULL);
        origin_session(c, &c->origin[i]);
    }
}

void cluster_origin_renew(struct cluster *c, origin_id origin, epoch_no epoch)
{
    c->origin[origin].auth.self.epoch = epoch;
    /* Pairwise keys cover the sender's epoch. */
    memset(c->origin[origin].auth.member, 0, sizeof c->origin[origin].auth.member);
    origin_session(c, &c->origin[origin]);
}

static void options_fill(struct cluster_options *o)
{
    if (!o->protocol)
        o->protocol = PROTOCOL_SPLITBFT;
    if (!o->faults)
        o->faults = 1;
    if (!o->origins)
        o->origins = 4;
    if (!o->service)
        o->service = &redoubt_service_counter;
    if (!o->service_options)
        o->service_options = "";
}

static void start_all(struct cluster *c)
{
    struct start manifest = cluster_manifest(c);
    struct frame frame;
    c->start = cluster_sign_start(c, &manifest, &c->admin);
    CHECK(frame_decode(c->start.data, c->start.len, &frame));
    CHECK(configuration_load(&c->configuration, &frame, c->admin.public) == VERDICT_ACCEPT);
    for (replica_id r = 0; r < c->replicas; r++)
        for (enum kind kind = KIND_PREPARATION; kind <= KIND_EXECUTION; kind++)
            CHECK(cluster_give(c, kind, r, c->start) == VERDICT_ACCEPT);
    for (origin_id i = 0; i < c->options.origins; i++)
        auth_start(&c->origin[i].auth, &c->configuration);
    if (!c->options.durable) /* the first records are wanted */
        cluster_forget(c);
}

struct cluster *cluster_new(const struct cluster_options *options)
{
    struct cluster *c = calloc(1, sizeof *c);
    CHECK(c != NULL && crypto_start() == 0);
    if (options)
        c->options = *options;
    options_fill(&c->options);
    c->replicas = c->options.replicas ? c->options.replicas : 3 * c->options.faults + 1;
    c->now_us = 1700000000000000u;
    crypto_random(c->id.bytes, sizeof c->id.bytes);
    sign_keypair(&c->admin);
    box_keypair(&c->group);
    for (replica_id r = 0; r < c->replicas; r++) {
        uint8_t domain_seed[32];
        crypto_random(domain_seed, sizeof domain_seed);
        for (enum kind kind = KIND_PREPARATION; kind <= KIND_EXECUTION; kind++)
            cell_init(c, kind, r, domain_seed);
    }
    origins_init(c);
    if (!c->options.unstarted)
        start_all(c);
    return c;
}

void cluster_free(struct cluster *c)
{
    cluster_forget(c);
    for (replica_id r = 0; r < c->replicas; r++)
        for (unsigned k = 0; k < 3; k++) {
            munmap(c->cell[r][k].memory, c->cell[r][k].memory_bytes);
            application_pair_free(c->cell[r][k].pair);
            munmap(c->cell[r][k].out.data, c->cell[r][k].out.cap);
        }
    for (size_t i = 0; i < c->bundles; i++) {
        free(c->bundle[i]->data);
        free(c->bundle[i]);
    }
    for (size_t i = 0; i < c->scratches; i++)
        free(c->scratch[i]);
    free(c->scratch);
    free(c->bundle);
    free(c->sent);
    free(c->origin);
    free(c);
}

/* --- what was sent --------------------------------------------------------------------------------------------- */

void cluster_forget(struct cluster *c)
{
    for (size_t i = 0; i < c->sent_count; i++)
        free(c->sent[i].data);
    c->sent_count = 0;
    c->routed = 0;
}

const struct sent *cluster_last(const struct cluster *c, enum kind kind, replica_id r, enum frame_type type)
{
    for (size_t i = c->sent_count; i-- > 0;)
        if (c->sent[i].kind == kind && c->sent[i].replica == r && c->sent[i].frame.type == type)
            return &c->sent[i];
    return NULL;
}

unsigned cluster_count(const struct cluster *c, enum kind kind, replica_id r, enum frame_type type)
{
    unsigned count = 0;
    for (size_t i = 0; i < c->sent_count; i++)
        count += c->sent[i].kind == kind && c->sent[i].replica == r && c->sent[i].frame.type == type;
    return count;
}

/* --- carrying -------------------------------------------------------------------------------------------------- */

/* `index`, since giving may move the array. */
static void carry(struct cluster *c, size_t index, enum kind kind, replica_id r)
{
    const struct sent *sent = &c->sent[index];
    if (c->drop && c->drop(c, sent, kind, r))
        return;
    struct slice bytes = sent_slice(sent);
    (void)give(c, kind, r, bytes, sent->replica == r);
}

static void carry_all(struct cluster *c, size_t index, enum kind kind, bool own)
{
    for (replica_id r = 0; r < c->replicas; r++)
        if (own || r != c->sent[index].replica)
            carry(c, index, kind, r);
}

static replica_id addressee(const struct sent *sent)
{
    if (sent->frame.type == FRAME_EXECUTED)
        return sent->frame.auth.data[1];
    struct reader r = reader_of(sent->frame.body.data, sent->frame.body.len);
    return get_u32(&r);
}

/* E lacks a list or a body. */
static void help(struct cluster *c, size_t index)
{
    struct local_need need;
    replica_id to = c->sent[index].replica;
    CHECK(local_need_decode(c->sent[index].frame.body, &need));
    if (c->no_help)
        return;
    for (size_t i = 0; need.what == FETCH_BUNDLE && i < c->bundles; i++)
        if (digest_equal(&c->bundle[i]->entry.bundle, &need.digest)) {
            (void)cluster_give(c, KIND_EXECUTION, to, test_bundle_slice(c->bundle[i]));
            return;
        }
    for (size_t i = 0; need.what == FETCH_BATCH && i < c->sent_count; i++) {
        struct vote vote;
        const struct frame *frame = &c->sent[i].frame;
        if (frame->type != FRAME_PRE_PREPARE || !vote_decode(frame->body, &vote) || !frame->attachment.len)
            continue;
        if (digest_equal(&vote.batch, &need.digest)) {
            (void)cluster_give(c, KIND_EXECUTION, to, sent_slice(&c->sent[i]));
            return;
        }
    }
}

static void route(struct cluster *c, size_t index)
{
    switch (c->sent[index].frame.type) {
    case FRAME_PRE_PREPARE:
        carry_all(c, index, KIND_PREPARATION, false);
        carry_all(c, index, KIND_CONFIRMATION, true);
        carry_all(c, index, KIND_EXECUTION, true);
        break;
    case FRAME_PREPARE:
    case FRAME_PARTING:
        carry_all(c, index, KIND_CONFIRMATION, true);
        break;
    case FRAME_COMMIT:
        carry_all(c, index, KIND_EXECUTION, true);
        break;
    case FRAME_CHECKPOINT:
        for (enum kind kind = KIND_PREPARATION; kind <= KIND_EXECUTION; kind++)
            carry_all(c, index, kind, true);
        break;
    case FRAME_VIEW_CHANGE:
        carry_all(c, index, KIND_PREPARATION, true);
        break;
    case FRAME_NEW_VIEW:
        carry_all(c, index, KIND_PREPARATION, false);
        carry_all(c, index, KIND_CONFIRMATION, true);
        break;
    case FRAME_EXECUTED:
    case FRAME_ASK_EXECUTED:
    case FRAME_ASK_STATE:
    case FRAME_STATE:
        carry(c, index, KIND_EXECUTION, addressee(&c->sent[index]));
        break;
    case FRAME_LOCAL_NEED:
        help(c, index);
        break;
    default:
        break;
    }
}

void cluster_run(struct cluster *c)
{
    for (unsigned turns = 0;; turns++) {
        CHECK(turns < 100000); /* it comes to rest */
        while (c->routed < c->sent_count)
            route(c, c->routed++);
        for (replica_id r = 0; r < c->replicas; r++)
            for (enum kind kind = KIND_PREPARATION; kind <= KIND_EXECUTION; kind++)
                cluster_flush(c, kind, r);
        if (c->routed == c->sent_count)
            return;
    }
}

/* --- the host's word ------------------------------------------------------------------------------------------- */

struct slice cluster_local(struct cluster *c, enum frame_type type, struct slice body,
                           struct slice attachment)
{
    struct sender host = {.kind = KIND_HOST};
    size_t max = FRAME_HEADER_BYTES + body.len + attachment.len;
    uint8_t *to = keep(c, max);
    CHECK(frame_encode(to, max, type, &host, AUTH_NONE, body, (struct slice){NULL, 0}, attachment) == max);
    return (struct slice){to, max};
}

static struct slice entries_of(struct cluster *c, struct test_bundle *const bundles[], uint32_t count)
{
    uint8_t *bytes = keep(c, (size_t)count * batch_entry_BYTES);
    struct writer w = writer_to(bytes, (size_t)count * batch_entry_BYTES);
    for (uint32_t i = 0; i < count; i++)
        batch_entry_put(&w, &bundles[i]->entry);
    return (struct slice){bytes, w.len};
}

enum verdict cluster_propose(struct cluster *c, replica_id r, struct test_bundle *const bundles[],
                             uint32_t count)
{
    struct local_propose propose = {.time_us = c->now_us, .entries = entries_of(c, bundles, count)};
    struct slice body = cluster_body(c, local_propose, &propose);
    return cluster_give(c, KIND_PREPARATION, r,
                        cluster_local(c, FRAME_LOCAL_PROPOSE, body, (struct slice){NULL, 0}));
}

enum verdict cluster_leave(struct cluster *c, enum kind kind, replica_id r, view_no view)
{
    struct slice body = cluster_body(c, local_leave, &(struct local_leave){.view = view});
    return cluster_give(c, kind, r, cluster_local(c, FRAME_LOCAL_LEAVE, body, (struct slice){NULL, 0}));
}

enum verdict cluster_catch_up(struct cluster *c, replica_id r, replica_id peer, bool state)
{
    struct slice body = cluster_body(
        c, local_catch_up, &(struct local_catch_up){.peer = peer, .state = state, .patience_us = 1000000});
    return cluster_give(c, KIND_EXECUTION, r,
                        cluster_local(c, FRAME_LOCAL_CATCH_UP, body, (struct slice){NULL, 0}));
}

/* --- bundles --------------------------------------------------------------------------------------------------- */

static struct test_bundle *bundle_add(struct cluster *c, struct slice frame)
{
    if (c->bundles == c->bundles_cap) {
        c->bundles_cap = 2 * c->bundles_cap + 64;
        c->bundle = realloc(c->bundle, c->bundles_cap * sizeof *c->bundle);
        CHECK(c->bundle != NULL);
    }
    struct test_bundle *b = calloc(1, sizeof *b);
    struct bundle bundle;
    CHECK(b != NULL);
    b->data = malloc(frame.len);
    b->len = frame.len;
    memcpy(b->data, frame.data, frame.len);
    CHECK(frame_decode(b->data, b->len, &b->frame) && bundle_check(&b->frame, &bundle) == VERDICT_ACCEPT);
    b->entry = (struct batch_entry){
        .origin = b->frame.sender.id, .epoch = b->frame.sender.epoch, .bundle_no = bundle.bundle_no};
    auth_content(&c->id, FRAME_BUNDLE, &b->frame.sender, b->frame.body, &b->entry.bundle);
    return c->bundle[c->bundles++] = b;
}

static struct test_bundle *bundle_authenticate(struct cluster *c, struct test_origin *o, struct slice body,
                                               struct slice attachment, enum form form)
{
    return bundle_add(c, form == FORM_SIGNED ? forge_signed(c, &o->auth, FRAME_BUNDLE, body, attachment)
                                             : forge_macs(c, &o->auth, FRAME_BUNDLE, body, TO_P, attachment));
}

struct test_bundle *cluster_bundle_of(struct cluster *c, struct slice frame)
{
    return bundle_add(c, cluster_copy(c, frame.data, frame.len));
}

struct test_bundle *cluster_bundle(struct cluster *c, origin_id origin, uint64_t bundle_no,
                                   const struct slice *ops, unsigned count, enum form form)
{
    struct test_origin *o = &c->origin[origin];
    uint8_t nonce[12], ad[20];
    size_t len = 0;
    for (unsigned i = 0; i < count; i++)
        len += 4 + ops[i].len;
    uint8_t *plain = keep(c, len + AEAD_TAG_BYTES);
    struct writer w = writer_to(plain, len);
    for (unsigned i = 0; i < count; i++)
        put_slice(&w, ops[i]);
    bundle_nonce(nonce, bundle_no);
    bundle_ad(ad, origin, o->auth.self.epoch, bundle_no);
    aead_seal(plain, &o->content_key, nonce, ad, sizeof ad, plain, len);
    struct slice attachment = {plain, len + AEAD_TAG_BYTES};
    struct bundle bundle = {.bundle_no = bundle_no, .flags = c->bundle_flags};
    memcpy(bundle.session_public.bytes, o->session.public, 32);
    digest_of(&bundle.operations, BUNDLE_OPERATIONS_TAG, attachment.data, attachment.len);
    return bundle_authenticate(c, o, cluster_body(c, bundle, &bundle), attachment, form);
}

struct test_bundle *cluster_bundle_again(struct cluster *c, const struct test_bundle *b, enum form form)
{
    return bundle_authenticate(c, &c->origin[b->entry.origin], b->frame.body, b->frame.attachment, form);
}

struct slice cluster_op_incr(struct cluster *c, uint64_t amount)
{
    uint8_t *op = keep(c, COUNTER_REQUEST_BYTES);
    struct counter_request request = {.opcode = COUNTER_INCR, .amount = amount};
    size_t len = counter_request_encode(op, COUNTER_REQUEST_BYTES, &request);
    CHECK(len > 0);
    return (struct slice){op, len};
}

struct test_bundle *cluster_incr(struct cluster *c, origin_id origin, uint64_t bundle_no, uint64_t amount)
{
    struct slice op = cluster_op_incr(c, amount);
    return cluster_bundle(c, origin, bundle_no, &op, 1, FORM_MACS);
}

struct slice test_bundle_stripped(struct cluster *c, const struct test_bundle *b)
{
    uint8_t *to = keep(c, b->len);
    size_t len = frame_strip(to, b->len, &b->frame);
    CHECK(len > 0);
    return (struct slice){to, len};
}

void cluster_admit(struct cluster *c, const struct test_bundle *b)
{
    struct slice stripped = test_bundle_stripped(c, b);
    for (replica_id r = 0; r < c->replicas; r++)
        CHECK(cluster_give(c, KIND_PREPARATION, r, stripped) == VERDICT_ACCEPT);
}

void cluster_bodies(struct cluster *c, const struct test_bundle *b)
{
    for (replica_id r = 0; r < c->replicas; r++)
        (void)cluster_give(c, KIND_EXECUTION, r, test_bundle_slice(b));
}

void cluster_order(struct cluster *c, struct test_bundle *const bundles[], uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        cluster_admit(c, bundles[i]);
        cluster_bodies(c, bundles[i]);
    }
    CHECK(cluster_propose(c, 0, bundles, count) == VERDICT_ACCEPT);
    cluster_run(c);
}

void cluster_fill(struct cluster *c, slot_no slot)
{
    while (cluster_e(c, 0)->executed < slot) {
        slot_no before = cluster_e(c, 0)->executed;
        cluster_order(c, NULL, 0);
        CHECK(cluster_e(c, 0)->executed == before + 1);
        cluster_forget(c);
    }
}

struct slice cluster_list(struct cluster *c, uint64_t time_us, struct test_bundle *const bundles[],
                          uint32_t count, struct digest *digest)
{
    struct slice entries = entries_of(c, bundles, count);
    uint8_t *list = keep(c, 8 + entries.len);
    struct writer w = writer_to(list, 8 + entries.len);
    put_u64(&w, time_us);
    put_raw(&w, entries.data, entries.len);
    batch_digest(digest, (struct slice){list, w.len});
    return (struct slice){list, w.len};
}

/* --- forging --------------------------------------------------------------------------------------------------- */

static struct outbox *forge_outbox(void)
{
    static uint8_t space[2 * OUTBOX_MIN_BYTES];
    static struct outbox out = {.data = space, .cap = sizeof space};
    out.len = 0;
    return &out;
}

static struct slice forged(struct cluster *c, const struct outbox *out)
{
    size_t at = 0;
    struct slice frame;
    CHECK(outbox_next(out, &at, &frame));
    return cluster_copy(c, frame.data, frame.len);
}

struct slice forge_macs(struct cluster *c, struct auth *as, enum frame_type type, struct slice body,
                        unsigned to, struct slice attachment)
{
    struct outbox *out = forge_outbox();
    auth_emit_macs(as, out, type, body, to, attachment);
    return forged(c, out);
}

struct slice forge_mac(struct cluster *c, struct auth *as, enum frame_type type, struct slice body,
                       enum kind kind, replica_id replica, struct slice attachment)
{
    struct outbox *out = forge_outbox();
    auth_emit_mac(as, out, type, body, kind, replica, attachment);
    return forged(c, out);
}

struct slice forge_signed(struct cluster *c, struct auth *as, enum frame_type type, struct slice body,
                          struct slice attachment)
{
    struct outbox *out = forge_outbox();
    auth_emit_signed(as, out, type, body, attachment);
    return forged(c, out);
}

struct slice forge_plain(struct cluster *c, struct auth *as, enum frame_type type, struct slice body,
                         struct slice attachment)
{
    struct outbox *out = forge_outbox();
    auth_emit_plain(as, out, type, body, attachment);
    return forged(c, out);
}

static enum kind voter(enum frame_type type)
{
    return type == FRAME_COMMIT     ? KIND_CONFIRMATION
           : type == FRAME_EXECUTED ? KIND_EXECUTION
                                    : KIND_PREPARATION;
}

struct slice forge_vote(struct cluster *c, enum frame_type type, replica_id from, struct vote vote,
                        enum kind to, replica_id receiver, struct slice attachment)
{
    if (!vote.configuration)
        vote.configuration = c->configuration.number;
    return forge_mac(c, cluster_auth(c, voter(type), from), type, cluster_body(c, vote, &vote), to, receiver,
                     attachment);
}

struct slice forge_checkpoint(struct cluster *c, replica_id from, slot_no slot, const struct digest *root)
{
    struct checkpoint checkpoint = {.configuration = c->configuration.number,
                                    .chain =
                                        configuration_step(&c->configuration, c->configuration.number)->chain,
                                    .slot = slot,
                                    .root = *root};
    return forge_signed(c, cluster_auth(c, KIND_EXECUTION, from), FRAME_CHECKPOINT,
                        cluster_body(c, checkpoint, &checkpoint), (struct slice){NULL, 0});
}

struct slice forge_signers(struct cluster *c, slot_no slot, const struct digest *root, uint32_t count)
{
    uint8_t list[REPLICAS_MAX * signer_BYTES];
    struct writer w = writer_to(list, sizeof list);
    for (replica_id r = 0; r < count; r++) {
        struct slice bytes = forge_checkpoint(c, r, slot, root);
        struct frame frame;
        CHECK(frame_decode(bytes.data, bytes.len, &frame));
        struct signer signer = {
            .replica = r, .epoch = frame.sender.epoch, .configuration = c->configuration.number};
        memcpy(signer.signature.bytes, frame.auth.data, SIGNATURE_BYTES);
        signer_put(&w, &signer);
    }
    return cluster_copy(c, list, w.len);
}

static struct slice slot_views(struct cluster *c, const struct slot_view *list, uint32_t count)
{
    uint8_t *bytes = keep(c, (size_t)count * slot_view_BYTES);
    struct writer w = writer_to(bytes, (size_t)count * slot_view_BYTES);
    for (uint32_t i = 0; i < count; i++)
        slot_view_put(&w, &list[i]);
    return (struct slice){bytes, w.len};
}

static struct slice frame_list(struct cluster *c, const struct slice *frames, uint32_t count)
{
    size_t len = 0;
    for (uint32_t i = 0; i < count; i++)
        len += 4 + frames[i].len;
    uint8_t *bytes = keep(c, len);
    struct writer w = writer_to(bytes, len);
    for (uint32_t i = 0; i < count; i++)
        put_slice(&w, frames[i]);
    CHECK(!w.bad);
    return (struct slice){bytes, len};
}

static const struct stable_claim beginning;

struct slice forge_parting(struct cluster *c, replica_id from, view_no view,
                           const struct stable_claim *stable, const struct slot_view *votes, uint32_t count)
{
    stable = stable ? stable : &beginning;
    struct parting parting = {
        .configuration = c->configuration.number,
        .view = view,
        .stable_slot = stable->slot,
        .stable_root = stable->root,
        .signers = stable->signers,
        .votes = slot_views(c, votes, count),
    };
    return forge_signed(c, cluster_auth(c, KIND_PREPARATION, from), FRAME_PARTING,
                        cluster_body(c, parting, &parting), (struct slice){NULL, 0});
}

struct slice forge_view_change(struct cluster *c, replica_id from, view_no view,
                               const struct stable_claim *stable, const struct slot_view *claims,
                               uint32_t count, const struct slice *partings, uint32_t parting_count)
{
    stable = stable ? stable : &beginning;
    struct slice attachment = frame_list(c, partings, parting_count);
    struct view_change vc = {
        .configuration = c->configuration.number,
        .view = view,
        .stable_slot = stable->slot,
        .stable_root = stable->root,
        .signers = stable->signers,
        .claims = slot_views(c, claims, count),
    };
    digest_of(&vc.partings, VIEW_CHANGE_PARTINGS_TAG, attachment.data, attachment.len);
    return forge_signed(c, cluster_auth(c, KIND_CONFIRMATION, from), FRAME_VIEW_CHANGE,
                        cluster_body(c, view_change, &vc), attachment);
}

struct slice forge_new_view(struct cluster *c, replica_id from, view_no view, slot_no stable_slot,
                            const struct digest *selected, uint32_t count, const struct slice *view_changes,
                            uint32_t view_change_count)
{
    struct slice attachment = frame_list(c, view_changes, view_change_count);
    struct new_view nv = {
        .configuration = c->configuration.number,
        .view = view,
        .stable_slot = stable_slot,
        .selection = cluster_copy(c, selected, (size_t)count * sizeof *selected),
    };
    digest_of(&nv.view_changes, NEW_VIEW_VIEW_CHANGES_TAG, attachment.data, attachment.len);
    return forge_signed(c, cluster_auth(c, KIND_PREPARATION, from), FRAME_NEW_VIEW,
                        cluster_body(c, new_view, &nv), attachment);
}

struct digest test_digest(unsigned n)
{
    struct digest digest;
    digest_of(&digest, "redoubt test", &n, sizeof n);
    return digest;
}

/* --- replies --------------------------------------------------------------------------------------------------- */

static bool results_read(struct opened_reply *opened, struct slice plain)
{
    struct reader r = reader_of(plain.data, plain.len);
    for (opened->count = 0; reader_left(&r); opened->count++) {
        unsigned status = get_u8(&r);
        unsigned form = get_u8(&r);
        struct slice bytes = get_slice(&r);
        uint64_t version = form & RESULT_VERSION ? get_u64(&r) : 0;
        if (opened->count < sizeof opened->op / sizeof *opened->op) {
            opened->op[opened->count].status = status;
            opened->op[opened->count].form = form;
            opened->op[opened->count].bytes = bytes;
            opened->op[opened->count].version = version;
        }
    }
    return reader_done(&r);
}

bool cluster_reply_open(struct cluster *c, const struct sent *sent, struct opened_reply *opened)
{
    struct secret_key shared, key;
    uint8_t nonce[12], ad[128];
    const struct frame *frame = &sent->frame;
    if (reply_check(frame, &opened->reply) != VERDICT_ACCEPT || opened->reply.origin >= c->options.origins ||
        frame->attachment.len < AEAD_TAG_BYTES)
        return false;
    const struct test_origin *o = &c->origin[opened->reply.origin];
    CHECK(box_agree(&shared, &o->session, cluster_e(c, frame->sender.id)->auth.box.public));
    key_derive(&key, &shared, "redoubt reply", c->id.bytes, sizeof c->id.bytes);
    struct writer a = writer_to(ad, sizeof ad);
    put_u8(&a, (uint8_t)frame->sender.kind);
    put_u32(&a, frame->sender.id);
    put_u64(&a, frame->sender.epoch);
    put_raw(&a, frame->body.data, frame->body.len);
    reply_nonce(nonce, opened->reply.nonce);
    uint8_t *plain = keep(c, frame->attachment.len);
    return aead_open(plain, &key, nonce, ad, a.len, frame->attachment.data, frame->attachment.len) &&
           results_read(opened, (struct slice){plain, frame->attachment.len - AEAD_TAG_BYTES});
}

struct secret_key cluster_attest_key(struct cluster *c, origin_id origin, replica_id replica)
{
    struct secret_key shared, key;
    CHECK(box_agree(&shared, &c->origin[origin].session, cluster_e(c, replica)->auth.box.public));
    key_derive(&key, &shared, "redoubt attest", c->id.bytes, sizeof c->id.bytes);
    return key;
}

uint64_t cluster_counter(struct cluster *c, replica_id r)
{
    const struct sent *sent = cluster_last(c, KIND_EXECUTION, r, FRAME_REPLY);
    struct opened_reply opened;
    struct counter_result result;
    CHECK(sent && cluster_reply_open(c, sent, &opened) && opened.count >= 1);
    CHECK(counter_result_decode(&result, opened.op[0].bytes.data, opened.op[0].bytes.len));
    return result.global;
}
