/*
 * The fuzz target of one message: decode, encode again, check, print. The build makes a fuzz_TYPE.c for every line of
 * FRAME_BODIES that defines FUZZ_TYPE (COMMIT) and FUZZ_BODY (vote) and includes this.
 *
 * Input: a frame, whose lengths are made to fit and whose type is made to be this one. What is taken must have one
 * encoding; a check must say the same twice, and what it accepts must be readable to the end.
 */
#include "base/limits.h"
#include "need.h"
#include "wire/messages.h"

#define JOIN_(a, b) a##b
#define JOIN(a, b)  JOIN_(a, b)
#define TYPE        JOIN(FRAME_, FUZZ_TYPE)
#define BODY(verb)  JOIN(FUZZ_BODY, _##verb)

/* Messages with a check of their own. One that is not listed is decoded, encoded and printed. */
#define CHECKED(C)                                                                                           \
    C(RECONFIG, reconfig)                                                                                    \
    C(COUNTER_KEY, counter_key)                                                                              \
    C(LOCAL_COUNT, local_count)                                                                              \
    C(LOCAL_COUNTED, local_counted)                                                                          \
    C(ASK_ATTEST, ask_attest)                                                                                \
    C(ATTEST, attest)                                                                                        \
    C(ASK_READ, ask_read)                                                                                    \
    C(READ_ANSWER, read_answer)                                                                              \
    C(BUNDLE, bundle)                                                                                        \
    C(REPLY, reply)                                                                                          \
    C(PRE_PREPARE, vote)                                                                                     \
    C(PREPARE, vote)                                                                                         \
    C(COMMIT, vote)                                                                                          \
    C(EXECUTED, vote)                                                                                        \
    C(CHECKPOINT, checkpoint)                                                                                \
    C(PARTING, parting)                                                                                      \
    C(VIEW_CHANGE, view_change)                                                                              \
    C(NEW_VIEW, new_view)                                                                                    \
    C(HYBSTER_PREPARE, hybster_prepare)                                                                      \
    C(HYBSTER_COMMIT, hybster_commit)                                                                        \
    C(HYBSTER_COMMITTED, hybster_committed)                                                                  \
    C(HYBSTER_SUSPECT, hybster_suspect)                                                                      \
    C(HYBSTER_VIEW_CHANGE, hybster_view_change) C(HYBSTER_NEW_VIEW, hybster_new_view)

static enum verdict check(const struct frame *frame)
{
    switch (TYPE) {
#define C(NAME, name)                                                                                        \
    case FRAME_##NAME: {                                                                                     \
        struct name first, second;                                                                           \
        enum verdict verdict = name##_check(frame, &first);                                                  \
        need(verdict == name##_check(frame, &second));                                                       \
        return verdict;                                                                                      \
    }
        CHECKED(C)
#undef C
    case FRAME_CONFIGURATION: {
        struct chain chain;
        uint32_t count;
        enum verdict verdict = chain_check(frame, &chain, &count);
        need(count <= CHAIN_STEPS_MAX + 1);
        return verdict;
    }
    default:
        return VERDICT_UNEXPECTED;
    }
}

#define LOOK_AT_LIST(name, list, max)                                                                        \
    for (uint32_t i = 0; name##_list_ok(list, max) && i < name##_count(list); i++) {                         \
        struct name element = name##_at(list, i);                                                            \
        (void)look_at((const uint8_t *)&element, sizeof element);                                            \
    }

