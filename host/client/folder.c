#include "client/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "json.h"

/* ------------------------------------------------------------------------------------------------ endpoints.json */

bool endpoint_parse(struct client_endpoint *endpoint, const char *text)
{
    const char *colon = strrchr(text, ':');
    if (!colon || colon == text)
        return false;
    size_t len = (size_t)(colon - text);
    if (text[0] == '[' && text[len - 1] == ']') {
        text++;
        len -= 2;
    }
    char *end;
    long port = strtol(colon + 1, &end, 10);
    if (colon[1] < '0' || colon[1] > '9' || *end || port < 1 || port > 65535 || len == 0 ||
        len >= sizeof endpoint->host)
        return false;
    memcpy(endpoint->host, text, len);
    endpoint->host[len] = 0;
    snprintf(endpoint->port, sizeof endpoint->port, "%ld", port);
    return true;
}

static int endpoint_add(struct client_endpoint endpoints[], uint32_t replicas, const struct json *json,
                        uint32_t entry, const char *path, struct error *error)
{
    char text[sizeof endpoints[0].host + sizeof endpoints[0].port];
    uint64_t id = json_number(json, json_member(json, entry, "id"), UINT64_MAX);
    if (id >= REPLICAS_MAX)
        return error_set(error, "%s: a replica has no \"id\" from 0 to %u", path, replicas - 1);
    if (id >= replicas)
        return 0; /* while their number changes, this file may be ahead of the manifest, or behind it */
    struct client_endpoint *endpoint = &endpoints[id];
    if (endpoint->host[0])
        return error_set(error, "%s: replica %u is there twice", path, (unsigned)id);
    if (!endpoint_parse(endpoint, json_string(json, json_member(json, entry, "client"), text, sizeof text)))
        return error_set(error, "%s: replica %u: \"client\" is not \"HOST:PORT\"", path, (unsigned)id);
    return 0;
}

static int endpoints_of(struct client_endpoint endpoints[], uint32_t replicas, const struct json *json,
                        const char *path, struct error *error)
{
    uint32_t list = json_member(json, 0, "replicas");
    if (list == 0 || json->value[list].kind != JSON_ARRAY)
        return error_set(error, "%s: no list \"replicas\"", path);
    uint32_t count = json->value[list].count;
    if (count + 1 < replicas || count > replicas + 1)
        return error_set(error, "%s: %u replicas, but the manifest has %u", path, count, replicas);
    for (uint32_t i = 0; i < count; i++)
        if (endpoint_add(endpoints, replicas, json, json_element(json, list, i), path, error))
            return -1;
    return 0;
}

int client_endpoints_read(struct client_endpoint endpoint[REPLICAS_MAX], uint32_t replicas, const char *dir,
                          struct error *error)
{
    enum { ENDPOINTS_MAX = 65536 };
    char path[PATH_BYTES];
    struct file file;
    if (!path_make(path, "%s/endpoints.json", dir))
        return error_set(error, "%s: name too long", dir);
    if (file_read(&file, path, ENDPOINTS_MAX, error))
        return -1;
    struct json *json = malloc(sizeof *json);
    int result;
    if (!json)
        result = error_set(error, "%s: out of memory", path);
    else if (!json_parse(json, (const char *)file.data, file.len))
        result = error_set(error, "%s: not a JSON document", path);
    else
        result = endpoints_of(endpoint, replicas, json, path, error);
    free(json);
    file_free(&file);
    return result;
}

/* ------------------------------------------------------------------------------------------------ manifest */

static int manifest_load(struct client_folder *folder, const char *dir, struct error *error)
{
    char path[PATH_BYTES];
    uint8_t admin_public[32];
    struct file file;
    struct frame start;
    if (!path_make(path, "%s/manifest", dir))
        return error_set(error, "%s: name too long", dir);
    if (!file_exists(dir))
        return error_set(error, "%s: %s", dir, strerror(ENOENT));
    if (!file_exists(path))
        return error_set(error, "%s: there is none yet: start the cluster (`redoubt up %s`)", path, dir);
    if (admin_public_read(admin_public, dir, error) ||
        manifest_read(&folder->configuration, &start, &file, path, admin_public, error))
        return -1;
    file_free(&file);
    return 0;
}

