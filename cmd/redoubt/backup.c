/*
 * redoubt backup: the state of a running cluster, as of a checkpoint that 2f+1 signed, encrypted for the backup key.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "backup_taking.h"
#include "commands.h"
#include "offline.h"

static const char help[] =
    "usage: redoubt backup DIR FILE [OPTION...]\n\n"
    "Takes a backup of the running cluster in DIR, which goes on serving: the state at the next checkpoint, "
    "certified\n"
    "by 2f+1 replicas and encrypted for DIR/backup.pub before it leaves one. Needs DIR/admin.key, "
    "DIR/manifest and\n"
    "DIR/backup.pub. FILE is complete or not there. Adds a line to DIR/backups.\n\n"
    "  --id N    from replica N; default: the last, or whichever gives one\n"
    "  --force   replace FILE if it exists\n\n"
    "example: redoubt backup demo monday.backup && redoubt verify monday.backup --key demo/backup.key\n";

static void show_progress(const struct backup_reader *r, uint64_t bytes)
{
    static time_t told;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec < told + 2)
        return;
    if (told)
        fprintf(stderr, "%" PRIu64 " MiB, from the checkpoint of slot %" PRIu64 "%s\n", bytes >> 20, r->slot,
                r->round > 1 ? ": what changed since" : "");
    told = now.tv_sec;
}

static void warn(const char *text)
{
    fprintf(stderr, "%s: asking another\n", text);
}

int cmd_backup(int argc, char **argv)
{
    static const struct option options[] = {{"id", required_argument, NULL, 'i'},
                                            {"force", no_argument, NULL, 'f'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    static struct config config;
    struct backup_taking *taking = calloc(1, sizeof *taking);
    uint64_t id = REPLICAS_MAX;
    char when[TIME_TEXT_BYTES];
    struct error error;
    int c;
    if (!taking)
        return say_failed("backup: out of memory");
    opterr = 0;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == 'h')
            return say_help(help);
        if (c == 'f')
            taking->force = true;
        else if (c != 'i')
            return say_usage("backup", "%s: unknown option or no value", argv[optind - 1]);
        else if (!number_read(optarg, 0, REPLICAS_MAX - 1, &id))
            return say_usage("backup", "--id %s: must be from 0 to %d", optarg, REPLICAS_MAX - 1);
    }
    if (optind + 2 != argc)
        return say_usage("backup", "exactly one DIR and one FILE are needed");
    if (config_read(&config, argv[optind], &error))
        return say_failed("%s", error.text);
    if (id < REPLICAS_MAX && id >= config.replicas)
        return say_failed("--id %u: there are %u replicas, numbered from 0", (unsigned)id, config.replicas);
    taking->config = &config;
    taking->from = (replica_id)id;
    taking->path = argv[optind + 1];
    taking->progress = show_progress;
    taking->warn = warn;
    if (backup_take(taking, &error) || ledger_add(config.dir, &taking->reader, taking->path, &error))
        return say_failed("%s", error.text);
    fprintf(stderr,
            "%s: slot %" PRIu64 " of %s, from replica %u, %" PRIu64
            " bytes. Check it where the key is: redoubt verify %s --key backup.key\n",
            taking->path, taking->reader.slot, time_text(when, taking->reader.time_us), taking->gave,
            taking->bytes, taking->path);
    free(taking);
    return 0;
}
