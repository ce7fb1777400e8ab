/*
 * DIR/replica-N/hello: what a replica's four members (host, P, C, E; with hybster host, orderer, counter, E) show of themselves at a start: one HELLO frame each,
 * signed with the key that it shows; then, with `durability: sync`, the CONFIGURATIONs since its manifest. `redoubt start` reads
 * them and makes the manifest.
 */
#ifndef HOST_HELLO_FILE_H
#define HOST_HELLO_FILE_H

#include "file.h"
#include "ordering/auth.h"

struct member_hello {
    struct sender sender;
    struct hello hello; /* `evidence` points nowhere: it is not kept */
};

/* One replica's members, by row: kind - KIND_HOST, and the counter in C's place. */
struct hellos {
    struct member_hello member[MEMBER_KINDS];
};

/* Which kind a row is of. */
enum kind member_kind(unsigned protocol, int row);

/* Checks one HELLO frame by itself: it is what it says, from this kind and replica, for this administrator. */
int hello_check(struct member_hello *out, struct slice frame, enum kind kind, replica_id replica,
                const uint8_t admin_public[32], struct error *error);

/* The host's own HELLO, by the key of its certificate; its box key's place holds the platform key. Returns the length; `out` has HOST_HELLO_MAX bytes. */
#define HOST_HELLO_MAX 512
size_t hello_of_host(uint8_t *out, const struct sign_key *key, replica_id replica, epoch_no epoch,
                     const uint8_t platform_public[32], const uint8_t admin_public[32]);

bool hello_path(char *out, const char *dir, replica_id replica);
/* `chain`: CONFIGURATIONs, each behind its length, as in DIR/replica-N/chain; so that they travel with the hello. */
int hellos_write(const char *dir, replica_id replica, const struct slice frames[MEMBER_KINDS],
                 struct slice chain, struct error *error);
/* What follows the four members; to be freed with file_free. Believed by what is signed inside. */
int hellos_chain(struct file *chain, const char *dir, replica_id replica, struct error *error);
/* For how long a hello is waited for. */
struct hello_wait {
    unsigned wait_ms;
    bool (*stop)(void *context); /* when not NULL, asked between looks: true gives up */
    void *context;
    uint64_t begun_ms; /* 0: with the first look */
};

/* Until the file is there. */
int hello_await(const char *dir, replica_id replica, struct hello_wait *wait, struct error *error);
int hellos_read(struct hellos *hellos, const char *dir, replica_id replica, unsigned protocol,
                const uint8_t admin_public[32], struct error *error);
/* What a key or a manifest was made for is good for no other: removes the file, unless it shows other keys by now. */
void hellos_used(const struct hellos *used, const char *dir, replica_id replica, unsigned protocol,
                 const uint8_t admin_public[32]);

#endif
