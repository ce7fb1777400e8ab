#define _GNU_SOURCE 1
#include "shell/start.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/crypto.h"
#include "crypto/random.h"
#include "shell/memory.h"
#include "shell/words.h"

/* NULL when this is not how a host starts us. */
static struct shared *shared_open(void)
{
    int seals = fcntl(SHARED_FD, F_GET_SEALS);
    struct stat stat;
    if (seals < 0 || (seals & (F_SEAL_SHRINK | F_SEAL_GROW)) != (F_SEAL_SHRINK | F_SEAL_GROW))
        return NULL;
    if (fstat(SHARED_FD, &stat) != 0 || stat.st_size != (off_t)SHARED_BYTES)
        return NULL;
    struct shared *shared = mmap(NULL, SHARED_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, SHARED_FD, 0);
    return shared == MAP_FAILED ? NULL : shared;
}

enum kind start_asked_for(void)
{
    struct shared *shared = shared_open();
    if (!shared)
        return KIND_NONE;
    enum kind kind = shared->config.kind == KIND_APPLICATION ? KIND_APPLICATION : KIND_EXECUTION;
    munmap(shared, SHARED_BYTES);
    return kind;
}

int start_say(enum kind kind)
{
    const char *const text[] = {
        "this is a compartment (",
        kind_name(kind),
        ") of a Redoubt replica; `redoubt replica` starts it, it does not run alone\n",
    };
    for (size_t i = 0; i < sizeof text / sizeof text[0]; i++) {
        ssize_t written = write(STDERR_FILENO, text[i], strlen(text[i]));
        (void)written;
    }
    return 2;
}

static void config_read(struct shared_config *config, struct shared *shared)
{
    memcpy(config, &shared->config, sizeof *config);
    crypto_wipe(shared->config.sealing_secret, sizeof shared->config.sealing_secret);
    crypto_wipe(shared->config.domain_seed, sizeof shared->config.domain_seed);
    config->service_options[SERVICE_OPTIONS_MAX - 1] = '\0';
    if (config->magic != SHARED_MAGIC)
        shell_fail("host and compartment are not of the same build", NULL);
}

static void pin_to_core(int core)
{
    cpu_set_t set;
    if (core < 0)
        return;
    CPU_ZERO(&set);
    if (core < CPU_SETSIZE)
        CPU_SET((unsigned)core, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0)
        shell_fail("cannot run on the core asked for", strerror(errno));
}

struct shared *start_process(struct shared_config *config, enum kind kind)
{
    struct shared *shared = shared_open();
    if (!shared)
        return NULL;
    words_open(shared);
    config_read(config, shared);
    if (config->kind != (uint32_t)kind)
        shell_fail("wrong binary", kind_name(kind));
    pin_to_core(config->core);
    if (crypto_start() != 0 || crypto_random_alone() != 0)
        shell_fail("cannot start", "the cryptographic library does not work on this machine");
    return shared;
}

void *start_memory(size_t bytes, const char *what_if_not)
{
    void *memory = memory_map(bytes);
    if (!memory)
        shell_fail(what_if_not, strerror(errno));
    return memory;
}
