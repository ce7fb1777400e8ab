#include "saved.h"

#include <errno.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/check.h"
#include "buffer.h"
#include "file.h"
#include "wire/record.h"

#define FULL_BELOW_BYTES (1024u * 1024u)

#define KEY_BYTES 13u /* rank, number, part: big-endian, so that rows sort as they are given back */

struct piece {
    slot_no slot;
    uint64_t number, leaf_count;
    bool last;
    struct buffer items;
};

struct saved {
    char dir[PATH_BYTES];
    MDB_env *env;
    MDB_dbi rows;
    int event_fd;
    slot_no slot;

    pthread_t thread;
    bool thread_runs;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool ending;
    enum saved_state state;
    char problem[PATH_BYTES + 256];
    uint64_t bytes;

    /* Of the thread while it is busy. */
    struct piece piece;
    MDB_txn *txn;
    unsigned last_what;
    uint64_t last_number;
    uint32_t part;
};

static uint8_t rank_of(unsigned what)
{
    return what == RECALL_SAVED ? 0 : what == RECALL_ORIGINS ? 1 : 2;
}

static const uint8_t what_of[] = {RECALL_SAVED, RECALL_ORIGINS, RECALL_LEAF};

static void key_put(uint8_t key[KEY_BYTES], uint8_t rank, uint64_t number, uint32_t part)
{
    key[0] = rank;
    for (int i = 0; i < 8; i++)
        key[1 + i] = (uint8_t)(number >> (56 - 8 * i));
    for (int i = 0; i < 4; i++)
        key[9 + i] = (uint8_t)(part >> (24 - 8 * i));
}

static uint64_t key_number(const uint8_t *key)
{
    uint64_t number = 0;
    for (int i = 0; i < 8; i++)
        number = number << 8 | key[1 + i];
    return number;
}

/* ---------------------------------------------------------------- the thread */

/* Drops rows from this key on while `same` bytes of their keys are as in it. */
static int drop_from(struct saved *s, uint8_t key[KEY_BYTES], size_t same)
{
    MDB_cursor *cursor;
    MDB_val k = {KEY_BYTES, key}, v;
    int result = mdb_cursor_open(s->txn, s->rows, &cursor);
    if (result)
        return result;
    result = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
    while (result == 0 && k.mv_size == KEY_BYTES && memcmp(k.mv_data, key, same) == 0) {
        result = mdb_cursor_del(cursor, 0);
        if (result == 0)
            result = mdb_cursor_get(cursor, &k, &v, MDB_NEXT); /* after a deletion: the one in its place */
    }
    mdb_cursor_close(cursor);
    return result == MDB_NOTFOUND ? 0 : result;
}

static int put_item(struct saved *s, const struct saved_item *item)
{
    uint8_t key[KEY_BYTES];
    bool more = item->what == s->last_what && item->number == s->last_number;
    s->part = more ? s->part + 1 : 0;
    s->last_what = item->what;
    s->last_number = item->number;
    key_put(key, rank_of(item->what), item->number, s->part);
    int result = s->part == 0 ? drop_from(s, key, 9) : 0;
    MDB_val k = {sizeof key, key}, v = {item->bytes.len, (void *)(uintptr_t)item->bytes.data};
    return result ? result : mdb_put(s->txn, s->rows, &k, &v, 0);
}

static int put_items(struct saved *s)
{
    struct reader r = reader_of(buffer_data(&s->piece.items), s->piece.items.len);
    int result = 0;
    while (result == 0 && reader_left(&r)) {
        struct saved_item item;
        saved_item_get(&r, &item);
        result = r.bad || item.what == RECALL_RECORD || item.what == RECALL_END ? EINVAL : put_item(s, &item);
    }
    return result;
}

static int finish(struct saved *s)
{
    uint8_t key[KEY_BYTES], slot[8];
    key_put(key, 2, s->piece.leaf_count, 0);
    int result = drop_from(s, key, 1);
    key_put(key, 3, 0, 0);
    for (int i = 0; i < 8; i++)
        slot[i] = (uint8_t)(s->piece.slot >> (8 * i));
    MDB_val k = {sizeof key, key}, v = {sizeof slot, slot};
    if (result == 0)
        result = mdb_put(s->txn, s->rows, &k, &v, 0);
    if (result == 0) {
        result = mdb_txn_commit(s->txn);
        s->txn = NULL;
    }
    return result;
}

static int put_piece(struct saved *s)
{
    int result = 0;
    if (s->piece.number == 1) {
        if (s->txn)
            mdb_txn_abort(s->txn);
        s->txn = NULL;
        s->last_what = 0;
        result = mdb_txn_begin(s->env, NULL, 0, &s->txn);
    }
    if (result == 0 && !s->txn)
        return EINVAL;
    if (result == 0)
        result = put_items(s);
    if (result == 0 && s->piece.last)
        result = finish(s);
    if (result && s->txn) {
        mdb_txn_abort(s->txn);
        s->txn = NULL;
    }
    return result;
}

/* LMDB calls a write that was cut short by a full disk an input/output error. */
static bool is_full(const struct saved *s)
{
    struct statvfs st;
    return statvfs(s->dir, &st) == 0 && (uint64_t)st.f_bavail * st.f_frsize < FULL_BELOW_BYTES;
}

