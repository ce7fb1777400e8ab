#include "counter/compartment.h"

#include "counter/trinx_mutant.h"
#include "ordering/hello.h"
#include "wire/counter_answer.h"
#include "wire/counter_ask.h"
#include "wire/counter_key.h"

#define ANSWER_BYTES                                                                                         \
    (64u + COUNTER_COMMANDS_MAX * counter_made_BYTES + COUNTER_CHECKS_MAX +                                  \
     COUNTER_SIGNS_MAX * counter_signature_BYTES)

struct counter {
    struct sender self;
    uint8_t admin_public[32];
    struct sign_key sign;
    struct box_key box; /* its secret half is gone once the counters have begun */
    struct tag16 cluster;
    struct trinx trinx;
    uint8_t answer[ANSWER_BYTES];
};

static void *counter_init(struct arena *arena, const struct compartment_config *config, struct outbox *out)
{
    struct counter *n = arena_take(arena, sizeof *n);
    n->self = (struct sender){KIND_COUNTER, config->replica, config->epoch};
    memcpy(n->admin_public, config->admin_public, sizeof n->admin_public);
    sign_keypair(&n->sign);
    box_keypair(&n->box);
    hello_say(out, &n->self, &n->sign, n->box.public, n->admin_public, &(struct hello_head){0});
    return n;
}

/* Does it name this very incarnation? An epoch alone is what the host said; the box key nobody else has. */
static bool is_for(const struct counter *n, const struct counter_key *m)
{
    return (m->replica == n->self.id && m->epoch == n->self.epoch &&
            memcmp(m->box_public.bytes, n->box.public, 32) == 0) ||
           trinx_mutant(TRINX_MUTANT_ANY_INCARNATION);
}

static bool from_admin(const struct counter *n, const struct frame *frame)
{
    static const struct tag16 none;
    struct digest content;
    auth_content(&none, frame->type, &frame->sender, frame->body, &content);
    return (frame->auth.len == SIGNATURE_BYTES &&
            auth_signature_ok(frame->auth.data, n->admin_public, &content)) ||
           trinx_mutant(TRINX_MUTANT_ANY_SIGNER);
}

static bool key_open(const struct counter *n, const struct counter_key *m, uint8_t group[32])
{
    uint8_t sealed[32 + SEAL_BYTES];
    struct writer w = writer_to(sealed, sizeof sealed);
    put_raw(&w, m->half0.bytes, sizeof m->half0.bytes);
    put_raw(&w, m->half1.bytes, sizeof m->half1.bytes);
    put_raw(&w, m->tail.bytes, sizeof m->tail.bytes);
    return box_open(group, &n->box, sealed, sizeof sealed);
}

static enum verdict counter_on_key(struct counter *n, const struct frame *frame)
{
    struct counter_key m;
    uint8_t group[32];
    enum verdict verdict = counter_key_check(frame, &m);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    if (n->trinx.begun && !trinx_mutant(TRINX_MUTANT_BEGUN_AGAIN))
        return VERDICT_DUPLICATE;
    if (!from_admin(n, frame))
        return VERDICT_BAD_SIGNATURE;
    if (!is_for(n, &m))
        return VERDICT_UNKNOWN_SENDER;
    if (!key_open(n, &m, group))
        return VERDICT_MISMATCH;
    struct trinx_instance self = {
        .replica = n->self.id, .epoch = n->self.epoch, .life = trinx_life(n->box.public)};
    verdict = trinx_begin(&n->trinx, &self, m.pillars, &m.cluster, group);
    n->cluster = m.cluster;
    crypto_wipe(group, sizeof group);
    if (!trinx_mutant(TRINX_MUTANT_BEGUN_AGAIN))
        crypto_wipe(n->box.secret, sizeof n->box.secret);
    return verdict;
}

static void certify(struct counter *n, const struct counter_command *m, struct writer *w)
{
    struct trinx_certificate c;
    struct trinx_command command = {.kind = (enum trinx_kind)m->kind,
                                    .pillar = m->pillar,
                                    .counter = m->counter,
                                    .value = {m->view, m->order},
                                    .digest = m->digest};
    struct counter_made made = {.verdict = (uint8_t)trinx_certify(&n->trinx, &command, &c)};
    made.previous_view = c.previous.view;
    made.previous_order = c.previous.order;
    made.act_view = c.act.view;
    made.act_order = c.act.order;
    memcpy(made.mac.bytes, c.mac, sizeof made.mac.bytes);
    counter_made_put(w, &made);
}

