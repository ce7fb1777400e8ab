#include "troxy/user.h"

#include "crypto/crypto.h"
#include "troxy/text.h"

void conversation_user_hash(uint8_t out[32], const uint8_t salt[16], struct slice password)
{
    struct secret_key from = {{0}}, hash;
    memcpy(from.bytes, salt, 16);
    key_derive(&hash, &from, "user", password.data, password.len);
    memcpy(out, hash.bytes, sizeof hash.bytes);
    crypto_wipe(&hash, sizeof hash);
}

const struct conversation_user *conversation_user_find(const struct conversation_front *front,
                                                       struct slice name, struct slice password)
{
    for (uint32_t i = 0; i < front->user_count; i++) {
        const struct conversation_user *user = &front->users[i];
        uint8_t hash[32];
        if (!text_equal(user->name, name))
            continue;
        conversation_user_hash(hash, user->salt, password);
        return crypto_equal(hash, user->hash, sizeof hash) ? user : NULL;
    }
    return NULL;
}
