#include "backup.h"

#include "base/check.h"

static enum backup_result bad(struct backup_reader *r, const char *problem)
{
    r->problem = problem;
    return BACKUP_BAD;
}

void backup_reader_init(struct backup_reader *r, struct arena *arena, const struct box_key *key)
{
    memset(r, 0, sizeof *r);
    r->arena = arena;
    r->key = key;
    if (!key)
        return;
    merkle_init(&r->tree, arena, LEAVES_MAX);
    r->plain = arena_take(arena, BACKUP_PIECE_MAX);
}

enum backup_result backup_reader_head(struct backup_reader *r, const uint8_t head[BACKUP_FILE_HEAD],
                                      const uint8_t *admin_public)
{
    if (memcmp(head, BACKUP_MAGIC, sizeof BACKUP_MAGIC - 1) != 0)
        return bad(r, "not a backup of this version of redoubt");
    memcpy(r->admin_public, head + sizeof BACKUP_MAGIC - 1, sizeof r->admin_public);
    if (admin_public && memcmp(admin_public, r->admin_public, sizeof r->admin_public) != 0)
        return bad(r, "it is of another administrator's cluster");
    return BACKUP_MORE;
}

/* --- who, and whose signatures count --------------------------------------------------------------------------------- */

static enum backup_result take_start(struct backup_reader *r, const struct frame *frame)
{
    if (frame->attachment.len)
        return bad(r, "its manifest has something attached, which nobody signed");
    enum verdict verdict = configuration_load(&r->configuration, frame, r->admin_public);
    if (verdict == VERDICT_BAD_SIGNATURE)
        return bad(r, "its manifest is forged: not signed by the administrator");
    if (verdict != VERDICT_ACCEPT)
        return bad(r, "its manifest is not consistent");
    r->started = true;
    return BACKUP_MORE;
}

static enum backup_result take_configuration(struct backup_reader *r, const struct frame *frame)
{
    enum verdict verdict = configuration_follow(&r->configuration, frame);
    if (verdict == VERDICT_ACCEPT || verdict == VERDICT_DUPLICATE)
        return BACKUP_MORE;
    return verdict == VERDICT_EARLY
               ? bad(r, "a change of the members is missing before one that it shows")
               : bad(r, "it shows a change of the members that f+1 Execution compartments did not sign");
}

static enum backup_result take_request(struct backup_reader *r, const struct frame *frame)
{
    if (backup_request_check(frame, &r->configuration.cluster, r->admin_public, &r->ask) != VERDICT_ACCEPT)
        return bad(r, "its request is forged: not signed by the administrator for this cluster");
    if (r->key && memcmp(r->ask.backup_public.bytes, r->key->public, 32) != 0)
        return bad(r, "it is encrypted for another backup key");
    r->requested = true;
    return BACKUP_MORE;
}

/* --- leaves ------------------------------------------------------------------------------------------------------------ */

static bool decrypt(struct backup_reader *r, const struct backup *piece, struct slice sealed, uint8_t *to)
{
    struct backup clear = *piece;
    uint8_t ad[96], nonce[AEAD_NONCE_BYTES];
    struct writer w = writer_to(ad, sizeof ad);
    memset(&clear.digest, 0, sizeof clear.digest);
    backup_put(&w, &clear);
    reply_nonce(nonce, piece->number);
    return sealed.len >= AEAD_TAG_BYTES && sealed.len <= BACKUP_PIECE_MAX &&
           aead_open(to, &r->content, nonce, ad, w.len, sealed.data, sealed.len);
}

static bool leaf_is(struct backup_reader *r, uint64_t leaf, struct slice bytes)
{
    struct digest digest;
    r->leaves++;
    if (!r->service)
        return true;
    if (!r->service->saved_digest(r->service_state, leaf, bytes.data, bytes.len, digest.bytes))
        return false;
    merkle_set(&r->tree, leaf, &digest);
    return true;
}

static void leaf_free(struct backup_reader *r)
{
    arena_free(r->arena, r->leaf, r->leaf_total);
    r->leaf = NULL;
    r->leaf_len = r->leaf_total = 0;
}

static bool take_part(struct backup_reader *r, const struct leaf_part *p)
{
    if (p->leaf >= LEAVES_MAX || p->total > LEAF_BYTES_MAX || p->at > p->total ||
        p->bytes.len > p->total - p->at || (r->leaf && p->at == 0))
        return false;
    if (p->at == 0 && p->bytes.len == p->total)
        return leaf_is(r, p->leaf, p->bytes);
    if (p->at == 0) {
        r->leaf = arena_alloc(r->arena, p->total);
        r->leaf_total = p->total;
        r->leaf_no = p->leaf;
    }
    if (!r->leaf || p->leaf != r->leaf_no || p->total != r->leaf_total || p->at != r->leaf_len ||
        !p->bytes.len)
        return false;
    memcpy(r->leaf + p->at, p->bytes.data, p->bytes.len);
    r->leaf_len += (uint32_t)p->bytes.len;
    if (r->leaf_len < r->leaf_total)
        return true;
    bool good = leaf_is(r, r->leaf_no, (struct slice){r->leaf, r->leaf_total});
    leaf_free(r);
    return good;
}

