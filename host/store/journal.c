#include "journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "buffer.h"
#include "file.h"
#include "log_format.h"

#define FILES_MAX   4096u
#define RETRY_MS    100
#define SPARE_FILES 2u /* kept for use again */

struct segment {
    uint64_t number;
    uint64_t first; /* sequence of its first record */
};

struct found {
    struct journal_record record;
    uint64_t number, at;
    uint32_t len;
};

/* Records of one group commit: heads without checksums, which depend on where they will stand. */
struct group {
    struct buffer bytes;
    uint64_t first, next;
};

struct journal {
    char dir[PATH_BYTES];
    uint64_t file_bytes, bytes_max;
    const struct journal_files *files;

    /* Of the loop. */
    struct found *found;
    uint32_t count, cap;
    struct buffer payload; /* for journal_read */
    int read_fd;
    uint64_t read_number;
    struct group open; /* being appended to */
    uint64_t next;
    int event_fd;
    bool begun;

    /* Shared. */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    bool thread_runs, busy, ending;
    bool tidy; /* `forget` rose: files may go though nothing is written */
    uint64_t durable, forget;
    enum journal_state state;
    char problem[PATH_BYTES + 256];
    struct journal_stats stats;

    /* Of the thread, while it is busy. */
    struct group group;
    struct segment segment[FILES_MAX]; /* ascending; the last is written to */
    uint32_t segments;
    uint32_t spares; /* files that are allocated and hold nothing that is needed */
    int fd;
    uint64_t at; /* where the next record goes */
};

/* ---------------------------------------------------------------- the real operations */

static int64_t file_write_at(int fd, const void *data, size_t len, uint64_t at)
{
    ssize_t n = pwrite(fd, data, len, (off_t)at);
    return n < 0 ? -errno : n;
}

static int file_sync(int fd)
{
    return fdatasync(fd) == 0 ? 0 : -errno;
}

static int file_allocate(int fd, uint64_t len)
{
    return -posix_fallocate(fd, 0, (off_t)len);
}

static int file_blank(int fd, uint64_t at, uint64_t len)
{
    return fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)len) == 0 ? 0 : -errno;
}

const struct journal_files journal_files = {file_write_at, file_sync, file_allocate, file_blank};

static bool spare_path(char *out, const struct journal *j, uint32_t index)
{
    return path_make(out, "%s/spare-%u", j->dir, index);
}

static bool segment_path(char *out, const struct journal *j, uint64_t number)
{
    return path_make(out, "%s/%08llu.log", j->dir, (unsigned long long)number);
}

/* ---------------------------------------------------------------- opening */

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static int numbers_list(const struct journal *j, uint64_t *numbers, uint32_t *count, struct error *error)
{
    DIR *dir = opendir(j->dir);
    if (!dir)
        return error_set(error, "%s: %s", j->dir, strerror(errno));
    *count = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char *end;
        unsigned long long number = strtoull(entry->d_name, &end, 10);
        if (end != entry->d_name + 8 || strcmp(end, ".log") != 0 || number == 0)
            continue;
        if (*count == FILES_MAX) {
            closedir(dir);
            return error_set(error, "%s: too many files", j->dir);
        }
        numbers[(*count)++] = number;
    }
    closedir(dir);
    qsort(numbers, *count, sizeof *numbers, by_number);
    return 0;
}

struct finding {
    struct journal *journal;
    uint64_t number;
};

static void found_add(void *context, const struct log_head *head, uint64_t at)
{
    const struct finding *finding = context;
    struct journal *j = finding->journal;
    if (j->count == j->cap) {
        j->cap = j->cap ? 2 * j->cap : 1024;
        j->found = realloc(j->found, j->cap * sizeof *j->found);
        CHECK(j->found && "out of memory");
    }
    j->found[j->count++] = (struct found){
        .record = {.kind = head->kind, .full = head->full, .slot = head->slot, .digest = head->digest},
        .number = finding->number,
        .at = at,
        .len = head->len};
}

