/*
 * redoubt verify: is this file a backup, whole, unchanged and not stale? Without a cluster.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "commands.h"
#include "config.h"
#include "json.h"
#include "offline.h"

static const char help[] =
    "usage: redoubt verify FILE [OPTION...]\n\n"
    "Checks a backup without a cluster: the administrator's signatures, the certificate of 2f+1 Execution "
    "compartments,\n"
    "the signature of the one that gave it on every piece; and with the key that every leaf gives the root "
    "that 2f+1\n"
    "signed. Exit 1 and the reason when it is refused.\n\n"
    "  --key FILE          backup.key of the cluster; without it nothing is decrypted\n"
    "  --admin FILE        admin.pub of the cluster; not needed with --key\n"
    "  --newer-than WHAT   refuse it unless it is newer: a slot, or a time like 2026-11-21T07:00:00Z\n"
    "  --ledger FILE       refuse it when this list (DIR/backups) names a later one of the same cluster\n"
    "  --json              for programs\n\n"
    "example: redoubt verify monday.backup --key demo/backup.key --ledger demo/backups\n";

static void print_json(const struct offline *o)
{
    const struct backup_reader *r = &o->reader;
    char cluster[33], root[65], admin[65], when[TIME_TEXT_BYTES], name[2 * PATH_BYTES];
    printf("{\"file\":\"%s\",\"cluster\":\"%s\",\"admin\":\"%s\",\"admin_known\":%s,\"slot\":%" PRIu64
           ",\"time\":\"%s\",\"time_us\":%" PRIu64 ",\"root\":\"%s\",\"service\":\"%s\",\"protocol\":\"%s\","
           "\"faults\":%u,\"replica\":%u,\"signers\":%u,\"leaves\":%" PRIu64 ",\"pieces\":%" PRIu64
           ",\"rounds\":%u,\"bytes\":%" PRIu64 ",\"decrypted\":%s,\"leaves_checked\":%s}\n",
           json_escape(name, sizeof name, o->path), hex_text(cluster, r->configuration.cluster.bytes, 16),
           hex_text(admin, r->admin_public, 32), o->admin_known ? "true" : "false", r->slot,
           time_text(when, r->time_us), r->time_us, hex_text(root, r->root.bytes, 32), r->service_name,
           protocol_name(r->configuration.protocol), r->configuration.faults, r->giver.id, r->signers,
           r->leaf_count, r->number, r->round, o->bytes, r->key ? "true" : "false",
           r->key && r->service ? "true" : "false");
}

static void print_text(const struct offline *o)
{
    const struct backup_reader *r = &o->reader;
    char cluster[33], root[65], admin[65], when[TIME_TEXT_BYTES];
    printf("cluster   %s\nservice   %s\nslot      %" PRIu64
           "\ntime      %s\nroot      %s\nsigned    by %u of %u replicas; "
           "given by replica %u\nsize      %" PRIu64 " bytes, %" PRIu64 " leaves\n",
           hex_text(cluster, r->configuration.cluster.bytes, 16), r->service_name, r->slot,
           time_text(when, r->time_us), hex_text(root, r->root.bytes, 32), r->signers,
           r->configuration.replicas, r->giver.id, o->bytes, r->leaf_count);
    if (!o->admin_known)
        printf("admin     %s (as the file says: compare it with admin.pub, or give --admin or --key)\n",
               hex_text(admin, r->admin_public, 32));
    if (!r->key)
        puts(
            "checked   signatures and certificate only: without --key nothing was decrypted, and whether the "
            "leaves give\n          this root is not known");
    else if (!r->service)
        puts("checked   signatures, certificate, and that everything decrypts; the leaves are of a service "
             "that "
             "is not built in\n          here, and whether they give this root is not known");
    else
        puts("checked   signatures, certificate, and that the leaves give this root");
}

int cmd_verify(int argc, char **argv)
{
    static const struct option options[] = {{"key", required_argument, NULL, 'k'},
                                            {"admin", required_argument, NULL, 'a'},
                                            {"newer-than", required_argument, NULL, 'n'},
                                            {"ledger", required_argument, NULL, 'l'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    static struct offline o;
    struct error error;
    bool json = false;
    int c;
    opterr = 0;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == 'h')
            return say_help(help);
        if (c == 'k')
            o.key_path = optarg;
        else if (c == 'a')
            o.admin_path = optarg;
        else if (c == 'n')
            o.newer_than = optarg;
        else if (c == 'l')
            o.ledger_path = optarg;
        else if (c == 'j')
            json = true;
        else
            return say_usage("verify", "%s: unknown option or no value", argv[optind - 1]);
    }
    if (optind + 1 != argc)
        return say_usage("verify", "exactly one FILE is needed");
    o.path = argv[optind];
    o.progress = isatty(2);
    int failed = offline_open(&o, &error) || offline_read(&o, NULL, NULL, &error);
    if (!failed && json)
        print_json(&o);
    else if (!failed)
        print_text(&o);
    offline_close(&o);
    if (failed)
        return say_failed("%s", error.text);
    return fflush(stdout) == 0 ? 0 : say_failed("verify: cannot write");
}
