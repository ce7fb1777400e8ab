/*
 * Calls to N, and what waits for their answers. N carries a call's commands out in order and answers calls in order, so jobs are a
 * queue: the answer to a call is for those at its head.
 */
#include "hybster/orderer.h"

#include "counter/trinx.h"

struct job *calls_begin(struct orderer *o, enum job_kind kind, bool own)
{
    if (o->jobs >= (own ? JOBS_MAX : JOBS_MAX - JOBS_RESERVED))
        return NULL;
    if (own && counter_command_count((struct slice){o->commands.data, o->commands.len}) + orderer_pillars(o) >
                   COUNTER_COMMANDS_MAX) /* a job has one, or one of each pillar */
        return NULL;
    struct job *job = &o->job[(o->first_job + o->jobs++) % JOBS_MAX];
    *job = (struct job){.kind = kind, .call = o->calls + 1};
    return job;
}

bool calls_have_room(const struct orderer *o, uint32_t checks)
{
    return counter_check_count((struct slice){o->checks.data, o->checks.len}) + checks <= COUNTER_CHECKS_MAX;
}

void calls_certify(struct orderer *o, struct job *job, unsigned kind, struct counted value,
                   const struct digest *content)
{
    counter_command_put(&o->commands, &(struct counter_command){.kind = (uint8_t)kind,
                                                                .pillar = value.pillar,
                                                                .counter = value.counter,
                                                                .view = value.view,
                                                                .order = value.order,
                                                                .digest = *content});
    CHECK(!o->commands.bad);
    job->commands++;
}

bool calls_certify_slot(struct orderer *o, enum job_kind kind, struct hyb_slot *s,
                        const struct digest *content)
{
    struct job *job = calls_begin(o, kind, true);
    if (!job)
        return false;
    job->view = o->view;
    job->slot = s->slot;
    job->batch = s->batch;
    struct counted value = counted_slot(o, o->view, s->slot);
    calls_certify(o, job, TRINX_INDEPENDENT, value, content);
    o->certifying++;
    s->asked = true;
    o->asked[value.pillar] = s->slot;
    return true;
}

/* What names an instance beside replica and epoch: see trinx_life. */
static struct tag16 life_of(const struct orderer *o, const struct sender *by)
{
    struct tag16 life;
    const struct member_keys *keys = configuration_member_ever(&o->configuration, by);
    CHECK(keys != NULL); /* whoever checks has looked */
    memcpy(life.bytes, keys->box_public, sizeof life.bytes);
    if (mutant(MUTANT_HYBSTER_LIFE_IGNORED))
        life = (struct tag16){0};
    return life;
}

void calls_check(struct orderer *o, struct job *job, unsigned kind, const struct sender *by,
                 struct counted value, const struct hybster_continuing *certificate, const struct tag16 *mac,
                 const struct digest *content)
{
    struct counter_check check = {.replica = by->id,
                                  .pillar = value.pillar,
                                  .epoch = by->epoch,
                                  .life = life_of(o, by),
                                  .kind = (uint8_t)kind,
                                  .counter = value.counter,
                                  .view = value.view,
                                  .order = value.order,
                                  .digest = *content};
    if (certificate) {
        check.previous_view = certificate->previous_view;
        check.previous_order = certificate->previous_order;
        check.act_view = certificate->act_view;
        check.act_order = certificate->act_order;
    }
    check.mac = certificate ? certificate->mac : *mac;
    counter_check_put(&o->checks, &check);
    CHECK(!o->checks.bad);
    job->checks++;
}

void calls_flush(struct orderer *o, struct outbox *out)
{
    if (o->commands.len == 0 && o->checks.len == 0)
        return;
    struct local_count count = {.number = ++o->calls,
                                .commands = {o->commands.data, o->commands.len},
                                .checks = {o->checks.data, o->checks.len}};
    struct writer w = writer_to(o->scratch, FRAME_MAX);
    local_count_put(&w, &count);
    CHECK(!w.bad);
    auth_emit_plain(&o->auth, out, FRAME_LOCAL_COUNT, (struct slice){o->scratch, w.len},
                    (struct slice){NULL, 0});
    o->commands.len = 0;
    o->checks.len = 0;
}

/* --- answers -------------------------------------------------------------------------------------------------------- */

