#include "config_edit.h"

#include <string.h>

#include "buffer.h"
#include "ordering/configuration.h"
#include "pages.h"

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

/* ---------------------------------------------------------------- the list of replicas */

/* Where the entry of the last replica ends: at the next line that is indented no further than its dash, or at the end. */
static const char *entry_end(const char *entry)
{
    size_t dash = strspn(entry, " ");
    const char *end = entry, *line = strchr(entry, '\n');
    for (line = line ? line + 1 : entry + strlen(entry); *line;) {
        size_t indent = strspn(line, " ");
        const char *next = strchr(line, '\n');
        bool empty = line[indent] == '\n' || line[indent] == '\r' || line[indent] == '#' || !line[indent];
        if (!empty && indent <= dash)
            break;
        if (!empty)
            end = line;
        line = next ? next + 1 : line + strlen(line);
    }
    const char *last = strchr(end, '\n');
    return last ? last + 1 : end + strlen(end);
}

static void print_address(struct buffer *out, int indent, const char *name, const struct address *like,
                          const struct replica_config *of, const char *host)
{
    const char *on = strcmp(like->host, of->host) == 0 ? host : like->host;
    bool alone = strcmp(name, "metrics") == 0 ? strcmp(on, "127.0.0.1") == 0 : on == host;
    buffer_print(out, "%*s%s: ", indent, "", name);
    if (!alone)
        buffer_print(out, strchr(on, ':') ? "[%s]:" : "%s:", on);
    buffer_print(out, "%u\n", like->port + 10u);
}

/* The text with the number of faults that `replicas` tolerate; `faults:` stands at the beginning of a line. */
static bool faults_put(struct buffer *out, const char *text, size_t len, uint32_t replicas)
{
    static const char key[] = "faults:";
    const char *at = strncmp(text, key, sizeof key - 1) == 0 ? text : strstr(text, "\nfaults:");
    if (!at || (size_t)(at - text) > len)
        return false;
    at = strchr(at, ':') + 1;
    at += strspn(at, " \t");
    size_t digits = strspn(at, "0123456789");
    if (!digits)
        return false;
    buffer_append(out, text, (size_t)(at - text));
    buffer_print(out, "%u", faults_of(replicas));
    buffer_append(out, at + digits, len - (size_t)(at + digits - text));
    return true;
}

/* `out` is what the file is to be; it must say what it said before of all replicas but the last of the longer list. */
static int replicas_write(struct config *config, const char *path, const struct buffer *out,
                          uint32_t replicas, struct error *error)
{
    static struct config now;
    memset(&now, 0, sizeof now);
    memcpy(now.dir, config->dir, sizeof now.dir);
    if (config_parse(&now, path, (const char *)buffer_data(out), out->len, error))
        return -1;
    bool same = now.replicas == replicas;
    for (replica_id r = 0; same && r < replicas && r < config->replicas; r++) {
        const struct replica_config *x = &config->replica[r], *y = &now.replica[r];
        same = strcmp(x->host, y->host) == 0 && x->peer.port == y->peer.port &&
               x->client.port == y->client.port && strcmp(x->peer.host, y->peer.host) == 0 &&
               strcmp(x->client.host, y->client.host) == 0;
    }
    if (!same)
        return error_set(error, "%s: the list of replicas cannot be changed in it: do it by hand", path);
    if (file_write(path, buffer_data(out), out->len, 0644, error))
        return -1;
    *config = now;
    return 0;
}

static int replicas_edit(struct config *config, const char *host, const char *path, const char *text,
                         struct error *error)
{
    struct buffer out = {0};
    const struct replica_config *last = &config->replica[config->replicas - 1];
    uint32_t replicas = host ? config->replicas + 1 : config->replicas - 1;
    const char *entry = line_at(text, last->line);
    const char *end = entry ? entry_end(entry) : NULL;
    if (!entry || entry[strspn(entry, " ")] != '-' ||
        !faults_put(&out, text, (size_t)((host ? end : entry) - text), replicas)) {
        buffer_free(&out);
        return error_set(error, "%s: the list of replicas cannot be changed in it: do it by hand", path);
    }
    if (host) {
        int indent = (int)strspn(entry, " ");
        if (end[-1] != '\n')
            buffer_print(&out, "\n");
        buffer_print(&out, "%*s- id: %u\n%*shost: %s\n", indent, "", config->replicas, indent + 2, "", host);
        print_address(&out, indent + 2, "peer", &last->peer, last, host);
        print_address(&out, indent + 2, "client", &last->client, last, host);
        print_address(&out, indent + 2, "metrics", &last->metrics, last, host);
    }
    buffer_append(&out, end, strlen(end));
    int result = replicas_write(config, path, &out, replicas, error);
    buffer_free(&out);
    return result;
}

static int replicas_change(struct config *config, const char *host, struct error *error)
{
    char path[PATH_BYTES];
    struct file file;
    if (!path_make(path, "%s/cluster.yaml", config->dir))
        return error_set(error, "%s: name too long", config->dir);
    if (file_read(&file, path, 1024 * 1024, error))
        return -1;
    int result = replicas_edit(config, host, path, (const char *)file.data, error);
    file_free(&file);
    return result;
}

int config_add_replica(struct config *config, const char *host, struct error *error)
{
    return replicas_change(config, host, error);
}

int config_remove_replica(struct config *config, struct error *error)
{
    return replicas_change(config, NULL, error);
}