static enum backup_result take_leaves(struct backup_reader *r, const struct backup *piece,
                                      struct slice sealed)
{
    struct leaf_part part;
    if (!r->key)
        return BACKUP_MORE;
    if (!decrypt(r, piece, sealed, r->plain))
        return bad(r, "a piece of the state does not decrypt");
    struct reader reader = reader_of(r->plain, sealed.len - AEAD_TAG_BYTES);
    while (reader_left(&reader)) {
        leaf_part_get(&reader, &part);
        if (reader.bad || !take_part(r, &part))
            return bad(r, "a leaf is not one of this service");
        if (r->on_part)
            r->on_part(r->context, piece->number, &part);
    }
    return reader.bad ? bad(r, "a leaf is not one of this service") : BACKUP_MORE;
}

/* A later round begins: a leaf whose parts were under way comes as a whole again. */
static bool rounds_rise(struct backup_reader *r, const struct backup *piece)
{
    if (piece->what == BACKUP_KEY)
        return piece->round == 0 && piece->slot == 0;
    if (piece->round == r->round)
        return piece->round > 0 && piece->slot == r->slot;
    if (piece->round != r->round + 1 || piece->slot <= r->slot)
        return false;
    r->round = piece->round;
    r->slot = piece->slot;
    if (r->leaf)
        leaf_free(r);
    return true;
}

/* --- key and head ------------------------------------------------------------------------------------------------------- */

static bool name_possible(struct slice name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.data[i] <= ' ' || name.data[i] > '~' || name.data[i] == '"' || name.data[i] == '\\')
            return false;
    return name.len > 0 && name.len <= BACKUP_SERVICE_MAX;
}

static enum backup_result take_key(struct backup_reader *r, struct slice bytes)
{
    struct backup_opening opening;
    uint8_t sealed[32 + SEAL_BYTES];
    if (!backup_opening_decode(bytes, &opening) || !name_possible(opening.service))
        return bad(r, "its first piece is not possible");
    memcpy(sealed, opening.half0.bytes, 32);
    memcpy(sealed + 32, opening.half1.bytes, 32);
    memcpy(sealed + 64, opening.tail.bytes, 16);
    if (r->key && !box_open(r->content.bytes, r->key, sealed, sizeof sealed))
        return bad(r, "its content key does not open with this backup key");
    memcpy(r->service_name, opening.service.data, opening.service.len);
    r->service_name[opening.service.len] = 0;
    if (!r->key || !r->find_service ||
        !r->find_service(r->context, r->service_name, &r->service, &r->service_state))
        r->service = NULL;
    return BACKUP_MORE;
}

static enum backup_result check_leaves(struct backup_reader *r, const struct backup *piece,
                                       const struct backup_head *head)
{
    uint8_t plain[2 * sizeof(struct digest)];
    struct digest leaves, root;
    configuration_no number = configuration_number_at(&r->configuration, piece->slot);
    if (head->sealed.len != sizeof plain + AEAD_TAG_BYTES || !decrypt(r, piece, head->sealed, plain) ||
        !backup_digests_decode((struct slice){plain, sizeof plain}, &r->digests))
        return bad(r, "its head does not decrypt");
    checkpoint_root_make(piece->slot, number, head->time_us, head->leaf_count, &r->digests.leaves,
                         &r->digests.origins, &root);
    if (!digest_equal(&root, &head->root))
        return bad(r, "its head does not give the root that 2f+1 signed");
    if (!r->service)
        return BACKUP_WHOLE;
    merkle_root(&r->tree, head->leaf_count, &leaves);
    if (r->leaf || !digest_equal(&leaves, &r->digests.leaves))
        return bad(r, "its leaves do not give the root that 2f+1 signed");
    return BACKUP_WHOLE;
}

