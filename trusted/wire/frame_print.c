/* Apart from frame.c, so that who prints nothing has no other message in it. */
#include "wire/messages.h"

static void print_body(struct text *text, const struct frame *frame)
{
#define BODY(NAME, name)                                                                                     \
    case FRAME_##NAME: {                                                                                     \
        struct name m;                                                                                       \
        if (name##_decode(frame->body, &m))                                                                  \
            name##_print(text, &m);                                                                          \
        else                                                                                                 \
            text_add(text, " malformed");                                                                    \
        break;                                                                                               \
    }
    switch (frame->type) {
        FRAME_BODIES(BODY)
    }
#undef BODY
}

void frame_print(struct text *text, const struct frame *frame)
{
    const char *name = frame_type_name(frame->type);
    text_add(text, name ? name : "?");
    text_add(text, " from=");
    text_add(text, kind_name(frame->sender.kind));
    text_add(text, "/");
    text_add_u64(text, frame->sender.id);
    print_body(text, frame);
}
