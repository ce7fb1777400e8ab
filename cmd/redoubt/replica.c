/*
 * redoubt replica: one replica in the foreground.
 */
#include <getopt.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "commands.h"
#include "fronts.h"
#include "replica.h"
#include "wire/start.h"

extern const struct redoubt_service redoubt_service_kv, redoubt_service_pages, redoubt_service_counter;

static const char help[] =
    "usage: redoubt replica DIR --id N [--allow-faults] [--wait S] [--rejoin]\n\n"
    "Runs replica N of the cluster in DIR until SIGTERM: starts its compartments, leaves their keys in\n"
    "DIR/replica-N/hello, and serves once DIR/replica-N/manifest names them (see `redoubt start`).\n\n"
    "  --allow-faults  obey `redoubt fault` (for demos and tests)\n"
    "  --rejoin        when there is a manifest: come back into the cluster that runs already, with fresh "
    "keys (`redoubt\n"
    "                  up` does). When nobody admits it within a minute it waits for `redoubt start`, ten "
    "minutes (with hybster it goes on asking)\n"
    "  --wait S        wait for the manifest at most so long (default 60); with hybster and --rejoin, for "
    "the key of its\n"
    "                  counter (`redoubt start DIR --id N`)\n\n"
    "example: redoubt replica /srv/redoubt --id 2\n";

static bool manifest_there(const struct replica_options *replica)
{
    char path[PATH_BYTES];
    return path_make(path, "%s/replica-%u/manifest", replica->dir, replica->id) && file_exists(path);
}

#define START_WAIT_S "600"

/* From the beginning, as one that waits for a START: that gives P and C their logs. */
static int run_again_without_rejoin(int argc, char **argv)
{
    const char *args[24];
    int count = 0;
    for (int i = 0; i < argc && count < 20; i++) {
        if (strcmp(argv[i], "--wait") == 0)
            i++;
        else if (strcmp(argv[i], "--rejoin") != 0 && strncmp(argv[i], "--wait=", 7) != 0)
            args[count++] = argv[i];
    }
    args[count++] = "--wait";
    args[count++] = START_WAIT_S;
    args[count] = NULL;
    /* argv begins with the command; the program's name comes before it. */
    const char *all[26] = {"redoubt"};
    memcpy(all + 1, args, ((size_t)count + 1) * sizeof *args);
    execv("/proc/self/exe", (char *const *)(uintptr_t)all);
    return say_failed("replica: cannot run /proc/self/exe again");
}

enum { OPT_ID = 1, OPT_FAULTS, OPT_WAIT, OPT_PARENT, OPT_REJOIN, OPT_HELP };

/* `redoubt up` does not want to leave replicas behind, whatever ends it. */
static bool die_with(uint64_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    return (uint64_t)getppid() == parent;
}

int cmd_replica(int argc, char **argv)
{
    static const struct option options[] = {{"id", required_argument, NULL, OPT_ID},
                                            {"allow-faults", no_argument, NULL, OPT_FAULTS},
                                            {"wait", required_argument, NULL, OPT_WAIT},
                                            {"rejoin", no_argument, NULL, OPT_REJOIN},
                                            {"parent", required_argument, NULL, OPT_PARENT},
                                            {"help", no_argument, NULL, OPT_HELP},
                                            {0}};
    struct replica_options replica = {.wait_ms = 60000};
    uint64_t id = UINT64_MAX, wait_s, parent;
    char bin_dir[PATH_BYTES];
    int c;
    opterr = 0;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case OPT_ID:
            if (!number_read(optarg, 0, REPLICAS_MAX - 1, &id))
                return say_usage("replica", "--id %s: must be from 0 to %d", optarg, REPLICAS_MAX - 1);
            break;
        case OPT_FAULTS:
            replica.allow_faults = true;
            break;
        case OPT_REJOIN:
            replica.rejoin = true;
            break;
        case OPT_WAIT:
            if (!number_read(optarg, 1, 86400, &wait_s))
                return say_usage("replica", "--wait %s: must be from 1 to 86400", optarg);
            replica.wait_ms = (unsigned)wait_s * 1000;
            break;
        case OPT_PARENT:
            if (!number_read(optarg, 1, INT32_MAX, &parent))
                return say_usage("replica", "--parent %s: not a process id", optarg);
            if (!die_with(parent))
                return 0;
            replica.attended = true;
            break;
        case OPT_HELP:
            return say_help(help);
        default:
            return say_usage("replica", "%s: unknown option or no value", argv[optind - 1]);
        }
    }
    if (optind + 1 != argc || id == UINT64_MAX)
        return say_usage("replica", "exactly one DIR and --id are needed");
    struct config config;
    struct error error;
    replica.dir = argv[optind];
    replica.id = (replica_id)id;
    if (!binaries_find(bin_dir, sizeof bin_dir))
        return say_failed("replica: cannot tell where this program lies");
    replica.bin_dir = bin_dir;
    if (config_read(&config, replica.dir, &error))
        return say_failed("%s", error.text);
    if (strcmp(config.service, "kv") == 0)
        replica.service = &redoubt_service_kv;
    else if (strcmp(config.service, "pages") == 0)
        replica.service = &redoubt_service_pages;
    else if (strcmp(config.service, "counter") == 0)
        replica.service = &redoubt_service_counter;
    replica.front = front_of_service(config.service);
    if (replica.rejoin && !manifest_there(&replica))
        replica.rejoin = false; /* its first start */
    int result = replica_run(&replica, &error);
    if (result == REPLICA_NOT_ADMITTED)
        return run_again_without_rejoin(argc, argv);
    return result ? say_failed("%s", error.text) : 0;
}
