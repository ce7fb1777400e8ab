/*
 * redoubt add, redoubt remove: one replica more, or one less. Five steps, each of which a later run finds done or not:
 *
 *   1  DIR/resize: what was begun; nothing else can be begun before it is done     (a file)
 *   2  add: DIR/replica-N with the link key of the new replica                     (a folder, renamed when it is whole), and what its
 *      front needs (files, each made when it is not there)
 *   3  the cluster closes: it executes nothing above a slot; DIR/closing shows it  (CLOSE, executed: the chain says so; a file)
 *   4  cluster.yaml and endpoints.json list the replicas of from now on
 *   5  all replicas start again, and DIR/manifest names the new size               (`redoubt up` does it, or the operator)
 *
 * Until step 3 is done the cluster serves as before; from then until step 5 it waits.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "change.h"
#include "commands.h"
#include "config_edit.h"
#include "front_files.h"
#include "json.h"
#include "keys.h"
#include "pages.h"

static const char add_help[] =
    "usage: redoubt add DIR [--host H] [--again] [--wait S] [--json]\n\n"
    "Adds one replica, with the next number, to a running cluster (durability: sync). What there is stays: "
    "state, clients,\n"
    "keys of clients; operations wait a few seconds while all replicas start again under a manifest of the "
    "new size. Under\n"
    "`redoubt up` that happens by itself; otherwise the last lines say what to copy and run.\n\n"
    "4 to 6 replicas tolerate 1 fault, 7 to 9 tolerate 2, 10 tolerate 3.\n\n"
    "Broken off at any point, run it again: it goes on from there. What is done is not done twice.\n\n"
    "  --host H   the new replica's machine (default: that of the last replica)\n"
    "  --again    add another one, though the last is done\n"
    "  --wait S   give up waiting after S seconds (default 300)\n"
    "  --json     print what is true at the end as one JSON object\n\n"
    "example: redoubt add /srv/redoubt --host 10.0.0.15\n";

static const char remove_help[] =
    "usage: redoubt remove DIR --id N [--wait S] [--json]\n\n"
    "Takes the last replica out of a running cluster (durability: sync). Its machine has no say from then "
    "on. "
    "Replicas are\n"
    "numbered without gaps, so N is the highest number; to be rid of another machine, `redoubt replace` it "
    "by that of\n"
    "replica N first. Four replicas are the least.\n\n"
    "Operations wait a few seconds while the others start again under a manifest of the new size. Broken off "
    "at any point,\n"
    "run it again: it goes on from there. What is done is not done twice.\n\n"
    "  --wait S   give up waiting after S seconds (default 300)\n"
    "  --json     print what is true at the end as one JSON object\n\n"
    "example: redoubt remove /srv/redoubt --id 4\n";

#define NOTE_MAX 1024u
#define SHOW_MS  500u
#define ANEW_MS  4000u
#define LOOK_MS  200

struct resize {
    const char *dir;
    struct change change;
    bool open; /* `change.admin` is */
    bool adding, again, json;
    const char *wanted_host; /* NULL: that of the last replica */
    uint32_t wanted_id;      /* remove: --id */
    /* As DIR/resize has it. */
    uint32_t id, size; /* the replica that comes or goes; how many there are then */
    char host[HOST_NAME_BYTES];
    char begun[64];
};

/* ---------------------------------------------------------------- 1: the note */

static int path_in(char *out, const struct resize *r, const char *name, struct error *error)
{
    return path_make(out, "%s/%s", r->dir, name) ? 0 : error_set(error, "%s: name too long", r->dir);
}

static const char *verb(bool adding)
{
    return adding ? "add" : "remove";
}

/* "add|remove ID SIZE BEGUN HOST". 1: there is none. `adding`: which it is. */
static int note_read(struct resize *r, const char *name, bool *adding, struct error *error)
{
    char path[PATH_BYTES], what[16];
    struct file file;
    if (path_in(path, r, name, error))
        return -1;
    if (!file_exists(path))
        return 1;
    if (file_read(&file, path, NOTE_MAX, error))
        return -1;
    int fields =
        sscanf((const char *)file.data, "%15s %u %u %63s %255s", what, &r->id, &r->size, r->begun, r->host);
    file_free(&file);
    *adding = strcmp(what, "add") == 0;
    if (fields == 5 && r->size >= REPLICAS_MIN && r->size <= REPLICAS_MAX)
        return 0;
    return error_set(error, "%s: not what `redoubt add` or `redoubt remove` wrote", path);
}

