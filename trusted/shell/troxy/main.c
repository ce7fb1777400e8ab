/*
 * main() of a Troxy's process. Its host hands over, beside the shared memory, three descriptors: settings in memory that the host made, and the two
 * files with its secrets (the key of the TLS certificate, the keys of its origin), which the host opened and does not read. All three are
 * read once, before the lock-down.
 *
 * The TLS library gets an arena of its own, and does before the lock-down what it does only once.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shell/lockdown.h"
#include "shell/shell.h"
#include "shell/start.h"
#include "shell/words.h"
#include "troxy/troxy.h"

#define GIVEN_MAX    (1024u * 1024u)
#define SECRET_MAX   65536u
#define TLS_BYTES    ((size_t)1 << 30) /* thousands of handshakes at once; used as it is touched */
#define ORIGIN_BYTES 64u               /* as host/keys.h has them: Ed25519 seed, X25519 secret */

static struct arena tls_memory;
static struct troxy_start start;

/* The whole of a descriptor; it ends with a NUL that does not count. */
static struct slice take(int fd, size_t max, const char *what)
{
    struct stat stat;
    if (fstat(fd, &stat) != 0 || stat.st_size < 0 || (size_t)stat.st_size > max)
        shell_fail(what, "it was not handed over, or is too large");
    uint8_t *memory = start_memory((size_t)stat.st_size + 1, what);
    size_t len = 0;
    while (len < (size_t)stat.st_size) {
        ssize_t n = pread(fd, memory + len, (size_t)stat.st_size - len, (off_t)len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            shell_fail(what, n < 0 ? strerror(errno) : "it is cut short");
        len += (size_t)n;
    }
    return (struct slice){memory, len};
}

static void wipe(struct slice secret)
{
    crypto_wipe((void *)(uintptr_t)secret.data, secret.len);
}

static void take_tls(void)
{
    const char *why;
    arena_init(&tls_memory, start_memory(TLS_BYTES, "cannot reserve memory for TLS"), TLS_BYTES);
    if (tls_alone(&tls_memory) != 0)
        shell_fail("cannot start", "the TLS library does not work on this machine");
    if (start.settings.certificate.len == 0)
        return;
    struct slice key = take(TLS_KEY_FD, SECRET_MAX, "tls.key");
    start.tls = tls_server_new(start.settings.certificate, key, start.settings.client_ca, &why);
    wipe(key);
    if (!start.tls)
        shell_fail("tls.crt, tls.key, client_ca", why);
}

static void take_origin(void)
{
    struct slice keys = take(ORIGIN_KEY_FD, SECRET_MAX, "troxy.key");
    if (keys.len != ORIGIN_BYTES)
        shell_fail("troxy.key", "it does not have 64 bytes");
    sign_keypair_from(&start.sign, keys.data);
    box_keypair_from(&start.box, keys.data + 32);
    wipe(keys);
}

static void take_all(struct lockdown_doors *doors, uint32_t spin)
{
    (void)doors, (void)spin;
    if (!front_settings_decode(take(SETTINGS_FD, GIVEN_MAX, "settings"), &start.settings))
        shell_fail("settings", "they are not of this build");
    take_tls();
    take_origin();
}

int shell_troxy_main(const struct service_front *front)
{
    start.front = front;
    return shell_run(&troxy_type, &(struct shell_service){.troxy = &start, .connect = take_all});
}
