#include "http_transcript.h"

#include <stdlib.h>

#include "base/check.h"
#include "troxy/http/request.h"
#include "troxy/text.h"

struct run {
    struct http_transcript *t;
    struct http_request_parser parser;
    struct http_request request;
    size_t at;    /* bytes of input taken */
    size_t start; /* where the current request began */
    size_t text;
    size_t expected_at; /* 0: not */
};

static const char *method_of(const struct http_request *r)
{
    static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"};
    return names[r->method];
}

static void put_piece(struct writer *w, struct slice text)
{
    put_raw(w, text.data, text.len);
}

static void write_head(struct run *run)
{
    struct writer *w = &run->t->out;
    const struct http_request *r = &run->request;
    run->text = w->len;
    put_text(w, method_of(r));
    put_text(w, " ");
    put_piece(w, r->target);
    put_text(w, r->version_1_0 ? " HTTP/1.0" : " HTTP/1.1");
    put_text(w, r->keep_alive ? " stays\n" : " closes\n");
    for (uint32_t i = 0; i < r->fields; i++) {
        put_piece(w, r->field[i].name);
        put_text(w, ": ");
        put_piece(w, r->field[i].value);
        put_text(w, "\n");
    }
    put_text(w, "\n");
}

static void write_expected(struct run *run)
{
    if (!run->expected_at)
        return;
    put_text(&run->t->out, "-- expected at ");
    put_number(&run->t->out, run->expected_at);
    put_text(&run->t->out, "\n");
    run->expected_at = 0;
}

static void write_end(struct run *run)
{
    struct http_transcript *t = run->t;
    if (t->requests < TRANSCRIPT_REQUESTS) {
        t->request[t->requests].start = run->start;
        t->request[t->requests].end = run->at;
        t->request[t->requests].text = run->text;
        t->request[t->requests].text_after = t->out.len;
        t->request[t->requests].trailers = run->request.chunked && run->parser.chunked.trailer > 0;
    }
    t->requests++;
    run->start = run->at;
    put_text(&t->out, "\n");
    write_expected(run);
    put_text(&t->out, "-- ");
    put_number(&t->out, run->at);
    put_text(&t->out, "\n");
}

static void write_event(struct run *run, enum http_event event, struct slice piece)
{
    struct writer *w = &run->t->out;
    if (event == HTTP_EVENT_HEAD) {
        write_head(run);
    } else if (event == HTTP_EVENT_BODY) {
        CHECK(piece.len > 0);
        put_piece(w, piece);
    } else if (event == HTTP_EVENT_EXPECT) {
        run->expected_at = run->at;
    } else if (event == HTTP_EVENT_END) {
        CHECK(http_request_parser_is_idle(&run->parser));
        write_end(run);
    }
}

/* False when it was refused. */
static bool take_piece(struct run *run, struct slice input)
{
    for (;;) {
        struct slice piece;
        size_t before = input.len;
        enum http_event event = http_request_step(&run->parser, &run->request, &input, &piece);
        run->at += before - input.len;
        write_event(run, event, piece);
        if (event == HTTP_EVENT_REFUSED)
            return false;
        if (event == HTTP_EVENT_MORE) {
            CHECK(input.len == 0);
            return true;
        }
    }
}

static void write_close(struct run *run, bool refused)
{
    struct writer *w = &run->t->out;
    write_expected(run);
    if (!refused) {
        put_text(w, http_request_parser_is_idle(&run->parser) ? "== idle\n" : "== more\n");
        return;
    }
    struct slice nothing = {NULL, 0}, piece;
    CHECK(http_request_step(&run->parser, &run->request, &nothing, &piece) == HTTP_EVENT_REFUSED);
    run->t->status = run->parser.refusal.status;
    run->t->refused_at = run->at;
    put_text(w, "== refused ");
    put_number(w, run->t->status);
    put_text(w, " at ");
    put_number(w, run->at);
    put_text(w, ": ");
    put_text(w, run->parser.refusal.why);
    put_text(w, "\n");
}

void http_transcript_make(struct http_transcript *t, struct slice input, size_t first, size_t step)
{
    struct run *run = calloc(1, sizeof *run);
    bool good = true;
    CHECK(run);
    t->requests = 0;
    t->status = 0;
    t->refused_at = 0;
    t->out = writer_to(t->text, sizeof t->text);
    run->t = t;
    http_request_parser_init(&run->parser);
    for (size_t at = 0; good && at < input.len;) {
        size_t len = at == 0 && first ? first : step;
        len = len < input.len - at ? len : input.len - at;
        uint8_t *piece = malloc(len);
        CHECK(piece);
        memcpy(piece, input.data + at, len);
        good = take_piece(run, (struct slice){piece, len});
        free(piece);
        at += len;
    }
    write_close(run, !good);
    CHECK(!t->out.bad);
    free(run);
}