static int note_write(struct resize *r, struct error *error)
{
    char path[PATH_BYTES], text[NOTE_MAX];
    struct tm now;
    time_t seconds = time(NULL);
    gmtime_r(&seconds, &now);
    strftime(r->begun, sizeof r->begun, "%Y-%m-%dT%H:%M:%SZ", &now);
    int len =
        snprintf(text, sizeof text, "%s %u %u %s %s\n", verb(r->adding), r->id, r->size, r->begun, r->host);
    if (path_in(path, r, "closing", error))
        return -1;
    unlink(path); /* of an earlier change */
    return path_in(path, r, "resize", error) || file_write(path, text, (size_t)len, 0644, error) ? -1 : 0;
}

/* ---------------------------------------------------------------- 2: the folder */

static int folder_make(struct resize *r, struct error *error)
{
    char begun[PATH_BYTES], folder[PATH_BYTES];
    struct change *c = &r->change;
    if (change_path(begun, c, ".begun", "", error) || change_path(folder, c, "", "", error))
        return -1;
    if (file_exists(folder))
        return 0;
    change_remove(begun); /* of a run that ended by force */
    if (mkdir(begun, 0700) != 0)
        return error_set(error, "%s: %s", begun, strerror(errno));
    if (change_draw_link(begun, r->id, error)) {
        change_remove(begun);
        return -1;
    }
    return rename(begun, folder) == 0 ? 0 : error_set(error, "%s: %s", folder, strerror(errno));
}

static int front_make(struct resize *r, struct error *error)
{
    char folder[PATH_BYTES];
    if (!r->change.admin.config.front)
        return 0;
    return change_path(folder, &r->change, "", "", error) ||
                   front_give(r->dir, folder, r->id, r->host, error) < 0
               ? -1
               : 0;
}

/* Of whoever had this number before; the folder of now is put away already. */
static void fronts_retire(const struct resize *r)
{
    char before[PATH_BYTES], suffix[32];
    struct error ignored;
    for (unsigned i = 1; i < 10000; i++) {
        snprintf(suffix, sizeof suffix, ".before-%u", i);
        if (change_path(before, &r->change, suffix, "", &ignored))
            return;
        front_retire(r->dir, before, r->id);
    }
}

/* What is in it is of no use to anybody, but it is not ours to throw away. */
static int folder_put_away(struct resize *r, struct error *error)
{
    char now[PATH_BYTES], away[PATH_BYTES], suffix[32];
    struct change *c = &r->change;
    if (change_path(now, c, "", "", error))
        return -1;
    for (unsigned i = 1; file_exists(now) && i < 10000; i++) {
        snprintf(suffix, sizeof suffix, ".before-%u", i);
        if (change_path(away, c, suffix, "", error))
            return -1;
        if (!file_exists(away) && rename(now, away) != 0)
            return error_set(error, "%s: %s", now, strerror(errno));
    }
    return 0;
}

/* ---------------------------------------------------------------- 3: the cluster closes */

static bool closes(const struct resize *r)
{
    return configuration_closes(r->change.admin.held) != UINT64_MAX;
}

static int closes_for_this(const struct resize *r, struct error *error)
{
    const struct configuration *held = r->change.admin.held;
    const struct configuration_step *last = configuration_step(held, configuration_ordered(held));
    return last->size == r->size ? 0
                                 : error_set(error, "%s: the cluster was closed to have %u replicas, not %u",
                                             r->dir, last->size, r->size);
}

static int order_close(struct resize *r, struct error *error)
{
    struct change *c = &r->change;
    uint64_t shown_ms = 0, next_ms = 0;
    configuration_no number = 0;
    change_catch_up(c);
    if (!closes(r) && change_await_all(c, r->adding ? REPLICAS_MAX : r->id, error))
        return -1;
    while (!closes(r)) {
        if (change_timed_out(c))
            return error_set(error,
                             "closing: not done within the time given: run it again, it goes on from here");
        if (number != c->admin.held->number || change_now_ms() > shown_ms + ANEW_MS) {
            number = c->admin.held->number;
            shown_ms = change_now_ms();
            crypto_random((uint8_t *)&c->attempt, sizeof c->attempt);
            next_ms = 0;
        }
        if (change_now_ms() >= next_ms) {
            administrator_close_for(&c->admin, r->size, c->attempt);
            next_ms = change_now_ms() + SHOW_MS;
        }
        administrator_attend(&c->admin, 100);
        change_progress(c, "closing: waits for the cluster (configuration %llu)",
                        (unsigned long long)c->admin.held->number);
    }
    return closes_for_this(r, error);
}

