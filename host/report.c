/*
 * What a replica says about itself: /status, /metrics, /healthz.
 */
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "replica.h"

static bool is_healthy(const struct replica *r)
{
    bool alive = r->started && !r->ending;
    for (int i = 0; i < COMPARTMENTS; i++)
        alive = alive && !r->seat[i].dead;
    return alive && links_up(&r->links) >= quorum_with(r->config.protocol, r->config.replicas) - 1;
}

static uint64_t verdict_count(const struct replica *r, enum verdict verdict)
{
    const uint64_t *engine = r->engine_type->verdicts(r->engine);
    uint64_t count = engine ? engine[verdict] : 0;
    for (int i = 0; i < COMPARTMENTS; i++)
        count += compartment_verdicts(r->seat[i].compartment, verdict);
    return count;
}

static void hex(char *out, const uint8_t *data, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[data[i] >> 4];
        out[2 * i + 1] = digits[data[i] & 15];
    }
    out[2 * len] = 0;
}

static void compartment_print(const struct compartment *c, const char *kind, epoch_no epoch,
                              struct buffer *body)
{
    char measurement[65];
    hex(measurement, compartment_measurement(c)->bytes, 32);
    buffer_print(body,
                 "{\"kind\":\"%s\",\"pid\":%ld,\"epoch\":%llu,\"measurement\":\"%s\",\"sandbox\":\"%s\"",
                 kind, (long)(compartment_pid(c) ? compartment_pid(c) : getpid()), (unsigned long long)epoch,
                 measurement, compartment_sandbox(c));
}

static void compartments_print(const struct replica *r, struct buffer *body)
{
    buffer_print(body, "\"compartments\":[");
    for (int i = 0; i < COMPARTMENTS; i++) {
        const struct seat *seat = &r->seat[i];
        const struct compartment *application = compartment_application(seat->compartment);
        epoch_no epoch = r->hellos.member[i + 1].sender.epoch;
        char words[2800];
        buffer_print(body, "%s", i ? "," : "");
        compartment_print(seat->compartment, seat_name(r, i), epoch, body);
        if (seat->dead)
            buffer_print(body, ",\"died\":\"%s\"", json_escape(words, sizeof words, seat->obituary));
        buffer_print(body, "}");
        if (!application)
            continue;
        buffer_print(body, ",");
        compartment_print(application, "application", epoch, body);
        buffer_print(body, "}");
    }
    if (r->troxy.compartment) {
        buffer_print(body, ",");
        compartment_print(r->troxy.compartment, "troxy", 0, body);
        buffer_print(body, "}");
    }
    buffer_print(body, "]");
}

/* Absent but with hybster. */
static void counting_print(const struct replica *r, struct buffer *body)
{
    const struct counting *c = &r->counting;
    if (r->config.protocol == PROTOCOL_HYBSTER)
        buffer_print(body,
                     "\"counter\":{\"pillars\":%u,\"calls\":%llu,\"certified\":%llu,\"refused\":%llu,"
                     "\"verified\":%llu,"
                     "\"forged\":%llu},",
                     r->configuration.pillars, (unsigned long long)c->calls, (unsigned long long)c->certified,
                     (unsigned long long)c->refused, (unsigned long long)c->verified,
                     (unsigned long long)c->forged);
}

/* Absent without a front. */
static void front_print(const struct replica *r, struct buffer *body)
{
    const struct troxy *t = &r->troxy;
    char words[2800];
    if (!t->open)
        return;
    buffer_print(body,
                 "\"front\":{\"state\":\"%s\",\"connections\":%u,\"accepted\":%llu,\"handshakes\":%llu,"
                 "\"operations\":%llu,\"unknown\":%llu,\"deaths\":%u",
                 !t->compartment   ? "dead"
                 : !t->told.listed ? "not listed"
                 : t->told.ready   ? "serving"
                                   : "no quorum",
                 t->doors.count, (unsigned long long)t->doors.accepted,
                 (unsigned long long)t->told.handshakes, (unsigned long long)t->told.operations,
                 (unsigned long long)t->told.unknown, t->deaths);
    if (t->deaths)
        buffer_print(body, ",\"died\":\"%s\"", json_escape(words, sizeof words, t->obituary));
    buffer_print(body, "},");
}

