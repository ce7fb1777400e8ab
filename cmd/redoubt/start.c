/*
 * redoubt start: the administrator's act. Looks at the keys that the replicas have drawn and signs the manifest.
 */
#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "administrator.h"
#include "commands.h"
#include "counter_key.h"
#include "founding.h"

static const char help[] =
    "usage: redoubt start DIR [--wait S] [--id N]\n\n"
    "Waits until every replica has left its fresh keys in DIR/replica-N/hello (at most S seconds, default "
    "30),\n"
    "then signs the manifest with DIR/admin.key and writes it to DIR/manifest and DIR/replica-N/manifest.\n"
    "With replicas on several machines, bring the hello files here before and the manifest there after; with "
    "hybster\n"
    "also DIR/replica-N/counter-key, which begins that replica's counter.\n"
    "`redoubt up` does this by itself.\n\n"
    "  --wait S  how long\n"
    "  --id N    hybster: replica N alone was started again (redoubt replica --rejoin), and the cluster "
    "runs. "
    "Makes\n"
    "            DIR/replica-N/counter-key for the keys in DIR/replica-N/hello, and nothing else; the hello "
    "is\n"
    "            used up. Only for a machine that you trust now as you did at the start: see docs/TRUST.md.\n"
    "            Compare the fingerprint with the one that the replica says\n\n"
    "example: redoubt start /srv/redoubt\n";

/* One that comes back: the administrator's part of it. */
static int admit(const struct config *config, uint64_t id, uint64_t wait_s, struct error *error)
{
    struct member_hello made;
    char fingerprint[FINGERPRINT_BYTES];
    if (config->protocol != PROTOCOL_HYBSTER)
        return error_set(error, "start: --id is of hybster: here a replica that comes back needs no key");
    if (id >= config->replicas)
        return error_set(error, "--id %u: there are %u replicas, numbered from 0", (unsigned)id,
                         config->replicas);
    struct hello_wait wait = {.wait_ms = (unsigned)wait_s * 1000};
    if (hello_await(config->dir, (replica_id)id, &wait, error) ||
        counter_key_renew(config, (replica_id)id, &made, error))
        return -1;
    counter_fingerprint(fingerprint, made.hello.box_public.bytes);
    printf("key made for the counter of replica %u, epoch %llu, box key fingerprint %s\n", (unsigned)id,
           (unsigned long long)made.sender.epoch, fingerprint);
    return 0;
}

int cmd_start(int argc, char **argv)
{
    static const struct option options[] = {{"wait", required_argument, NULL, 'w'},
                                            {"id", required_argument, NULL, 'i'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    uint64_t wait_s = 30, id = UINT64_MAX;
    int c;
    opterr = 0;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == 'h')
            return say_help(help);
        if (c != 'w' && c != 'i')
            return say_usage("start", "%s: unknown option or no value", argv[optind - 1]);
        if (c == 'i' && !number_read(optarg, 0, REPLICAS_MAX - 1, &id))
            return say_usage("start", "--id %s: must be from 0 to %d", optarg, REPLICAS_MAX - 1);
        if (c == 'w' && !number_read(optarg, 1, 86400, &wait_s))
            return say_usage("start", "--wait %s: must be from 1 to 86400", optarg);
    }
    if (optind + 1 != argc)
        return say_usage("start", "exactly one DIR is needed");
    struct config config;
    struct error error;
    if (config_read(&config, argv[optind], &error) || config_supported(&config, &error))
        return say_failed("%s", error.text);
    int lock = administrator_lock(config.dir, &error);
    if (lock < 0)
        return say_failed("%s", error.text);
    int result = id == UINT64_MAX ? founding_run(&config, (unsigned)wait_s * 1000, NULL, NULL, &error)
                                  : admit(&config, id, wait_s, &error);
    close(lock);
    return result ? say_failed("%s", error.text) : 0;
}