/* ------------------------------------------------------------------------------------------------ key and epoch */

/* 0: ours now; -EWOULDBLOCK: somebody else's; -1: see `error`. */
static int key_lock(struct client_folder *folder, const char *path, struct error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return error_set(error, "%s: %s", path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int reason = errno;
        close(fd);
        if (reason == EWOULDBLOCK) {
            error_set(error, "%s: in use by another process", path);
            return -EWOULDBLOCK;
        }
        return error_set(error, "%s: %s", path, strerror(reason));
    }
    folder->lock = fd;
    return 0;
}

static int key_take(struct client_folder *folder, const char *dir, origin_id origin, struct error *error)
{
    char path[PATH_BYTES];
    if (!client_key_path(path, dir, origin))
        return error_set(error, "%s: name too long", dir);
    int result = key_lock(folder, path, error);
    if (result)
        return result;
    folder->origin = origin;
    if (client_keys_read(&folder->keys, dir, origin, error))
        return -1;
    const struct origin_keys *listed = &folder->configuration.origin[origin];
    if (!crypto_equal(listed->sign_public, folder->keys.sign.public, 32) ||
        !crypto_equal(listed->box_public, folder->keys.box.public, 32))
        return error_set(error, "%s: not the key that the manifest lists for client %u", path, origin);
    return 0;
}

static int key_take_first_free(struct client_folder *folder, const char *dir, struct error *error)
{
    const struct configuration *c = &folder->configuration;
    unsigned used = 0;
    for (origin_id origin = 0; origin < c->origins; origin++) {
        char path[PATH_BYTES];
        if (!c->origin[origin].present || !client_key_path(path, dir, origin) || !file_exists(path))
            continue;
        int result = key_take(folder, dir, origin, error);
        if (result != -EWOULDBLOCK)
            return result;
        used++;
    }
    if (used)
        error_set(error, "%s/clients: all %u keys are in use by other processes", dir, used);
    else
        error_set(error, "%s/clients: no key of a client that the manifest lists", dir);
    return used ? -EWOULDBLOCK : -1;
}

static int epoch_draw(struct client_folder *folder, const char *dir, struct error *error)
{
    char path[PATH_BYTES];
    struct timespec now;
    uint64_t last = 0;
    if (!path_make(path, "%s/clients/%03u.epoch", dir, folder->origin))
        return error_set(error, "%s: name too long", dir);
    if (file_read_number(&last, path, UINT64_MAX - 1, error))
        return -1;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t clock_us = (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
    folder->epoch = clock_us > last + 1 ? clock_us : last + 1;
    return file_write_number(path, folder->epoch, 0600, error);
}

int client_folder_open(struct client_folder *folder, const char *dir, int origin, struct error *error)
{
    memset(folder, 0, sizeof *folder);
    folder->lock = -1;
    if (!path_make(folder->dir, "%s", dir)) {
        error_set(error, "%s: name too long", dir);
        return -EINVAL;
    }
    int result = -1;
    if (manifest_load(folder, dir, error) == 0 &&
        client_endpoints_read(folder->endpoint, folder->configuration.replicas, dir, error) == 0) {
        if (origin >= 0 && ((unsigned)origin >= folder->configuration.origins ||
                            !folder->configuration.origin[origin].present))
            error_set(error, "%s/manifest: lists no client %d", dir, origin);
        else
            result = origin < 0 ? key_take_first_free(folder, dir, error)
                                : key_take(folder, dir, (origin_id)origin, error);
    }
    if (result == 0)
        result = epoch_draw(folder, dir, error);
    if (result != 0)
        client_folder_close(folder);
    return result == -1 ? -EINVAL : result;
}

void client_folder_close(struct client_folder *folder)
{
    client_keys_wipe(&folder->keys);
    if (folder->lock >= 0)
        close(folder->lock);
    folder->lock = -1;
}