static void disk_print(const struct replica *r, struct buffer *body)
{
    static const char *const states[] = {"good", "full", "failed"};
    const struct disk *d = &r->disk;
    struct journal_stats stats;
    char words[2048];
    if (!d->on || !r->started)
        return;
    journal_stats(d->journal, &stats);
    buffer_print(
        body,
        "\"disk\":{\"state\":\"%s\",\"log_bytes\":%llu,\"log_max_bytes\":%llu,\"checkpoint_bytes\":%llu,"
        "\"checkpoint_slot\":%llu",
        d->saved_failed                          ? "failed"
        : d->too_long && d->told == JOURNAL_GOOD ? "full"
                                                 : states[d->told],
        (unsigned long long)stats.bytes, (unsigned long long)r->config.log_mb << 20,
        (unsigned long long)saved_bytes(d->saved), (unsigned long long)saved_slot(d->saved));
    if (d->told != JOURNAL_GOOD)
        buffer_print(body, ",\"problem\":\"%s\"",
                     json_escape(words, sizeof words, journal_problem(d->journal)));
    buffer_print(body, "},");
}

static void transfer_print(const struct engine_status *s, struct buffer *body)
{
    const struct local_transfer *t = &s->transfer;
    buffer_print(
        body,
        "\"catching_up\":{\"phase\":\"%s\",\"slot\":%llu,\"leaves_moved\":%llu,\"leaves_total\":%llu,"
        "\"bytes_moved\":%llu,\"late\":%llu,\"wrong\":%llu,\"transfers\":%llu,\"bytes_served\":%llu,"
        "\"wrong_from\":[",
        transfer_phase_name(t->phase), (unsigned long long)t->slot, (unsigned long long)t->leaves_moved,
        (unsigned long long)t->leaves_wanted, (unsigned long long)t->bytes, (unsigned long long)t->late,
        (unsigned long long)t->lies, (unsigned long long)s->state_transfers,
        (unsigned long long)s->state_bytes_served);
    bool any = false;
    for (replica_id r = 0; r < REPLICAS_MAX; r++)
        if (t->liars >> r & 1) {
            buffer_print(body, "%s%u", any ? "," : "", r);
            any = true;
        }
    buffer_print(body, "]},");
}

/* The hosts as this one knows them. */
static void members_print(const struct replica *r, struct buffer *body)
{
    const struct configuration *held = r->started ? r->engine_type->configuration(r->engine) : NULL;
    if (!held)
        return;
    buffer_print(body, "\"members\":[");
    for (replica_id i = 0; i < r->members.count; i++) {
        const struct host_keys *host = &r->members.host[i];
        char link[17], peer[ADDRESS_BYTES_MAX + 1], client[ADDRESS_BYTES_MAX + 1];
        hex(link, host->link_public, 8);
        if (!address_print(peer, &r->config.replica[i].peer))
            *peer = 0;
        if (!address_print(client, &r->config.replica[i].client))
            *client = 0;
        buffer_print(body, "%s{\"id\":%u,\"host_epoch\":%llu,\"epoch\":%llu,\"link\":\"%s\",", i ? "," : "",
                     i, (unsigned long long)host->epoch,
                     (unsigned long long)held->member[KIND_EXECUTION - KIND_HOST][i].epoch, link);
        buffer_print(body, "\"peer\":\"%s\",\"client\":\"%s\"}", peer, client);
    }
    buffer_print(body, "],");
}

