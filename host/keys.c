#include "keys.h"

#include <stdio.h>
#include <string.h>

bool client_key_path(char *out, const char *dir, origin_id origin)
{
    return path_make(out, "%s/clients/%03u.key", dir, origin);
}

static int read_exactly(struct file *file, const char *path, size_t len, bool secret, struct error *error)
{
    int failed = secret ? file_read_secret(file, path, 65536, error) : file_read(file, path, 65536, error);
    if (failed)
        return failed;
    if (file->len != len) {
        error_set(error, "%s: %zu bytes, but such a key has %zu", path, file->len, len);
        file_free(file);
        return -1;
    }
    return 0;
}

int client_keys_read(struct client_keys *keys, const char *dir, origin_id origin, struct error *error)
{
    char path[PATH_BYTES];
    struct file file;
    if (!client_key_path(path, dir, origin))
        return error_set(error, "%s: name too long", dir);
    if (read_exactly(&file, path, CLIENT_KEY_BYTES, true, error))
        return -1;
    sign_keypair_from(&keys->sign, file.data);
    box_keypair_from(&keys->box, file.data + 32);
    file_free(&file);
    return 0;
}

int client_keys_make_at(struct client_keys *keys, const char *path, struct error *error)
{
    uint8_t secret[CLIENT_KEY_BYTES];
    crypto_random(secret, sizeof secret);
    sign_keypair_from(&keys->sign, secret);
    box_keypair_from(&keys->box, secret + 32);
    int result = file_write(path, secret, sizeof secret, 0600, error);
    crypto_wipe(secret, sizeof secret);
    return result;
}

int client_keys_make(struct client_keys *keys, const char *dir, origin_id origin, struct error *error)
{
    char path[PATH_BYTES];
    if (!client_key_path(path, dir, origin))
        return error_set(error, "%s: name too long", dir);
    return client_keys_make_at(keys, path, error);
}

void client_keys_wipe(struct client_keys *keys)
{
    crypto_wipe(keys, sizeof *keys);
}

int admin_key_read(struct sign_key *key, const char *dir, struct error *error)
{
    char path[PATH_BYTES];
    struct file file;
    if (!path_make(path, "%s/admin.key", dir))
        return error_set(error, "%s: name too long", dir);
    if (read_exactly(&file, path, 32, true, error))
        return -1;
    sign_keypair_from(key, file.data);
    file_free(&file);
    return 0;
}

int admin_key_make(struct sign_key *key, const char *dir, struct error *error)
{
    char path[PATH_BYTES];
    uint8_t seed[32];
    if (!path_make(path, "%s/admin.key", dir))
        return error_set(error, "%s: name too long", dir);
    crypto_random(seed, sizeof seed);
    sign_keypair_from(key, seed);
    int result = file_write(path, seed, sizeof seed, 0600, error);
    crypto_wipe(seed, sizeof seed);
    if (result || !path_make(path, "%s/admin.pub", dir))
        return result ? result : error_set(error, "%s: name too long", dir);
    return file_write(path, key->public, sizeof key->public, 0644, error);
}

int admin_public_read(uint8_t public[32], const char *dir, struct error *error)
{
    char path[PATH_BYTES];
    struct file file;
    if (!path_make(path, "%s/admin.pub", dir))
        return error_set(error, "%s: name too long", dir);
    if (read_exactly(&file, path, 32, false, error))
        return -1;
    memcpy(public, file.data, 32);
    file_free(&file);
    return 0;
}

int backup_key_read(struct backup_key *key, const char *path, struct error *error)
{
    struct file file;
    if (read_exactly(&file, path, 64, true, error))
        return -1;
    box_keypair_from(&key->box, file.data);
    memcpy(key->admin_public, file.data + 32, 32);
    file_free(&file);
    return 0;
}

int backup_key_make(const char *dir, const uint8_t admin_public[32], struct error *error)
{
    char path[PATH_BYTES];
    uint8_t bytes[64];
    struct box_key box;
    if (!path_make(path, "%s/backup.key", dir))
        return error_set(error, "%s: name too long", dir);
    box_keypair(&box);
    memcpy(bytes, box.secret, 32);
    memcpy(bytes + 32, admin_public, 32);
    int result = file_write(path, bytes, sizeof bytes, 0600, error);
    if (result == 0)
        result = path_make(path, "%s/backup.pub", dir)
                     ? file_write(path, box.public, sizeof box.public, 0644, error)
                     : error_set(error, "%s: name too long", dir);
    crypto_wipe(bytes, sizeof bytes);
    crypto_wipe(&box, sizeof box);
    return result;
}

int backup_public_read(uint8_t public[32], const char *dir, struct error *error)
{
    char path[PATH_BYTES];
    struct file file;
    if (!path_make(path, "%s/backup.pub", dir))
        return error_set(error, "%s: name too long", dir);
    if (read_exactly(&file, path, 32, false, error))
        return -1;
    memcpy(public, file.data, 32);
    file_free(&file);
    return 0;
}

int manifest_read(struct configuration *configuration, struct frame *start, struct file *file,
                  const char *path, const uint8_t admin_public[32], struct error *error)
{
    if (file_read(file, path, FRAME_MAX, error))
        return -1;
    int result = -1;
    if (!frame_decode(file->data, file->len, start)) {
        error_set(error, "%s: not a manifest", path);
        result = 1;
    } else {
        enum verdict verdict = configuration_load(configuration, start, admin_public);
        if (verdict == VERDICT_ACCEPT)
            return 0;
        if (verdict == VERDICT_BAD_SIGNATURE)
            error_set(error, "%s: forged: not signed by the administrator of this cluster (admin.pub)", path);
        else
            error_set(error, "%s: refused: %s", path, verdict_name(verdict));
    }
    file_free(file);
    return result;
}
