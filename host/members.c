#include "members.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "pages.h"

#define MEMBERS_FILE_MAX 65536u

uint32_t members_follow(struct members *m, const struct configuration *c)
{
    uint32_t changed = 0;
    if (m->count != c->replicas || memcmp(&m->cluster, &c->cluster, sizeof m->cluster) != 0)
        *m = (struct members){.cluster = c->cluster, .count = c->replicas};
    for (replica_id r = 0; r < m->count; r++) {
        if (c->host[r].epoch <= m->host[r].epoch)
            continue;
        m->host[r] = c->host[r];
        memcpy(m->platform[r], c->ordered[0][r].measurement.bytes, 32);
        changed |= 1u << r;
    }
    return changed;
}

/* ---------------------------------------------------------------- the file */

static void print_hex(struct buffer *b, const char *name, const uint8_t *data, size_t len)
{
    buffer_print(b, " %s ", name);
    for (size_t i = 0; i < len; i++)
        buffer_print(b, "%02x", data[i]);
}

static bool hex_read(uint8_t *out, size_t len, const char *text)
{
    if (strlen(text) != 2 * len)
        return false;
    for (size_t i = 0; i < len; i++) {
        unsigned byte;
        if (strspn(text + 2 * i, "0123456789abcdef") < 2 || sscanf(text + 2 * i, "%2x", &byte) != 1)
            return false;
        out[i] = (uint8_t)byte;
    }
    return true;
}

int members_write(const struct members *m, const char *path, struct error *error)
{
    struct buffer b = {0};
    buffer_print(&b, "redoubt members 1");
    print_hex(&b, "cluster", m->cluster.bytes, sizeof m->cluster.bytes);
    buffer_print(&b, " replicas %u\n", m->count);
    for (replica_id r = 0; r < m->count; r++) {
        const struct host_keys *h = &m->host[r];
        buffer_print(&b, "replica %u epoch %" PRIu64 " rotated %d", r, h->epoch, h->rotated);
        print_hex(&b, "link", h->link_public, 32);
        print_hex(&b, "before", h->link_before, 32);
        buffer_print(&b, " peer %s client %s", *h->peer ? h->peer : "-", *h->client ? h->client : "-");
        print_hex(&b, "platform", m->platform[r], 32);
        buffer_print(&b, "\n");
    }
    int result = file_write(path, buffer_data(&b), b.len, 0644, error);
    buffer_free(&b);
    return result;
}

_Static_assert(ADDRESS_BYTES_MAX == 100, "the lengths below");

static bool line_read(struct members *m, const char *line)
{
    struct host_keys h = {0};
    char link[65], before[65], peer[101], client[101], platform[65];
    uint8_t platform_public[32] = {0};
    unsigned r;
    int rotated;
    int fields = sscanf(line,
                        "replica %u epoch %" SCNu64
                        " rotated %d link %64[0-9a-f] before %64[0-9a-f] peer %100s client %100s platform "
                        "%64[0-9a-f]",
                        &r, &h.epoch, &rotated, link, before, peer, client, platform);
    /* Lists of before have no platform keys. */
    if (fields < 7 || (fields == 8 && !hex_read(platform_public, 32, platform)) || r >= m->count ||
        !hex_read(h.link_public, 32, link) || !hex_read(h.link_before, 32, before))
        return false;
    struct address address;
    h.rotated = rotated != 0;
    if (strcmp(peer, "-") != 0)
        strcpy(h.peer, peer);
    if (strcmp(client, "-") != 0)
        strcpy(h.client, client);
    if ((*h.peer && !address_read(&address, h.peer)) || (*h.client && !address_read(&address, h.client)))
        return false;
    if (h.epoch > m->host[r].epoch) {
        m->host[r] = h;
        memcpy(m->platform[r], platform_public, 32);
    }
    return true;
}

bool members_parse(struct members *m, const char *text)
{
    char cluster[33];
    uint8_t id[16];
    unsigned count;
    const char *line = strchr(text, '\n');
    if (!line || sscanf(text, "redoubt members 1 cluster %32[0-9a-f] replicas %u", cluster, &count) != 2 ||
        !hex_read(id, sizeof id, cluster))
        return false;
    if (memcmp(id, m->cluster.bytes, sizeof id) != 0 || count != m->count)
        return true; /* of an earlier life of this folder */
    for (line++; *line; line = strchr(line, '\n') + 1)
        if (!strchr(line, '\n') || !line_read(m, line))
            return false;
    return true;
}

int members_read(struct members *m, const char *path, struct error *error)
{
    struct file file;
    if (!file_exists(path))
        return 0;
    if (file_read(&file, path, MEMBERS_FILE_MAX, error))
        return -1;
    int result = members_parse(m, (const char *)file.data)
                     ? 0
                     : error_set(error, "%s: not a list of members: remove it", path);
    file_free(&file);
    return result;
}

/* ---------------------------------------------------------------- addresses */

bool address_read(struct address *address, const char *text)
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
        len >= sizeof address->host)
        return false;
    memcpy(address->host, text, len);
    address->host[len] = 0;
    address->port = (uint16_t)port;
    return true;
}

bool address_print(char out[ADDRESS_BYTES_MAX + 1], const struct address *address)
{
    const char *format = strchr(address->host, ':') ? "[%s]:%u" : "%s:%u";
    int len = snprintf(out, ADDRESS_BYTES_MAX + 1, format, address->host, address->port);
    return len > 0 && len <= (int)ADDRESS_BYTES_MAX;
}

void members_address(const struct members *m, struct config *config)
{
    for (replica_id r = 0; r < m->count && r < config->replicas; r++) {
        struct address address;
        if (*m->host[r].peer && address_read(&address, m->host[r].peer))
            config->replica[r].peer = address;
        if (*m->host[r].client && address_read(&address, m->host[r].client))
            config->replica[r].client = address;
    }
}
