/*
 * A compartment for tests of the shell, the rings and the sandbox: it echoes, and on command misbehaves.
 * The first byte of a frame is the command.
 */
#ifndef TEST_LIB_ECHO_COMPARTMENT_H
#define TEST_LIB_ECHO_COMPARTMENT_H

#include "base/compartment.h"

enum echo_command {
    ECHO_BACK = 'e',    /* the same frame back */
    ECHO_INFO = 'i',    /* struct echo_info back */
    ECHO_SINK = 'q',    /* nothing back */
    ECHO_VERDICT = 'v', /* nothing back; verdict BAD_MAC */
    ECHO_RANDOM = 'r',  /* 4096 random bytes back */
    ECHO_BURST = 'b',   /* struct echo_burst: `count` frames of `len` bytes back, from flush, numbered */
    ECHO_CHECK = 'c',   /* a failed CHECK */
    ECHO_ARENA = 'a',   /* arena_alloc without end, then a CHECK */
    ECHO_SYSCALL = 's', /* struct echo_syscall: makes it, and echoes if it returns */
    ECHO_MALLOC = 'm',  /* malloc without end */
    ECHO_NULL = 'n',    /* writes to address 0 */
    ECHO_LOOP = 'l',    /* never returns */
    ECHO_EXIT = 'x',    /* _exit(3) */
};

struct echo_info {
    uint64_t now_us;
    uint64_t local;
    uint64_t replica;
    uint64_t epoch;
    char options[32];
};

struct echo_burst {
    uint8_t command;
    uint8_t pad[3];
    uint32_t count;
    uint32_t len;
};

struct echo_syscall {
    uint8_t command;
    uint8_t pad[7];
    int64_t number;
    int64_t argument[4];
};

extern const struct compartment_type echo_type; /* of kind KIND_PREPARATION */

#endif