/* What an accepted message carries, read as its users do. */
static void read_on(const struct frame *frame)
{
    struct parting parting;
    struct view_change vc;
    struct new_view nv;
    struct start start;
    struct local_count count;
    struct batch batch;
    struct slice inner;
    size_t at = 0;
    if (TYPE == FRAME_PARTING && parting_decode(frame->body, &parting)) {
        LOOK_AT_LIST(signer, parting.signers, REPLICAS_MAX)
        slot_no last = parting.stable_slot;
        for (uint32_t i = 0; i < slot_view_count(parting.votes); i++) {
            struct slot_view vote = slot_view_at(parting.votes, i);
            need(vote.slot >= last && vote.slot > parting.stable_slot &&
                 vote.slot - parting.stable_slot <= WINDOW);
            last = vote.slot;
        }
    }
    if (TYPE == FRAME_VIEW_CHANGE && view_change_decode(frame->body, &vc)) {
        slot_no last = vc.stable_slot;
        for (uint32_t i = 0; i < slot_view_count(vc.claims); i++) {
            struct slot_view claim = slot_view_at(vc.claims, i);
            need(claim.slot > last && claim.slot - vc.stable_slot <= WINDOW && claim.view < vc.view);
            last = claim.slot;
        }
        while (frame_list_next(frame->attachment, &at, &inner))
            (void)look_at(inner.data, inner.len);
        need(at == frame->attachment.len);
    }
    if (TYPE == FRAME_NEW_VIEW && new_view_decode(frame->body, &nv))
        LOOK_AT_LIST(selected, nv.selection, WINDOW)
    struct hybster_view_change change;
    struct hybster_new_view new_view;
    struct hybster_committed committed;
    if (TYPE == FRAME_HYBSTER_VIEW_CHANGE && hybster_view_change_decode(frame->body, &change)) {
        LOOK_AT_LIST(hybster_shown, change.prepares, WINDOW)
        LOOK_AT_LIST(signer, change.signers, REPLICAS_MAX)
        uint32_t last = 0;
        for (uint32_t i = 0; i < hybster_shown_count(change.prepares); i++) {
            uint32_t above = hybster_shown_at(change.prepares, i).above;
            need(above > last && above <= WINDOW);
            last = above;
        }
        need(hybster_continuing_count(frame->auth) >= 1 &&
             hybster_continuing_count(frame->auth) <= PILLARS_MAX);
    }
    if (TYPE == FRAME_HYBSTER_NEW_VIEW && hybster_new_view_decode(frame->body, &new_view)) {
        LOOK_AT_LIST(hybster_command, new_view.commands, WINDOW)
        while (frame_list_next(frame->attachment, &at, &inner))
            (void)look_at(inner.data, inner.len);
    }
    if (TYPE == FRAME_HYBSTER_COMMITTED && hybster_committed_decode(frame->body, &committed))
        LOOK_AT_LIST(hybster_voter, committed.commits, REPLICAS_MAX)
    if (TYPE == FRAME_LOCAL_COUNT && local_count_decode(frame->body, &count)) {
        LOOK_AT_LIST(counter_command, count.commands, COUNTER_COMMANDS_MAX)
        LOOK_AT_LIST(counter_check, count.checks, COUNTER_CHECKS_MAX)
        LOOK_AT_LIST(counter_sign, count.signs, COUNTER_SIGNS_MAX)
    }
    if (TYPE == FRAME_START && start_decode(frame->body, &start)) {
        LOOK_AT_LIST(member, start.members, 16 * REPLICAS_MAX)
        LOOK_AT_LIST(origin_entry, start.origins, ORIGINS_MAX)
        LOOK_AT_LIST(sealed, frame->attachment, REPLICAS_MAX)
    }
    if ((TYPE == FRAME_BATCH || TYPE == FRAME_PRE_PREPARE) && batch_decode(frame->attachment, &batch))
        LOOK_AT_LIST(batch_entry, batch.entries, BATCH_BUNDLES_MAX)
}

static void print(const struct frame *frame)
{
    char large[2048], small[32];
    struct text text = {.data = large, .cap = sizeof large};
    struct text cut = {.data = small, .cap = sizeof small};
    frame_print(&text, frame);
    frame_print(&cut, frame);
    need(strlen(large) == text.len && strlen(small) == cut.len);
    need(memcmp(large, small, cut.len) == 0);
}

static uint32_t fit(const uint8_t *at, size_t *left)
{
    uint32_t len = (uint32_t)at[0] | (uint32_t)at[1] << 8;
    if (len > *left)
        len = (uint32_t)*left;
    *left -= len;
    return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t again[1 << 17];
    if (size < FRAME_HEADER_BYTES || size > sizeof again)
        return 0;
    size_t left = size - FRAME_HEADER_BYTES;
    struct frame frame = {.type = TYPE, .whole = {data, size}};
    frame.sender.kind = data[2] == KIND_COUNTER ? KIND_COUNTER : (enum kind)(data[2] % (KIND_ADMIN + 1));
    frame.auth_kind = (enum auth_kind)(data[3] % (AUTH_COUNTER + 1));
    frame.sender.id = (uint32_t)data[4] | (uint32_t)data[5] << 24;
    uint32_t body = fit(data + 16, &left), auth = fit(data + 20, &left);
    frame.body = (struct slice){data + FRAME_HEADER_BYTES, body};
    frame.auth = (struct slice){frame.body.data + body, auth};
    frame.attachment = (struct slice){frame.auth.data + auth, left};

    struct FUZZ_BODY m;
    bool good = BODY(decode)(frame.body, &m);
    if (good) {
        struct writer w = writer_to(again, body);
        BODY(put)(&w, &m);
        need(!w.bad && w.len == body && memcmp(again, frame.body.data, body) == 0);
    }
    enum verdict verdict = check(&frame);
    need(verdict < VERDICT_COUNT && (good || verdict != VERDICT_ACCEPT));
    if (verdict == VERDICT_ACCEPT || (verdict == VERDICT_UNEXPECTED && good))
        read_on(&frame);
    print(&frame);
    return 0;
}