static enum verdict verify(const struct counter *n, const struct counter_check *m)
{
    struct trinx_certificate c = {.instance = {m->replica, m->pillar, m->epoch, m->life},
                                  .kind = (enum trinx_kind)m->kind,
                                  .counter = m->counter,
                                  .value = {m->view, m->order},
                                  .previous = {m->previous_view, m->previous_order},
                                  .act = {m->act_view, m->act_order}};
    memcpy(c.mac, m->mac.bytes, sizeof c.mac);
    return trinx_verify(&n->trinx, &c, &m->digest);
}

void counter_signed_content(const struct tag16 *cluster, replica_id replica, epoch_no epoch,
                            const struct digest *digest, struct digest *content)
{
    const struct sender self = {KIND_COUNTER, replica, epoch};
    auth_content(cluster, FRAME_COUNTER_SIGNED, &self, (struct slice){digest->bytes, sizeof digest->bytes},
                 content);
}

static void sign(const struct counter *n, const struct digest *digest, struct writer *w)
{
    struct digest content;
    struct counter_signature made;
    counter_signed_content(&n->cluster, n->self.id, n->self.epoch, digest, &content);
    content_sign(&n->sign, &content, made.signature.bytes);
    counter_signature_put(w, &made);
}

static enum verdict counter_on_count(struct counter *n, const struct frame *frame, struct outbox *out)
{
    struct local_count m;
    if (local_count_check(frame, &m) != VERDICT_ACCEPT)
        return VERDICT_MALFORMED;
    if (!n->trinx.begun)
        return VERDICT_EARLY;
    /* As local_counted_put writes it, without collecting the lists first. */
    uint32_t commands = counter_command_count(m.commands), checks = counter_check_count(m.checks),
             signs = counter_sign_count(m.signs);
    struct writer w = writer_to(n->answer, sizeof n->answer);
    put_u64(&w, m.number);
    put_u32(&w, commands * counter_made_BYTES);
    for (uint32_t i = 0; i < commands; i++) {
        struct counter_command command = counter_command_at(m.commands, i);
        certify(n, &command, &w);
    }
    put_u32(&w, checks);
    for (uint32_t i = 0; i < checks; i++) {
        struct counter_check check = counter_check_at(m.checks, i);
        put_u8(&w, (uint8_t)verify(n, &check));
    }
    put_u32(&w, signs * counter_signature_BYTES);
    for (uint32_t i = 0; i < signs; i++) {
        struct counter_sign wanted = counter_sign_at(m.signs, i);
        sign(n, &wanted.digest, &w);
    }
    content_emit(out, FRAME_LOCAL_COUNTED, &n->self, AUTH_NONE, (struct slice){n->answer, w.len},
                 (struct slice){NULL, 0}, (struct slice){NULL, 0});
    return VERDICT_ACCEPT;
}

static enum verdict counter_step(void *state, const struct compartment_input *in, struct outbox *out)
{
    struct counter *n = state;
    struct frame frame;
    if (!frame_decode(in->frame, in->len, &frame))
        return VERDICT_MALFORMED;
    if (frame.type == FRAME_COUNTER_KEY)
        return counter_on_key(n, &frame);
    if (frame.type == FRAME_LOCAL_COUNT)
        return counter_on_count(n, &frame, out);
    return VERDICT_UNEXPECTED;
}

static bool counter_flush(void *state, uint64_t now_us, struct outbox *out)
{
    (void)state;
    (void)now_us;
    (void)out;
    return false;
}

static void counter_validate(const void *state)
{
    const struct counter *n = state;
    trinx_validate(&n->trinx);
}

const struct compartment_type counter_type = {
    .kind = KIND_COUNTER,
    .arena_bytes = sizeof(struct counter) + 65536,
    .init = counter_init,
    .step = counter_step,
    .flush = counter_flush,
    .validate = counter_validate,
};
