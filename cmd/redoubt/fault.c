/*
 * redoubt fault: asks a replica that was started with --allow-faults to misbehave.
 */
#include "fault.h"

#include <getopt.h>

#include "commands.h"
#include "control.h"

static const char help[] =
    "usage: redoubt fault DIR --id N --kind lie|equivocate|silent|slow|corrupt-replies|none\n\n"
    "Asks replica N, if it was started with --allow-faults, to misbehave from now on (none: to stop "
    "that).\n\n"
    "  silent           sends nothing\n"
    "  slow             sends everything 300 ms late\n"
    "  corrupt-replies  flips bytes of its replies to clients\n"
    "  lie              that, and beside each vote a forged one in another replica's name\n"
    "  equivocate       as primary: shows every second peer another proposal\n\n"
    "example: redoubt fault demo --id 1 --kind lie\n";

enum { OPT_ID = 1, OPT_KIND, OPT_HELP };

int cmd_fault(int argc, char **argv)
{
    static const struct option options[] = {{"id", required_argument, NULL, OPT_ID},
                                            {"kind", required_argument, NULL, OPT_KIND},
                                            {"help", no_argument, NULL, OPT_HELP},
                                            {0}};
    uint64_t id = UINT64_MAX;
    int kind = -1, c;
    opterr = 0;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case OPT_ID:
            if (!number_read(optarg, 0, REPLICAS_MAX - 1, &id))
                return say_usage("fault", "--id %s: must be from 0 to %d", optarg, REPLICAS_MAX - 1);
            break;
        case OPT_KIND:
            if ((kind = fault_number(optarg)) < 0)
                return say_usage("fault", "--kind %s: must be %s", optarg, FAULT_NAMES);
            break;
        case OPT_HELP:
            return say_help(help);
        default:
            return say_usage("fault", "%s: unknown option or no value", argv[optind - 1]);
        }
    }
    if (optind + 1 != argc || id == UINT64_MAX || kind < 0)
        return say_usage("fault", "DIR, --id and --kind are needed");
    struct config config;
    struct error error;
    if (config_read(&config, argv[optind], &error))
        return say_failed("%s", error.text);
    if (id >= config.replicas)
        return say_failed("--id %u: there are %u replicas, numbered from 0", (unsigned)id, config.replicas);
    if (control_ask(argv[optind], (replica_id)id, (enum fault_kind)kind, &error))
        return say_failed("%s", error.text);
    return 0;
}