/* One element of `replicas` in `redoubt status --json`, and the cluster's own fields beside it. */
static void report_print(struct replica *r, struct buffer *body)
{
    struct engine_status s;
    memset(&s, 0, sizeof s);
    if (r->started)
        r->engine_type->status(r->engine, &s);
    buffer_print(
        body,
        "{\"protocol\":\"%s\",\"configuration\":%llu,\"replica\":{\"id\":%u,\"pid\":%ld,\"view\":%llu,"
        "\"slot\":%llu,\"stable\":%llu,\"lag\":%llu,\"epoch\":%llu,\"isolation\":\"%s\",\"durability\":\"%"
        "s\",",
        protocol_name(r->config.protocol), (unsigned long long)s.configuration, r->options.id, (long)getpid(),
        (unsigned long long)s.view, (unsigned long long)s.executed, (unsigned long long)s.stable,
        (unsigned long long)s.lag, (unsigned long long)r->epoch, isolation_text(r->config.isolation),
        durability_name(r->config.durability));
    disk_print(r, body);
    front_print(r, body);
    compartments_print(r, body);
    buffer_print(body, ",\"verdicts\":{");
    for (int v = 0; v < VERDICT_COUNT; v++)
        buffer_print(body, "%s\"%s\":%llu", v ? "," : "", verdict_name((enum verdict)v),
                     (unsigned long long)verdict_count(r, (enum verdict)v));
    buffer_print(body, "},\"configuration\":%llu,\"activation\":%llu,\"pending\":%s,\"full\":%s,",
                 (unsigned long long)s.configuration, (unsigned long long)s.activation,
                 s.activation > s.stable ? "true" : "false", s.full ? "true" : "false");
    members_print(r, body);
    transfer_print(&s, body);
    counting_print(r, body);
    buffer_print(body, "\"cache\":{},\"voting\":%s,\"links\":%u,\"clients\":%u,\"fault\":\"%s\"}}\n",
                 r->started && s.voting ? "true" : "false", links_up(&r->links), r->clients.count,
                 fault_name(r->fault.kind));
}

static void metric(struct buffer *body, const char *name, const char *type, const char *help, uint64_t value)
{
    buffer_print(body, "# HELP redoubt_%s %s\n# TYPE redoubt_%s %s\nredoubt_%s %llu\n", name, help, name,
                 type, name, (unsigned long long)value);
}

static void verdicts_print(const struct replica *r, struct buffer *body)
{
    const uint64_t *engine = r->engine_type->verdicts(r->engine);
    buffer_print(body, "# HELP redoubt_verdicts_total Frames by what became of them.\n"
                       "# TYPE redoubt_verdicts_total counter\n");
    for (int v = 0; v < VERDICT_COUNT; v++) {
        buffer_print(body, "redoubt_verdicts_total{part=\"host\",verdict=\"%s\"} %llu\n",
                     verdict_name((enum verdict)v), (unsigned long long)(engine ? engine[v] : 0));
        for (int i = 0; i < COMPARTMENTS; i++)
            buffer_print(body, "redoubt_verdicts_total{part=\"%s\",verdict=\"%s\"} %llu\n", seat_name(r, i),
                         verdict_name((enum verdict)v),
                         (unsigned long long)compartment_verdicts(r->seat[i].compartment, (enum verdict)v));
    }
}

