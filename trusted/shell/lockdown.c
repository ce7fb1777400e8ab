#define _GNU_SOURCE 1
#include "shell/lockdown.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shell/words.h"

#if defined(REDOUBT_SANITIZER) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZER 1
#endif
#endif
#ifndef SANITIZER
#define SANITIZER 0
#endif

static _Noreturn void refuse(const char *what)
{
    shell_fail(what, strerror(errno));
}

/* ------------------------------------------------------------ namespaces and uid */

static uint32_t leave_namespaces(void)
{
    int flags = CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWCGROUP;
    if (geteuid() != 0)
        flags |= CLONE_NEWUSER;
    return unshare(flags) == 0 ? SANDBOX_NAMESPACES : 0;
}

/* As root: a uid of its own, so that compartments cannot signal each other. Pids are below 2^22 and differ,
 * and nothing else uses uids this high. */
#define UID_BASE 0x70000000u

static uint32_t take_own_uid(void)
{
    uid_t uid = UID_BASE + ((uint32_t)getpid() & 0x3fffffu);
    if (geteuid() != 0 || setgroups(0, NULL) != 0 || setresgid(uid, uid, uid) != 0 ||
        setresuid(uid, uid, uid) != 0)
        return 0;
    return SANDBOX_OWN_UID;
}

/* ------------------------------------------------------------ limits, capabilities, prctl */

static void limit(__rlimit_resource_t resource)
{
    struct rlimit none = {0, 0};
    if (setrlimit(resource, &none) != 0)
        refuse("cannot set a resource limit");
}

static void drop_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2];
    memset(none, 0, sizeof none);
    if (syscall(SYS_capset, &header, none) != 0)
        refuse("cannot drop capabilities");
}

static void bind_to_host(int host_pid)
{
    /* A change of uid clears the death signal, so it comes after that; and the host may have died before it.
     * */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
        refuse("cannot ask to die with the host");
    if (getppid() != host_pid)
        shell_fail("the host is gone", NULL);
}

/* ------------------------------------------------------------ Landlock, by raw system calls */

struct landlock_rules { /* struct landlock_ruleset_attr of ABI 6; older headers know less of it */
    uint64_t handled_access_fs;
    uint64_t handled_access_net;
    uint64_t scoped;
};

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_restrict_self  446
#endif
#define LANDLOCK_VERSION 1ul

/* Everything that this kernel's version can restrict is restricted, and no rule allows anything back. */
static uint32_t allow_nothing(void)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0ul, LANDLOCK_VERSION);
    if (version < 1)
        return 0;
    struct landlock_rules rules = {.handled_access_fs = (1u << 13) - 1};
    size_t size = sizeof rules.handled_access_fs;
    if (version >= 2)
        rules.handled_access_fs |= 1u << 13; /* refer */
    if (version >= 3)
        rules.handled_access_fs |= 1u << 14; /* truncate */
    if (version >= 5)
        rules.handled_access_fs |= 1u << 15; /* device ioctl */
    if (version >= 4) {
        rules.handled_access_net = 3; /* bind and connect TCP */
        size += sizeof rules.handled_access_net;
    }
    if (version >= 6) {
        rules.scoped = 3; /* abstract unix sockets, signals */
        size += sizeof rules.scoped;
    }
    long fd = syscall(SYS_landlock_create_ruleset, &rules, size, 0ul);
    if (fd < 0)
        return 0;
    long result = syscall(SYS_landlock_restrict_self, fd, 0ul);
    close((int)fd);
    return result == 0 ? SANDBOX_LANDLOCK : 0;
}

/* ------------------------------------------------------------ descriptors */

bool lockdown_close_from(unsigned first)
{
    return syscall(SYS_close_range, (unsigned long)first, ~0ul & 0xffffffffu, 0ul) == 0;
}

static void close_all_but(int event_fd)
{
    for (int fd = SANITIZER ? STDERR_FILENO + 1 : 0; fd < event_fd; fd++)
        close(fd);
    if (!lockdown_close_from((unsigned)event_fd + 1))
        refuse("cannot close descriptors");
}

/* ------------------------------------------------------------ seccomp */

static void allow(scmp_filter_ctx filter, int call, unsigned count, const struct scmp_arg_cmp *arguments)
{
    int result = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, count, arguments);
    if (result != 0)
        shell_fail("cannot build the system call filter", strerror(-result));
}

