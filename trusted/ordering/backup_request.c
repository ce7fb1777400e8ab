#include "ordering/backup_request.h"

enum verdict backup_request_check(const struct frame *frame, const struct tag16 *cluster,
                                  const uint8_t admin_public[32], struct ask_backup *ask)
{
    struct digest content;
    if (frame->type != FRAME_ASK_BACKUP || frame->sender.kind != KIND_ADMIN || frame->sender.id ||
        frame->sender.epoch)
        return VERDICT_WRONG_KIND;
    if (frame->auth_kind != AUTH_SIGNATURE || frame->auth.len != SIGNATURE_BYTES || frame->attachment.len ||
        !ask_backup_decode(frame->body, ask) || ask->number == 0)
        return VERDICT_MALFORMED;
    auth_content(cluster, frame->type, &frame->sender, frame->body, &content);
    return auth_signature_ok(frame->auth.data, admin_public, &content) ? VERDICT_ACCEPT
                                                                       : VERDICT_BAD_SIGNATURE;
}