static int await_closed(struct resize *r, struct error *error)
{
    char path[PATH_BYTES];
    struct change *c = &r->change;
    fprintf(stderr, "the cluster closes after slot %llu (configuration %llu)\n",
            (unsigned long long)configuration_closes(c->admin.held),
            (unsigned long long)c->admin.held->number);
    while (c->admin.closing.len == 0) {
        if (change_timed_out(c))
            return error_set(error,
                             "closing: not done within the time given: run it again, it goes on from here");
        administrator_attend(&c->admin, 100);
        change_progress(c, "waits until the cluster has come to slot %llu",
                        (unsigned long long)configuration_closes(c->admin.held));
    }
    if (path_in(path, r, "closing", error) ||
        file_write(path, buffer_data(&c->admin.closing), c->admin.closing.len, 0644, error))
        return -1;
    fprintf(stderr, "the cluster is closed\n");
    return 0;
}

/* ---------------------------------------------------------------- 4: the files */

static int files_change(struct resize *r, struct error *error)
{
    struct config *config = &r->change.admin.config;
    if (config->replicas == r->size)
        return endpoints_write(config, error);
    int result =
        r->adding ? config_add_replica(config, r->host, error) : config_remove_replica(config, error);
    return result ? result : endpoints_write(config, error);
}

/* ---------------------------------------------------------------- 5: the start */

/* How many replicas DIR/manifest names; 0: it cannot be read. */
static uint32_t manifest_size(const struct resize *r)
{
    static struct configuration configuration;
    char path[PATH_BYTES];
    uint8_t admin_public[32];
    struct file file;
    struct frame start;
    struct error ignored;
    if (path_in(path, r, "manifest", &ignored) || admin_public_read(admin_public, r->dir, &ignored) ||
        manifest_read(&configuration, &start, &file, path, admin_public, &ignored))
        return 0;
    file_free(&file);
    return configuration.replicas;
}

/* A full member, and not behind what the others settled. */
static bool is_full(const char *body)
{
    struct json *json = malloc(sizeof *json);
    bool full = json && json_parse(json, body, strlen(body)) && strstr(body, "\"full\":true") != NULL;
    uint32_t replica = full ? json_member(json, 0, "replica") : 0;
    full = full && json_number(json, json_member(json, replica, "slot"), 0) >=
                       json_number(json, json_member(json, replica, "stable"), UINT64_MAX);
    free(json);
    return full;
}

static uint32_t full_count(const struct config *config)
{
    uint32_t full = 0;
    for (replica_id i = 0; i < config->replicas; i++) {
        char *body = NULL;
        struct error ignored;
        full +=
            page_fetch(&config->replica[i].metrics, "/status", 1000, &body, &ignored) == 200 && is_full(body);
        free(body);
    }
    return full;
}

/* `here`: all run on this machine, and can be asked. */
static int await_start(struct resize *r, bool here, struct error *error)
{
    static struct config config;
    struct change *c = &r->change;
    uint32_t size, full = 0;
    while ((size = manifest_size(r)) != r->size || (here && full < r->size)) {
        if (change_timed_out(c))
            return error_set(
                error, "%s: %s within the time given: run it again, it goes on from here", r->dir,
                size == r->size ? "not all replicas are full members" : "the replicas did not start again");
        if (size == r->size && config_read(&config, r->dir, error) == 0)
            full = full_count(&config);
        if (size == r->size)
            change_progress(c, "waits: %u of %u replicas are full members", full, size);
        else
            change_progress(c, "waits for the start of all");
        nanosleep(&(struct timespec){0, LOOK_MS * 1000000L}, NULL);
    }
    return 0;
}

/* One such command at a time until here; but `redoubt start` and what it makes is not this command's. */
static void administrator_done(struct resize *r)
{
    if (r->open)
        change_close(&r->change);
    r->open = false;
}

