/*
 * redoubt start: the administrator's act. Looks at the keys that the replicas have drawn and signs the manifest.
 */
#include <getopt.h>

#include "commands.h"
#include "founding.h"

static const char help[] =
    "usage: redoubt start DIR [--wait S]\n\n"
    "Waits until every replica has left its fresh keys in DIR/replica-N/hello (at most S seconds, default "
    "30),\n"
    "then signs the manifest with DIR/admin.key and writes it to DIR/manifest and DIR/replica-N/manifest.\n"
    "With replicas on several machines, bring the hello files here before and the manifest there after; with "
    "hybster\n"
    "also DIR/replica-N/counter-key, which begins that replica's counter.\n"
    "`redoubt up` does this by itself.\n\n"
    "example: redoubt start /srv/redoubt\n";

int cmd_start(int argc, char **argv)
{
    static const struct option options[] = {
        {"wait", required_argument, NULL, 'w'}, {"help", no_argument, NULL, 'h'}, {0}};
    uint64_t wait_s = 30;
    int c;
    opterr = 0;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == 'h')
            return say_help(help);
        if (c != 'w')
            return say_usage("start", "%s: unknown option or no value", argv[optind - 1]);
        if (!number_read(optarg, 1, 86400, &wait_s))
            return say_usage("start", "--wait %s: must be from 1 to 86400", optarg);
    }
    if (optind + 1 != argc)
        return say_usage("start", "exactly one DIR is needed");
    struct config config;
    struct error error;
    if (config_read(&config, argv[optind], &error) || config_supported(&config, &error) ||
        founding_run(&config, (unsigned)wait_s * 1000, NULL, NULL, &error))
        return say_failed("%s", error.text);
    return 0;
}
