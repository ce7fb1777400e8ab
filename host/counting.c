#include "counting.h"

#include "base/verdict.h"
#include "wire/counter_answer.h"

void counting_note(struct counting *counting, struct slice bytes)
{
    struct frame frame;
    struct local_counted m;
    if (!frame_decode(bytes.data, bytes.len, &frame) || frame.type != FRAME_LOCAL_COUNTED ||
        local_counted_check(&frame, &m) != VERDICT_ACCEPT)
        return;
    uint32_t made = counter_made_count(m.made);
    counting->calls++;
    for (uint32_t i = 0; i < made; i++) {
        struct counter_made answer = counter_made_at(m.made, i);
        *(answer.verdict == VERDICT_ACCEPT ? &counting->certified : &counting->refused) += 1;
    }
    for (size_t i = 0; i < m.verdicts.len; i++)
        *(m.verdicts.data[i] == VERDICT_ACCEPT ? &counting->verified : &counting->forged) += 1;
}