static void seats_print(const struct replica *r, struct buffer *body)
{
    buffer_print(body, "# HELP redoubt_compartment_alive Whether the compartment runs.\n"
                       "# TYPE redoubt_compartment_alive gauge\n");
    for (int i = 0; i < COMPARTMENTS; i++)
        buffer_print(body, "redoubt_compartment_alive{part=\"%s\"} %d\n", seat_name(r, i), !r->seat[i].dead);
    buffer_print(body, "# HELP redoubt_compartment_resident_bytes Resident memory.\n"
                       "# TYPE redoubt_compartment_resident_bytes gauge\n");
    for (int i = 0; i < COMPARTMENTS; i++)
        buffer_print(body, "redoubt_compartment_resident_bytes{part=\"%s\"} %zu\n", seat_name(r, i),
                     r->seat[i].dead ? (size_t)0 : compartment_resident_bytes(r->seat[i].compartment));
    const struct seat *execution = &r->seat[KIND_EXECUTION - KIND_PREPARATION];
    const struct compartment *application = compartment_application(execution->compartment);
    if (application)
        buffer_print(body, "redoubt_compartment_resident_bytes{part=\"application\"} %zu\n",
                     execution->dead ? (size_t)0 : compartment_resident_bytes(application));
    buffer_print(
        body, "# HELP redoubt_overflow_dropped_total Frames dropped because a compartment did not keep up.\n"
              "# TYPE redoubt_overflow_dropped_total counter\n");
    for (int i = 0; i < COMPARTMENTS; i++)
        buffer_print(body, "redoubt_overflow_dropped_total{part=\"%s\"} %llu\n", seat_name(r, i),
                     (unsigned long long)r->seat[i].dropped);
}

static void reads_metrics_print(const struct local_front *told, struct buffer *body)
{
    metric(body, "reads_hits_total", "counter",
           "Reads of stock clients whose answer was in the Troxy's cache.", told->hits);
    metric(body, "reads_misses_total", "counter", "... was not, so they were ordered.", told->misses);
    metric(body, "reads_fast_total", "counter", "Hits that were attested: answered without ordering.",
           told->fast);
    metric(body, "reads_conflicts_total", "counter", "Hits ordered since versions differed.",
           told->conflicts);
    metric(body, "reads_timeouts_total", "counter", "Hits ordered since too few attested in time.",
           told->timeouts);
    metric(body, "reads_passed_total", "counter", "Hits ordered at once, mostly while fast reads are off.",
           told->passed);
    metric(body, "reads_hit_permille", "gauge", "Hits among the last reads.", told->hit_permille);
    metric(body, "reads_conflict_permille", "gauge", "Conflicts among the last reads that were asked about.",
           told->conflict_permille);
    metric(body, "reads_off_permille", "gauge", "More conflicts than this switch fast reads off ...",
           told->off_permille);
    metric(body, "reads_on_permille", "gauge", "... and fewer than this on again.", told->on_permille);
    metric(body, "reads_fast_off", "gauge", "1 while conflicts have switched fast reads off.",
           told->fast_off);
    metric(body, "reads_cache_bytes", "gauge", "Answers that the Troxy remembers.", told->cache_bytes);
}

static void front_metrics_print(const struct replica *r, struct buffer *body)
{
    static const char *const ends[FRONT_ENDS] = {"done", "garbage", "slow", "idle", "limit", "untrusted"};
    const struct troxy *t = &r->troxy;
    if (!t->open)
        return;
    metric(body, "front_ready", "gauge", "1 while the Troxy lives and reaches a quorum.",
           t->compartment && t->told.ready);
    metric(body, "front_connections", "gauge", "Connections of stock clients.", t->doors.count);
    metric(body, "front_accepted_total", "counter", "Connections accepted.", t->doors.accepted);
    metric(body, "front_refused_total", "counter", "Connections refused since there are too many.",
           t->doors.refused);
    metric(body, "front_bytes_in_total", "counter", "From stock clients, as on the wire.", t->doors.bytes_in);
    metric(body, "front_bytes_out_total", "counter", "To stock clients, as on the wire.", t->doors.bytes_out);
    metric(body, "front_handshakes_total", "counter", "TLS handshakes completed.", t->told.handshakes);
    metric(body, "front_operations_total", "counter", "Operations of stock clients.", t->told.operations);
    metric(body, "front_unknown_total", "counter", "... whose outcome was not known in time.",
           t->told.unknown);
    metric(body, "front_deaths_total", "counter", "Times the Troxy died and was started again.", t->deaths);
    metric(body, "front_resident_bytes", "gauge", "Resident memory of the Troxy.",
           t->compartment ? compartment_resident_bytes(t->compartment) : 0);
    buffer_print(body, "# HELP redoubt_front_ended_total Connections that the Troxy ended, by why.\n"
                       "# TYPE redoubt_front_ended_total counter\n");
    for (int i = 0; i < FRONT_ENDS; i++)
        buffer_print(body, "redoubt_front_ended_total{why=\"%s\"} %llu\n", ends[i],
                     (unsigned long long)t->doors.ended[i]);
    reads_metrics_print(&t->told, body);
}

