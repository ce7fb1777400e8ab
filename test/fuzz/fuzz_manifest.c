/*
 * Manifests that the administrator did sign, whatever stands in them: what is loaded is consistent.
 *
 * Input: changes of the body of a good one, u16 place and u8 byte each. Also given to compartments as it is.
 */
#include "need.h"
#include "recorded.h"

static struct cluster *cluster;
static struct slice body;
static size_t mark;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct frame frame;
    (void)argc;
    (void)argv;
    cluster_random_fixed(20240607);
    cluster = cluster_new(NULL);
    need(frame_decode(cluster->start.data, cluster->start.len, &frame));
    body = frame.body;
    mark = cluster_mark(cluster);
    return 0;
}

static void check_loaded(const struct configuration *c)
{
    need(c->replicas >= REPLICAS_MIN && c->replicas <= REPLICAS_MAX && c->faults == faults_of(c->replicas));
    need(c->pillars >= 1 && c->pillars <= (c->protocol == PROTOCOL_HYBSTER ? PILLARS_MAX : 1));
    need(c->write_quorum >= c->faults + 1 && c->origins <= ORIGINS_MAX);
    need(c->read_quorum == 0 || c->read_quorum + c->write_quorum > c->replicas + c->faults);
    for (unsigned k = 0; k < MEMBER_KINDS; k++)
        for (replica_id r = 0; r < c->replicas; r++)
            need(c->member[k][r].present);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct configuration configuration;
    struct slice copy = cluster_copy(cluster, body.data, body.len);
    uint8_t *bytes = (uint8_t *)(uintptr_t)copy.data;
    for (; size >= 3; data += 3, size -= 3)
        bytes[((size_t)data[0] | (size_t)data[1] << 8) % copy.len] = data[2];
    struct start manifest;
    if (start_decode(copy, &manifest)) {
        struct slice start = cluster_sign_start(cluster, &manifest, &cluster->admin);
        struct frame frame;
        need(frame_decode(start.data, start.len, &frame));
        if (configuration_load(&configuration, &frame, cluster->admin.public) == VERDICT_ACCEPT)
            check_loaded(&configuration);
    }
    cluster_release(cluster, mark);
    return 0;
}
