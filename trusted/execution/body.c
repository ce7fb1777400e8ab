/*
 * Bodies of bundles that wait to be executed, found by digest. Bounded in number and bytes; when room is needed the
 * oldest go (a correct host hands a body over again when E asks for it).
 */
#include "execution/execution.h"

void bodies_init(struct body_store *store, struct arena *arena)
{
    store->entry = arena_take(arena, BODIES_MAX * sizeof *store->entry);
    store->bucket = arena_take(arena, BODIES_MAX * sizeof *store->bucket);
    for (uint32_t i = 0; i < BODIES_MAX; i++)
        store->entry[i].next = i + 2 <= BODIES_MAX ? i + 2 : 0;
    store->free = 1;
}

static uint32_t *bucket_of(const struct body_store *store, const struct digest *bundle)
{
    return &store->bucket[digest_prefix(bundle) % BODIES_MAX];
}

const struct body_entry *bodies_find(const struct body_store *store, const struct digest *bundle)
{
    for (uint32_t at = *bucket_of(store, bundle); at; at = store->entry[at - 1].next)
        if (digest_equal(&store->entry[at - 1].bundle, bundle))
            return &store->entry[at - 1];
    return NULL;
}

static size_t stored_bytes(size_t len)
{
    size_t bytes = BODY_BYTES_LEAST;
    while (bytes < len)
        bytes *= 2;
    return bytes;
}

void bodies_remove(struct body_store *store, struct arena *arena, const struct digest *bundle)
{
    for (uint32_t *link = bucket_of(store, bundle); *link; link = &store->entry[*link - 1].next) {
        struct body_entry *entry = &store->entry[*link - 1];
        if (!digest_equal(&entry->bundle, bundle))
            continue;
        uint32_t index = *link;
        *link = entry->next;
        arena_free(arena, entry->frame, stored_bytes(entry->len));
        store->bytes -= stored_bytes(entry->len);
        store->count--;
        entry->frame = NULL;
        entry->next = store->free;
        store->free = index;
        return;
    }
}

static void remove_oldest(struct body_store *store, struct arena *arena)
{
    /* Entries come and go in about the order of their age: looking at some from where we were is enough. */
    uint32_t best = 0;
    for (uint32_t i = 0, seen = 0; i < BODIES_MAX && seen < 8; i++) {
        struct body_entry *entry = &store->entry[(store->oldest + i) % BODIES_MAX];
        if (!entry->frame)
            continue;
        seen++;
        if (!best || entry->age < store->entry[best - 1].age)
            best = (store->oldest + i) % BODIES_MAX + 1;
    }
    if (!best)
        return;
    store->oldest = best % BODIES_MAX;
    struct digest bundle = store->entry[best - 1].bundle;
    bodies_remove(store, arena, &bundle);
}

enum verdict bodies_add(struct body_store *store, struct arena *arena, const struct digest *bundle,
                        struct slice frame)
{
    if (bodies_find(store, bundle))
        return VERDICT_DUPLICATE;
    while (store->count && (store->free == 0 || store->bytes + stored_bytes(frame.len) > BODIES_BYTES_MAX))
        remove_oldest(store, arena);
    uint8_t *copy = arena_alloc(arena, stored_bytes(frame.len));
    if (!copy)
        return VERDICT_LIMIT;
    memcpy(copy, frame.data, frame.len);
    uint32_t index = store->free;
    struct body_entry *entry = &store->entry[index - 1];
    store->free = entry->next;
    uint32_t *bucket = bucket_of(store, bundle);
    *entry = (struct body_entry){
        .bundle = *bundle, .frame = copy, .len = (uint32_t)frame.len, .next = *bucket, .age = store->age++};
    *bucket = index;
    store->count++;
    store->bytes += stored_bytes(frame.len);
    return VERDICT_ACCEPT;
}

enum verdict execution_on_bundle(struct execution *e, const struct frame *frame)
{
    struct bundle bundle;
    enum verdict verdict = bundle_check(frame, &bundle);
    if (verdict == VERDICT_MISMATCH && mutant(MUTANT_BODY_NOT_CHECKED))
        verdict = VERDICT_ACCEPT;
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    if (frame->attachment.len == 0)
        return VERDICT_UNEXPECTED;
    struct digest digest;
    auth_content(&e->auth.cluster, frame->type, &frame->sender, frame->body, &digest);
    return bodies_add(&e->bodies, &e->body_arena, &digest, frame->whole);
}
