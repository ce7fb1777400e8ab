#include "ordering/content.h"

#include "base/check.h"
#include "ordering/mutant.h"

#define SENDER_BYTES 13u

void auth_content(const struct tag16 *cluster, enum frame_type type, const struct sender *sender,
                  struct slice body, struct digest *content)
{
    uint8_t head[16 + 2 + SENDER_BYTES];
    struct writer w = writer_to(head, sizeof head);
    put_raw(&w, cluster->bytes, sizeof cluster->bytes);
    put_u8(&w, WIRE_VERSION);
    put_u8(&w, mutant(MUTANT_NO_DOMAIN_SEPARATION) ? 0 : (uint8_t)type);
    if (!mutant(MUTANT_NO_DOMAIN_SEPARATION)) {
        put_u8(&w, (uint8_t)sender->kind);
        put_u32(&w, sender->id);
        put_u64(&w, sender->epoch);
    }
    struct digest_state state;
    digest_begin(&state, "frame");
    digest_add(&state, head, w.len);
    digest_add(&state, body.data, body.len);
    digest_end(&state, content);
}

static void signature_input(uint8_t input[48], const struct digest *content)
{
    static const char prefix[16] = "redoubt sign v1";
    memcpy(input, prefix, 16);
    memcpy(input + 16, content->bytes, 32);
}

void content_sign(const struct sign_key *key, const struct digest *content,
                  uint8_t signature[SIGNATURE_BYTES])
{
    uint8_t input[48];
    signature_input(input, content);
    sign_make(signature, key, input, sizeof input);
}

bool auth_signature_ok(const uint8_t signature[SIGNATURE_BYTES], const uint8_t public[32],
                       const struct digest *content)
{
    uint8_t input[48];
    signature_input(input, content);
    return sign_check(signature, public, input, sizeof input);
}

void content_emit(struct outbox *out, enum frame_type type, const struct sender *self,
                  enum auth_kind auth_kind, struct slice body, struct slice authenticator,
                  struct slice attachment)
{
    size_t max = FRAME_HEADER_BYTES + body.len + authenticator.len + attachment.len;
    uint8_t *to = outbox_reserve(out, max);
    size_t len = frame_encode(to, max, type, self, auth_kind, body, authenticator, attachment);
    CHECK(len == max);
    outbox_commit(out, len);
}

void content_emit_signed(struct outbox *out, enum frame_type type, const struct sender *self,
                         const struct tag16 *cluster, const struct sign_key *key, struct slice body,
                         struct slice attachment)
{
    uint8_t signature[SIGNATURE_BYTES];
    struct digest content;
    auth_content(cluster, type, self, body, &content);
    content_sign(key, &content, signature);
    content_emit(out, type, self, AUTH_SIGNATURE, body, (struct slice){signature, sizeof signature},
                 attachment);
}
