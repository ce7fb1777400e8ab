/*
 * The bytes of a replica's log, and what reading them back tells: files of one size, each a header and records in order, zeroes
 * behind them. Pure: host/store/journal.c keeps the files, the simulator's disk has images of them.
 *
 *   file    header (64 bytes: magic, number, first sequence, checksum), records, zeroes
 *   record  head (96 bytes: lengths, kind, sequence, where its group began, slot, digest, two checksums), payload, padding to 8
 *
 * A checksum covers payload or head (with the payload's), and the place where it stands (file number, offset).
 */
#ifndef PROTOCOL_LOG_FORMAT_H
#define PROTOCOL_LOG_FORMAT_H

#include "base/types.h"

#define LOG_HEADER_BYTES 64u
#define LOG_HEAD_BYTES   96u
#define LOG_PAYLOAD_MAX  (8u * 1024u * 1024u)

struct log_head {
    uint32_t len; /* of the payload */
    uint8_t kind;
    uint8_t full;
    uint64_t sequence; /* from 1 */
    uint64_t group;    /* sequence of the first record of its group */
    slot_no slot;
    struct digest digest;
};

/* Of a record with so many bytes of payload, padding included. */
static inline uint64_t log_record_bytes(uint32_t payload)
{
    return (LOG_HEAD_BYTES + (uint64_t)payload + 7) & ~7ull;
}

void log_header_put(uint8_t out[LOG_HEADER_BYTES], uint64_t number, uint64_t first);

/* Without the checksum, which depends on where the record will stand. */
void log_head_put(uint8_t out[LOG_HEAD_BYTES], const struct log_head *head);
void log_head_get(const uint8_t data[LOG_HEAD_BYTES], struct log_head *head);
/* The checksums of payload and head at `record`, into its head. */
void log_seal(uint8_t *record, uint64_t number, uint64_t at);

enum log_verdict {
    LOG_GOOD,
    LOG_UNBEGUN,   /* the last file, made and not begun: it holds nothing */
    LOG_NO_HEADER, /* damaged at its beginning */
    LOG_GAP,       /* it begins with another record than the one that comes next */
    LOG_DAMAGED,   /* something is no record, and a later one shows that it had been synced */
};

struct log_file {
    uint64_t number;
    const uint8_t *data;
    uint64_t size;
    bool first, last; /* of the log's files */
};

struct log_scan {
    void (*found)(void *context, const struct log_head *head, uint64_t at);
    void *context;
    uint64_t next;  /* in, unless it is the first file, and out: sequence of the record that comes next */
    uint64_t begin; /* out: sequence of its first record */
    uint64_t at;    /* out: offset behind the last record that was found */
    uint64_t torn;  /* out, of the last file: bytes behind that, if not all are zero */
};

/* Finds a file's records. `found` may have been called for some when the verdict is bad. */
enum log_verdict log_scan(const struct log_file *file, struct log_scan *scan);

#endif
