#include "origin/flight.h"

#include "base/check.h"

static struct slice attachment_of(const struct client_flight *flight)
{
    return (struct slice){flight->chunk->data.data, flight->chunk->data.len};
}

/* The attachment follows as a part of its own, so that it is never copied. */
static size_t head_encode(const struct client_flight *flight, const struct sender *self,
                          enum auth_kind auth_kind, struct slice authenticator, uint8_t head[FLIGHT_HEAD_MAX])
{
    struct frame frame = {
        .type = FRAME_BUNDLE,
        .sender = *self,
        .auth_kind = auth_kind,
        .body = {flight->body, sizeof flight->body},
        .auth = authenticator,
    };
    size_t len = frame_head(head, FLIGHT_HEAD_MAX, &frame, attachment_of(flight).len);
    CHECK(len != 0);
    return len;
}

static void operations_seal(struct client_flight *flight, const struct auth *auth,
                            const struct secret_key *content_key)
{
    struct client_bytes *data = &flight->chunk->data;
    uint8_t nonce[AEAD_NONCE_BYTES];
    uint8_t ad[20];
    CHECK(data->cap >= data->len + AEAD_TAG_BYTES && data->len + AEAD_TAG_BYTES <= BUNDLE_BODY_MAX);
    bundle_nonce(nonce, flight->bundle_no);
    bundle_ad(ad, auth->self.id, auth->self.epoch, flight->bundle_no);
    aead_seal(data->data, content_key, nonce, ad, sizeof ad, data->data, data->len);
    data->len += AEAD_TAG_BYTES;
}

void client_flight_open(struct client_flight *flight, const struct auth *auth,
                        const struct secret_key *content_key)
{
    struct client_bytes *data = &flight->chunk->data;
    uint8_t nonce[AEAD_NONCE_BYTES];
    uint8_t ad[20];
    bundle_nonce(nonce, flight->bundle_no);
    bundle_ad(ad, auth->self.id, auth->self.epoch, flight->bundle_no);
    bool ok = aead_open(data->data, content_key, nonce, ad, sizeof ad, data->data, data->len);
    CHECK(ok); /* our own words */
    data->len -= AEAD_TAG_BYTES;
}

void client_flight_seal(struct client_flight *flight, struct auth *auth, const struct secret_key *content_key,
                        const uint8_t session_public[32], uint32_t flags)
{
    operations_seal(flight, auth, content_key);
    struct bundle bundle = {.bundle_no = flight->bundle_no, .flags = flags};
    struct slice attachment = attachment_of(flight);
    memcpy(bundle.session_public.bytes, session_public, 32);
    digest_of(&bundle.operations, BUNDLE_OPERATIONS_TAG, attachment.data, attachment.len);
    struct writer body = writer_to(flight->body, sizeof flight->body);
    bundle_put(&body, &bundle);
    CHECK(!body.bad && body.len == sizeof flight->body);

    uint8_t macs[REPLICAS_MAX * mac_entry_BYTES];
    struct writer w = writer_to(macs, sizeof macs);
    auth_content(&auth->cluster, FRAME_BUNDLE, &auth->self, (struct slice){flight->body, sizeof flight->body},
                 &flight->content);
    flight->pick = digest_prefix(&flight->content);
    auth_put_vector(auth, &flight->content, TO_P, &w);
    CHECK(!w.bad);
    flight->head_len = head_encode(flight, &auth->self, AUTH_MACS, (struct slice){macs, w.len}, flight->head);
}

void client_flight_parts(const struct client_flight *flight, struct slice parts[2])
{
    parts[0] = (struct slice){flight->head, flight->head_len};
    parts[1] = attachment_of(flight);
}

bool client_flight_parts_signed(struct client_flight *flight, const struct auth *auth,
                                uint8_t head[FLIGHT_HEAD_MAX], struct slice parts[2])
{
    bool made = !flight->signed_once;
    if (made)
        auth_sign_content(auth, &flight->content, flight->signature);
    flight->signed_once = true;
    struct slice signature = {flight->signature, sizeof flight->signature};
    parts[0] = (struct slice){head, head_encode(flight, &auth->self, AUTH_SIGNATURE, signature, head)};
    parts[1] = attachment_of(flight);
    return made;
}
