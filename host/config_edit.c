#include "config_edit.h"

#include <string.h>

#include "buffer.h"

static const char *line_at(const char *text, int line)
{
    for (int i = 1; i < line && text; i++) {
        text = strchr(text, '\n');
        text = text ? text + 1 : NULL;
    }
    return text;
}

/* The value behind `host:` between two places, in *len. NULL: not found, or quoted and so not ours to change. */
static const char *host_find(const char *from, const char *to, size_t *len)
{
    for (const char *at = from; (at = strstr(at, "host:")) != NULL && at < to; at += 5) {
        if (at > from && !strchr(" \t\n-{,", at[-1]))
            continue;
        const char *value = at + 5 + strspn(at + 5, " \t");
        *len = strcspn(value, " \t\r\n,}#");
        return *len && *value != '"' && *value != '\'' ? value : NULL;
    }
    return NULL;
}

static bool others_equal(const struct config *a, const struct config *b, replica_id but)
{
    for (replica_id r = 0; r < a->replicas; r++) {
        const struct replica_config *x = &a->replica[r], *y = &b->replica[r];
        if (r != but && (strcmp(x->host, y->host) != 0 || strcmp(x->peer.host, y->peer.host) != 0 ||
                         x->peer.port != y->peer.port || strcmp(x->client.host, y->client.host) != 0 ||
                         x->client.port != y->client.port))
            return false;
    }
    return a->replicas == b->replicas && a->replica[but].peer.port == b->replica[but].peer.port;
}

static int edit(struct config *config, replica_id id, const char *host, const char *path, const char *text,
                struct error *error)
{
    static struct config now;
    struct buffer out = {0};
    size_t len = 0;
    const char *from = line_at(text, config->replica[id].line);
    const char *to = id + 1 < config->replicas ? line_at(text, config->replica[id + 1].line) : NULL;
    const char *value = from ? host_find(from, to ? to : text + strlen(text), &len) : NULL;
    if (!value)
        return error_set(error,
                         "%s: the host of replica %u cannot be changed in it: do it by hand, and "
                         "leave --host out",
                         path, id);
    buffer_append(&out, text, (size_t)(value - text));
    buffer_append(&out, host, strlen(host));
    buffer_append(&out, value + len, strlen(value + len));
    memset(&now, 0, sizeof now);
    memcpy(now.dir, config->dir, sizeof now.dir);
    int result = config_parse(&now, path, (const char *)buffer_data(&out), out.len, error);
    if (result == 0 && (strcmp(now.replica[id].host, host) != 0 || !others_equal(config, &now, id)))
        result =
            error_set(error, "%s: the host of replica %u cannot be changed in it: do it by hand", path, id);
    if (result == 0)
        result = file_write(path, buffer_data(&out), out.len, 0644, error);
    if (result == 0)
        *config = now;
    buffer_free(&out);
    return result;
}

int config_set_host(struct config *config, replica_id id, const char *host, struct error *error)
{
    char path[PATH_BYTES];
    struct file file;
    if (strcmp(config->replica[id].host, host) == 0)
        return 0;
    if (!path_make(path, "%s/cluster.yaml", config->dir))
        return error_set(error, "%s: name too long", config->dir);
    if (file_read(&file, path, 1024 * 1024, error))
        return -1;
    int result = edit(config, id, host, path, (const char *)file.data, error);
    file_free(&file);
    return result;
}