static struct scmp_arg_cmp equals(unsigned argument, uint64_t value)
{
    return (struct scmp_arg_cmp){.arg = argument, .op = SCMP_CMP_EQ, .datum_a = value, .datum_b = 0};
}

/* Sanitizers map memory, keep threads and print. Opening, connecting, forking and signalling others stay
 * forbidden. */
static void allow_sanitizer(scmp_filter_ctx filter)
{
    static const int calls[] = {
        SCMP_SYS(mmap),
        SCMP_SYS(munmap),
        SCMP_SYS(mprotect),
        SCMP_SYS(madvise),
        SCMP_SYS(mremap),
        SCMP_SYS(brk),
        SCMP_SYS(futex),
        SCMP_SYS(restart_syscall),
        SCMP_SYS(write),
        SCMP_SYS(getpid),
        SCMP_SYS(gettid),
        SCMP_SYS(rt_sigaction),
        SCMP_SYS(rt_sigprocmask),
        SCMP_SYS(rt_sigreturn),
        SCMP_SYS(sigaltstack),
        SCMP_SYS(sched_yield),
        SCMP_SYS(clock_gettime),
        SCMP_SYS(clock_nanosleep),
        SCMP_SYS(nanosleep),
        SCMP_SYS(getrlimit),
        SCMP_SYS(prlimit64),
        SCMP_SYS(sched_getaffinity),
        SCMP_SYS(getrusage),
        SCMP_SYS(exit),
        SCMP_SYS(set_robust_list),
        SCMP_SYS(rseq),
    };
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        allow(filter, calls[i], 0, NULL);
}

/* Without a timeout a stop and a continue restart the wait as it was; with one, by restart_syscall, which does nothing else. */
static void allow_wait(scmp_filter_ctx filter, const void *word, const void *timeout)
{
    const struct scmp_arg_cmp wait[] = {equals(0, (uintptr_t)word), equals(1, FUTEX_WAIT),
                                        equals(3, (uintptr_t)timeout)};
    if (word)
        allow(filter, SCMP_SYS(futex), 3, wait);
    if (word && timeout)
        allow(filter, SCMP_SYS(restart_syscall), 0, NULL);
}

static void allow_link(scmp_filter_ctx filter, const struct lockdown_doors *doors)
{
    const struct scmp_arg_cmp wake[] = {equals(0, (uintptr_t)doors->link_other), equals(1, FUTEX_WAKE),
                                        equals(2, 1)};
    allow_wait(filter, doors->link_word, doors->link_patience);
    if (doors->link_other)
        allow(filter, SCMP_SYS(futex), 3, wake);
}

static void filter_system_calls(const struct lockdown_doors *doors)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
    if (!filter)
        shell_fail("cannot build the system call filter", NULL);
    if (seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) != 0)
        shell_fail("cannot build the system call filter", "other architectures");

    allow(filter, SCMP_SYS(exit_group), 0, NULL);
    if (SANITIZER) {
        allow_sanitizer(filter);
    } else {
        const struct scmp_arg_cmp notify[] = {
            equals(0, (uint64_t)doors->event_fd),
            equals(1, (uintptr_t)doors->event_value),
            equals(2, sizeof(uint64_t)),
        };
        allow(filter, SCMP_SYS(write), 3, notify);
        allow_wait(filter, doors->futex_word, NULL);
        allow_link(filter, doors);
    }
    /* The filter's own memory is not freed: free() may need a system call. */
    int result = seccomp_load(filter);
    if (result != 0)
        shell_fail("cannot load the system call filter", strerror(-result));
}

uint32_t lockdown(const struct lockdown_doors *doors)
{
    uint32_t held = SANDBOX_SECCOMP | (SANITIZER ? (uint32_t)SANDBOX_SANITIZER : 0u);
    held |= leave_namespaces();
    held |= take_own_uid();
    limit(RLIMIT_CORE);
    limit(RLIMIT_NPROC);
    drop_capabilities();
    bind_to_host(doors->host_pid);
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        refuse("cannot forbid dumps");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        refuse("cannot give up new privileges");
    held |= allow_nothing();
    close_all_but(doors->event_fd);
    limit(RLIMIT_NOFILE);
    filter_system_calls(doors);
    return held;
}