static int finish(struct resize *r, struct error *error)
{
    char from[PATH_BYTES], to[PATH_BYTES], closing[PATH_BYTES];
    if (path_in(from, r, "resize", error) || path_in(to, r, "resized", error) ||
        path_in(closing, r, "closing", error))
        return -1;
    if (!r->adding && folder_put_away(r, error))
        return -1;
    if (!r->adding)
        fronts_retire(r);
    unlink(closing);
    return rename(from, to) == 0 ? 0 : error_set(error, "%s: %s", from, strerror(errno));
}

static void say_result(const struct resize *r)
{
    uint32_t faults = faults_of(r->size), next = 3 * (faults + 1) + 1;
    fprintf(stderr, "replica %u: %s; %u replicas tolerate f=%u", r->id, r->adding ? "added" : "taken out",
            r->size, faults);
    if (next <= REPLICAS_MAX)
        fprintf(stderr, "; %u replicas tolerate %u", next, faults + 1);
    fputc('\n', stderr);
    if (r->json)
        printf("{\"%s\":%u,\"replicas\":%u,\"faults\":%u,\"quorum\":%u}\n", r->adding ? "added" : "removed",
               r->id, r->size, faults, quorum_of(r->size));
}

static int say_what_to_do(const struct resize *r, struct error *error)
{
    char yaml[PATH_BYTES];
    if (path_in(yaml, r, "cluster.yaml", error))
        return -1;
    fprintf(stderr, "now: stop all replicas; copy %s to every host%s", yaml, r->adding ? "" : "\n");
    if (r->adding)
        fprintf(stderr, ", and %s/admin.pub and %s/replica-%u to %s\n", r->dir, r->dir, r->id, r->host);
    fprintf(stderr,
            "     start all %u replicas (`redoubt replica DIR --id N`), bring their hello files here, run "
            "`redoubt start %s`,\n"
            "     and bring the manifests to them; then run this command again, which looks whether all is "
            "done\n",
            r->size, r->dir);
    return 0;
}

/* ---------------------------------------------------------------- the whole */

static int size_wanted(struct resize *r, struct error *error)
{
    const struct config *config = &r->change.admin.config;
    uint32_t now = r->change.admin.held->replicas;
    if (r->adding && now == REPLICAS_MAX)
        return error_set(error, "%s: there are %u replicas already, which is the most there may be", r->dir,
                         now);
    if (!r->adding && r->wanted_id >= now)
        return error_set(error, "--id %u: there are %u replicas, numbered from 0", r->wanted_id, now);
    if (!r->adding && r->wanted_id != now - 1)
        return error_set(error,
                         "--id %u: only the last replica, which is %u, can be taken out: to be rid of this "
                         "machine, `redoubt replace` it by that of replica %u first",
                         r->wanted_id, now - 1, now - 1);
    if (!r->adding && now == REPLICAS_MIN)
        return error_set(error, "%s: there are %u replicas, which is the least there may be", r->dir, now);
    r->id = r->adding ? now : now - 1;
    r->size = r->adding ? now + 1 : now - 1;
    snprintf(r->host, sizeof r->host, "%s",
             r->adding && r->wanted_host ? r->wanted_host : config->replica[now - 1].host);
    return 0;
}

/* 1: what was asked for is done. */
static int done_before(struct resize *r, struct error *error)
{
    bool adding;
    struct resize last = *r;
    if (r->again)
        return 0;
    int read = note_read(&last, "resized", &adding, error);
    if (read)
        return read < 0 ? -1 : 0;
    bool same =
        adding == r->adding && last.size == r->change.admin.held->replicas &&
        (r->adding ? !r->wanted_host || strcmp(r->wanted_host, last.host) == 0 : last.id == r->wanted_id);
    if (!same)
        return 0;
    r->id = last.id;
    r->size = last.size;
    fprintf(stderr, "replica %u was %s, as asked for at %s%s\n", last.id, adding ? "added" : "taken out",
            last.begun, adding ? "; --again for another one" : "");
    r->change.id = last.id;
    if (!adding)
        fronts_retire(r); /* nobody may have answered in time then */
    return 1;
}

