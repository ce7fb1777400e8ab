/*
 * Using a cluster from C. Build it against the installed library:
 *     cc -O2 client.c $(pkg-config --cflags --libs redoubt) -o client
 *
 *     ./client DIR COUNT      increments the key "visits" COUNT times at once, then reads it
 *
 * The cluster of DIR runs the service kv (`redoubt init DIR; redoubt up DIR`), whose requests are bytes: an opcode, the length
 * of the key, then what the operation needs. All numbers are little-endian.
 */
#include <redoubt/client.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KV_GET = 1, KV_INCREMENT = 4 };

static const char key[] = "visits";

static size_t get_encode(unsigned char *op)
{
    op[0] = KV_GET;
    op[1] = sizeof key - 1;
    op[2] = 0;
    memcpy(op + 3, key, sizeof key - 1);
    return 3 + sizeof key - 1;
}

static size_t increment_encode(unsigned char *op, unsigned char delta)
{
    op[0] = KV_INCREMENT;
    op[1] = sizeof key - 1;
    op[2] = 0;
    memset(op + 3, 0, 8);
    op[3] = delta;
    memcpy(op + 11, key, sizeof key - 1);
    return 11 + sizeof key - 1;
}

static atomic_ulong committed, failed;

/* On the client's own thread; must not block. */
static void on_incremented(void *context, const struct redoubt_outcome *outcome)
{
    (void)context;
    if (outcome->kind == REDOUBT_COMMITTED && outcome->status == REDOUBT_OK)
        atomic_fetch_add(&committed, 1);
    else
        atomic_fetch_add(&failed, 1);
}

int main(int argc, char **argv)
{
    unsigned char op[64];
    struct redoubt_client *client;
    struct redoubt_outcome outcome;
    unsigned long count = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
    if (argc < 2 || redoubt_client_open(&client, argv[1], NULL) != 0) {
        fprintf(stderr, "client: %s\n", argc < 2 ? "usage: client DIR [COUNT]" : redoubt_client_error(NULL));
        return argc < 2 ? 2 : 1;
    }

    /* Asynchronously: what queues up travels together. */
    size_t len = increment_encode(op, 1);
    unsigned long submitted = 0;
    while (submitted < count && redoubt_submit(client, op, len, 5000, on_incremented, NULL) == 0)
        submitted++;
    while (atomic_load(&committed) + atomic_load(&failed) < submitted)
        usleep(1000);
    printf("%lu of %lu increments committed\n", atomic_load(&committed), count);

    /* And waiting for the outcome, which is committed, rejected or unknown: never a guess. */
    int code = 1;
    len = get_encode(op);
    if (redoubt_call(client, op, len, 5000, &outcome) == 0) {
        if (outcome.kind != REDOUBT_COMMITTED)
            fprintf(stderr, "client: %s\n", outcome.reason);
        else if (outcome.status == REDOUBT_OK)
            printf("visits = %.*s, as of slot %llu\n", (int)outcome.result_bytes,
                   (const char *)outcome.result, (unsigned long long)outcome.slot);
        code = outcome.kind != REDOUBT_COMMITTED || atomic_load(&committed) != count;
        redoubt_outcome_clear(&outcome);
    }
    redoubt_client_close(client);
    return code;
}