/* What scanning found out about a file, as an error or in the journal. */
static int scanned(struct journal *j, const char *path, uint64_t number, enum log_verdict verdict,
                   const struct log_scan *scan, struct error *error)
{
    switch (verdict) {
    case LOG_UNBEGUN:
        unlink(path);
        return 0;
    case LOG_NO_HEADER:
        return error_set(error, "%s: damaged at offset 0: the log cannot be trusted", path);
    case LOG_GAP:
        return error_set(error,
                         "%s: it begins with record %llu, but %llu comes next: a part of the log is lost",
                         path, (unsigned long long)scan->begin, (unsigned long long)j->next);
    case LOG_DAMAGED:
        return error_set(error, "%s: damaged at offset %llu: the log cannot be trusted", path,
                         (unsigned long long)scan->at);
    case LOG_GOOD:
        break;
    }
    j->next = scan->next;
    j->at = scan->at;
    j->stats.cut = scan->torn;
    j->segment[j->segments++] = (struct segment){number, scan->begin};
    return 0;
}

static int segment_scan(struct journal *j, uint64_t number, bool last, struct error *error)
{
    char path[PATH_BYTES];
    struct file file;
    struct finding finding = {j, number};
    struct log_scan scan = {.found = found_add, .context = &finding, .next = j->next};
    if (!segment_path(path, j, number))
        return error_set(error, "%s: name too long", j->dir);
    if (file_read(&file, path, j->file_bytes, error))
        return -1;
    struct log_file bytes = {number, file.data, file.len, j->segments == 0, last};
    enum log_verdict verdict = log_scan(&bytes, &scan);
    file_free(&file);
    return scanned(j, path, number, verdict, &scan, error);
}

static int scan(struct journal *j, struct error *error)
{
    static uint64_t numbers[FILES_MAX];
    uint32_t count;
    if (mkdir(j->dir, 0700) != 0 && errno != EEXIST)
        return error_set(error, "%s: %s", j->dir, strerror(errno));
    for (uint32_t i = 0; i < SPARE_FILES; i++) {
        char path[PATH_BYTES];
        if (spare_path(path, j, i))
            unlink(path);
    }
    if (numbers_list(j, numbers, &count, error))
        return -1;
    for (uint32_t i = 0; i < count; i++)
        if (segment_scan(j, numbers[i], i + 1 == count, error))
            return -1;
    return 0;
}

int journal_open(struct journal **out, const struct journal_options *options, struct error *error)
{
    struct journal *j = calloc(1, sizeof *j);
    CHECK(j && "out of memory");
    j->file_bytes = options->file_bytes;
    j->bytes_max = options->bytes_max;
    j->files = options->files ? options->files : &journal_files;
    j->next = 1;
    j->fd = j->read_fd = j->event_fd = -1;
    pthread_mutex_init(&j->lock, NULL);
    pthread_cond_init(&j->wake, NULL);
    int result = path_make(j->dir, "%s", options->dir) ? scan(j, error)
                                                       : error_set(error, "%s: name too long", options->dir);
    if (result) {
        journal_close(j);
        return result;
    }
    j->durable = j->next;
    j->stats.bytes = j->segments * j->file_bytes;
    j->stats.bytes_max = j->bytes_max;
    *out = j;
    return 0;
}

uint32_t journal_count(const struct journal *j)
{
    return j->count;
}

const struct journal_record *journal_at(const struct journal *j, uint32_t index)
{
    return &j->found[index].record;
}

struct slice journal_read(struct journal *j, uint32_t index)
{
    const struct found *f = &j->found[index];
    char path[PATH_BYTES];
    struct slice none = {NULL, 0};
    if (j->read_fd < 0 || j->read_number != f->number) {
        if (j->read_fd >= 0)
            close(j->read_fd);
        j->read_fd = segment_path(path, j, f->number) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        j->read_number = f->number;
        if (j->read_fd < 0)
            return none;
    }
    static const uint8_t empty;
    if (f->len == 0)
        return (struct slice){&empty, 0};
    buffer_consume(&j->payload, j->payload.len);
    uint8_t *to = buffer_reserve(&j->payload, f->len);
    if (pread(j->read_fd, to, f->len, (off_t)(f->at + LOG_HEAD_BYTES)) != (ssize_t)f->len)
        return none;
    return (struct slice){to, f->len};
}

/* ---------------------------------------------------------------- writing, in the thread */