static void counting_metrics_print(const struct replica *r, struct buffer *body)
{
    const struct counting *c = &r->counting;
    if (r->config.protocol != PROTOCOL_HYBSTER)
        return;
    metric(body, "counter_calls_total", "counter", "Calls of this host that its counter answered.", c->calls);
    metric(body, "counter_certified_total", "counter", "Certificates that its counter made.", c->certified);
    metric(body, "counter_refused_total", "counter", "... that it did not make: the value was used.",
           c->refused);
    metric(body, "counter_verified_total", "counter", "Certificates of other counters that are good.",
           c->verified);
    metric(body, "counter_forged_total", "counter", "... that are not.", c->forged);
    metric(body, "host_reads_secrets", "gauge",
           "1: the host of each replica can read what the service holds (hybster).", 1);
}

static void disk_metrics_print(const struct replica *r, struct buffer *body)
{
    const struct disk *d = &r->disk;
    struct journal_stats stats;
    if (!d->on)
        return;
    journal_stats(d->journal, &stats);
    metric(body, "disk_good", "gauge", "0 while the disk is full, or after it failed: no voting.",
           d->told == JOURNAL_GOOD && !d->too_long && !d->saved_failed);
    metric(body, "log_bytes", "gauge", "Disk space of the log.", stats.bytes);
    metric(body, "log_records_total", "counter", "Records appended to the log.", stats.records);
    metric(body, "log_syncs_total", "counter", "Group commits.", stats.syncs);
    metric(body, "log_sync_us", "gauge", "Duration of the last group commit.", stats.sync_us);
    metric(body, "checkpoint_bytes", "gauge", "Disk space of the saved checkpoint.", saved_bytes(d->saved));
    metric(body, "checkpoint_slot", "gauge", "Slot of the saved checkpoint.", saved_slot(d->saved));
    metric(body, "checkpoints_saved_total", "counter", "Checkpoints saved since the start.", d->saves);
}

