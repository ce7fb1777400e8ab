#include "platform.h"

#include <string.h>

#include "file.h"

static void keys_make(struct platform_keys *keys, const struct secret_key *secret)
{
    struct secret_key seed;
    key_derive(&keys->sealing, secret, "redoubt platform sealing", NULL, 0);
    key_derive(&seed, secret, "redoubt platform attestation", NULL, 0);
    sign_keypair_from(&keys->attestation, seed.bytes);
    crypto_wipe(&seed, sizeof seed);
}

bool platform_keys_of(struct platform_keys *keys, const uint8_t *secret, size_t len)
{
    struct secret_key key;
    if (len != sizeof key.bytes)
        return false;
    memcpy(key.bytes, secret, sizeof key.bytes);
    keys_make(keys, &key);
    crypto_wipe(&key, sizeof key);
    return true;
}

static int secret_open(struct secret_key *secret, const char *path, replica_id replica, bool sealed,
                       struct error *error)
{
    struct file file;
    if (!file_exists(path)) {
        if (sealed)
            return error_set(error, "%s: it is gone, and the log of replica %u cannot be read without it",
                             path, replica);
        crypto_random(secret->bytes, sizeof secret->bytes);
        return file_write(path, secret->bytes, sizeof secret->bytes, 0600, error);
    }
    if (file_read_secret(&file, path, 65536, error))
        return -1;
    int result = 0;
    if (file.len == sizeof secret->bytes)
        memcpy(secret->bytes, file.data, sizeof secret->bytes);
    else
        result = error_set(error, "%s: not a platform key: such a key has 32 bytes", path);
    file_free(&file);
    return result;
}

int platform_keys_open(struct platform_keys *keys, const char *dir, replica_id replica, bool sealed,
                       struct error *error)
{
    char path[PATH_BYTES];
    struct secret_key secret;
    if (!path_make(path, "%s/replica-%u/platform.key", dir, replica))
        return error_set(error, "%s: name too long", dir);
    int result = secret_open(&secret, path, replica, sealed, error);
    if (result == 0)
        keys_make(keys, &secret);
    crypto_wipe(&secret, sizeof secret);
    return result;
}