static enum backup_result take_head(struct backup_reader *r, const struct backup *piece, struct slice bytes)
{
    struct backup_head head;
    if (!backup_head_decode(bytes, &head) || head.leaf_count == 0 || head.leaf_count > LEAVES_MAX ||
        piece->slot == 0 || piece->slot % CHECKPOINT_INTERVAL != 0 ||
        head.signers.len > REPLICAS_MAX * signer_BYTES)
        return bad(r, "its head is not possible");
    enum verdict verdict = certificate_check(&r->configuration, piece->slot, &head.root, head.signers);
    if (verdict == VERDICT_EARLY)
        return BACKUP_EARLY;
    if (verdict != VERDICT_ACCEPT)
        return bad(r, "its certificate is not of 2f+1 Execution compartments of this cluster");
    enum backup_result result = r->key ? check_leaves(r, piece, &head) : BACKUP_WHOLE;
    if (result != BACKUP_WHOLE)
        return result;
    r->root = head.root;
    r->time_us = head.time_us;
    r->leaf_count = head.leaf_count;
    r->signers = signer_count(head.signers);
    r->whole = true;
    return BACKUP_WHOLE;
}

/* --- pieces -------------------------------------------------------------------------------------------------------------- */

static bool same_sender(const struct sender *a, const struct sender *b)
{
    return a->kind == b->kind && a->id == b->id && a->epoch == b->epoch;
}

static bool piece_signed(struct backup_reader *r, const struct frame *frame)
{
    return frame->sender.kind == KIND_EXECUTION && frame->sender.id == r->ask.replica &&
           (r->number == 0 || same_sender(&frame->sender, &r->giver)) &&
           auth_check_signature_ever(&r->configuration, frame) == VERDICT_ACCEPT;
}

static enum backup_result take_piece(struct backup_reader *r, const struct frame *frame)
{
    struct backup piece;
    struct digest digest;
    if (!backup_decode(frame->body, &piece) || frame->attachment.len > BACKUP_PIECE_MAX)
        return bad(r, "a piece is malformed");
    if (memcmp(piece.session.bytes, r->ask.session.bytes, sizeof piece.session.bytes) != 0)
        return bad(r, "a piece is of another backup");
    if (frame->sender.kind == KIND_EXECUTION && frame->sender.id == r->ask.replica && r->number == 0 &&
        !configuration_member_ever(&r->configuration, &frame->sender))
        return BACKUP_EARLY;
    if (!piece_signed(r, frame))
        return bad(r, "a piece is forged: not signed by the Execution compartment that was asked");
    digest_of(&digest, "backup", frame->attachment.data, frame->attachment.len);
    if (!digest_equal(&digest, &piece.digest))
        return bad(r, "a piece was changed: it has another digest than its Execution compartment signed");
    if (piece.number != r->number + 1 || (piece.what == BACKUP_KEY) != (piece.number == 1))
        return bad(r, "a piece is missing, or comes twice");
    if (!rounds_rise(r, &piece))
        return bad(r, "a piece is of another checkpoint");
    enum backup_result result = piece.what == BACKUP_KEY      ? take_key(r, frame->attachment)
                                : piece.what == BACKUP_LEAVES ? take_leaves(r, &piece, frame->attachment)
                                : piece.what == BACKUP_HEAD   ? take_head(r, &piece, frame->attachment)
                                                              : bad(r, "a piece is malformed");
    if (result == BACKUP_MORE || result == BACKUP_WHOLE) {
        r->giver = frame->sender;
        r->number = piece.number;
    }
    return result;
}

enum backup_result backup_reader_take(struct backup_reader *r, struct slice bytes)
{
    struct frame frame;
    if (r->whole)
        return bad(r, "something stands behind its end");
    if (!frame_decode(bytes.data, bytes.len, &frame))
        return bad(r, "not a frame where one should be: it is damaged");
    r->frames++;
    if (!r->started)
        return frame.type == FRAME_START ? take_start(r, &frame) : bad(r, "it begins with no manifest");
    if (frame.type == FRAME_CONFIGURATION)
        return take_configuration(r, &frame);
    if (!r->requested)
        return frame.type == FRAME_ASK_BACKUP ? take_request(r, &frame)
                                              : bad(r, "there is no request of the administrator");
    return frame.type == FRAME_BACKUP ? take_piece(r, &frame) : bad(r, "it has a frame of another kind");
}

enum backup_result backup_read_all(struct backup_reader *r, struct slice file, const uint8_t *admin_public)
{
    struct reader in = reader_of(file.data, file.len);
    const uint8_t *head = reader_take(&in, BACKUP_FILE_HEAD);
    if (!head)
        return bad(r, "it is cut off");
    enum backup_result result = backup_reader_head(r, head, admin_public);
    while (result == BACKUP_MORE || (result == BACKUP_WHOLE && reader_left(&in))) {
        struct slice frame = get_slice(&in);
        result = in.bad ? bad(r, "it is cut off") : backup_reader_take(r, frame);
    }
    if (result == BACKUP_EARLY)
        return bad(r, "a change of the members that its signatures need is missing");
    return result;
}
