/*
 * redoubt restore: the folder of a new cluster that begins with the state of a backup.
 *
 * The backup is read twice. First all of it is checked, and noted where the last of every leaf stands. Then those leaves are
 * encrypted again, under a key drawn here, into DIR/replica-N/restore: the hosts of the new cluster carry what they cannot
 * read. DIR/genesis.key has that key and what the leaves must give; the first START names it, and seals the key to the new Execution
 * group.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "commands.h"
#include "init.h"
#include "offline.h"
#include "restoring.h"

static const char help[] =
    "usage: redoubt restore FILE NEWDIR --key FILE [OPTION...] [OPTION OF init...]\n\n"
    "Makes the folder of a new cluster, as `redoubt init NEWDIR` does, that begins with the state of a "
    "backup. All of the\n"
    "backup is checked first, as `redoubt verify` does; the new cluster's Execution compartments check it "
    "again. Service\n"
    "and state are the backup's; ids, keys and whatever else `init` has options for are new. What it "
    "restored stands in\n"
    "NEWDIR/restored.\n\n"
    "  --key FILE          backup.key of the old cluster\n"
    "  --clients FOLDER    the old cluster's clients folder: its clients go on with their keys; else new "
    "ones are made\n"
    "                      (--clients N: so many)\n"
    "  --admin FILE        admin.pub of the old cluster, when the key was made for another administrator\n"
    "  --newer-than WHAT   refuse it unless it is newer: a slot, or a time like 2026-11-21T07:00:00Z\n"
    "  --ledger FILE       refuse it when this list (DIR/backups of the old cluster) names a later one\n\n"
    "example: redoubt restore monday.backup demo2 --key demo/backup.key --clients demo/clients && redoubt up "
    "demo2\n";

struct restore {
    struct offline offline;
    const char *clients; /* a folder; NULL: new ones */
    /* Of every leaf: the piece in which the last that comes of it begins. */
    uint32_t *last;
    uint64_t leaf_count;
    uint8_t *first_leaf; /* leaf 0, which stands before all others */
    size_t first_len, first_cap;
    /* Writing. */
    struct secret_key key;
    uint64_t piece, current_leaf, current_piece;
    struct backup_file out;
    uint8_t *plain, *sealed;
    size_t plain_len;
    bool failed;
    struct error *error;
};

/* --- the first reading ----------------------------------------------------------------------------------------------------- */

static void note_first_leaf(struct restore *r, const struct leaf_part *part)
{
    if (part->total > r->first_cap) {
        r->first_leaf = realloc(r->first_leaf, part->total);
        CHECK(r->first_leaf && "out of memory");
        r->first_cap = part->total;
    }
    memcpy(r->first_leaf + part->at, part->bytes.data, part->bytes.len);
    r->first_len = part->total;
}

static void note(void *context, uint64_t number, const struct leaf_part *part)
{
    struct restore *r = context;
    if (part->at == 0)
        r->last[part->leaf] = (uint32_t)number;
    if (part->leaf == 0)
        note_first_leaf(r, part);
}

/* --- the second ------------------------------------------------------------------------------------------------------------ */

static void piece_out(struct restore *r)
{
    uint8_t ad[8], nonce[AEAD_NONCE_BYTES];
    struct writer w = writer_to(ad, sizeof ad);
    if (r->failed || r->plain_len == 0)
        return;
    put_u64(&w, r->piece);
    reply_nonce(nonce, r->piece);
    aead_seal(r->sealed, &r->key, nonce, ad, w.len, r->plain, r->plain_len);
    r->failed =
        backup_file_frame(&r->out, (struct slice){r->sealed, r->plain_len + AEAD_TAG_BYTES}, r->error);
    r->piece++;
    r->plain_len = 0;
}

static void part_out(struct restore *r, const struct leaf_part *part)
{
    struct writer w = writer_to(r->plain, BACKUP_PIECE_MAX - AEAD_TAG_BYTES);
    w.len = r->plain_len;
    leaf_part_put(&w, part);
    CHECK(!w.bad);
    r->plain_len = w.len;
    if (w.len >= BACKUP_PIECE_BYTES)
        piece_out(r);
}

