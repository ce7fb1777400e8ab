#include "config_edit.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buffer.h"
#include "ordering/configuration.h"
#include "pages.h"

#define CLUSTER_FILE_MAX (1024u * 1024u)

/* In the place of the file, which stays readable for whom it was, and for nobody else. */
static int put_back(const char *path, const struct buffer *out, struct error *error)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return error_set(error, "%s: %s", path, strerror(errno));
    if (file_write(path, buffer_data(out), out->len, st.st_mode & 0777, error))
        return -1;
    if (geteuid() == 0 && chown(path, st.st_uid, st.st_gid) != 0)
        return error_set(error, "%s: %s", path, strerror(errno));
    return 0;
}

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
        result = put_back(path, &out, error);
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
    if (file_read(&file, path, CLUSTER_FILE_MAX, error))
        return -1;
    int result = edit(config, id, host, path, (const char *)file.data, error);
    file_free(&file);
    return result;
}

/* ---------------------------------------------------------------- the list of replicas */

/* Where an entry of a list ends: at the next line that is indented no further than its dash, or at the end. */
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
    bool plain =
        strcmp(name, "http") == 0 || strcmp(name, "redis") == 0; /* on loopback, whatever the host is */
    const char *on = !plain && strcmp(like->host, of->host) == 0 ? host : like->host;
    bool alone = plain || strcmp(name, "metrics") == 0 ? strcmp(on, "127.0.0.1") == 0 : on == host;
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
    if (put_back(path, out, error))
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
        static const char *const doors[] = {"https", "rediss", "http",
                                            "redis"}; /* as config.h numbers them */
        for (int i = 0; i < 4; i++)
            if (last->front[i].port)
                print_address(&out, indent + 2, doors[i], &last->front[i], last, host);
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
    if (file_read(&file, path, CLUSTER_FILE_MAX, error))
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

/* ---------------------------------------------------------------- the list of users */

static int by_hand(const char *path, struct error *error)
{
    return error_set(error, "%s: the list of users cannot be changed in it: do it by hand", path);
}

/* Says this text what `want` says, but for where it stands? On success `now` is what was read. */
static bool says(struct config *now, const struct config *want, const char *path, const struct buffer *text)
{
    static struct config a, b;
    struct error ignored;
    memset(now, 0, sizeof *now);
    memcpy(now->dir, want->dir, sizeof now->dir);
    if (config_parse(now, path, (const char *)buffer_data(text), text->len, &ignored))
        return false;
    a = *now;
    b = *want;
    for (uint32_t i = 0; i < REPLICAS_MAX; i++)
        a.replica[i].line = b.replica[i].line = 0;
    for (uint32_t i = 0; i < FRONT_USERS_MAX; i++)
        a.user[i].line = b.user[i].line = 0;
    return memcmp(&a, &b, sizeof a) == 0;
}

static void print_hex(struct buffer *out, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        buffer_print(out, "%02x", bytes[i]);
}

static void print_user(struct buffer *out, int indent, const struct user_config *user)
{
    buffer_print(out, "%*s- {name: %s, salt: ", indent, "", user->name);
    print_hex(out, user->salt, sizeof user->salt);
    buffer_print(out, ", hash: ");
    print_hex(out, user->hash, sizeof user->hash);
    buffer_print(out, "}\n");
}

/* The digits behind `key` between two places, quoted or not; NULL: not found. */
static const char *digits_find(const char *from, const char *to, const char *key, size_t count)
{
    for (const char *at = from; (at = strstr(at, key)) != NULL && at < to; at++) {
        if (at > from && !strchr(" \t\n-{,", at[-1]))
            continue;
        const char *value = at + strlen(key) + strspn(at + strlen(key), " \t");
        value += *value == '"' || *value == '\'';
        return strspn(value, "0123456789abcdefABCDEF") == count ? value : NULL;
    }
    return NULL;
}

/* Salt and hash of the entry that is there, in their places. */
static bool user_replace(struct buffer *out, const char *text, const char *entry,
                         const struct user_config *user)
{
    const char *end = entry_end(entry);
    const char *salt = digits_find(entry, end, "salt:", 2 * sizeof user->salt);
    const char *hash = digits_find(entry, end, "hash:", 2 * sizeof user->hash);
    if (!salt || !hash)
        return false;
    bool salt_first = salt < hash;
    const char *first = salt_first ? salt : hash, *second = salt_first ? hash : salt;
    size_t first_len = salt_first ? sizeof user->salt : sizeof user->hash;
    size_t second_len = salt_first ? sizeof user->hash : sizeof user->salt;
    buffer_append(out, text, (size_t)(first - text));
    print_hex(out, salt_first ? user->salt : user->hash, first_len);
    buffer_append(out, first + 2 * first_len, (size_t)(second - first) - 2 * first_len);
    print_hex(out, salt_first ? user->hash : user->salt, second_len);
    buffer_append(out, second + 2 * second_len, strlen(second + 2 * second_len));
    return true;
}