static bool all_made(const struct job *job, struct slice *made,
                     struct hybster_continuing certificate[PILLARS_MAX])
{
    bool good = true;
    for (uint32_t i = 0; i < job->commands; i++) {
        struct counter_made one = counter_made_at(*made, i);
        certificate[i] = (struct hybster_continuing){.previous_view = one.previous_view,
                                                     .previous_order = one.previous_order,
                                                     .act_view = one.act_view,
                                                     .act_order = one.act_order,
                                                     .mac = one.mac};
        good = one.verdict == VERDICT_ACCEPT && good;
    }
    made->data += job->commands * counter_made_BYTES;
    made->len -= job->commands * counter_made_BYTES;
    return good;
}

static bool all_good(const struct job *job, struct slice *verdicts)
{
    bool good = true;
    for (uint32_t i = 0; i < job->checks; i++)
        good = verdicts->data[i] == VERDICT_ACCEPT && good;
    verdicts->data += job->checks;
    verdicts->len -= job->checks;
    return good;
}

static void certified(struct orderer *o, const struct job *job, bool good,
                      const struct hybster_continuing *certificate, struct outbox *out)
{
    const struct tag16 *mac = &certificate->mac;
    if (job->kind == JOB_CERTIFY_NEW_VIEW) {
        new_view_certified(o, job, good, mac, out);
        return;
    }
    if (job->kind != JOB_CERTIFY_SUSPECT) {
        CHECK(o->certifying > 0);
        o->certifying--;
    }
    if (!good)
        return; /* N is further than this orderer asked for: only a copy of it that somebody else uses could be */
    if (job->kind == JOB_CERTIFY_PREPARE)
        prepare_certified(o, job, mac, out);
    else if (job->kind == JOB_CERTIFY_COMMIT)
        commit_certified(o, job, mac, out);
    else if (job->kind == JOB_CERTIFY_SUSPECT)
        suspect_certified(o, job, mac, out);
    else
        view_change_certified(o, job, certificate, out);
}

static void answered(struct orderer *o, const struct job *job, bool good,
                     const struct hybster_continuing *certificate, struct outbox *out)
{
    switch (job->kind) {
    case JOB_CHECK_PREPARE:
        prepare_checked(o, job, good, out);
        break;
    case JOB_CHECK_COMMIT:
        commit_checked(o, job, good, out);
        break;
    case JOB_CHECK_COMMITTED:
        committed_checked(o, job, good, out);
        break;
    case JOB_CHECK_SUSPECT:
        suspect_checked(o, job, good, out);
        break;
    case JOB_CHECK_VIEW_CHANGE:
        view_change_checked(o, job, good, out);
        break;
    case JOB_CHECK_NEW_VIEW:
        new_view_checked(o, job, good, out);
        break;
    default:
        certified(o, job, good, certificate, out);
    }
}

/* Does the answer fit the call? N is trusted, but its host's ring may have been tampered with. */
static bool answer_fits(const struct orderer *o, const struct local_counted *counted)
{
    size_t commands = 0, checks = 0;
    for (uint32_t i = 0; i < o->jobs; i++) {
        const struct job *job = &o->job[(o->first_job + i) % JOBS_MAX];
        if (job->call != counted->number)
            break;
        commands += job->commands;
        checks += job->checks;
    }
    return counter_made_count(counted->made) == commands && counted->verdicts.len == checks;
}

enum verdict orderer_on_counted(struct orderer *o, const struct frame *frame, struct outbox *out)
{
    struct local_counted counted;
    if (local_counted_check(frame, &counted) != VERDICT_ACCEPT)
        return VERDICT_MALFORMED;
    if (o->answered == o->calls || counted.number != o->answered + 1 || !answer_fits(o, &counted))
        return VERDICT_UNEXPECTED;
    o->answered++;
    while (o->jobs && o->job[o->first_job].call == counted.number) {
        struct job job = o->job[o->first_job];
        struct hybster_continuing certificate[PILLARS_MAX] = {{0}};
        o->first_job = (o->first_job + 1) % JOBS_MAX;
        o->jobs--;
        bool made = all_made(&job, &counted.made, certificate);
        bool good = all_good(&job, &counted.verdicts) && made;
        answered(o, &job, good, certificate, out);
    }
    return VERDICT_ACCEPT;
}
