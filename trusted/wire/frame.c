#include "wire/frame.h"

#include "base/limits.h"

const char *frame_type_name(enum frame_type type)
{
    switch (type) {
#define T(name, number, text)                                                                                \
    case FRAME_##name:                                                                                       \
        return text;
        FRAME_TYPES(T)
#undef T
    }
    return NULL;
}

static bool header_possible(const struct frame *frame, uint32_t reserved)
{
    bool kind = frame->sender.kind <= KIND_ADMIN || frame->sender.kind == KIND_TROXY ||
                frame->sender.kind == KIND_COUNTER;
    return frame_type_name(frame->type) && kind && frame->auth_kind <= AUTH_COUNTER && reserved == 0;
}

bool frame_decode(const uint8_t *data, size_t len, struct frame *frame)
{
    if (len < FRAME_HEADER_BYTES || len > FRAME_MAX)
        return false;
    struct reader r = reader_of(data, len);
    uint8_t version = get_u8(&r);
    frame->type = (enum frame_type)get_u8(&r);
    frame->sender.kind = (enum kind)get_u8(&r);
    frame->auth_kind = (enum auth_kind)get_u8(&r);
    frame->sender.id = get_u32(&r);
    frame->sender.epoch = get_u64(&r);
    uint32_t body_len = get_u32(&r);
    uint32_t auth_len = get_u32(&r);
    uint32_t attachment_len = get_u32(&r);
    uint32_t reserved = get_u32(&r);
    if (version != WIRE_VERSION || !header_possible(frame, reserved))
        return false;
    frame->body = (struct slice){reader_take(&r, body_len), body_len};
    frame->auth = (struct slice){reader_take(&r, auth_len), auth_len};
    frame->attachment = (struct slice){reader_take(&r, attachment_len), attachment_len};
    frame->whole = (struct slice){data, len};
    return reader_done(&r);
}

static void put_header(struct writer *w, enum frame_type type, const struct sender *sender,
                       enum auth_kind auth_kind, size_t body_len, size_t auth_len, size_t attachment_len)
{
    put_u8(w, WIRE_VERSION);
    put_u8(w, (uint8_t)type);
    put_u8(w, (uint8_t)sender->kind);
    put_u8(w, (uint8_t)auth_kind);
    put_u32(w, sender->id);
    put_u64(w, sender->epoch);
    put_u32(w, (uint32_t)body_len);
    put_u32(w, (uint32_t)auth_len);
    put_u32(w, (uint32_t)attachment_len);
    put_u32(w, 0);
}

size_t frame_encode(uint8_t *out, size_t cap, enum frame_type type, const struct sender *sender,
                    enum auth_kind auth_kind, struct slice body, struct slice auth, struct slice attachment)
{
    struct writer w = writer_to(out, cap);
    put_header(&w, type, sender, auth_kind, body.len, auth.len, attachment.len);
    put_raw(&w, body.data, body.len);
    put_raw(&w, auth.data, auth.len);
    put_raw(&w, attachment.data, attachment.len);
    return w.bad || w.len > FRAME_MAX ? 0 : w.len;
}

size_t frame_head(uint8_t *out, size_t cap, const struct frame *frame, size_t attachment_len)
{
    struct writer w = writer_to(out, cap);
    put_header(&w, frame->type, &frame->sender, frame->auth_kind, frame->body.len, frame->auth.len,
               attachment_len);
    put_raw(&w, frame->body.data, frame->body.len);
    put_raw(&w, frame->auth.data, frame->auth.len);
    return w.bad || w.len + attachment_len > FRAME_MAX ? 0 : w.len;
}

size_t frame_strip(uint8_t *out, size_t cap, const struct frame *frame)
{
    return frame_head(out, cap, frame, 0);
}

bool frame_list_next(struct slice list, size_t *at, struct slice *frame)
{
    if (*at >= list.len)
        return false;
    struct reader r = reader_of(list.data + *at, list.len - *at);
    *frame = get_slice(&r);
    if (r.bad) {
        *at = SIZE_MAX;
        return false;
    }
    *at += 4 + frame->len;
    return true;
}
