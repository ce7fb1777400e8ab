#include "log_format.h"

#include <string.h>

#include "base/bytes.h"
#include "crypto/crypto.h"
#include "ordering/mutant.h"

#define MAGIC        0x31676f6c74627264u /* "drbtlog1" */
#define CHECK_BYTES  16u /* of a header; of a record half each for payload and head */
#define HALF_BYTES   (CHECK_BYTES / 2)
#define PAYLOAD_AT   (LOG_HEAD_BYTES - CHECK_BYTES) /* ... where they stand */
#define HEAD_AT      (LOG_HEAD_BYTES - HALF_BYTES)

void log_head_put(uint8_t out[LOG_HEAD_BYTES], const struct log_head *head)
{
    struct writer w = writer_to(out, LOG_HEAD_BYTES);
    memset(out, 0, LOG_HEAD_BYTES);
    put_u32(&w, head->len);
    put_u8(&w, head->kind);
    put_u8(&w, head->full);
    put_u16(&w, 0);
    put_u64(&w, head->sequence);
    put_u64(&w, head->group);
    put_u64(&w, head->slot);
    put_digest(&w, &head->digest);
}

void log_head_get(const uint8_t data[LOG_HEAD_BYTES], struct log_head *head)
{
    struct reader r = reader_of(data, LOG_HEAD_BYTES);
    head->len = get_u32(&r);
    head->kind = get_u8(&r);
    head->full = get_u8(&r);
    (void)get_u16(&r);
    head->sequence = get_u64(&r);
    head->group = get_u64(&r);
    head->slot = get_u64(&r);
    head->digest = get_digest(&r);
}

/* Over some bytes, and the place. */
static void checksum(uint8_t *out, size_t out_len, uint64_t number, uint64_t at, const uint8_t *data,
                     size_t len)
{
    uint8_t place[16];
    struct writer w = writer_to(place, sizeof place);
    struct digest_state state;
    struct digest digest;
    put_u64(&w, number);
    put_u64(&w, at);
    digest_begin(&state, "redoubt log");
    digest_add(&state, place, sizeof place);
    digest_add(&state, data, len);
    digest_end(&state, &digest);
    memcpy(out, digest.bytes, out_len);
}

void log_seal(uint8_t *record, uint64_t number, uint64_t at)
{
    struct log_head head;
    log_head_get(record, &head);
    checksum(record + PAYLOAD_AT, HALF_BYTES, number, at + LOG_HEAD_BYTES, record + LOG_HEAD_BYTES, head.len);
    checksum(record + HEAD_AT, HALF_BYTES, number, at, record, HEAD_AT);
}

/* The head has a checksum of its own, so that what only looks like one, among a payload's bytes or those of an earlier use of the file, is
 * found out at its price and not at that of the megabytes it claims to be followed by. */
static bool record_good(const struct log_file *file, uint64_t at, struct log_head *head)
{
    uint8_t check[HALF_BYTES];
    const uint8_t *record = file->data + at;
    if (at > file->size || file->size - at < LOG_HEAD_BYTES)
        return false;
    log_head_get(record, head);
    if (head->len > LOG_PAYLOAD_MAX || head->len > file->size - at - LOG_HEAD_BYTES || head->sequence == 0)
        return false;
    checksum(check, sizeof check, file->number, at, record, HEAD_AT);
    if (memcmp(check, record + HEAD_AT, sizeof check) != 0)
        return false;
    checksum(check, sizeof check, file->number, at + LOG_HEAD_BYTES, record + LOG_HEAD_BYTES, head->len);
    return memcmp(check, record + PAYLOAD_AT, sizeof check) == 0;
}

void log_header_put(uint8_t out[LOG_HEADER_BYTES], uint64_t number, uint64_t first)
{
    struct writer w = writer_to(out, LOG_HEADER_BYTES);
    memset(out, 0, LOG_HEADER_BYTES);
    put_u64(&w, MAGIC);
    put_u64(&w, number);
    put_u64(&w, first);
    checksum(out + LOG_HEADER_BYTES - CHECK_BYTES, CHECK_BYTES, number, 0, out,
             LOG_HEADER_BYTES - CHECK_BYTES);
}

static bool header_good(const struct log_file *file, uint64_t *first)
{
    uint8_t expected[LOG_HEADER_BYTES];
    if (file->size < LOG_HEADER_BYTES)
        return false;
    struct reader r = reader_of(file->data + 16, 8);
    *first = get_u64(&r);
    log_header_put(expected, file->number, *first);
    return memcmp(expected, file->data, LOG_HEADER_BYTES) == 0;
}

/* Something at `at` is no record. Does a later one show that it had been synced, or is this where writing stopped? */
static bool was_synced(const struct log_file *file, uint64_t at, uint64_t expected)
{
    for (uint64_t look = at + 8; look + LOG_HEAD_BYTES <= file->size; look += 8) {
        struct log_head head;
        log_head_get(file->data + look, &head);
        if (head.sequence <= expected || head.sequence - expected > file->size / LOG_HEAD_BYTES ||
            head.group <= expected || head.group > head.sequence)
            continue;
        if (record_good(file, look, &head))
            return !mutant(MUTANT_DAMAGE_TAKEN_FOR_END);
    }
    return false;
}

static bool all_zero(const uint8_t *data, uint64_t len)
{
    for (uint64_t i = 0; i < len; i++)
        if (data[i])
            return false;
    return true;
}

enum log_verdict log_scan(const struct log_file *file, struct log_scan *scan)
{
    struct log_head head;
    scan->at = LOG_HEADER_BYTES;
    scan->torn = 0;
    /* Without a header: a spare, or power went before it was written. With a record it had one. */
    if (!header_good(file, &scan->begin))
        return file->last && !record_good(file, LOG_HEADER_BYTES, &head) ? LOG_UNBEGUN : LOG_NO_HEADER;
    if (!file->first && scan->begin != scan->next)
        return LOG_GAP;
    scan->next = scan->begin;
    while (record_good(file, scan->at, &head) && head.sequence == scan->next) {
        scan->found(scan->context, &head, scan->at);
        scan->at += log_record_bytes(head.len);
        scan->next++;
    }
    if (was_synced(file, scan->at, scan->next))
        return LOG_DAMAGED;
    uint64_t rest = file->size > scan->at ? file->size - scan->at : 0;
    if (file->last && rest && !all_zero(file->data + scan->at, rest))
        scan->torn = rest;
    return LOG_GOOD;
}
