/*
 * What is signed of a frame, and how: the content digest covers protocol version, cluster, type, sender and body, and the signature
 * is over that digest under a prefix of its own, so that no other use of a key can produce it. Apart from auth.h because a
 * compartment may have nothing to do with MACs and configurations.
 */
#ifndef ORDERING_CONTENT_H
#define ORDERING_CONTENT_H

#include "base/compartment.h"
#include "crypto/crypto.h"
#include "wire/frame.h"

void auth_content(const struct tag16 *cluster, enum frame_type type, const struct sender *sender,
                  struct slice body, struct digest *content);

void content_sign(const struct sign_key *key, const struct digest *content,
                  uint8_t signature[SIGNATURE_BYTES]);
bool auth_signature_ok(const uint8_t signature[SIGNATURE_BYTES], const uint8_t public[32],
                       const struct digest *content);

/* A frame into the outbox. */
void content_emit(struct outbox *out, enum frame_type type, const struct sender *self,
                  enum auth_kind auth_kind, struct slice body, struct slice authenticator,
                  struct slice attachment);
void content_emit_signed(struct outbox *out, enum frame_type type, const struct sender *self,
                         const struct tag16 *cluster, const struct sign_key *key, struct slice body,
                         struct slice attachment);

#endif
