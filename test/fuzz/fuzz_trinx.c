/*
 * A counter compartment that has begun, and whatever its host says: the input is the body of a LOCAL-COUNT, given twice, and a frame by
 * itself. Independent certificates of a counter have rising values; a call is answered in full or refused.
 */
#include "counter_world.h"

#include "need.h"

static struct trinx_value last[PILLARS_MAX][PILLAR_COUNTERS];

static void look_at_answer(const struct counter_under_test *c, const struct local_count *asked)
{
    struct frame frame;
    struct local_counted answer;
    need(counter_said(c, &frame) && local_counted_check(&frame, &answer) == VERDICT_ACCEPT);
    need(answer.number == asked->number);
    need(counter_made_count(answer.made) == counter_command_count(asked->commands));
    need(answer.verdicts.len == counter_check_count(asked->checks));
    need(counter_signature_count(answer.signatures) == counter_sign_count(asked->signs));
    for (uint32_t i = 0; i < counter_made_count(answer.made); i++) {
        struct counter_command command = counter_command_at(asked->commands, i);
        if (counter_made_at(answer.made, i).verdict != VERDICT_ACCEPT || command.kind != TRINX_INDEPENDENT)
            continue;
        struct trinx_value value = {command.view, command.order};
        need(trinx_compare(&last[command.pillar][command.counter], &value) < 0);
        last[command.pillar][command.counter] = value;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct counter_world w;
    static struct counter_under_test c;
    static bool started;
    if (!started) {
        need(crypto_start() == 0);
        counter_world_init(&w);
        counter_start(&c, &w, 1, 7);
        need(counter_begin(&c, &w, PILLARS_MAX) == VERDICT_ACCEPT);
        started = true;
    }
    struct local_count count;
    bool good = local_count_decode((struct slice){data, size}, &count);
    for (int again = 0; good && again < 2; again++)
        if (counter_ask(&c, &count) == VERDICT_ACCEPT)
            look_at_answer(&c, &count);
    (void)counter_give(&c, data, size);
    counter_type.validate(c.state);
    return 0;
}
