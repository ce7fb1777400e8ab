/*
 * How the cluster comes to life: every compartment shows its fresh keys in a HELLO, the administrator signs a START that
 * names them all, and every engine is given the configuration.
 */
#include "ordering/hello.h"
#include "world.h"

static struct member member_of[REPLICAS_MAX][MEMBER_KINDS];
static struct box_key group;
static struct tag16 cluster;
static uint8_t counter_group[32];
static uint8_t retired_list[RETIRED_MAX * retired_BYTES];
static size_t retired_len;
static uint8_t steps_list[CONFIGURATION_STEPS_BYTES], ordered_list[CONFIGURATION_ORDERED_BYTES];
static struct writer steps_writer, ordered_writer;
static configuration_no ordered_number;
static view_no highest_view; /* that any head shows */

void founding_hello(struct world *w, replica_id r, uint32_t cell, struct slice bytes)
{
    struct frame frame;
    struct hello hello;
    CHECK(frame_decode(bytes.data, bytes.len, &frame) && frame.type == FRAME_HELLO &&
          hello_decode(frame.body, &hello));
    CHECK(memcmp(hello.admin_public.bytes, w->admin.public, 32) == 0);
    member_of[r][cell + 1] = (struct member){
        .replica = r,
        .kind = cell_kind(w, cell),
        .epoch = frame.sender.epoch,
        .sign_public = hello.sign_public,
        .box_public = hello.box_public,
        .head = hello.head,
    };
    if (hello.view > highest_view)
        highest_view = hello.view;
}

const struct member *founding_member(replica_id r, uint32_t cell)
{
    return &member_of[r][cell + 1];
}

static void host_member(struct world *w, replica_id r)
{
    struct sign_key sign;
    sign_keypair(&sign);
    box_keypair(&w->host_box[r]);
    member_of[r][0] = (struct member){.replica = r, .kind = KIND_HOST, .epoch = w->life};
    static const uint8_t none[32];
    const uint8_t *link = w->replica[r].link_key; /* of another machine */
    memcpy(member_of[r][0].sign_public.bytes, memcmp(link, none, 32) != 0 ? link : sign.public, 32);
    memcpy(member_of[r][0].box_public.bytes, w->host_box[r].public, 32);
}

static void put_members(struct world *w, struct writer *members, struct writer *secrets)
{
    for (replica_id r = 0; r < w->n; r++) {
        uint8_t sealed[32 + SEAL_BYTES];
        struct sealed entry = {.replica = r};
        host_member(w, r);
        for (int k = 0; k < MEMBER_KINDS; k++)
            member_put(members, &member_of[r][k]);
        box_seal(sealed, member_of[r][KIND_EXECUTION - KIND_HOST].box_public.bytes, group.secret, 32);
        memcpy(entry.half0.bytes, sealed, 32);
        memcpy(entry.half1.bytes, sealed + 32, 32);
        memcpy(entry.tail.bytes, sealed + 64, 16);
        sealed_put(secrets, &entry);
    }
}

static void put_origins(struct world *w, struct writer *origins)
{
    for (uint32_t i = 0; i < w->clients; i++) {
        struct origin_entry entry = {.id = w->client[i].number, .access = ACCESS_READ | ACCESS_WRITE};
        memcpy(entry.sign_public.bytes, w->client[i].sign.public, 32);
        memcpy(entry.box_public.bytes, w->client[i].box.public, 32);
        origin_entry_put(origins, &entry);
    }
    for (uint32_t t = 0; w->troxies && t < REPLICAS_MAX; t++) {
        struct origin_entry entry = {.id = w->troxy[t].number, .access = ACCESS_READ | ACCESS_WRITE};
        memcpy(entry.sign_public.bytes, w->troxy[t].sign.public, 32);
        memcpy(entry.box_public.bytes, w->troxy[t].box.public, 32);
        origin_entry_put(origins, &entry);
    }
}

static struct parcel *sign(struct world *w, enum frame_type type, struct slice body, struct slice attachment)
{
    struct frame frame = {
        .type = type, .sender = {KIND_ADMIN, 0, 0}, .auth_kind = AUTH_SIGNATURE, .body = body};
    static uint8_t bytes[128 * 1024];
    struct digest content;
    uint8_t signature[SIGNATURE_BYTES];
    struct auth auth = {.sign = w->admin};
    configuration_content(&frame, &content);
    auth_sign_content(&auth, &content, signature);
    size_t len = frame_encode(bytes, sizeof bytes, type, &frame.sender, AUTH_SIGNATURE, body,
                              (struct slice){signature, sizeof signature}, attachment);
    CHECK(len > 0);
    return parcel_of((struct slice){bytes, len});
}

static void put_ordered(const struct configuration *c)
{
    steps_writer = writer_to(steps_list, sizeof steps_list);
    ordered_writer = writer_to(ordered_list, sizeof ordered_list);
    configuration_put_ordered(c, &steps_writer, &ordered_writer);
    CHECK(!steps_writer.bad && !ordered_writer.bad);
}

/* The members of another size, and no keys of before. */
static void take_size(struct world *w, struct slice members)
{
    uint32_t before = w->configuration.replicas;
    resume_resize(&w->configuration, w->n, members);
    for (replica_id r = before; r < w->n; r++)
        memcpy(w->configuration.ordered[0][r].measurement.bytes, w->platform[r].public, 32);
    put_ordered(&w->configuration);
    retired_len = 0;
    w->closed_life = w->life - 1;
}

