/*
 * Writes seeds: make_seeds test/fuzz/seeds. Frames of every type for the message targets, from a cluster that runs
 * through everything that can happen; and for the compartments and the broker inputs that replay it, with a byte changed
 * here and there.
 */
#include <sys/stat.h>

#include "need.h"
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

/* Of kinds first to last; what it is about a host the administrator signed, by a signature that nobody looks at here. */
static void write_reconfig(uint32_t first, uint32_t last, bool by_administrator)
{
    static const uint8_t signature[SIGNATURE_BYTES] = {1};
    static const char address[] = "10.0.0.9:7700";
    uint8_t members[RENEWALS_MAX * renewal_BYTES], body[RECONFIG_BYTES_MAX], bytes[RECONFIG_BYTES_MAX + 64];
    struct writer mw = writer_to(members, sizeof members), bw = writer_to(body, sizeof body);
    struct sender admin = {.kind = KIND_ADMIN};
    for (uint32_t kind = first; kind <= last; kind++)
        renewal_put(&mw, &(struct renewal){.kind = kind, .epoch = 9});
    struct reconfig m = {.configuration = 3, .replica = 1, .attempt = 7, .members = {members, mw.len}};
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
    cluster_free(newborn);
    write_reconfig(KIND_PREPARATION, KIND_EXECUTION, false);
    write_reconfig(KIND_HOST, KIND_HOST, true);
    write_reconfig(KIND_HOST, KIND_EXECUTION, true);
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