static void metrics_print(struct replica *r, struct buffer *body)
{
    struct engine_status s;
    memset(&s, 0, sizeof s);
    if (r->started)
        r->engine_type->status(r->engine, &s);
    metric(body, "up", "gauge", "1 once the manifest is in force.", r->started);
    metric(body, "healthy", "gauge", "1 when all compartments live and a quorum is linked.", is_healthy(r));
    metric(body, "voting", "gauge", "0 after a compartment died.", s.voting);
    metric(body, "view", "gauge", "Current view.", s.view);
    metric(body, "in_view", "gauge", "0 while a view change is under way.", s.in_view);
    metric(body, "slot_executed", "gauge", "Highest slot executed.", s.executed);
    metric(body, "slot_stable", "gauge", "Latest stable checkpoint.", s.stable);
    metric(body, "slot_newest", "gauge", "Highest slot heard of.", s.newest);
    metric(body, "lag_slots", "gauge", "Slots behind the others.", s.lag);
    metric(body, "batches_proposed_total", "counter", "Batches proposed as primary.", s.batches_proposed);
    metric(body, "bundles_received_total", "counter", "Bundles from clients and peers.", s.bundles_received);
    metric(body, "bundles_refused_total", "counter", "Bundles refused.", s.bundles_refused);
    metric(body, "retransmissions_total", "counter", "Frames sent again.", s.retransmissions);
    metric(body, "view_changes_total", "counter", "Views left.", s.view_changes);
    metric(body, "state_transfers_total", "counter", "Times the state was fetched from peers.",
           s.state_transfers);
    metric(body, "state_transfer_phase", "gauge",
           "0 none, 1 asking, 2 preparing, 3 comparing, 4 fetching leaves, 5 fetching origins.",
           s.transfer.phase);
    metric(body, "state_transfer_slot", "gauge", "Slot of the state that is being fetched.", s.transfer.slot);
    metric(body, "state_leaves_moved", "gauge", "Leaves fetched in this transfer, or the last.",
           s.transfer.leaves_moved);
    metric(body, "state_leaves_total", "gauge", "Leaves that differ, as far as they are known.",
           s.transfer.leaves_wanted);
    metric(body, "state_bytes_fetched_total", "counter", "Bytes of state fetched from peers.",
           s.transfer.bytes);
    metric(body, "state_bytes_served_total", "counter", "Bytes of state sent to peers.",
           s.state_bytes_served);
    metric(body, "state_late_total", "counter", "Times a peer was given up since it did not answer in time.",
           s.transfer.late);
    metric(body, "state_wrong_total", "counter", "Pieces of state that were not what 2f+1 signed.",
           s.transfer.lies);
    metric(body, "origins_on_signatures", "counter", "Clients whose bundles must be signed.",
           s.origins_on_signatures);
    metric(body, "bodies_held", "gauge", "Bundles kept.", s.bodies_held);
    metric(body, "body_bytes", "gauge", "Bytes of bundles kept.", s.body_bytes);
    metric(body, "links", "gauge", "Links to other replicas that are up.", links_up(&r->links));
    metric(body, "clients", "gauge", "Client connections.", r->clients.count);
    metric(body, "frames_in_total", "counter", "Frames from peers and clients.", r->frames_in);
    metric(body, "frames_out_total", "counter", "Frames to peers and clients.", r->frames_out);
    metric(body, "peer_bytes_in_total", "counter", "Ciphertext from peers.", r->links.bytes_in);
    metric(body, "peer_bytes_out_total", "counter", "Plaintext to peers.", r->links.bytes_out);
    metric(body, "client_bytes_in_total", "counter", "From clients.", r->clients.bytes_in);
    metric(body, "client_bytes_out_total", "counter", "To clients.", r->clients.bytes_out);
    metric(body, "garbage_total", "counter", "Connections closed for garbage, on any port.",
           r->links.garbage + r->clients.garbage + r->pages.garbage);
    metric(body, "strangers_total", "counter", "Peers refused for a key that is not in the manifest.",
           r->links.strangers);
    metric(body, "turns_total", "counter", "Turns of the loop.", r->turns);
    metric(body, "faults_done_total", "counter", "Frames that an injected fault touched.", r->fault.done);
    disk_metrics_print(r, body);
    front_metrics_print(r, body);
    counting_metrics_print(r, body);
    verdicts_print(r, body);
    seats_print(r, body);
}

int report_render(void *context, const char *path, struct buffer *body, const char **type)
{
    struct replica *r = context;
    if (strcmp(path, "/healthz") == 0) {
        bool healthy = is_healthy(r);
        buffer_print(body, "%s, %u links\n",
                     healthy      ? "ok"
                     : r->started ? "not serving"
                                  : "waiting for the manifest",
                     links_up(&r->links));
        return healthy ? 200 : 503;
    }
    if (strcmp(path, "/status") == 0) {
        *type = "application/json";
        report_print(r, body);
        return 200;
    }
    if (strcmp(path, "/metrics") == 0) {
        *type = "text/plain; version=0.0.4; charset=utf-8";
        metrics_print(r, body);
        return 200;
    }
    return 404;
}