static void problem_set(struct journal *j, enum journal_state state, const char *what, int result)
{
    pthread_mutex_lock(&j->lock);
    j->state = state;
    if (result)
        snprintf(j->problem, sizeof j->problem, "%s: %s: %s", j->dir, what, strerror(-result));
    else
        snprintf(j->problem, sizeof j->problem, "%s: %s", j->dir, what);
    pthread_mutex_unlock(&j->lock);
}

static void notify(struct journal *j)
{
    uint64_t one = 1;
    (void)!write(j->event_fd, &one, sizeof one);
}

/* Waits a little while there is no room; false: this journal is being closed. */
static bool wait_for_room(struct journal *j, const char *what, int result)
{
    bool known = j->state == JOURNAL_FULL;
    problem_set(j, JOURNAL_FULL, what, result);
    if (!known)
        notify(j);
    nanosleep(&(struct timespec){0, RETRY_MS * 1000000L}, NULL);
    pthread_mutex_lock(&j->lock);
    bool ending = j->ending;
    pthread_mutex_unlock(&j->lock);
    return !ending;
}

static bool no_room(int64_t result)
{
    return result == -ENOSPC || result == -EDQUOT;
}

static bool fail(struct journal *j, const char *what, int result)
{
    problem_set(j, JOURNAL_FAILED, what, result);
    return false;
}

static bool write_all(struct journal *j, const uint8_t *data, size_t len, uint64_t at)
{
    while (len > 0) {
        int64_t n = j->files->write(j->fd, data, len, at);
        if (n == -EINTR)
            continue;
        if (no_room(n)) {
            if (!wait_for_room(j, "no room for the log", (int)n))
                return false;
            continue;
        }
        if (n <= 0)
            return fail(j, "writing the log failed", n < 0 ? (int)n : -EIO);
        data += n;
        len -= (size_t)n;
        at += (uint64_t)n;
    }
    return true;
}

static bool sync_now(struct journal *j)
{
    int result = j->files->sync(j->fd);
    return result == 0 || fail(j, "syncing the log failed, and what it holds is not known any more", result);
}

