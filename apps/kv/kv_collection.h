/*
 * Hashes, lists, sets and sorted sets: many entries under one key.
 *
 *   key     -> u64 number, u64 version, u64 first, u64 count                       the collection
 *   number 'e' field                     -> value                                  hash
 *   number 'e' position                  -> element                                list: positions first .. first + count - 1
 *   number 'e' hash(member) member       -> nothing                                set, so in an order that nobody chose
 *   number 'e' member                    -> score (8 bytes)                        sorted set
 *   number 's' score member              -> nothing                                the same in the order of scores
 *   0 number                             -> nothing                                a collection that is gone
 *   1 ..., 2 ...                                                                   what kv_remember.h keeps
 *   3 ...                                                                          in which second pages were put and erased (apps/pages/pages.c)
 *
 * The pieces are entries of the store like keys are, so a change of one costs that one, whatever the size of the collection, and
 * leaves stay small. All numbers in their names are big-endian, which is the order of their index. A collection gets a number
 * that none had before: what is deleted, or renamed, takes its pieces nowhere, and those of one that is gone are dropped by
 * later writes, so many at a time. `version` rises with every change, for WATCH. There is no empty collection.
 */
#ifndef KV_COLLECTION_H
#define KV_COLLECTION_H

#include "base/types.h"

#define KV_COLLECTION_BYTES 32u
#define KV_NUMBERS_RESERVED 16u /* of no collection */

struct kv_collection {
    uint64_t number;
    uint64_t version;
    uint64_t first; /* list only, else 0 */
    uint64_t count;
};

struct kv_collection kv_collection_read(struct slice value);
void kv_collection_write(uint8_t out[KV_COLLECTION_BYTES], const struct kv_collection *collection);

#endif
