#include "client/hub.h"

#include <stdlib.h>
#include <string.h>

#include "client/link.h"

static struct client_hub *hub_find(struct client_loop *loop, const struct tag16 *cluster)
{
    struct client_hub *hub = loop->hubs;
    while (hub && memcmp(hub->cluster.bytes, cluster->bytes, sizeof cluster->bytes) != 0)
        hub = hub->next;
    return hub;
}

static void hub_free(struct client_hub *hub)
{
    struct client_loop *loop = hub->loop;
    struct client_hub **at = &loop->hubs;
    while (*at && *at != hub)
        at = &(*at)->next;
    if (*at)
        *at = hub->next;
    struct client_link **dirty = &loop->dirty_links;
    while (*dirty) {
        if ((*dirty)->hub == hub)
            *dirty = (*dirty)->next_dirty;
        else
            dirty = &(*dirty)->next_dirty;
    }
    for (replica_id r = 0; r < REPLICAS_MAX; r++)
        if (hub->link[r].loop)
            link_deinit(&hub->link[r]);
    free(hub);
}

static struct client_hub *hub_new(struct client_loop *loop, const struct client_folder *folder,
                                  struct error *error)
{
    struct client_hub *hub = calloc(1, sizeof *hub);
    if (!hub) {
        error_set(error, "client: out of memory");
        return NULL;
    }
    hub->loop = loop;
    hub->cluster = folder->configuration.cluster;
    hub->replicas = folder->configuration.replicas;
    memcpy(hub->dir, folder->dir, sizeof hub->dir);
    for (replica_id r = 0; r < hub->replicas; r++) {
        hub->link[r] = (struct client_link){.fd = -1, .retry_us = UINT64_MAX};
        if (!*folder->endpoint[r].host)
            continue; /* the manifest names it, and endpoints.json not yet */
        if (link_init(&hub->link[r], hub, r, &folder->endpoint[r], error)) {
            hub_free(hub);
            return NULL;
        }
    }
    hub->next = loop->hubs;
    loop->hubs = hub;
    for (replica_id r = 0; r < hub->replicas; r++)
        if (hub->link[r].loop)
            link_connect(&hub->link[r]);
    return hub;
}

int hub_join(struct redoubt_client *client, struct error *error)
{
    struct client_hub *hub = hub_find(client->loop, &client->folder.configuration.cluster);
    if (!hub)
        hub = hub_new(client->loop, &client->folder, error);
    if (!hub)
        return -1;
    hub->users++;
    hub->of_origin[client->folder.origin] = client;
    client->hub = hub;
    return 0;
}

void hub_leave(struct redoubt_client *client)
{
    struct client_hub *hub = client->hub;
    if (!hub)
        return;
    hub->of_origin[client->folder.origin] = NULL;
    client->hub = NULL;
    if (--hub->users == 0)
        hub_free(hub);
}

/* Replicas came, or went. Where new ones are is in the folder, if anywhere: without it this client goes on with those that it can
 * reach. */
static void hub_resize(struct client_hub *hub, uint32_t replicas)
{
    struct client_endpoint endpoint[REPLICAS_MAX];
    struct error ignored;
    memset(endpoint, 0, sizeof endpoint);
    if (client_endpoints_read(endpoint, replicas, hub->dir, &ignored) != 0)
        memset(endpoint, 0, sizeof endpoint);
    for (replica_id r = hub->replicas; r < replicas; r++) {
        struct client_link *link = &hub->link[r];
        if (link->loop) /* it was there before */
            link->retry_us = link->fd < 0 ? 0 : link->retry_us;
        else if (!*endpoint[r].host || link_init(link, hub, r, &endpoint[r], &ignored) != 0)
            *link = (struct client_link){.fd = -1, .retry_us = UINT64_MAX};
        else
            link->retry_us = 0;
    }
    hub->replicas = replicas; /* the links of those that went end by themselves, and are not made again */
    loop_timer(hub->loop, 0);
}

void hub_follow(struct client_hub *hub, const struct configuration *configuration)
{
    struct client_endpoint endpoint;
    if (configuration->number <= hub->number)
        return;
    hub->number = configuration->number;
    if (configuration->replicas != hub->replicas)
        hub_resize(hub, configuration->replicas);
    for (replica_id r = 0; r < hub->replicas; r++)
        if (hub->link[r].loop && *configuration->host[r].client &&
            endpoint_parse(&endpoint, configuration->host[r].client))
            link_move(&hub->link[r], &endpoint);
}

/* A CONFIGURATION is for everybody. */
static void to_all(struct client_hub *hub, replica_id replica, const uint8_t *data, size_t len)
{
    for (origin_id origin = 0; origin < ORIGINS_MAX; origin++)
        if (hub->of_origin[origin])
            client_on_frame(hub->of_origin[origin], replica, data, len);
}

/* Every other frame for a client has a body that begins with the origin's number. */
void hub_on_frame(struct client_hub *hub, replica_id replica, const uint8_t *data, size_t len)
{
    struct frame frame;
    if (!frame_decode(data, len, &frame))
        return;
    if (frame.type == FRAME_CONFIGURATION || frame.type == FRAME_START) {
        to_all(hub, replica, data, len);
        return;
    }
    struct reader r = reader_of(frame.body.data, frame.body.len);
    origin_id origin = get_u32(&r);
    if (!r.bad && origin < ORIGINS_MAX && hub->of_origin[origin])
        client_on_frame(hub->of_origin[origin], replica, data, len);
}

void hub_on_up(struct client_hub *hub, replica_id replica)
{
    for (struct redoubt_client *client = hub->loop->clients; client; client = client->next)
        if (client->hub == hub)
            client_on_up(client, replica);
}

void hub_on_down(struct client_hub *hub, const struct client_link *link, const char *why)
{
    for (struct redoubt_client *client = hub->loop->clients; client; client = client->next)
        if (client->hub == hub)
            client_on_down(client, link, why);
}
