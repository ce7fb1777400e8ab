#include "ordering/hello.h"

void hello_say(struct outbox *out, const struct sender *self, const struct sign_key *sign,
               const uint8_t box_public[32], const uint8_t admin_public[32], const struct hello_head *head)
{
    static const struct tag16 none; /* of no cluster yet, whatever the records said */
    struct hello hello = {.evidence = {NULL, 0},
                          .view = head->view,
                          .slot = head->slot,
                          .stable = head->stable,
                          .head = head->head};
    memcpy(hello.sign_public.bytes, sign->public, 32);
    memcpy(hello.box_public.bytes, box_public, 32);
    memcpy(hello.admin_public.bytes, admin_public, 32);
    uint8_t body[256];
    struct writer w = writer_to(body, sizeof body);
    hello_put(&w, &hello);
    content_emit_signed(out, FRAME_HELLO, self, &none, sign, (struct slice){body, w.len},
                        (struct slice){NULL, 0});
}
