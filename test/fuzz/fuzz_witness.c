/*
 * A witness that has begun, and whatever its host shows it: the input is the body of a LOCAL-CERTIFY with what was written behind it, told twice,
 * and a frame by itself. Floors only rise, and what is certified is what the step comes to.
 */
#include "troxy/witness.h"

#include "ordering/auth.h"
#include "need.h"

#define STEP_BYTES (4u + 8u + 8u + 8u + 4u + 32u + 32u)
#define MUCH       (1u << 20)

static struct configuration configuration;
static struct witness *witness;
static struct outbox out;

static void begin(void)
{
    static struct arena arena;
    struct box_key origin;
    size_t bytes = witness_arena_bytes();
    need(crypto_start() == 0);
    arena_init(&arena, calloc(1, bytes), bytes);
    out = (struct outbox){.data = malloc(MUCH), .cap = MUCH};
    witness = witness_new(&arena, 0);
    box_keypair(&origin);
    configuration.replicas = 3;
    configuration.certifies = true;
    configuration.origins = 2;
    configuration.origin[1].present = true;
    memcpy(configuration.origin[1].box_public, origin.public, 32);
    memcpy(configuration.certifier[0], witness->box.public, 32);
    need(witness_start(witness, &configuration));
}

static void tell(struct slice body, struct slice raised)
{
    static uint8_t bytes[FRAME_MAX];
    const struct sender e = {.kind = KIND_EXECUTION};
    struct frame frame, said;
    struct local_certify m;
    struct certified certified;
    struct digest head;
    struct slice answer;
    version_no whole = witness->whole, place = witness->place;
    size_t at = 0, len = frame_encode(bytes, sizeof bytes, FRAME_LOCAL_CERTIFY, &e, AUTH_NONE, body,
                                      (struct slice){NULL, 0}, raised);
    if (!len || !frame_decode(bytes, len, &frame) ||
        witness_on_certify(witness, &frame, &out) != VERDICT_ACCEPT)
        return;
    need(local_certify_decode(body, &m) && outbox_next(&out, &at, &answer));
    need(frame_decode(answer.data, answer.len, &said) &&
         certified_check(&said, &certified) == VERDICT_ACCEPT);
    history_step(&m, &head);
    need(digest_equal(&head, &certified.head) && certified.slot == m.slot &&
         certified.bundle_no == m.bundle_no);
    need(witness->whole >= whole && witness->place >= place);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct frame frame;
    if (!witness)
        begin();
    out.len = 0;
    size_t body = size < STEP_BYTES ? size : STEP_BYTES;
    for (int again = 0; again < 2; again++, out.len = 0)
        tell((struct slice){data, body}, (struct slice){data + body, size - body});
    if (frame_decode(data, size, &frame)) {
        (void)witness_on_certify(witness, &frame, &out);
        (void)witness_on_ask(witness, &frame, &out);
    }
    witness_validate(witness);
    return 0;
}
