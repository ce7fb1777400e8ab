#include "resp_transcript.h"

#include <stdlib.h>

#include "base/check.h"
#include "troxy/resp/command.h"
#include "troxy/text.h"

struct run {
    struct resp_transcript *t;
    struct resp_parser parser;
    struct resp_command command;
    uint8_t *kept; /* exactly as long as it has to be */
    size_t len;
    size_t done; /* bytes of input that were dropped */
};

static void write_command(struct run *run)
{
    struct resp_transcript *t = run->t;
    size_t text = t->out.len;
    for (uint32_t i = 0; i < run->command.count; i++) {
        put_text(&t->out, "(");
        put_raw(&t->out, run->command.argument[i].data, run->command.argument[i].len);
        put_text(&t->out, ")");
    }
    if (t->commands < RESP_TRANSCRIPT_COMMANDS) {
        t->command[t->commands].start = run->done;
        t->command[t->commands].end = run->done + run->command.bytes;
        t->command[t->commands].text = text;
        t->command[t->commands].text_after = t->out.len;
    }
    t->commands++;
    put_text(&t->out, " ");
    put_number(&t->out, run->done + run->command.bytes);
    put_text(&t->out, "\n");
}

/* The kept bytes from `from` on and a piece, in memory of their own. */
static void keep(struct run *run, size_t from, struct slice piece)
{
    size_t rest = run->len - from;
    uint8_t *kept = malloc(rest + piece.len ? rest + piece.len : 1);
    CHECK(kept);
    if (rest)
        memcpy(kept, run->kept + from, rest);
    if (piece.len)
        memcpy(kept + rest, piece.data, piece.len);
    free(run->kept);
    run->kept = kept;
    run->len = rest + piece.len;
    run->done += from;
}

static bool take_piece(struct run *run, struct slice piece)
{
    size_t at = 0;
    keep(run, 0, piece);
    for (;;) {
        enum resp_event event = resp_parse(&run->parser, run->kept + at, run->len - at, &run->command);
        if (event == RESP_COMMAND) {
            CHECK(run->command.bytes > 0 && run->command.bytes <= run->len - at);
            run->done += at;
            write_command(run);
            run->done -= at;
            at += run->command.bytes;
            continue;
        }
        keep(run, at, (struct slice){NULL, 0});
        return event == RESP_MORE;
    }
}

void resp_transcript_make(struct resp_transcript *t, struct slice input, size_t first, size_t step)
{
    struct run *run = calloc(1, sizeof *run);
    bool good = true;
    CHECK(run);
    t->commands = 0;
    t->out = writer_to(t->text, sizeof t->text);
    run->t = t;
    resp_parser_init(&run->parser);
    for (size_t at = 0; good && at < input.len;) {
        size_t len = at == 0 && first ? first : step;
        len = len < input.len - at ? len : input.len - at;
        good = take_piece(run, (struct slice){input.data + at, len});
        at += len;
    }
    t->refused = !good;
    if (t->refused)
        CHECK(resp_parse(&run->parser, run->kept, run->len, &run->command) == RESP_REFUSED);
    put_text(&t->out, "== ");
    put_text(&t->out, t->refused ? run->parser.why : run->len ? "more" : "idle");
    put_text(&t->out, "\n");
    CHECK(!t->out.bad);
    free(run->kept);
    free(run);
}