static void write_out(void *context, uint64_t number, const struct leaf_part *part)
{
    struct restore *r = context;
    if (part->at == 0) {
        r->current_leaf = part->leaf;
        r->current_piece = number;
    }
    bool last = r->current_leaf == part->leaf && r->last[part->leaf] == r->current_piece;
    if (last && part->leaf != 0 && part->leaf < r->leaf_count)
        part_out(r, part);
}

static void first_leaf_out(struct restore *r)
{
    size_t at = 0;
    do {
        size_t len = r->first_len - at < BACKUP_PIECE_BYTES ? r->first_len - at : BACKUP_PIECE_BYTES;
        part_out(r, &(struct leaf_part){.leaf = 0,
                                        .total = (uint32_t)r->first_len,
                                        .at = (uint32_t)at,
                                        .bytes = {r->first_leaf + at, len}});
        at += len;
    } while (at < r->first_len);
    piece_out(r);
}

static int state_out(struct restore *r, const char *path, struct error *error)
{
    struct digest root = r->offline.reader.root;
    r->error = error;
    if (backup_file_create(&r->out, path, false, error))
        return -1;
    r->failed = backup_file_put(&r->out, RESTORE_MAGIC, sizeof RESTORE_MAGIC - 1, error);
    first_leaf_out(r);
    int result = r->failed ? -1 : offline_read(&r->offline, write_out, r, error);
    piece_out(r);
    if (r->failed)
        result = -1;
    if (result == 0 && !digest_equal(&root, &r->offline.reader.root))
        result = error_set(error, "%s: it changed while it was read", r->offline.path);
    if (result == 0)
        result = backup_file_finish(&r->out, false, error);
    else
        backup_file_drop(&r->out);
    return result;
}

/* --- the folder ------------------------------------------------------------------------------------------------------------ */

static int copy_data(int from, int to)
{
    ssize_t n;
    while ((n = copy_file_range(from, NULL, to, NULL, 1u << 30, 0)) > 0)
        ;
    return n == 0 && fsync(to) == 0 ? 0 : -1;
}

/* The same bytes for every replica: on one disk they need not be there several times. */
static int copy(const char *from, const char *to, struct error *error)
{
    if (link(from, to) == 0)
        return 0;
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    int result =
        in >= 0 && out >= 0 && copy_data(in, out) == 0 ? 0 : error_set(error, "%s: %s", to, strerror(errno));
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
    return result;
}

static int genesis_out(const struct restore *r, const char *dir, struct error *error)
{
    const struct backup_reader *b = &r->offline.reader;
    char path[PATH_BYTES];
    uint8_t bytes[256];
    struct writer w = writer_to(bytes, sizeof bytes);
    struct genesis genesis = {.leaf_count = b->leaf_count,
                              .leaves = b->digests.leaves,
                              .time_us = b->time_us,
                              .from_cluster = b->configuration.cluster,
                              .from_slot = b->slot,
                              .from_root = b->root};
    memcpy(genesis.half0.bytes, r->key.bytes, 32);
    genesis_put(&w, &genesis);
    CHECK(!w.bad);
    int result = path_make(path, "%s/genesis.key", dir) ? file_write(path, bytes, w.len, 0600, error)
                                                        : error_set(error, "%s: name too long", dir);
    crypto_wipe(bytes, sizeof bytes);
    crypto_wipe(&genesis, sizeof genesis);
    return result;
}

static int record_out(const struct restore *r, const char *dir, struct error *error)
{
    const struct backup_reader *b = &r->offline.reader;
    char path[PATH_BYTES], text[PATH_BYTES + 512], cluster[33], root[65], when[TIME_TEXT_BYTES],
        now[TIME_TEXT_BYTES];
    int len =
        snprintf(text, sizeof text,
                 "file     %s\ncluster  %s\nslot     %" PRIu64 "\ntime     %s\nroot     %s\nservice  %s\n"
                 "clients  %s\nrestored %s\n",
                 r->offline.path, hex_text(cluster, b->configuration.cluster.bytes, 16), b->slot,
                 time_text(when, b->time_us), hex_text(root, b->root.bytes, 32), b->service_name,
                 r->clients ? r->clients : "new", time_text(now, (uint64_t)time(NULL) * 1000000));
    if (len < 0 || (size_t)len >= sizeof text || !path_make(path, "%s/restored", dir))
        return error_set(error, "%s: name too long", dir);
    return file_write(path, text, (size_t)len, 0644, error);
}

