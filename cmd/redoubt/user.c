/*
 * redoubt user: whom the front serves. Writes what a salt makes of a password into cluster.yaml, never the password.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <termios.h>
#include <unistd.h>

#include "commands.h"
#include "config_edit.h"
#include "crypto/crypto.h"
#include "troxy/user.h"

static const char help[] =
    "usage: redoubt user DIR NAME [--remove [--open]]\n\n"
    "Adds a user of the front (Redis: AUTH; HTTP: Basic) to DIR/cluster.yaml, or gives one that is there "
    "another\n"
    "password. The password is one line of standard input; on a terminal it is asked for twice and not "
    "shown.\n"
    "cluster.yaml gets a salt and a hash, never the password. The hash is a fast one: take a long random "
    "password.\n"
    "The rest of the file stays as it is.\n\n"
    "Replicas read it at their next start, and serve those of before until then. Where each machine has a "
    "folder of\n"
    "its own, copy cluster.yaml to all of them. As soon as there is one user, everybody has to say who he "
    "is.\n"
    "redis-cli -a PASSWORD without a name means the user `default`.\n\n"
    "  --remove  take that user out\n"
    "  --open    ... even when it is the last one: then nobody has to say who he is any more\n\n"
    "example: openssl rand -base64 24 | tee ann.password | redoubt user demo ann\n"
    "         redoubt user demo ann --remove\n";

struct request {
    const char *dir, *name;
    bool remove, open;
};

/* ---------------------------------------------------------------- the password */

struct password {
    char text[FRONT_PASSWORD_MAX + 2];
    size_t len;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    interrupted = number;
}

/* One line, without its end. Not through stdio, which would keep a copy. */
static int line_read(struct password *password, struct error *error)
{
    for (password->len = 0; password->len <= FRONT_PASSWORD_MAX;) {
        char *c = &password->text[password->len];
        ssize_t n = read(STDIN_FILENO, c, 1);
        if (n < 0 && errno == EINTR && !interrupted)
            continue;
        if (n < 0)
            return error_set(error, "standard input: %s", strerror(errno));
        if (n == 0 || *c == '\n')
            return password->len ? 0 : error_set(error, "no password on standard input");
        if ((unsigned char)*c < ' ' || *c == 127)
            return error_set(error, "the password has a control character in it");
        password->len++;
    }
    return error_set(error, "the password is longer than %u bytes", FRONT_PASSWORD_MAX);
}

/* The same from a terminal, which shows nothing of it and is put back as it was, whatever ends this. */
static int line_ask(struct password *password, const char *prompt, struct error *error)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    const struct sigaction action = {.sa_handler = on_signal};
    struct sigaction before[sizeof numbers / sizeof numbers[0]];
    struct termios was, quiet;
    if (tcgetattr(STDIN_FILENO, &was) != 0)
        return error_set(error, "standard input: %s", strerror(errno));
    quiet = was;
    quiet.c_lflag = (quiet.c_lflag & ~(tcflag_t)ECHO) | ECHONL;
    quiet.c_cc[VSUSP] = _POSIX_VDISABLE; /* a shell would be left without echo */
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        sigaction(numbers[i], &action, &before[i]);
    int result = tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    if (result == 0) {
        fputs(prompt, stderr);
        result = line_read(password, error);
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &was);
    } else {
        error_set(error, "standard input: %s", strerror(errno));
    }
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        sigaction(numbers[i], &before[i], NULL);
    if (interrupted)
        raise(interrupted);
    return result;
}

static int password_take(struct password *password, struct error *error)
{
    struct password again;
    if (!isatty(STDIN_FILENO))
        return line_read(password, error);
    if (line_ask(password, "password: ", error))
        return -1;
    int result = line_ask(&again, "once more: ", error);
    if (result == 0 && (again.len != password->len || memcmp(again.text, password->text, again.len) != 0))
        result = error_set(error, "these were two different passwords: nothing was changed");
    crypto_wipe(&again, sizeof again);
    return result;
}

/* ---------------------------------------------------------------- the file */

/* One command at a time: what also changes the members, where their key is here. It stays locked until this process ends. */
static int folder_lock(const char *dir, struct error *error)
{
    char path[PATH_BYTES];
    if (!path_make(path, "%s/admin.key", dir))
        return error_set(error, "%s: name too long", dir);
    int fd = open(file_exists(path) ? path : dir, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return error_set(error, "%s: %s", file_exists(path) ? path : dir, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    return error_set(error, "%s: another command is changing this cluster", dir);
}

static void say_next(const struct request *q, const struct config *config, const char *what)
{
    fprintf(stderr, "user %s: %s; replicas read %s/cluster.yaml at their next start\n", q->name, what,
            q->dir);
    if (config->users == 0)
        fprintf(stderr, "no user is left: from then on nobody has to say who he is\n");
    if (!config->front)
        fprintf(stderr, "this cluster has no front (`front: on`): nobody is asked for it\n");
}

static int take_out(const struct request *q, struct config *config, struct error *error)
{
    if (config->users == 1 && config_user_find(config, q->name) == 0 && !q->open)
        return error_set(error,
                         "%s is the last user: without one nobody has to say who he is; --open if that is "
                         "what you want",
                         q->name);
    if (config_remove_user(config, q->name, error))
        return -1;
    say_next(q, config, "taken out");
    return 0;
}

static int put_in(const struct request *q, struct config *config, struct password *password,
                  struct error *error)
{
    struct user_config user = {.line = 0};
    bool known = config_user_find(config, q->name) >= 0;
    memcpy(user.name, q->name, strlen(q->name) + 1);
    crypto_random(user.salt, sizeof user.salt);
    conversation_user_hash(user.hash, user.salt,
                           (struct slice){(const uint8_t *)password->text, password->len});
    if (config_set_user(config, &user, error))
        return -1;
    say_next(q, config, known ? "has another password" : "added");
    return 0;
}

static int run(const struct request *q, struct password *password, struct error *error)
{
    static struct config config;
    /* What is wrong with the file is said before a password is asked for; it is read again when nobody else may change it. */
    if (config_read(&config, q->dir, error) || (!q->remove && password_take(password, error)) ||
        folder_lock(q->dir, error) || config_read(&config, q->dir, error))
        return -1;
    return q->remove ? take_out(q, &config, error) : put_in(q, &config, password, error);
}

int cmd_user(int argc, char **argv)
{
    static const struct option options[] = {{"remove", no_argument, NULL, 'r'},
                                            {"open", no_argument, NULL, 'o'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    static struct password password;
    struct request q = {NULL, NULL, false, false};
    struct error error;
    int c;
    opterr = 0;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == 'h')
            return say_help(help);
        if (c != 'r' && c != 'o')
            return say_usage("user", "%s: unknown option", argv[optind - 1]);
        q.remove |= c == 'r';
        q.open |= c == 'o';
    }
    if (argc - optind != 2)
        return say_usage("user",
                         argc - optind < 2 ? "which cluster's folder, and which user?" : "too many names");
    if (q.open && !q.remove)
        return say_usage("user", "--open goes with --remove");
    q.dir = argv[optind];
    q.name = argv[optind + 1];
    if (!config_user_name(q.name))
        return say_usage("user",
                         "bad name `%s`: up to %u letters, digits and ._@+-, the first neither of . and -",
                         q.name, FRONT_USER_NAME_MAX);
    int result = run(&q, &password, &error);
    crypto_wipe(&password, sizeof password);
    return result ? say_failed("%s", error.text) : 0;
}
