#include "hello_file.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "chain_file.h"

#define LOOK_MS        20
#define HELLO_FILE_MAX (256u * 1024u + CHAIN_FILE_MAX)

enum kind member_kind(unsigned protocol, int row)
{
    if (protocol == PROTOCOL_HYBSTER && row == (int)member_row(KIND_COUNTER))
        return KIND_COUNTER;
    return (enum kind)(KIND_HOST + row);
}

bool hello_path(char *out, const char *dir, replica_id replica)
{
    return path_make(out, "%s/replica-%u/hello", dir, replica);
}

int hello_check(struct member_hello *out, struct slice data, enum kind kind, replica_id replica,
                const uint8_t admin_public[32], struct error *error)
{
    static const struct tag16 no_cluster;
    struct frame frame;
    struct digest content;
    const char *who = kind_name(kind);
    if (!frame_decode(data.data, data.len, &frame) || frame.type != FRAME_HELLO ||
        !hello_decode(frame.body, &out->hello) || frame.auth_kind != AUTH_SIGNATURE ||
        frame.auth.len != SIGNATURE_BYTES)
        return error_set(error, "hello of %s of replica %u: malformed", who, replica);
    if (frame.sender.kind != kind || frame.sender.id != replica)
        return error_set(error, "hello of %s of replica %u: it is of another member", who, replica);
    auth_content(&no_cluster, frame.type, &frame.sender, frame.body, &content);
    if (!auth_signature_ok(frame.auth.data, out->hello.sign_public.bytes, &content))
        return error_set(error, "hello of %s of replica %u: bad signature", who, replica);
    if (memcmp(out->hello.admin_public.bytes, admin_public, 32) != 0)
        return error_set(error, "hello of %s of replica %u: it obeys another administrator than admin.pub",
                         who, replica);
    out->sender = frame.sender;
    out->hello.evidence = (struct slice){NULL, 0};
    return 0;
}

size_t hello_of_host(uint8_t *out, const struct sign_key *key, replica_id replica, epoch_no epoch,
                     const uint8_t platform_public[32], const uint8_t admin_public[32])
{
    static const struct tag16 no_cluster;
    struct auth *auth = calloc(1, sizeof *auth);
    struct sender self = {KIND_HOST, replica, epoch};
    struct hello hello = {0};
    uint8_t body[256], signature[SIGNATURE_BYTES];
    struct digest content;
    CHECK(auth && "out of memory");
    memcpy(hello.sign_public.bytes, key->public, 32);
    memcpy(hello.box_public.bytes, platform_public, 32);
    memcpy(hello.admin_public.bytes, admin_public, 32);
    struct writer w = writer_to(body, sizeof body);
    hello_put(&w, &hello);
    struct slice body_slice = {body, w.len};
    auth_content(&no_cluster, FRAME_HELLO, &self, body_slice, &content);
    auth->sign = *key;
    auth_sign_content(auth, &content, signature);
    crypto_wipe(auth, sizeof *auth);
    free(auth);
    return frame_encode(out, HOST_HELLO_MAX, FRAME_HELLO, &self, AUTH_SIGNATURE, body_slice,
                        (struct slice){signature, sizeof signature}, (struct slice){NULL, 0});
}

int hellos_write(const char *dir, replica_id replica, const struct slice frames[MEMBER_KINDS],
                 struct slice chain, struct error *error)
{
    char path[PATH_BYTES];
    struct buffer out = {0};
    if (!hello_path(path, dir, replica))
        return error_set(error, "%s: name too long", dir);
    for (int i = 0; i < MEMBER_KINDS; i++) {
        uint8_t length[4];
        for (int b = 0; b < 4; b++)
            length[b] = (uint8_t)(frames[i].len >> (8 * b));
        buffer_append(&out, length, 4);
        buffer_append(&out, frames[i].data, frames[i].len);
    }
    buffer_append(&out, chain.data, chain.len);
    int result = file_write(path, buffer_data(&out), out.len, 0644, error);
    buffer_free(&out);
    return result;
}

int hellos_read(struct hellos *hellos, const char *dir, replica_id replica, unsigned protocol,
                const uint8_t admin_public[32], struct error *error)
{
    char path[PATH_BYTES];
    struct file file;
    if (!hello_path(path, dir, replica))
        return error_set(error, "%s: name too long", dir);
    if (file_read(&file, path, HELLO_FILE_MAX, error))
        return -1;
    struct slice list = {file.data, file.len}, frame;
    size_t at = 0;
    int result = 0;
    for (int i = 0; i < MEMBER_KINDS && result == 0; i++) {
        if (!frame_list_next(list, &at, &frame))
            result = error_set(error, "%s: truncated", path);
        else
            result = hello_check(&hellos->member[i], frame, member_kind(protocol, i), replica, admin_public,
                                 error);
    }
    while (result == 0 && frame_list_next(list, &at, &frame))
        if (frame.len < 2 || frame.data[1] != FRAME_CONFIGURATION)
            result = error_set(error, "%s: more than four members", path);
    if (result == 0 && at != list.len)
        result = error_set(error, "%s: truncated", path);
    file_free(&file);
    return result;
}

void hellos_used(const struct hellos *used, const char *dir, replica_id replica, unsigned protocol,
                 const uint8_t admin_public[32])
{
    char path[PATH_BYTES];
    struct hellos now;
    struct error ignored;
    if (!hello_path(path, dir, replica) || hellos_read(&now, dir, replica, protocol, admin_public, &ignored))
        return;
    for (int i = 0; i < MEMBER_KINDS; i++)
        if (now.member[i].sender.epoch != used->member[i].sender.epoch ||
            memcmp(now.member[i].hello.sign_public.bytes, used->member[i].hello.sign_public.bytes, 32) != 0)
            return;
    unlink(path);
}

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

int hello_await(const char *dir, replica_id replica, struct hello_wait *p, struct error *error)
{
    char path[PATH_BYTES];
    if (!hello_path(path, dir, replica))
        return error_set(error, "%s: name too long", dir);
    if (p->begun_ms == 0)
        p->begun_ms = now_ms();
    while (!file_exists(path)) {
        if (p->stop && p->stop(p->context))
            return error_set(error, "start: given up");
        if (now_ms() - p->begun_ms > p->wait_ms)
            return error_set(error, "start: replica %u did not show its keys within %u s (%s)", replica,
                             p->wait_ms / 1000, path);
        nanosleep(&(struct timespec){0, LOOK_MS * 1000000L}, NULL);
    }
    return 0;
}

int hellos_chain(struct file *chain, const char *dir, replica_id replica, struct error *error)
{
    char path[PATH_BYTES];
    struct slice frame;
    size_t at = 0;
    if (!hello_path(path, dir, replica))
        return error_set(error, "%s: name too long", dir);
    if (file_read(chain, path, HELLO_FILE_MAX, error))
        return -1;
    for (int i = 0; i < MEMBER_KINDS; i++)
        if (!frame_list_next((struct slice){chain->data, chain->len}, &at, &frame)) {
            file_free(chain);
            return error_set(error, "%s: truncated", path);
        }
    memmove(chain->data, chain->data + at, chain->len - at);
    chain->len -= at;
    return 0;
}