static int folder_write(void *context, const char *dir, uint32_t replicas, struct error *error)
{
    struct restore *r = context;
    char first[PATH_BYTES], other[PATH_BYTES];
    if (!path_make(first, "%s/replica-0/restore", dir))
        return error_set(error, "%s: name too long", dir);
    if (state_out(r, first, error))
        return -1;
    for (uint32_t i = 1; i < replicas; i++)
        if (!path_make(other, "%s/replica-%u/restore", dir, i) || copy(first, other, error))
            return -1;
    return genesis_out(r, dir, error) || record_out(r, dir, error) ? -1 : 0;
}

static void folder_remove(void *context, const char *dir, uint32_t replicas)
{
    char path[PATH_BYTES];
    (void)context;
    for (uint32_t i = 0; i < replicas; i++)
        if (path_make(path, "%s/replica-%u/restore", dir, i))
            unlink(path);
    if (path_make(path, "%s/genesis.key", dir))
        unlink(path);
    if (path_make(path, "%s/restored", dir))
        unlink(path);
}

/* --- the old clients -------------------------------------------------------------------------------------------------------- */

/* A key that is not in the folder may be with its client all the same: its public half stands in the backup. */
static int client_copy(const struct restore *r, const char *dir, origin_id i, const struct origin_keys *known,
                       struct error *error)
{
    char from[PATH_BYTES], to[PATH_BYTES];
    uint8_t signs[32], boxes[32];
    struct file file;
    struct sign_key sign;
    struct box_key box;
    if (!path_make(from, "%s/%03u.key", r->clients, i) || !client_key_path(to, dir, i))
        return error_set(error, "%s: name too long", dir);
    if (!file_exists(from))
        return 0;
    if (file_read_secret(&file, from, 4096, error))
        return -1;
    int result = file.len == CLIENT_KEY_BYTES ? 0 : error_set(error, "%s: not a client's key", from);
    if (result == 0) {
        sign_keypair_from(&sign, file.data);
        box_keypair_from(&box, file.data + 32);
        memcpy(signs, sign.public, 32);
        memcpy(boxes, box.public, 32);
        crypto_wipe(&sign, sizeof sign);
        crypto_wipe(&box, sizeof box);
        if (memcmp(signs, known->sign_public, 32) != 0 || memcmp(boxes, known->box_public, 32) != 0)
            result =
                error_set(error, "%s: not the key of client %u of the cluster that was backed up", from, i);
    }
    if (result == 0)
        result = file_write(to, file.data, file.len, 0600, error);
    file_free(&file);
    return result;
}

static int clients_copy(void *context, const char *dir, struct error *error)
{
    struct restore *r = context;
    const struct configuration *c = &r->offline.reader.configuration;
    char path[PATH_BYTES];
    static uint8_t list[ORIGINS_MAX * origin_entry_BYTES];
    struct writer w = writer_to(list, sizeof list);
    if (!file_exists(r->clients))
        return error_set(error, "%s: %s", r->clients, strerror(ENOENT));
    if (!path_make(path, "%s/clients", dir) || mkdir(path, 0700) != 0)
        return error_set(error, "%s/clients: %s", dir, strerror(errno));
    for (origin_id i = 0; i < c->origins; i++) {
        const struct origin_keys *keys = &c->origin[i];
        if (!keys->present || (keys->access & ACCESS_TROXY)) /* the new replicas' fronts have keys of their own */
            continue;
        struct origin_entry entry = {.id = i, .access = keys->access};
        memcpy(entry.sign_public.bytes, keys->sign_public, 32);
        memcpy(entry.box_public.bytes, keys->box_public, 32);
        origin_entry_put(&w, &entry);
        if (client_copy(r, dir, i, keys, error))
            return -1;
    }
    return path_make(path, "%s/clients.pub", dir) ? file_write(path, list, w.len, 0644, error)
                                                  : error_set(error, "%s: name too long", dir);
}