static void *thread_main(void *context)
{
    struct saved *s = context;
    for (;;) {
        pthread_mutex_lock(&s->lock);
        while (s->state != SAVED_BUSY && !s->ending)
            pthread_cond_wait(&s->wake, &s->lock);
        bool work = s->state == SAVED_BUSY && !s->ending;
        pthread_mutex_unlock(&s->lock);
        if (!work)
            break;
        int result = put_piece(s);
        struct stat st;
        char path[PATH_BYTES];
        bool known = path_make(path, "%s/data.mdb", s->dir) && stat(path, &st) == 0;
        pthread_mutex_lock(&s->lock);
        bool room =
            result == ENOSPC || result == EDQUOT || result == MDB_MAP_FULL || (result == EIO && is_full(s));
        s->state = result == 0 ? SAVED_STORED : room ? SAVED_NO_ROOM : SAVED_FAILED;
        s->problem[0] = 0;
        if (result)
            snprintf(s->problem, sizeof s->problem, "%s: saving a checkpoint failed: %s", s->dir,
                     mdb_strerror(result));
        if (result == 0 && s->piece.last)
            s->slot = s->piece.slot;
        s->bytes = known ? (uint64_t)st.st_blocks * 512 : s->bytes;
        pthread_mutex_unlock(&s->lock);
        uint64_t one = 1;
        (void)!write(s->event_fd, &one, sizeof one);
    }
    if (s->txn)
        mdb_txn_abort(s->txn);
    return NULL;
}

/* ---------------------------------------------------------------- opening, reading */

static int read_slot(struct saved *s)
{
    MDB_txn *txn;
    uint8_t key[KEY_BYTES];
    key_put(key, 3, 0, 0);
    MDB_val k = {sizeof key, key}, v;
    int result = mdb_txn_begin(s->env, NULL, 0, &txn);
    if (result)
        return result;
    result = mdb_dbi_open(txn, NULL, 0, &s->rows);
    int found = result ? result : mdb_get(txn, s->rows, &k, &v);
    if (found == 0 && v.mv_size == 8)
        for (int i = 0; i < 8; i++)
            s->slot |= (uint64_t)((const uint8_t *)v.mv_data)[i] << (8 * i);
    if (result == 0)
        return mdb_txn_commit(txn);
    mdb_txn_abort(txn);
    return result;
}

int saved_open(struct saved **out, const char *dir, uint64_t bytes_max, struct error *error)
{
    struct saved *s = calloc(1, sizeof *s);
    CHECK(s && "out of memory");
    s->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->wake, NULL);
    int result = path_make(s->dir, "%s", dir) ? 0 : ENAMETOOLONG;
    if (result == 0 && mkdir(dir, 0700) != 0 && errno != EEXIST)
        result = errno;
    if (result == 0)
        result = mdb_env_create(&s->env);
    if (result == 0)
        result = mdb_env_set_mapsize(s->env, bytes_max);
    if (result == 0)
        result = mdb_env_open(s->env, dir, 0, 0600);
    if (result == 0)
        result = read_slot(s);
    if (result == 0)
        result = pthread_create(&s->thread, NULL, thread_main, s);
    s->thread_runs = result == 0;
    if (result) {
        saved_close(s);
        return error_set(error, "%s: cannot open the saved checkpoint: %s", dir, mdb_strerror(result));
    }
    *out = s;
    return 0;
}

void saved_close(struct saved *s)
{
    if (!s)
        return;
    if (s->thread_runs) {
        pthread_mutex_lock(&s->lock);
        s->ending = true;
        pthread_cond_signal(&s->wake);
        pthread_mutex_unlock(&s->lock);
        pthread_join(s->thread, NULL);
    }
    if (s->env)
        mdb_env_close(s->env);
    if (s->event_fd >= 0)
        close(s->event_fd);
    buffer_free(&s->piece.items);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->wake);
    free(s);
}

slot_no saved_slot(const struct saved *s)
{
    return s->slot;
}

int saved_each(struct saved *s, void (*row)(void *, unsigned, uint64_t, struct slice), void *context,
               struct error *error)
{
    MDB_txn *txn;
    MDB_cursor *cursor;
    MDB_val k, v;
    int result = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn);
    if (result == 0) {
        result = mdb_cursor_open(txn, s->rows, &cursor);
        if (result == 0) {
            while ((result = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) == 0) {
                const uint8_t *key = k.mv_data;
                if (k.mv_size == KEY_BYTES && key[0] < sizeof what_of)
                    row(context, what_of[key[0]], key_number(key), (struct slice){v.mv_data, v.mv_size});
            }
            mdb_cursor_close(cursor);
        }
        mdb_txn_abort(txn);
    }
    if (result == MDB_NOTFOUND)
        return 0;
    return error_set(error, "%s: cannot read the saved checkpoint: %s", s->dir, mdb_strerror(result));
}

/* ---------------------------------------------------------------- the loop's side */

void saved_put(struct saved *s, slot_no slot, uint64_t number, bool last, uint64_t leaf_count,
               struct slice items)
{
    pthread_mutex_lock(&s->lock);
    CHECK(s->state != SAVED_BUSY);
    buffer_consume(&s->piece.items, s->piece.items.len);
    buffer_append(&s->piece.items, items.data, items.len);
    s->piece.slot = slot;
    s->piece.number = number;
    s->piece.last = last;
    s->piece.leaf_count = leaf_count;
    s->state = SAVED_BUSY;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
}

int saved_fd(const struct saved *s)
{
    return s->event_fd;
}

enum saved_state saved_poll(struct saved *s)
{
    uint64_t count;
    (void)!read(s->event_fd, &count, sizeof count);
    pthread_mutex_lock(&s->lock);
    enum saved_state state = s->state;
    if (state != SAVED_BUSY)
        s->state = SAVED_IDLE;
    pthread_mutex_unlock(&s->lock);
    return state;
}

const char *saved_problem(const struct saved *s)
{
    return s->problem;
}

uint64_t saved_bytes(const struct saved *s)
{
    return s->bytes;
}