/* One more: behind the last one, or in a list of its own at the end of the file. */
static void user_append(struct buffer *out, const char *text, const char *last,
                        const struct user_config *user)
{
    const char *end = last ? entry_end(last) : text + strlen(text);
    buffer_append(out, text, (size_t)(end - text));
    if (end > text && end[-1] != '\n')
        buffer_print(out, "\n");
    if (!last)
        buffer_print(out, "users:\n");
    print_user(out, last ? (int)strspn(last, " ") : 2, user);
    buffer_append(out, end, strlen(end));
}

/* Without the entry; `alone`: without the line that begins the list, too. */
static bool user_drop(struct buffer *out, const char *text, const char *entry, bool alone)
{
    static const char key[] = "users:";
    const char *head = entry, *behind = entry, *end = entry_end(entry);
    if (alone) {
        head = strncmp(text, key, sizeof key - 1) == 0 ? text : strstr(text, "\nusers:");
        if (!head || head >= entry)
            return false;
        head += *head == '\n';
        behind = strchr(head, '\n') + 1;
    }
    buffer_append(out, text, (size_t)(head - text));
    buffer_append(out, behind, (size_t)(entry - behind));
    buffer_append(out, end, strlen(end));
    return true;
}

/* The entry of a user, which begins with a dash on a line of its own. */
static const char *user_entry(const struct config *config, const char *text, uint32_t user)
{
    const char *entry = line_at(text, config->user[user].line);
    return entry && entry[strspn(entry, " ")] == '-' ? entry : NULL;
}

/* `want` is what the file is to say; `at` the user that changes; `user` NULL: it goes. */
static int users_edit(struct config *config, const struct config *want, uint32_t at,
                      const struct user_config *user, struct error *error)
{
    static struct config now;
    char path[PATH_BYTES];
    struct buffer out = {0};
    struct file file;
    if (!path_make(path, "%s/cluster.yaml", config->dir))
        return error_set(error, "%s: name too long", config->dir);
    if (file_read(&file, path, CLUSTER_FILE_MAX, error))
        return -1;
    const char *text = (const char *)file.data;
    bool is_new = at == config->users;
    uint32_t beside = is_new && at ? at - 1 : at;
    const char *entry = config->users ? user_entry(config, text, beside) : NULL;
    bool done = entry || !config->users;
    if (done && !user)
        done = user_drop(&out, text, entry, config->users == 1);
    else if (done && is_new)
        user_append(&out, text, entry, user);
    else if (done)
        done = user_replace(&out, text, entry, user);
    int result = done && says(&now, want, path, &out) ? put_back(path, &out, error) : by_hand(path, error);
    if (result == 0)
        *config = now;
    buffer_free(&out);
    file_free(&file);
    return result;
}

int config_set_user(struct config *config, const struct user_config *user, struct error *error)
{
    static struct config want;
    int found = config_user_find(config, user->name);
    if (found < 0 && config->users == FRONT_USERS_MAX)
        return error_set(error, "%s/cluster.yaml: it lists %u users, which is the most", config->dir,
                         FRONT_USERS_MAX);
    uint32_t at = found < 0 ? config->users : (uint32_t)found;
    want = *config;
    want.users += found < 0;
    memset(&want.user[at], 0, sizeof want.user[at]);
    memcpy(want.user[at].name, user->name, strlen(user->name) + 1);
    memcpy(want.user[at].salt, user->salt, sizeof user->salt);
    memcpy(want.user[at].hash, user->hash, sizeof user->hash);
    return users_edit(config, &want, at, user, error);
}

int config_remove_user(struct config *config, const char *name, struct error *error)
{
    static struct config want;
    int found = config_user_find(config, name);
    if (found < 0)
        return error_set(error, "%s/cluster.yaml: there is no user `%s`", config->dir, name);
    want = *config;
    want.users--;
    memmove(&want.user[found], &want.user[found + 1], (want.users - (uint32_t)found) * sizeof want.user[0]);
    memset(&want.user[want.users], 0, sizeof want.user[0]);
    return users_edit(config, &want, (uint32_t)found, NULL, error);
}
