/*
 * Reading a backup file, piece by piece: pure, and no piece is believed because of where it came from.
 *
 *   magic (16 bytes), administrator's public key (32), then frames, each behind its u32 length:
 *     START             signed by the administrator: the cluster, and whose signatures count; without the sealed group keys
 *     CONFIGURATION *   (anywhere before the last) how members were renewed since
 *     ASK-BACKUP        signed by the administrator: which backup this is, and for which key
 *     BACKUP *          signed by the Execution compartment that gave it: the key, leaves, the head with the certificate
 *
 * Without the backup key every signature and the certificate are checked, so that no host, and nobody who lacks the keys of an
 * Execution compartment, changed anything. With the key every leaf is too: all together give the root that 2f+1 E signed,
 * so not even the E that gave it did.
 */
#ifndef PROTOCOL_BACKUP_H
#define PROTOCOL_BACKUP_H

#include "execution/execution.h"

#define BACKUP_MAGIC       "redoubt backup1\n" /* without the NUL */
#define BACKUP_FILE_HEAD   48u
#define BACKUP_SERVICE_MAX 64u

enum backup_result {
    BACKUP_MORE,  /* taken; there is more to come */
    BACKUP_WHOLE, /* that was the last, and all of it is right */
    BACKUP_EARLY, /* not taken: it names a configuration that a CONFIGURATION has to lead to */
    BACKUP_BAD,   /* not taken, see `problem` */
};

struct backup_reader {
    struct configuration configuration;
    const struct box_key *key; /* NULL: signatures only */
    /* The service of this name, and a state of it, so that leaves can be digested; false: there is none here. */
    bool (*find_service)(void *context, const char *name, const struct redoubt_service **service,
                         const void **state);
    /* A part of a leaf, opened, of piece `number`; the last that comes of a leaf counts. May be NULL. */
    void (*on_part)(void *context, uint64_t number, const struct leaf_part *part);
    void *context;

    uint8_t admin_public[32];
    const struct redoubt_service *service; /* NULL: leaves are not digested */
    const void *service_state;
    const char *problem;
    bool started, requested, whole;
    struct ask_backup ask;
    struct sender giver;
    struct secret_key content;
    uint64_t number; /* of the last piece */
    uint32_t round;
    slot_no slot;
    uint64_t frames, leaves; /* leaves that came, again ones too */
    struct arena *arena;     /* for the tree, and a large leaf */
    struct merkle tree;
    uint8_t *plain; /* BACKUP_PIECE_MAX */
    uint8_t *leaf;  /* coming in parts */
    uint64_t leaf_no;
    uint32_t leaf_len, leaf_total;
    /* Of the head. */
    struct digest root;
    struct backup_digests digests; /* with the key only */
    uint64_t time_us, leaf_count;
    uint32_t signers;
    char service_name[BACKUP_SERVICE_MAX + 1];
};

/* Address space that `arena` must have; little of it is touched for a small state. */
#define BACKUP_ARENA_BYTES (LEAVES_MAX * 40ull + 2 * (uint64_t)LEAF_BYTES_MAX + 64ull * 1024 * 1024)

/* `arena` (fresh) and `key` outlive the reader; both may be NULL, for signatures only. The callbacks are set afterwards. */
void backup_reader_init(struct backup_reader *r, struct arena *arena, const struct box_key *key);
/* The first BACKUP_FILE_HEAD bytes. `admin_public`: NULL, and the one that the file names is taken (then the caller has to show it
 * to somebody who knows). */
enum backup_result backup_reader_head(struct backup_reader *r, const uint8_t head[BACKUP_FILE_HEAD],
                                      const uint8_t *admin_public);
/* Each frame behind them. After WHOLE or BAD: none. */
enum backup_result backup_reader_take(struct backup_reader *r, struct slice frame);
/* A whole file in memory: for tests and fuzzing. */
enum backup_result backup_read_all(struct backup_reader *r, struct slice file, const uint8_t *admin_public);

#endif