/* --- the command line ------------------------------------------------------------------------------------------------------- */

static bool is_number(const char *text)
{
    uint64_t value;
    return number_read(text, 0, UINT64_MAX, &value);
}

/* Takes what is its own; `rest` gets what `init` is given: its options, and NEWDIR. -1: wrong usage was said. */
static int command_line(struct restore *r, int argc, char **argv, char **rest, int *count)
{
    const char *positional[2] = {NULL, NULL};
    int n = 0;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        const char **own = strcmp(argv[i], "--key") == 0          ? &r->offline.key_path
                           : strcmp(argv[i], "--newer-than") == 0 ? &r->offline.newer_than
                           : strcmp(argv[i], "--ledger") == 0     ? &r->offline.ledger_path
                           : strcmp(argv[i], "--admin") == 0      ? &r->offline.admin_path
                           : strcmp(argv[i], "--clients") == 0 && value && !is_number(value) ? &r->clients
                                                                                             : NULL;
        if (argv[i][0] != '-') {
            if (n == 2)
                return say_usage("restore", "%s: exactly one FILE and one NEWDIR are needed", argv[i]);
            positional[n++] = argv[i];
        } else if (own) {
            if (!value)
                return say_usage("restore", "%s: a value is needed", argv[i]);
            *own = value;
            i++;
        } else {
            rest[(*count)++] = argv[i];
            bool takes = !strchr(argv[i], '=') && strcmp(argv[i], "--plain") != 0;
            if (takes && value)
                rest[(*count)++] = argv[++i];
        }
    }
    if (n != 2)
        return say_usage("restore", "exactly one FILE and one NEWDIR are needed");
    if (!r->offline.key_path)
        return say_usage("restore", "--key is needed: the backup.key of the cluster that was backed up");
    r->offline.path = positional[0];
    rest[(*count)++] = (char *)(uintptr_t)positional[1];
    rest[*count] = NULL;
    return 0;
}

static int run(struct restore *r, int argc, char **argv)
{
    struct error error;
    char when[TIME_TEXT_BYTES];
    struct init_extra extra = {.context = r,
                               .clients = r->clients ? clients_copy : NULL,
                               .write = folder_write,
                               .remove = folder_remove};
    r->offline.progress = isatty(2);
    if (offline_open(&r->offline, &error) || offline_read(&r->offline, note, r, &error))
        return say_failed("%s", error.text);
    const struct backup_reader *b = &r->offline.reader;
    if (!b->service)
        return say_failed("%s: it is of service %s, which is not built in: its leaves cannot be checked here",
                          r->offline.path, b->service_name);
    r->leaf_count = b->leaf_count;
    crypto_random(r->key.bytes, sizeof r->key.bytes);
    char service[BACKUP_SERVICE_MAX + 1];
    snprintf(service, sizeof service, "%s", b->service_name);
    extra.service = service;
    int result = init_run(argc, argv, &extra);
    if (result == 0)
        fprintf(stderr, "%s: begins with slot %" PRIu64 " of %s, %s clients\n", argv[argc - 1], b->slot,
                time_text(when, b->time_us), r->clients ? "with its" : "with new");
    return result;
}

int cmd_restore(int argc, char **argv)
{
    struct restore *r = calloc(1, sizeof *r);
    char **rest = calloc((size_t)argc + 2, sizeof *rest);
    int count = 1;
    CHECK(r && rest && "out of memory");
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0) {
            free(r);
            free(rest);
            return say_help(help);
        }
    rest[0] = argv[0];
    int result = command_line(r, argc, argv, rest, &count);
    r->last = calloc(LEAVES_MAX, sizeof *r->last);
    r->plain = malloc(BACKUP_PIECE_MAX);
    r->sealed = malloc(BACKUP_PIECE_MAX + AEAD_TAG_BYTES);
    CHECK(r->last && r->plain && r->sealed && "out of memory");
    if (result == 0)
        result = run(r, count, rest);
    offline_close(&r->offline);
    free(r->first_leaf);
    free(r->plain);
    free(r->sealed);
    free(r->last);
    crypto_wipe(r, sizeof *r);
    free(r);
    free(rest);
    return result;
}
