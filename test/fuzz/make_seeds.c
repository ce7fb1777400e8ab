/*
 * Writes seeds: make_seeds test/fuzz/seeds. Frames of every type for the message targets, from a cluster that runs
 * through everything that can happen; and for the compartments and the broker inputs that replay it, with a byte changed
 * here and there.
 */
#include <sys/stat.h>

#include "backups.h"
#include "counter_world.h"
#include "need.h"
#include "orderers.h"
#include "recorded.h"

#define SEEDS_PER_TYPE 3u
#define SEED_BYTES_MAX 8192u

static const char *folder;

static void write_seed(const char *target, const char *name, const void *data, size_t len)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, target);
    (void)mkdir(path, 0777);
    snprintf(path, sizeof path, "%s/%s/%s", folder, target, name);
    FILE *file = fopen(path, "wb");
    need(file != NULL && fwrite(data, 1, len, file) == len && fclose(file) == 0);
}

static void noun_of(enum frame_type type, char *out)
{
    const char *name = frame_type_name(type);
    for (; *name; name++)
        *out++ = *name == '-' ? '_' : *name;
    *out = 0;
}

static void write_frame(struct slice bytes)
{
    static unsigned written[256];
    char noun[64], name[80];
    struct frame frame;
    need(frame_decode(bytes.data, bytes.len, &frame));
    if (bytes.len > SEED_BYTES_MAX || written[frame.type & 255] >= SEEDS_PER_TYPE)
        return;
    noun_of(frame.type, noun);
    snprintf(name, sizeof name, "%u", written[frame.type & 255]++);
    write_seed(noun, name, bytes.data, bytes.len);
    if (written[frame.type & 255] == 1)
        write_seed("frame", noun, bytes.data, bytes.len);
}

static void write_replays(const char *target)
{
    uint8_t replay[64];
    for (unsigned frames = 1; frames < 256; frames *= 4) {
        char name[32];
        struct writer w = writer_to(replay, sizeof replay);
        put_u8(&w, 0);
        put_u16(&w, 0);
        put_u8(&w, (uint8_t)frames);
        for (unsigned again = 1; again <= 2; again++) { /* one changed, one changed and authenticated again */
            put_u8(&w, (uint8_t)again);
            put_u16(&w, (uint16_t)frames);
            put_u8(&w, 1);
            put_u16(&w, 40);
            put_u8(&w, 7);
        }
        put_u8(&w, 0);
        put_u16(&w, (uint16_t)(frames + 1));
        put_u8(&w, 200);
        snprintf(name, sizeof name, "replay_%u", frames);
        write_seed(target, name, replay, w.len);
    }
}

/* What only hosts and disks say, which the recorded cluster has none of. */
static void write_local(struct cluster *c)
{
    static const uint8_t record[64] = {1, 2, 3};
    struct slice none = {NULL, 0}, attached = {record, sizeof record};
    struct slice body = cluster_body(c, local_checkpoint, &(struct local_checkpoint){.leaves = 256});
    write_frame(cluster_local(c, FRAME_LOCAL_CHECKPOINT, body, none));
    for (unsigned what = RECALL_RECORD; what <= RECALL_LEAF; what++) {
        body = cluster_body(c, local_recall, &(struct local_recall){.what = (uint8_t)what, .number = what});
        write_frame(cluster_local(c, FRAME_LOCAL_RECALL, body, attached));
    }
    for (uint8_t full = 0; full < 2; full++) {
        body = cluster_body(c, local_sealed, &(struct local_sealed){.full = full, .slot = 16});
        write_frame(cluster_local(c, FRAME_LOCAL_SEALED, body, attached));
    }
    body = cluster_body(c, local_save, &(struct local_save){.number = 1});
    write_frame(cluster_local(c, FRAME_LOCAL_SAVE, body, none));
    body = cluster_body(c, local_saved, &(struct local_saved){.number = 1, .slot = 16, .leaf_count = 1});
    write_frame(cluster_local(c, FRAME_LOCAL_SAVED, body, none));
}

