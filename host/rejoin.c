#include "rejoin.h"

#include <string.h>

#include "base/check.h"
#include "chain_file.h"
#include "log.h"
#include "ordering/attest.h"

#define HOPE_SECONDS  60u
#define RETRY_SECONDS 2u /* the number that it built on may be an old one, or another one is pending */

static size_t reconfig_make(struct replica *r, configuration_no number, uint8_t *out)
{
    uint8_t members[RENEWALS_MAX * renewal_BYTES], body[RECONFIG_BYTES_MAX], report_data[REPORT_BYTES];
    struct writer mw = writer_to(members, sizeof members), bw = writer_to(body, sizeof body);
    struct sender admin = {.kind = KIND_ADMIN};
    for (int i = 1; i < MEMBER_KINDS; i++) {
        const struct member_hello *h = &r->hellos.member[i];
        struct renewal renewal = {.kind = (uint32_t)h->sender.kind,
                                  .epoch = h->sender.epoch,
                                  .sign_public = h->hello.sign_public,
                                  .box_public = h->hello.box_public,
                                  .measurement = h->hello.measurement};
        attest_bound(&r->configuration.cluster, r->options.id, &renewal, number, r->now_us, report_data);
        attest_software(&renewal, &r->platform.attestation, report_data);
        renewal_put(&mw, &renewal);
    }
    struct reconfig reconfig = {.configuration = number,
                                .replica = r->options.id,
                                .attempt = r->now_us,
                                .members = {members, mw.len}};
    reconfig_put(&bw, &reconfig);
    CHECK(!mw.bad && !bw.bad);
    return frame_encode(out, RECONFIG_BYTES_MAX + 64, FRAME_RECONFIG, &admin, AUTH_NONE,
                        (struct slice){body, bw.len}, (struct slice){NULL, 0}, (struct slice){NULL, 0});
}

bool rejoin_overtaken(struct replica *r, struct error *error)
{
    struct engine_status s;
    memset(&s, 0, sizeof s);
    if (!r->started || !r->options.rejoin || r->rejoined)
        return false;
    r->engine_type->status(r->engine, &s);
    if (s.epoch[0] <= r->epoch)
        return false;
    if (epoch_outdo(s.epoch[0], r->config.dir, r->options.id, error) == 0)
        error_set(error,
                  "replica %u: it came with epoch %llu, but the cluster knows epoch %llu of it: started "
                  "again it comes "
                  "with a later one",
                  r->options.id, (unsigned long long)r->epoch, (unsigned long long)s.epoch[0]);
    return true;
}

bool rejoin_hopeless(struct replica *r)
{
    struct engine_status s;
    memset(&s, 0, sizeof s);
    if (!r->started || !r->options.rejoin || r->options.attended || r->rejoined)
        return false;
    r->engine_type->status(r->engine, &s);
    if (s.epoch[0] >= r->epoch || r->now_us - r->started_us < HOPE_SECONDS * 1000000ull)
        return false;
    if (r->config.protocol == PROTOCOL_HYBSTER) { /* its counter's key is good for this life only */
        if (!r->hope_told)
            log_line(LOG_WARNING,
                     "nobody admits this replica: it goes on asking. If more than %u replicas are out the "
                     "state is gone: end all and start anew",
                     r->config.faults);
        r->hope_told = true;
        return false;
    }
    log_line(LOG_WARNING,
             "nobody admits this replica: perhaps all were down. Now it waits for `redoubt start %s`",
             r->config.dir);
    return true;
}

size_t rejoin_due(struct replica *r, uint8_t *out)
{
    struct engine_status s;
    memset(&s, 0, sizeof s);
    if (!r->started || !r->options.rejoin || r->rejoined)
        return 0;
    r->engine_type->status(r->engine, &s);
    if (s.epoch[0] < r->epoch) {
        if (links_up(&r->links) == 0 || r->rejoin_seconds++ % RETRY_SECONDS != 0)
            return 0;
        log_line(LOG_INFO, "asks to be admitted under epoch %llu, on configuration %llu",
                 (unsigned long long)r->epoch, (unsigned long long)s.configuration);
        return reconfig_make(r, s.configuration - r->configuration.resumed, out);
    }
    if (s.full && s.lag < CHECKPOINT_INTERVAL) {
        r->rejoined = true;
        log_line(LOG_INFO, "full again: epoch %llu, configuration %llu", (unsigned long long)r->epoch,
                 (unsigned long long)s.configuration);
    }
    return 0;
}
