/*
 * redoubt: one binary, a subcommand for each thing that people do.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "commands.h"
#include "crypto/crypto.h"

_Noreturn void check_failed(const char *expression, const char *file, int line)
{
    fprintf(stderr, "redoubt: a bug in redoubt: %s:%d: %s\n", file, line, expression);
    abort();
}

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *what;
} commands[] = {
    {"init", cmd_init, "make a cluster's folder: cluster.yaml, keys, certificates"},
    {"up", cmd_up, "run all replicas of a local cluster in the foreground"},
    {"replica", cmd_replica, "run one replica (what a service manager starts)"},
    {"start", cmd_start, "sign the manifest for replicas that wait for it"},
    {"replace", cmd_replace, "another machine in the place of a replica"},
    {"rotate", cmd_rotate, "another link key and certificate for a replica's host"},
    {"add", cmd_add, "one replica more in a running cluster"},
    {"remove", cmd_remove, "the last replica out of a running cluster"},
    {"user", cmd_user, "who may use the front: add or change a user, or take one out"},
    {"status", cmd_status, "show every replica, and what is trusted"},
    {"backup", cmd_backup, "the certified state of a running cluster, encrypted, into a file"},
    {"verify", cmd_verify, "check such a file, without a cluster"},
    {"restore", cmd_restore, "make the folder of a new cluster that begins with it"},
    {"fault", cmd_fault, "ask a replica to misbehave, for demos and tests"},
    {"call", cmd_call, "one operation through the client library"},
    {"bench", cmd_bench, "load, and what it took"},
    {"standalone", cmd_standalone, "one service behind the front of a cluster, not replicated"},
    {"gateway", cmd_gateway, "stock clients on this machine, through the client library"},
    {"link", cmd_link, "a slow line to any TCP service, emulated"},
    {"sim", cmd_sim, "whole clusters in one thread from one seed"},
};

int cmd_sim(int argc, char **argv)
{
    char dir[4096], path[4200];
    (void)argc;
    if (!binaries_find(dir, sizeof dir))
        return say_failed("sim: cannot tell where this program lies");
    snprintf(path, sizeof path, "%s/redoubt-sim", dir);
    execv(path, argv);
    return say_failed("sim: %s: cannot be run: is it installed?", path);
}

static int help(void)
{
    puts("usage: redoubt COMMAND ...\n\nReplicates a service so that it keeps giving right answers while "
         "some machines, and some of\n"
         "the compartments on them, are in an attacker's hands.\n");
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        printf("  %-10s %s\n", commands[i].name, commands[i].what);
    puts("\n`redoubt COMMAND --help` says more. For example:\n\n"
         "  redoubt init demo && redoubt up demo\n  redoubt call demo put greeting hello");
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fputs("redoubt: which command? (see `redoubt --help`)\n", stderr);
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)
        return help();
    if (strcmp(argv[1], "--version") == 0) {
        puts("redoubt " REDOUBT_VERSION);
        return 0;
    }
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(argv[1], commands[i].name) != 0)
            continue;
        if (crypto_start() != 0)
            return say_failed("the cryptographic library does not work on this machine");
        return commands[i].run(argc - 1, argv + 1);
    }
    fprintf(stderr, "redoubt: unknown command `%s` (see `redoubt --help`)\n", argv[1]);
    return 2;
}