/* Two slots, and a view that is left. */
static void write_hybster(struct cluster *c)
{
    struct slice none = {NULL, 0};
    struct orderers *o = orderers_new(3);
    need(orderers_propose(o, 0) == VERDICT_ACCEPT && orderers_propose(o, 0) == VERDICT_ACCEPT);
    orderers_run(o);
    need(orderers_leave(o, 1, 1) == VERDICT_ACCEPT && orderers_leave(o, 2, 1) == VERDICT_ACCEPT);
    orderers_run(o);
    for (unsigned i = 0; i < o->frames; i++)
        write_frame(orderers_slice(&o->sent[i]));
    orderers_free(o);
    write_frame(cluster_local(c, FRAME_LOCAL_COMMITTED,
                              cluster_body(c, local_committed, &(struct local_committed){.slot = 3}), none));
}

/* Between a host and its Troxy. */
static void write_front(struct cluster *c)
{
    struct slice none = {NULL, 0}, text = {(const uint8_t *)"PING\r\n", 6};
#define FRONT(NAME, name, attached, ...)                                                                     \
    write_frame(cluster_local(c, FRAME_##NAME, cluster_body(c, name, &(struct name){__VA_ARGS__}), attached))
    FRONT(LOCAL_OPENED, local_opened, none, .connection = 1, .listener = LISTENER_REDIS);
    FRONT(LOCAL_BYTES, local_bytes, text, .connection = 1);
    FRONT(LOCAL_CREDIT, local_credit, none, .connection = 1, .bytes = 7);
    FRONT(LOCAL_CLOSED, local_closed, none, .connection = 1);
    FRONT(LOCAL_TICK, local_tick, none, .at_us = 1000000);
    FRONT(LOCAL_LINK, local_link, none, .replica = 2, .up = 1);
    FRONT(LOCAL_ARRIVED, local_arrived, text, .replica = 2);
    FRONT(LOCAL_SEND, local_send, text, .replica = FRONT_TO_ALL);
    FRONT(LOCAL_CERTIFICATE, local_certificate, none, .certificate = text, .key = text);
    FRONT(LOCAL_FRONT, local_front, none, .listed = 1, .ready = 1, .connections = 1, .operations = 1);
#undef FRONT
}

/* A question and its answer, sealed under a key that nobody has. */
static void write_attestations(struct cluster *c)
{
    static const struct secret_key key = {{1}};
    static const uint8_t question[] = {1, 7, 0, 0, 0}, version[8] = {9};
    uint8_t bytes[256];
    struct sender origin = {.kind = KIND_ORIGIN, .id = 1, .epoch = 7},
                  e = {.kind = KIND_EXECUTION, .id = 2, .epoch = 1};
    struct slice ask = cluster_body(c, ask_attest, &(struct ask_attest){.replica = 2, .nonce = 3});
    struct slice answer = cluster_body(
        c, attest, &(struct attest){.origin = 1, .epoch = 7, .nonce = 3, .configuration = 1, .counter = 5});
    size_t len = auth_encode_sealed(bytes, sizeof bytes, FRAME_ASK_ATTEST, &origin, &key, 3, ask,
                                    (struct slice){question, sizeof question});
    write_frame((struct slice){bytes, len});
    len = auth_encode_sealed(bytes, sizeof bytes, FRAME_ATTEST, &e, &key, 5, answer,
                             (struct slice){version, sizeof version});
    write_frame((struct slice){bytes, len});
}

/* What a Troxy is told and says where it certifies. */
static void write_certificates(struct cluster *c)
{
    static const struct secret_key key = {{1}};
    static const uint8_t raised[] = {0, 0, 0, 1, 7, 0, 0, 0};
    uint8_t bytes[512];
    struct sender e = {.kind = KIND_EXECUTION, .id = 2, .epoch = 1}, t = {.kind = KIND_TROXY, .id = 2};
    struct local_certify step = {.origin = 1, .epoch = 7, .bundle_no = 1, .slot = 3, .index = 2};
    digest_of(&step.raised, RAISED_TAG, raised, sizeof raised);
    struct slice told = cluster_body(c, local_certify, &step);
    struct slice says = cluster_body(
        c, certified,
        &(struct certified){.origin = 1, .epoch = 7, .bundle_no = 1, .slot = 3, .index = 2, .counter = 5});
    size_t len = frame_encode(bytes, sizeof bytes, FRAME_LOCAL_CERTIFY, &e, AUTH_NONE, told,
                              (struct slice){NULL, 0}, (struct slice){raised, sizeof raised});
    write_frame((struct slice){bytes, len});
    len =
        auth_encode_sealed(bytes, sizeof bytes, FRAME_CERTIFIED, &t, &key, 5, says, (struct slice){NULL, 0});
    write_frame((struct slice){bytes, len});
}

static void write_readings(struct cluster *c)
{
    static const struct secret_key key = {{1}};
    static const uint8_t question[] = {1, 0, 0, 0, 7},
                         result[] = {0, 2, 1, 0, 0, 0, 'x', 9, 0, 0, 0, 0, 0, 0, 0};
    uint8_t bytes[256];
    struct sender origin = {.kind = KIND_ORIGIN, .id = 1, .epoch = 7},
                  e = {.kind = KIND_EXECUTION, .id = 2, .epoch = 1};
    struct slice ask = cluster_body(c, ask_read, &(struct ask_read){.replica = 2, .nonce = 3, .full = 1});
    struct slice answer = cluster_body(
        c, read_answer,
        &(struct read_answer){
            .origin = 1, .epoch = 7, .nonce = 3, .configuration = 1, .counter = 5, .question = {{1}}});
    size_t len = auth_encode_sealed(bytes, sizeof bytes, FRAME_ASK_READ, &origin, &key, 3, ask,
                                    (struct slice){question, sizeof question});
    write_frame((struct slice){bytes, len});
    len = auth_encode_sealed(bytes, sizeof bytes, FRAME_READ_ANSWER, &e, &key, 5, answer,
                             (struct slice){result, sizeof result});
    write_frame((struct slice){bytes, len});
}

/* A request and its answers; a piece of state to begin with, and a START that names one. */
static void write_backups(void)
{
    static const uint8_t changes[] = {1, 60, 0, 1}, lies[] = {2, 9, 0, 1}, order[] = {3, 0, 1, 2, 3, 4},
                         begun[] = {0};
    struct cluster *c = cluster_new(NULL);
    struct backup_test t = {0};
    struct start manifest = cluster_manifest(c);
    backup_test_begin(&t, c, 3);
    write_frame(backup_test_request(&t, &t.ask, &c->admin));
    backup_test_take(&t);
    struct reader in = reader_of(t.file + BACKUP_FILE_HEAD, t.len - BACKUP_FILE_HEAD);
    while (reader_left(&in)) {
        struct slice frame = get_slice(&in);
        if (frame.data[1] == FRAME_BACKUP)
            write_frame(frame);
    }
    write_frame(cluster_local(c, FRAME_LOCAL_RESTORE,
                              cluster_body(c, local_restore, &(struct local_restore){.number = 1}),
                              (struct slice){t.file, 200}));
    write_frame(cluster_local(c, FRAME_LOCAL_RESTORED,
                              cluster_body(c, local_restored, &(struct local_restored){.number = 1}),
                              (struct slice){NULL, 0}));
    manifest.genesis = cluster_body(c, genesis, &(struct genesis){.leaf_count = 1});
    write_frame(cluster_sign_start(c, &manifest, &c->admin));
    write_seed("backup_file", "changed", changes, sizeof changes);
    write_seed("backup_file", "lie", lies, sizeof lies);
    write_seed("backup_file", "order", order, sizeof order);
    write_seed("backup_file", "begun", begun, sizeof begun);
    backup_test_free(&t);
    cluster_free(c);
}

/* Of kinds first to last, none: a CLOSE; what it is about a host, or closes, the administrator signed, by a signature that nobody looks
 * at here. */
static void write_reconfig(uint32_t first, uint32_t last, bool by_administrator)
{
    static const uint8_t signature[SIGNATURE_BYTES] = {1};
    static const char address[] = "10.0.0.9:7700";
    uint8_t members[RENEWALS_MAX * renewal_BYTES], body[RECONFIG_BYTES_MAX], bytes[RECONFIG_BYTES_MAX + 64];
    struct writer mw = writer_to(members, sizeof members), bw = writer_to(body, sizeof body);
    struct sender admin = {.kind = KIND_ADMIN};
    for (uint32_t kind = first; first && kind <= last; kind++)
        renewal_put(&mw, &(struct renewal){.kind = kind, .epoch = 9});
    struct reconfig m = {.configuration = 3, .replica = 1, .attempt = 7, .members = {members, mw.len}};
    if (!first)
        m = (struct reconfig){.configuration = 3, .attempt = 7, .size = 5};
    if (first == KIND_HOST)
        m.peer = m.client = (struct slice){(const uint8_t *)address, sizeof address - 1};
    if (by_administrator)
        m.signature = (struct slice){signature, sizeof signature};
    reconfig_put(&bw, &m);
    size_t len = frame_encode(bytes, sizeof bytes, FRAME_RECONFIG, &admin, AUTH_NONE,
                              (struct slice){body, bw.len}, (struct slice){NULL, 0}, (struct slice){NULL, 0});
    need(!mw.bad && !bw.bad && len > 0);
    write_frame((struct slice){bytes, len});
}

/* A counter's key, a call of everything, and what comes of it. */
static void write_counter(void)
{
    static uint8_t list[3][4096], frame[8192];
    struct counter_world w;
    struct counter_under_test c;
    struct sender self = {KIND_COUNTER, 1, 7};
    struct digest digest = {{1}};
    counter_world_init(&w);
    counter_start(&c, &w, 1, 7);
    struct counter_key key = counter_key_for(&w, &c, 2);
    write_frame((struct slice){frame, counter_key_frame(&w, &key, NULL, frame)});
    need(counter_begin(&c, &w, 2) == VERDICT_ACCEPT);
    struct writer commands = writer_to(list[0], sizeof list[0]), checks = writer_to(list[1], sizeof list[1]);
    for (unsigned kind = TRINX_INDEPENDENT; kind <= TRINX_MAC; kind++) {
        struct trinx_command command = {(enum trinx_kind)kind, 1, 0, {kind != TRINX_MAC, 0}, digest};
        struct trinx_certificate made;
        need(counter_certify(&c, &command, &made) == VERDICT_ACCEPT);
        struct counter_check check = counter_check_of(&made, &digest);
        counter_check_put(&checks, &check);
        counter_command_put(&commands, &(struct counter_command){.kind = (uint8_t)kind,
                                                                 .view = kind != TRINX_MAC ? 2 : 0,
                                                                 .digest = digest});
    }
    struct local_count count = {5, {list[0], commands.len}, {list[1], checks.len}, {digest.bytes, 32}};
    need(counter_ask(&c, &count) == VERDICT_ACCEPT);
    struct frame answer;
    need(counter_said(&c, &answer));
    write_frame(answer.whole);
    struct writer b = writer_to(list[2], sizeof list[2]);
    local_count_put(&b, &count);
    struct slice body = {list[2], b.len}, signed_body = {digest.bytes, 32}, none = {NULL, 0};
    write_frame((struct slice){
        frame, frame_encode(frame, sizeof frame, FRAME_LOCAL_COUNT, &self, AUTH_NONE, body, none, none)});
    write_seed("trinx", "calls", list[2], b.len);
    write_frame((struct slice){frame, frame_encode(frame, sizeof frame, FRAME_COUNTER_SIGNED, &self,
                                                   AUTH_NONE, signed_body, none, none)});
    counter_stop(&c);
}

int main(int argc, char **argv)
{
    struct recording recording = {0};
    need(argc == 2);
    folder = argv[1];
    recorded_make(KIND_NONE, &recording);
    struct cluster *newborn = cluster_new(&(struct cluster_options){.unstarted = true});
    for (size_t i = 0; i < newborn->sent_count; i++)
        write_frame(sent_slice(&newborn->sent[i])); /* HELLOs */
    struct slice wanted =
        cluster_body(newborn, sign_wanted, &(struct sign_wanted){.origin = 3, .bundle_no = 7});
    write_frame(cluster_local(newborn, FRAME_SIGN_WANTED, wanted, (struct slice){NULL, 0}));
    write_local(newborn);
    write_front(newborn);
    write_hybster(newborn);
    write_attestations(newborn);
    write_certificates(newborn);
    write_readings(newborn);
    cluster_free(newborn);
    write_backups();
    write_counter();
    write_reconfig(KIND_PREPARATION, KIND_EXECUTION, false);
    write_reconfig(KIND_HOST, KIND_HOST, true);
    write_reconfig(KIND_HOST, KIND_EXECUTION, true);
    write_reconfig(0, 0, true);
    write_frame(recorded_cluster->start);
    for (size_t i = 0; i < recording.count; i++)
        write_frame((struct slice){recording.frame[i].data, recording.frame[i].len});
    static const char *const targets[] = {"preparation", "confirmation",  "execution",
                                          "broker_peer", "broker_client", "broker_own"};
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
        write_replays(targets[i]);
    write_seed("manifest", "as_it_is", "", 0);
    return 0;
}