/* The note that is there, or a new one. 1: there is nothing to do. */
static int begin(struct resize *r, struct error *error)
{
    bool adding;
    int read = note_read(r, "resize", &adding, error);
    if (read < 0)
        return -1;
    if (read == 0) {
        bool same = adding == r->adding && (adding ? !r->wanted_host || strcmp(r->wanted_host, r->host) == 0
                                                   : r->id == r->wanted_id);
        if (!same)
            return error_set(
                error, "%s: `redoubt %s` of replica %u%s%s was begun at %s: run that to its end first",
                r->dir, verb(adding), r->id, adding ? " on host " : "", adding ? r->host : "", r->begun);
        fprintf(stderr, "replica %u: goes on with what was begun at %s\n", r->id, r->begun);
        return 0;
    }
    read = done_before(r, error);
    if (read)
        return read;
    if (r->change.admin.config.replicas != r->change.admin.held->replicas)
        return error_set(error, "%s/cluster.yaml: it lists %u replicas, and the manifest %u", r->dir,
                         r->change.admin.config.replicas, r->change.admin.held->replicas);
    return size_wanted(r, error) || note_write(r, error) ? -1 : 0;
}

static int carry_on(struct resize *r, struct error *error)
{
    struct change *c = &r->change;
    c->id = r->id;
    bool up = change_is_up(c); /* before cluster.yaml becomes another file */
    bool started = c->admin.held->replicas == r->size;
    char closing[PATH_BYTES];
    if (path_in(closing, r, "closing", error))
        return -1;
    bool closed = started || file_exists(closing);
    if ((!started && r->adding && (folder_make(r, error) || front_make(r, error))) ||
        (!closed && (order_close(r, error) || await_closed(r, error))) ||
        (!started && files_change(r, error)))
        return -1;
    administrator_done(r);
    if (!up && !started)
        return say_what_to_do(r, error);
    if (await_start(r, up, error) || finish(r, error))
        return -1;
    say_result(r);
    return 0;
}

static int resize(struct resize *r, unsigned wait_s, struct error *error)
{
    r->open = true;
    if (change_open_any_size(&r->change, r->dir, wait_s, error))
        return -1;
    if (r->change.admin.config.durability != DURABILITY_SYNC)
        return error_set(error,
                         "%s/cluster.yaml: durability is memory: all replicas start again when their number "
                         "changes, and their state would be lost; this needs durability: sync",
                         r->dir);
    int result = begin(r, error);
    if (result > 0) {
        if (r->json)
            say_result(r);
        return 0;
    }
    return result ? -1 : carry_on(r, error);
}

static bool host_possible(const char *host)
{
    size_t len = strlen(host);
    return len > 0 && len < ADDRESS_BYTES_MAX - 8 &&
           strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:") == len;
}

static int run(struct resize *r, int argc, char **argv)
{
    static const struct option options[] = {{"host", required_argument, NULL, 'o'},
                                            {"id", required_argument, NULL, 'i'},
                                            {"again", no_argument, NULL, 'a'},
                                            {"wait", required_argument, NULL, 'w'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    const char *name = verb(r->adding);
    uint64_t wait_s = 300, id = UINT64_MAX;
    struct error error;
    int c;
    opterr = 0;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == 'h')
            return say_help(r->adding ? add_help : remove_help);
        if (c == 'j')
            r->json = true;
        else if (c == 'a' && r->adding)
            r->again = true;
        else if (c == 'o' && r->adding)
            r->wanted_host = optarg;
        else if (c == 'w') {
            if (!number_read(optarg, 1, 86400, &wait_s))
                return say_usage(name, "--wait %s: must be from 1 to 86400", optarg);
        } else if (c != 'i' || r->adding)
            return say_usage(name, "%s: unknown option or no value", argv[optind - 1]);
        else if (!number_read(optarg, 0, REPLICAS_MAX - 1, &id))
            return say_usage(name, "--id %s: must be from 0 to %d", optarg, REPLICAS_MAX - 1);
    }
    if (optind + 1 != argc || (!r->adding && id == UINT64_MAX))
        return say_usage(name,
                         r->adding ? "exactly one DIR is needed" : "exactly one DIR and --id are needed");
    if (r->wanted_host && !host_possible(r->wanted_host))
        return say_usage(name, "--host %s: not a name or an address", r->wanted_host);
    r->dir = argv[optind];
    r->wanted_id = (uint32_t)id;
    int result = resize(r, (unsigned)wait_s, &error);
    administrator_done(r);
    return result ? say_failed("%s", error.text) : 0;
}

int cmd_add(int argc, char **argv)
{
    static struct resize r = {.adding = true};
    return run(&r, argc, argv);
}

int cmd_remove(int argc, char **argv)
{
    static struct resize r;
    return run(&r, argc, argv);
}