static bool dir_sync(struct journal *j)
{
    int fd = open(j->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = fd < 0 ? -errno : fsync(fd) == 0 ? 0 : -errno;
    if (fd >= 0)
        close(fd);
    return result == 0 || fail(j, "syncing the directory of the log failed", result);
}

/* Files below the first record that is needed become spares, or go. */
static void forget_files(struct journal *j)
{
    pthread_mutex_lock(&j->lock);
    uint64_t below = j->forget;
    pthread_mutex_unlock(&j->lock);
    uint32_t drop = 0;
    while (drop + 1 < j->segments && j->segment[drop + 1].first <= below)
        drop++;
    for (uint32_t i = 0; i < drop; i++) {
        char path[PATH_BYTES], spare[PATH_BYTES];
        if (!segment_path(path, j, j->segment[i].number))
            continue;
        if (j->spares < SPARE_FILES && spare_path(spare, j, j->spares) && rename(path, spare) == 0)
            j->spares++;
        else
            unlink(path);
    }
    memmove(j->segment, j->segment + drop, (j->segments - drop) * sizeof *j->segment);
    j->segments -= drop;
}

static bool file_open(struct journal *j, uint64_t number, int *result)
{
    char path[PATH_BYTES], old[PATH_BYTES];
    *result = 0;
    if (!segment_path(path, j, number))
        return fail(j, "name too long", -ENAMETOOLONG);
    if (j->spares > 0 && spare_path(old, j, j->spares - 1) && rename(old, path) == 0) {
        j->spares--;
        j->fd = open(path, O_RDWR | O_CLOEXEC);
    } else {
        j->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        *result = j->fd < 0 ? -errno : j->files->allocate(j->fd, j->file_bytes);
    }
    if (j->fd < 0 && *result == 0)
        *result = -errno;
    if (*result == 0)
        return true;
    if (j->fd >= 0) {
        close(j->fd);
        unlink(path);
    }
    j->fd = -1;
    return no_room(*result) ? false : fail(j, "making a file for the log failed", *result);
}

/* The next file. The one before it was synced, so that the end of the log is always in the last. */
static bool segment_begin(struct journal *j, uint64_t first)
{
    uint8_t header[LOG_HEADER_BYTES];
    uint64_t number = j->segments ? j->segment[j->segments - 1].number + 1 : 1;
    int result;
    if (j->fd >= 0) {
        if (!sync_now(j))
            return false;
        close(j->fd);
        j->fd = -1;
    }
    for (;;) {
        forget_files(j);
        if ((j->segments + j->spares + (j->spares == 0)) * j->file_bytes > j->bytes_max ||
            j->segments == FILES_MAX) {
            if (!wait_for_room(j, "the log has reached its size limit (log_mb)", 0))
                return false;
            continue;
        }
        if (file_open(j, number, &result))
            break;
        if (j->state == JOURNAL_FAILED || !wait_for_room(j, "no room for the log", result))
            return false;
    }
    log_header_put(header, number, first);
    j->segment[j->segments++] = (struct segment){number, first};
    j->at = LOG_HEADER_BYTES;
    return write_all(j, header, sizeof header, 0) && sync_now(j) && dir_sync(j);
}

/* Records get their checksums where they will stand; a run of them is one write. */
static bool group_write(struct journal *j)
{
    uint8_t *data = buffer_data(&j->group.bytes);
    size_t left = j->group.bytes.len, run = 0;
    uint64_t sequence = j->group.first, at = j->at;
    while (left > 0) {
        struct log_head head;
        log_head_get(data + run, &head);
        uint64_t bytes = log_record_bytes(head.len);
        if (j->fd < 0 || at + bytes > j->file_bytes) {
            if (run && !write_all(j, data, run, j->at))
                return false;
            data += run;
            run = 0;
            if (!segment_begin(j, sequence))
                return false;
            at = j->at;
        }
        log_seal(data + run, j->segment[j->segments - 1].number, at);
        run += bytes;
        left -= bytes;
        at += bytes;
        sequence++;
    }
    if (run && !write_all(j, data, run, j->at))
        return false;
    j->at = at;
    return sync_now(j);
}

static uint64_t clock_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void *thread_main(void *context)
{
    struct journal *j = context;
    for (;;) {
        pthread_mutex_lock(&j->lock);
        while (!j->busy && !j->ending && !j->tidy)
            pthread_cond_wait(&j->wake, &j->lock);
        bool work = j->busy, tidy = j->tidy;
        j->tidy = false;
        pthread_mutex_unlock(&j->lock);
        if (!work && !tidy)
            return NULL;
        uint64_t began = clock_us();
        bool good = !work || group_write(j);
        forget_files(j);
        pthread_mutex_lock(&j->lock);
        if (work && good) {
            j->state = JOURNAL_GOOD;
            j->problem[0] = 0;
            j->durable = j->group.next;
            j->stats.syncs++;
            j->stats.sync_us = clock_us() - began;
        }
        j->stats.bytes = (j->segments + j->spares) * j->file_bytes;
        if (work)
            j->busy = !good && j->state == JOURNAL_FAILED; /* a failed one takes nothing any more */
        bool stop = !good;
        pthread_mutex_unlock(&j->lock);
        notify(j);
        if (stop)
            return NULL;
    }
}

/* ---------------------------------------------------------------- appending, in the loop */

/* A torn end is blank before anything is written: what is left of it must never pass for something. The file system knows how to do that
 * without writing; where it does not, writing a file full may take half a minute on a disk that is busy. */
static bool blank(struct journal *j)
{
    static const uint8_t zeroes[65536];
    uint64_t left = j->file_bytes - j->at;
    if (j->files->blank && j->files->blank(j->fd, j->at, left) == 0)
        return sync_now(j);
    for (uint64_t at = j->at; at < j->file_bytes; at += sizeof zeroes) {
        left = j->file_bytes - at;
        if (!write_all(j, zeroes, left < sizeof zeroes ? left : sizeof zeroes, at))
            return false;
    }
    return sync_now(j);
}

int journal_begin(struct journal *j, struct error *error)
{
    char path[PATH_BYTES];
    free(j->found);
    j->found = NULL;
    j->count = j->cap = 0;
    if (j->read_fd >= 0)
        close(j->read_fd);
    j->read_fd = -1;
    if (j->segments > 0 && (!segment_path(path, j, j->segment[j->segments - 1].number) ||
                            (j->fd = open(path, O_RDWR | O_CLOEXEC)) < 0))
        return error_set(error, "%s: %s", path, strerror(errno));
    if (j->fd >= 0 && j->stats.cut && !blank(j))
        return error_set(error, "%s", j->problem);
    j->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (j->event_fd < 0 || pthread_create(&j->thread, NULL, thread_main, j) != 0)
        return error_set(error, "%s: cannot start its thread: %s", j->dir, strerror(errno));
    j->thread_runs = j->begun = true;
    j->open.first = j->open.next = j->next;
    return 0;
}

uint64_t journal_append(struct journal *j, const struct journal_record *record, const struct slice *parts,
                        unsigned count)
{
    static const uint8_t zeroes[8];
    uint8_t bytes[LOG_HEAD_BYTES];
    struct log_head head = {.kind = record->kind,
                            .full = record->full,
                            .sequence = j->next,
                            .group = j->open.first,
                            .slot = record->slot,
                            .digest = record->digest};
    CHECK(j->begun);
    for (unsigned i = 0; i < count; i++)
        head.len += (uint32_t)parts[i].len;
    CHECK(head.len <= LOG_PAYLOAD_MAX && log_record_bytes(head.len) <= j->file_bytes - LOG_HEADER_BYTES);
    log_head_put(bytes, &head);
    buffer_append(&j->open.bytes, bytes, sizeof bytes);
    for (unsigned i = 0; i < count; i++)
        buffer_append(&j->open.bytes, parts[i].data, parts[i].len);
    buffer_append(&j->open.bytes, zeroes, log_record_bytes(head.len) - LOG_HEAD_BYTES - head.len);
    j->stats.records++;
    j->open.next = ++j->next;
    return head.sequence;
}

uint64_t journal_next(const struct journal *j)
{
    return j->next;
}

void journal_push(struct journal *j)
{
    if (j->open.bytes.len == 0)
        return;
    pthread_mutex_lock(&j->lock);
    if (!j->busy) {
        struct group swap = j->group;
        j->group = j->open;
        j->open = swap;
        buffer_consume(&j->open.bytes, j->open.bytes.len);
        j->open.first = j->open.next = j->next;
        j->busy = true;
        pthread_cond_signal(&j->wake);
    }
    pthread_mutex_unlock(&j->lock);
}

int journal_fd(const struct journal *j)
{
    return j->event_fd;
}

enum journal_state journal_poll(struct journal *j)
{
    uint64_t count;
    (void)!read(j->event_fd, &count, sizeof count);
    return journal_state(j);
}

enum journal_state journal_state(const struct journal *j)
{
    struct journal *mine = (struct journal *)(uintptr_t)j;
    pthread_mutex_lock(&mine->lock);
    enum journal_state state = j->state;
    pthread_mutex_unlock(&mine->lock);
    return state;
}

const char *journal_problem(const struct journal *j)
{
    return j->problem;
}

uint64_t journal_durable(const struct journal *j)
{
    struct journal *mine = (struct journal *)(uintptr_t)j;
    pthread_mutex_lock(&mine->lock);
    uint64_t durable = j->durable;
    pthread_mutex_unlock(&mine->lock);
    return durable;
}

void journal_forget(struct journal *j, uint64_t below)
{
    pthread_mutex_lock(&j->lock);
    if (below > j->forget) {
        j->forget = below;
        j->tidy = true;
        pthread_cond_signal(&j->wake);
    }
    pthread_mutex_unlock(&j->lock);
}

void journal_stats(const struct journal *j, struct journal_stats *stats)
{
    struct journal *mine = (struct journal *)(uintptr_t)j;
    pthread_mutex_lock(&mine->lock);
    *stats = j->stats;
    pthread_mutex_unlock(&mine->lock);
}

void journal_close(struct journal *j)
{
    if (!j)
        return;
    if (j->thread_runs) {
        pthread_mutex_lock(&j->lock);
        j->ending = true;
        pthread_cond_signal(&j->wake);
        pthread_mutex_unlock(&j->lock);
        pthread_join(j->thread, NULL);
    }
    if (j->fd >= 0)
        close(j->fd);
    if (j->read_fd >= 0)
        close(j->read_fd);
    if (j->event_fd >= 0)
        close(j->event_fd);
    buffer_free(&j->group.bytes);
    buffer_free(&j->open.bytes);
    buffer_free(&j->payload);
    free(j->found);
    pthread_mutex_destroy(&j->lock);
    pthread_cond_destroy(&j->wake);
    free(j);
}
