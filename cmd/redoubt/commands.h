/*
 * The subcommands of `redoubt`. argv[0] is the subcommand's name. Exit codes: 0 done, 1 failed, 2 wrong usage.
 */
#ifndef CMD_COMMANDS_H
#define CMD_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int cmd_init(int argc, char **argv);
int cmd_up(int argc, char **argv);
int cmd_replica(int argc, char **argv);
int cmd_start(int argc, char **argv);
int cmd_replace(int argc, char **argv);
int cmd_rotate(int argc, char **argv);
int cmd_add(int argc, char **argv);
int cmd_remove(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_fault(int argc, char **argv);
int cmd_backup(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_restore(int argc, char **argv);
int cmd_sim(int argc, char **argv);
int cmd_call(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_link(int argc, char **argv);
int cmd_user(int argc, char **argv);
int cmd_standalone(int argc, char **argv);
int cmd_gateway(int argc, char **argv);

/* "redoubt: ..." on standard error. Returns 1. */
int say_failed(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same, with where to find help. Returns 2. */
int say_usage(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Prints help on standard output. Returns 0. */
int say_help(const char *text);

/* A whole number in decimal within limits; false otherwise. */
bool number_read(const char *text, uint64_t least, uint64_t most, uint64_t *value);

/* Folder of the compartments' executables: beside this one, or ../libexec/redoubt. */
bool binaries_find(char *out, size_t cap);

#endif