struct parcel *founding_counter_key(struct world *w, replica_id r)
{
    const struct member *n = &member_of[r][CELL_N + 1];
    struct counter_key key = {
        .cluster = cluster, .replica = r, .epoch = n->epoch, .box_public = n->box_public, .pillars = 1};
    uint8_t sealed[32 + SEAL_BYTES], body[256];
    struct writer bw = writer_to(body, sizeof body);
    box_seal(sealed, n->box_public.bytes, counter_group, sizeof counter_group);
    memcpy(key.half0.bytes, sealed, 32);
    memcpy(key.half1.bytes, sealed + 32, 32);
    memcpy(key.tail.bytes, sealed + 64, 16);
    counter_key_put(&bw, &key);
    CHECK(!bw.bad);
    return sign(w, FRAME_COUNTER_KEY, (struct slice){body, bw.len}, (struct slice){NULL, 0});
}

void founding_start(struct world *w)
{
    static uint8_t members[MEMBER_KINDS * REPLICAS_MAX * member_BYTES], secrets[REPLICAS_MAX * sealed_BYTES];
    static uint8_t origins[ORIGINS_MAX * origin_entry_BYTES], body[96 * 1024];
    struct writer mw = writer_to(members, sizeof members), sw = writer_to(secrets, sizeof secrets);
    struct writer ow = writer_to(origins, sizeof origins), bw = writer_to(body, sizeof body);
    uint8_t platforms[REPLICAS_MAX * platform_BYTES];
    struct writer pw = writer_to(platforms, sizeof platforms);
    uint8_t certifiers[REPLICAS_MAX * certifier_BYTES];
    struct writer cw = writer_to(certifiers, sizeof certifiers);
    uint32_t quorum = quorum_with(w->options.protocol, w->n);
    for (replica_id r = 0; r < w->n; r++) {
        struct platform platform = {.replica = r};
        if (w->life == 1 || (w->resizing && r >= w->configuration.replicas))
            sign_keypair(&w->platform[r]);
        memcpy(platform.public.bytes, w->platform[r].public, 32);
        if (w->certifies) {
            struct certifier certifier = {.replica = r};
            memcpy(certifier.box_public.bytes, w->witness[r].state->box.public, 32);
            certifier_put(&cw, &certifier);
        } else {
            platform_put(&pw, &platform);
        }
    }
    if (w->life == 1) {
        box_keypair(&group);
        crypto_random(cluster.bytes, sizeof cluster.bytes);
        if (w->hybster) /* so that what the others draw stays as it was */
            crypto_random(counter_group, sizeof counter_group);
        retired_len = 0;
        steps_writer = ordered_writer = writer_to(NULL, 0);
        ordered_number = 1;
    }
    put_members(w, &mw, &sw);
    if (w->resizing)
        take_size(w, (struct slice){members, mw.len});
    put_origins(w, &ow);
    struct start start = {
        .protocol = (uint8_t)w->options.protocol,
        .fast_reads = w->options.fast_reads > 0,
        .faults = (uint16_t)w->f,
        .configuration = ordered_number + w->life - 1,
        .resumed = w->life - 1,
        .view = w->life == 1 ? 0 : highest_view + 1,
        .retired = {retired_list, mutant(MUTANT_RETIRED_KEYS_FORGOTTEN) ? 0 : retired_len},
        .replicas = w->n,
        .write_quorum = w->options.fast_reads > 0 ? quorum : w->f + 1,
        .read_quorum = w->options.fast_reads > 0 ? quorum : 0,
        .view_timeout_us = w->request_timeout_us,
        .members = {members, mw.len},
        .origins = {origins, ow.len},
        .platforms = {platforms, pw.len},
        .steps = {steps_list, steps_writer.len},
        .ordered = {ordered_list, ordered_writer.len},
        .closed_slot = w->closed_slot,
        .closed_root = w->closed_root,
        .closed_life = w->closed_life,
        .troxies = {certifiers, cw.len},
    };
    start.cluster = cluster;
    memcpy(start.group_public.bytes, group.public, 32);
    start_put(&bw, &start);
    CHECK(!mw.bad && !sw.bad && !ow.bad && !bw.bad);
    parcel_drop(w->start);
    w->start = sign(w, FRAME_START, (struct slice){body, bw.len}, (struct slice){secrets, sw.len});
    struct frame frame;
    CHECK(frame_decode(w->start->data, w->start->len, &frame));
    CHECK(configuration_load(&w->configuration, &frame, w->admin.public) == VERDICT_ACCEPT);
    w->known = w->configuration;
}

/* What the START to come goes on from: the last one, and the CONFIGURATIONs on all disks. */
void founding_follow(struct world *w)
{
    bool risen = true;
    highest_view = 0;
    while (risen) {
        risen = false;
        for (replica_id r = 0; r < w->n; r++) {
            const struct writer *chain = &w->replica[r].disk.chain;
            risen = resume_follow(&w->configuration, (struct slice){chain->data, chain->len}) || risen;
        }
    }
    retired_len = resume_retired(&w->configuration, retired_list, sizeof retired_list);
    put_ordered(&w->configuration);
    ordered_number = configuration_ordered(&w->configuration);
}
