/*
 * Frames from anywhere: split, put together again, stripped, printed, and walked as a list.
 */
#include "base/limits.h"
#include "need.h"
#include "wire/messages.h"

static void walk(struct slice list)
{
    struct slice inner;
    size_t at = 0, before = 0;
    while (frame_list_next(list, &at, &inner)) {
        need(at > before && at <= list.len);
        (void)look_at(inner.data, inner.len);
        before = at;
    }
    need(at == SIZE_MAX || at == list.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t again[1 << 17], bare[1 << 17];
    struct frame frame, stripped;
    char line[512];
    walk((struct slice){data, size});
    if (size > sizeof again || !frame_decode(data, size, &frame))
        return 0;
    size_t len = frame_encode(again, size, frame.type, &frame.sender, frame.auth_kind, frame.body, frame.auth,
                              frame.attachment);
    need(len == size && memcmp(again, data, size) == 0);
    len = frame_strip(bare, sizeof bare, &frame);
    need(len == size - frame.attachment.len && frame_decode(bare, len, &stripped));
    need(stripped.attachment.len == 0 && stripped.type == frame.type);
    walk(frame.attachment);
    struct text text = {.data = line, .cap = sizeof line};
    frame_print(&text, &frame);
    need(strlen(line) == text.len);
    return 0;
}
