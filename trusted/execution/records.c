/*
 * Records: what the state holds beside the service's leaves, numbered. First the origins', then the version cells. Each has a digest;
 * the digest over all of these is part of the root. They are saved, served and fetched one by one.
 */
#include "execution/execution.h"

uint32_t records_count(const struct execution *e)
{
    return e->configuration.origins + VERSION_RECORDS;
}

static bool is_origin(const struct execution *e, uint32_t record)
{
    return record < e->configuration.origins;
}

void records_refresh(struct execution *e)
{
    origins_refresh(e);
    versions_refresh(&e->versions);
}

const struct digest *record_digest(const struct execution *e, uint32_t record)
{
    return is_origin(e, record) ? &e->origin[record].digest
                                : &e->versions.digest[record - e->configuration.origins];
}

void records_combine(const struct digest *digests, uint32_t count, struct digest *out)
{
    struct digest_state state;
    digest_begin(&state, "records");
    digest_add(&state, digests, count * sizeof *digests);
    digest_end(&state, out);
}

void records_digest(struct execution *e, struct digest *out)
{
    struct digest_state state;
    records_refresh(e);
    digest_begin(&state, "records");
    for (origin_id i = 0; i < e->configuration.origins; i++)
        digest_add(&state, e->origin[i].digest.bytes, 32);
    digest_add(&state, e->versions.digest, VERSION_RECORDS * sizeof *e->versions.digest);
    digest_end(&state, out);
}

size_t record_size(const struct execution *e, uint32_t record)
{
    return is_origin(e, record) ? origin_size(e, record)
                                : versions_size(&e->versions, record - e->configuration.origins);
}

void record_save(const struct execution *e, uint32_t record, struct writer *w)
{
    if (is_origin(e, record))
        origin_save(e, record, w);
    else
        versions_save(&e->versions, record - e->configuration.origins, w);
}

bool record_saved_digest(const struct execution *e, uint32_t record, struct slice saved, struct digest *out)
{
    return is_origin(e, record)
               ? origin_saved_digest(e, saved, out)
               : versions_saved_digest(&e->versions, record - e->configuration.origins, saved, out);
}

bool record_load(struct execution *e, uint32_t record, struct slice saved)
{
    return is_origin(e, record) ? origin_load(e, record, saved)
                                : versions_load(&e->versions, record - e->configuration.origins, saved);
}

void record_clear(struct execution *e, uint32_t record)
{
    if (is_origin(e, record)) /* a record of versions is replaced as a whole */
        origin_clear(e, record);
}
