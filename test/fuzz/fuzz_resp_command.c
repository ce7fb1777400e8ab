/*
 * Commands from anywhere. However the bytes are cut, the same comes of them; and what is taken, hiredis takes alike, inline
 * commands by the function that redis-server uses. No differences are known.
 *
 * Input: two bytes that say how to cut, then what the client sends.
 */
#include "need.h"
#include "resp_transcript.h"
#include "troxy/text.h"

static void compare(const struct resp_transcript *t, unsigned i, struct slice input)
{
    static uint8_t memory[1u << 18];
    struct writer out = writer_to(memory, sizeof memory);
    struct slice command = {input.data + t->command[i].start, t->command[i].end - t->command[i].start};
    struct slice ours = {t->text + t->command[i].text, t->command[i].text_after - t->command[i].text};
    need(other_resp_read(&out, command));
    need(text_equal(ours, (struct slice){memory, out.len}));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct resp_transcript whole, cut;
    if (size < 2 || size > 60000)
        return 0;
    struct slice input = {data + 2, size - 2};
    resp_transcript_make(&whole, input, 0, SIZE_MAX);
    resp_transcript_make(&cut, input, data[0], 1u + data[1]);
    need(text_equal((struct slice){whole.text, whole.out.len}, (struct slice){cut.text, cut.out.len}));
    for (unsigned i = 0; i < whole.commands && i < RESP_TRANSCRIPT_COMMANDS; i++)
        compare(&whole, i, input);
    return 0;
}
