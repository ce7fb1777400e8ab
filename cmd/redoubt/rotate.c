/*
 * redoubt rotate: another link key and certificate for a replica's host, which goes on running.
 *
 *   1  DIR/replica-N/next: the new key and certificate             (a folder, renamed when it is whole)
 *   2  the cluster takes the key: its hosts know both for a while  (RECONFIG, executed: the chain says so)
 *   3  host N finds that its own next key is wanted, puts it in its place, and makes its links anew; each host that it meets
 *      with it forgets the key of before
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "change.h"
#include "commands.h"

static const char help[] = "usage: redoubt rotate DIR --id N [--again] [--wait S]\n\n"
                           "Gives the host of replica N another link key and certificate (host.key, "
                           "host.crt) while the cluster runs.\n"
                           "Where DIR is the folder that replica N runs from, it goes over to them by "
                           "itself; otherwise the last line\n"
                           "says what to copy. Until it has gone over, the key of before will do. The "
                           "platform key stays: a machine that\n"
                           "is not trusted any more is replaced (`redoubt replace`).\n\n"
                           "Broken off at any point, run it again: it goes on from there. A rotation that is "
                           "done is not done twice.\n\n"
                           "  --again   rotate once more, though a rotation is done\n"
                           "  --wait S  give up waiting after S seconds (default 120)\n\n"
                           "example: redoubt rotate /srv/redoubt --id 2\n";

#define TAKES_OVER_MS 8000u /* a host that runs from this folder looks every second */

struct rotation {
    struct change change;
    uint8_t link_public[32];
    char next[PATH_BYTES], key[PATH_BYTES], note[PATH_BYTES];
};

static int paths_make(struct rotation *p, struct error *error)
{
    return change_path(p->next, &p->change, "", "next", error) ||
                   change_path(p->key, &p->change, "", "next/host.key", error) ||
                   change_path(p->note, &p->change, "", "rotated", error)
               ? -1
               : 0;
}

static int folder_make(struct rotation *p, struct error *error)
{
    char begun[PATH_BYTES];
    if (change_path(begun, &p->change, "", "next.begun", error))
        return -1;
    change_remove(begun);
    change_remove(p->next); /* what a host has taken leaves it empty */
    if (mkdir(begun, 0700) != 0)
        return error_set(error, "%s: %s", begun, strerror(errno));
    if (change_draw_link(begun, p->change.id, error))
        return -1;
    return rename(begun, p->next) == 0 ? 0 : error_set(error, "%s: %s", p->next, strerror(errno));
}

static bool key_taken(const struct change *c, const void *context)
{
    const struct rotation *p = context;
    return memcmp(c->admin.held->host[c->id].link_public, p->link_public, 32) == 0;
}

static struct slice key_order(struct change *c, const void *context)
{
    const struct rotation *p = context;
    return change_host(c, p->link_public, NULL);
}

static int note_write(const struct rotation *p, struct error *error)
{
    char text[64];
    struct tm now;
    time_t seconds = time(NULL);
    gmtime_r(&seconds, &now);
    size_t len = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ\n", &now);
    return file_write(p->note, text, len, 0644, error);
}

/* Does the host that runs here, if any, take its key? */
static bool host_takes(struct rotation *p)
{
    uint64_t end_ms = change_now_ms() + TAKES_OVER_MS;
    while (file_exists(p->key) && change_now_ms() < end_ms)
        administrator_attend(&p->change.admin, 100);
    return !file_exists(p->key);
}

static int carry_on(struct rotation *p, struct error *error)
{
    struct change *c = &p->change;
    /* The note comes before the order: from then on a host may take `next` away, and it is all that tells of it. */
    if (note_write(p, error) || change_carry_out(c, key_taken, key_order, p, "", "", "new link key", error) ||
        administrator_save(&c->admin, error))
        return -1;
    fprintf(stderr, "replica %u: the cluster has its new link key (configuration %llu)\n", c->id,
            (unsigned long long)c->admin.held->number);
    if (host_takes(p))
        fprintf(stderr, "replica %u: its host goes on with it\n", c->id);
    else
        fprintf(stderr,
                "replica %u: copy %s to its host, as next in its replica-%u, and leave it there: it goes "
                "over to it by "
                "itself\n",
                c->id, p->next, c->id);
    return 0;
}

/* The key that the chain names is the one in its place: nothing is under way. */
static int say_done(struct rotation *p, struct error *error)
{
    struct file file;
    if (file_read(&file, p->note, 256, error))
        return -1;
    fprintf(stderr, "replica %u: the rotation of %.*s is done; --again for another\n", p->change.id,
            (int)strcspn((const char *)file.data, "\n"), (const char *)file.data);
    file_free(&file);
    return 0;
}

/* On a host elsewhere `next` stays here until the next rotation; what was taken belongs in its place first. */
static int put_in_place(struct rotation *p, struct error *error)
{
    static const char *const names[] = {"host.key", "host.crt"};
    char from[PATH_BYTES], to[PATH_BYTES];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!path_make(from, "%s/%s", p->next, names[i]) || change_path(to, &p->change, "", names[i], error))
            return error_set(error, "%s: name too long", p->next);
        if (file_exists(from) && rename(from, to) != 0)
            return error_set(error, "%s: %s", from, strerror(errno));
    }
    return 0;
}

static int rotate(struct rotation *p, struct error *error)
{
    struct change *c = &p->change;
    if (paths_make(p, error))
        return -1;
    change_catch_up(c);
    if (file_exists(p->key)) {
        if (change_link_public(p->link_public, p->next, error))
            return -1;
        if (!c->again || !key_taken(c, p) || host_takes(p)) {
            fprintf(stderr, "replica %u: goes on with the rotation that was begun\n", c->id);
            return carry_on(p, error);
        }
        if (put_in_place(p, error))
            return -1;
    } else if (file_exists(p->note) && !c->again) {
        char folder[PATH_BYTES];
        if (change_path(folder, c, "", "", error) || change_link_public(p->link_public, folder, error))
            return -1;
        if (key_taken(c, p))
            return say_done(p, error);
    }
    return folder_make(p, error) || change_link_public(p->link_public, p->next, error) || carry_on(p, error)
               ? -1
               : 0;
}

int cmd_rotate(int argc, char **argv)
{
    static const struct option options[] = {{"id", required_argument, NULL, 'i'},
                                            {"again", no_argument, NULL, 'a'},
                                            {"wait", required_argument, NULL, 'w'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    static struct rotation p;
    uint64_t id = UINT64_MAX, wait_s = 120;
    struct error error;
    int c;
    opterr = 0;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == 'h')
            return say_help(help);
        if (c == 'a')
            p.change.again = true;
        else if (c != 'i' && c != 'w')
            return say_usage("rotate", "%s: unknown option or no value", argv[optind - 1]);
        else if (c == 'i' && !number_read(optarg, 0, REPLICAS_MAX - 1, &id))
            return say_usage("rotate", "--id %s: must be from 0 to %d", optarg, REPLICAS_MAX - 1);
        else if (c == 'w' && !number_read(optarg, 1, 86400, &wait_s))
            return say_usage("rotate", "--wait %s: must be from 1 to 86400", optarg);
    }
    if (optind + 1 != argc || id == UINT64_MAX)
        return say_usage("rotate", "exactly one DIR and --id are needed");
    int result = change_open(&p.change, argv[optind], (replica_id)id, (unsigned)wait_s, &error);
    if (result == 0)
        result = rotate(&p, &error);
    change_close(&p.change);
    return result ? say_failed("%s", error.text) : 0;
}
