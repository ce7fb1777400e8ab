#include "ordering/auth.h"

#include "base/check.h"
#include "ordering/mutant.h"

WIRE_CODE(mac_entry, MAC_ENTRY_FIELDS)

#define SENDER_BYTES 13u

static void put_sender(struct writer *w, const struct sender *sender)
{
    put_u8(w, (uint8_t)sender->kind);
    put_u32(w, sender->id);
    put_u64(w, sender->epoch);
}

void auth_init_with_keys(struct auth *auth, struct sender self, const struct sign_key *sign,
                         const struct box_key *box)
{
    memset(auth, 0, sizeof *auth);
    auth->self = self;
    auth->sign = *sign;
    auth->box = *box;
}

void auth_init(struct auth *auth, struct sender self, const uint8_t *domain_seed)
{
    memset(auth, 0, sizeof *auth);
    auth->self = self;
    if (mutant(MUTANT_SEALED_KEY_VOTES)) { /* as if its keys and its epoch came back with it */
        uint8_t sealed[32] = {(uint8_t)self.kind, (uint8_t)self.id, 77};
        auth->self.epoch = 1;
        sign_keypair_from(&auth->sign, sealed);
        box_keypair_from(&auth->box, sealed);
    } else if (domain_seed) {
        sign_keypair_from(&auth->sign, domain_seed);
        box_keypair_from(&auth->box, domain_seed);
    } else {
        sign_keypair(&auth->sign);
        box_keypair(&auth->box);
    }
}

void auth_start(struct auth *auth, const struct configuration *configuration)
{
    auth->configuration = configuration;
    auth->cluster = configuration->cluster;
    auth->one_domain = one_domain_with(configuration->protocol);
    memset(auth->member, 0, sizeof auth->member);
    if (auth->origin)
        memset(auth->origin, 0, ORIGINS_MAX * sizeof *auth->origin);
}

bool auth_has_keys(const struct auth *auth, const struct member_keys *keys)
{
    return memcmp(keys->sign_public, auth->sign.public, 32) == 0 &&
           memcmp(keys->box_public, auth->box.public, 32) == 0;
}

slot_no auth_counts_above(const struct auth *auth)
{
    const struct member_keys *me = configuration_member_ever(auth->configuration, &auth->self);
    return me && auth_has_keys(auth, me) ? me->after : UINT64_MAX;
}

/*
 * The pairwise key for the peer's epoch. The agreement is made once; a new epoch costs one derivation, so a peer that
 * makes epochs up gains nothing by it.
 */
static const struct secret_key *pair_key(struct auth *auth, struct pair_key *pair, const struct sender *peer,
                                         const uint8_t peer_public[32])
{
    if (pair->known && pair->epoch == peer->epoch)
        return &pair->key;
    bool fresh_keys = peer->kind != KIND_ORIGIN; /* an origin's keys stay, whatever its epoch */
    if ((!pair->agreed || fresh_keys) && !box_agree(&pair->shared, &auth->box, peer_public))
        return NULL;
    pair->agreed = true;
    /* In one fault domain the compartments of a replica share their keys: the kind must not matter. */
    struct sender ends[2] = {auth->self, *peer};
    if (auth->one_domain) {
        for (int i = 0; i < 2; i++)
            if (ends[i].kind != KIND_ORIGIN)
                ends[i].kind = KIND_HOST;
    }
    bool swap = ends[0].kind != ends[1].kind ? ends[0].kind > ends[1].kind : ends[0].id > ends[1].id;
    uint8_t info[16 + 2 * SENDER_BYTES];
    struct writer w = writer_to(info, sizeof info);
    put_raw(&w, auth->cluster.bytes, sizeof auth->cluster.bytes);
    put_sender(&w, &ends[swap]);
    put_sender(&w, &ends[!swap]);
    key_derive(&pair->key, &pair->shared, "redoubt pair", info, w.len);
    pair->epoch = peer->epoch;
    pair->known = true;
    return &pair->key;
}

/* Where the key with this incarnation is, or goes: in place of the older one. Only listed epochs come here. */
static const struct secret_key *member_pair_key(struct auth *auth, const struct sender *peer,
                                                const struct member_keys *keys)
{
    struct pair_key *pairs = auth->member[member_row(peer->kind)][peer->id];
    for (int i = 0; i < 2; i++)
        if (pairs[i].known && pairs[i].epoch == peer->epoch)
            return &pairs[i].key;
    bool second = pairs[0].known && (!pairs[1].known || pairs[1].epoch < pairs[0].epoch);
    return pair_key(auth, &pairs[second], peer, keys->box_public);
}

const struct secret_key *auth_pair_key(struct auth *auth, enum kind kind, replica_id replica)
{
    if (!auth->configuration || kind < KIND_HOST || kind > KIND_EXECUTION ||
        replica >= auth->configuration->replicas)
        return NULL;
    const struct member_keys *keys = &auth->configuration->member[kind - KIND_HOST][replica];
    struct sender peer = {.kind = kind, .id = replica, .epoch = keys->epoch};
    return member_pair_key(auth, &peer, keys);
}

/* Covers the receiver too, so that equal keys on two of its compartments would still not be confused. */
static void mac_input(uint8_t input[37], const struct digest *content, enum kind kind, uint32_t id)
{
    struct writer w = writer_to(input, 37);
    put_digest(&w, content);
    put_u8(&w, (uint8_t)kind);
    put_u32(&w, id);
}

void auth_put_mac(struct auth *auth, const struct digest *content, enum kind kind, replica_id replica,
                  struct writer *w)
{
    const struct secret_key *key = auth_pair_key(auth, kind, replica);
    struct mac_entry entry = {.kind = (uint8_t)kind, .replica = (uint8_t)replica};
    if (key) {
        uint8_t input[37];
        mac_input(input, content, kind, replica);
        mac_make(entry.mac.bytes, key, input, sizeof input);
    }
    mac_entry_put(w, &entry);
}

void auth_put_vector(struct auth *auth, const struct digest *content, unsigned kinds, struct writer *w)
{
    for (replica_id r = 0; r < auth->configuration->replicas; r++) {
        if (auth->one_domain) {
            /* One MAC per replica; what stays inside is handed over as it is. */
            if (auth->self.kind == KIND_ORIGIN || r != auth->self.id)
                auth_put_mac(auth, content, KIND_HOST, r, w);
            continue;
        }
        for (int k = 0; k < 3; k++) {
            enum kind kind = (enum kind)(KIND_PREPARATION + k);
            bool is_self = kind == auth->self.kind && r == auth->self.id;
            if (kinds & (1u << k) && !is_self)
                auth_put_mac(auth, content, kind, r, w);
        }
    }
}

static const struct secret_key *sender_key(struct auth *auth, const struct sender *sender,
                                           const struct member_keys *keys)
{
    const struct configuration *c = auth->configuration;
    if (sender->kind == KIND_ORIGIN) {
        if (!auth->origin || sender->id >= c->origins || !c->origin[sender->id].present)
            return NULL;
        return pair_key(auth, &auth->origin[sender->id], sender, c->origin[sender->id].box_public);
    }
    return keys ? member_pair_key(auth, sender, keys) : NULL;
}

static enum verdict check_mac(struct auth *auth, const struct frame *frame, const struct member_keys *keys)
{
    if (frame->auth_kind != AUTH_MACS || !mac_entry_list_ok(frame->auth, MAC_VECTOR_MAX))
        return VERDICT_BAD_MAC;
    enum kind my_kind = auth->one_domain ? KIND_HOST : auth->self.kind;
    for (uint32_t i = 0; i < mac_entry_count(frame->auth); i++) {
        const uint8_t *at = frame->auth.data + (size_t)i * mac_entry_BYTES;
        if (at[0] != my_kind || at[1] != auth->self.id)
            continue;
        const struct secret_key *key = sender_key(auth, &frame->sender, keys);
        if (!key)
            return VERDICT_UNKNOWN_SENDER;
        struct digest content;
        uint8_t input[37];
        auth_content(&auth->cluster, frame->type, &frame->sender, frame->body, &content);
        mac_input(input, &content, my_kind, auth->self.id);
        return mac_check(at + 2, key, input, sizeof input) ? VERDICT_ACCEPT : VERDICT_BAD_MAC;
    }
    return VERDICT_BAD_MAC;
}

enum verdict auth_check_mac(struct auth *auth, const struct frame *frame)
{
    return check_mac(auth, frame, configuration_member(auth->configuration, &frame->sender));
}

enum verdict auth_check_mac_at(struct auth *auth, const struct frame *frame, slot_no slot)
{
    return check_mac(auth, frame, configuration_member_at(auth->configuration, &frame->sender, slot));
}

void auth_sign_content(const struct auth *auth, const struct digest *content,
                       uint8_t signature[SIGNATURE_BYTES])
{
    content_sign(&auth->sign, content, signature);
}

static enum verdict check_signature(const struct configuration *c, const struct frame *frame,
                                    const uint8_t *public)
{
    if (frame->auth_kind != AUTH_SIGNATURE || frame->auth.len != SIGNATURE_BYTES)
        return VERDICT_BAD_SIGNATURE;
    if (!public)
        return VERDICT_UNKNOWN_SENDER;
    struct digest content;
    auth_content(&c->cluster, frame->type, &frame->sender, frame->body, &content);
    return auth_signature_ok(frame->auth.data, public, &content) ? VERDICT_ACCEPT : VERDICT_BAD_SIGNATURE;
}

enum verdict auth_check_signature(const struct configuration *c, const struct frame *frame)
{
    const struct sender *sender = &frame->sender;
    if (sender->kind == KIND_ORIGIN) {
        bool known = sender->id < c->origins && c->origin[sender->id].present;
        return check_signature(c, frame, known ? c->origin[sender->id].sign_public : NULL);
    }
    const struct member_keys *keys = configuration_member(c, sender);
    return check_signature(c, frame, keys ? keys->sign_public : NULL);
}

enum verdict auth_check_signature_at(const struct configuration *c, const struct frame *frame, slot_no slot)
{
    const struct member_keys *keys = configuration_member_at(c, &frame->sender, slot);
    return check_signature(c, frame, keys ? keys->sign_public : NULL);
}

enum verdict auth_check_signature_ever(const struct configuration *c, const struct frame *frame)
{
    const struct member_keys *keys = configuration_member_ever(c, &frame->sender);
    return check_signature(c, frame, keys ? keys->sign_public : NULL);
}

void auth_emit_macs(struct auth *auth, struct outbox *out, enum frame_type type, struct slice body,
                    unsigned macs_to, struct slice attachment)
{
    uint8_t macs[AUTH_BYTES_MAX];
    struct writer w = writer_to(macs, sizeof macs);
    struct digest content;
    auth_content(&auth->cluster, type, &auth->self, body, &content);
    auth_put_vector(auth, &content, macs_to, &w);
    CHECK(!w.bad);
    content_emit(out, type, &auth->self, AUTH_MACS, body, (struct slice){macs, w.len}, attachment);
}

void auth_emit_mac(struct auth *auth, struct outbox *out, enum frame_type type, struct slice body,
                   enum kind kind, replica_id replica, struct slice attachment)
{
    uint8_t macs[mac_entry_BYTES];
    struct writer w = writer_to(macs, sizeof macs);
    struct digest content;
    auth_content(&auth->cluster, type, &auth->self, body, &content);
    auth_put_mac(auth, &content, auth->one_domain ? KIND_HOST : kind, replica, &w);
    content_emit(out, type, &auth->self, AUTH_MACS, body, (struct slice){macs, w.len}, attachment);
}

void auth_emit_signed(struct auth *auth, struct outbox *out, enum frame_type type, struct slice body,
                      struct slice attachment)
{
    content_emit_signed(out, type, &auth->self, &auth->cluster, &auth->sign, body, attachment);
}

void auth_emit_plain(const struct auth *auth, struct outbox *out, enum frame_type type, struct slice body,
                     struct slice attachment)
{
    content_emit(out, type, &auth->self, AUTH_NONE, body, (struct slice){NULL, 0}, attachment);
}

#define SEALED_BODY_MAX 96u

/* The type is part of the nonce: both directions have one key. */
static size_t sealed_ad(uint8_t ad[14 + SEALED_BODY_MAX], uint8_t nonce[AEAD_NONCE_BYTES],
                        enum frame_type type, const struct sender *sender, uint64_t counter,
                        struct slice body)
{
    struct writer w = writer_to(ad, 14 + SEALED_BODY_MAX), n = writer_to(nonce, AEAD_NONCE_BYTES);
    put_u8(&w, (uint8_t)type);
    put_u8(&w, (uint8_t)sender->kind);
    put_u32(&w, sender->id);
    put_u64(&w, sender->epoch);
    put_raw(&w, body.data, body.len);
    put_u64(&n, counter);
    put_u32(&n, (uint32_t)type);
    return w.bad ? 0 : w.len;
}

size_t auth_encode_sealed(uint8_t *out, size_t cap, enum frame_type type, const struct sender *sender,
                          const struct secret_key *key, uint64_t counter, struct slice body,
                          struct slice plain)
{
    struct frame frame = {.type = type, .sender = *sender, .auth_kind = AUTH_NONE, .body = body};
    uint8_t ad[14 + SEALED_BODY_MAX], nonce[AEAD_NONCE_BYTES];
    size_t sealed = plain.len + AEAD_TAG_BYTES, head = frame_head(out, cap, &frame, sealed);
    size_t ad_len = sealed_ad(ad, nonce, type, sender, counter, body);
    if (!head || !ad_len || head + sealed > cap)
        return 0;
    aead_seal(out + head, key, nonce, ad, ad_len, plain.data, plain.len);
    return head + sealed;
}

bool auth_open_sealed(const struct frame *frame, const struct secret_key *key, uint64_t counter, uint8_t *out,
                      struct slice *plain)
{
    uint8_t ad[14 + SEALED_BODY_MAX], nonce[AEAD_NONCE_BYTES];
    size_t ad_len = sealed_ad(ad, nonce, frame->type, &frame->sender, counter, frame->body);
    if (!ad_len || frame->attachment.len < AEAD_TAG_BYTES || frame->auth.len || frame->auth_kind != AUTH_NONE)
        return false;
    *plain = (struct slice){out, frame->attachment.len - AEAD_TAG_BYTES};
    return aead_open(out, key, nonce, ad, ad_len, frame->attachment.data, frame->attachment.len);
}

void certifier_keys(const struct tag16 *cluster, const struct secret_key *shared, epoch_no epoch,
                    struct secret_key *certify, struct secret_key *floors)
{
    uint8_t context[16 + 8];
    struct writer w = writer_to(context, sizeof context);
    put_raw(&w, cluster->bytes, sizeof cluster->bytes);
    put_u64(&w, epoch);
    key_derive(certify, shared, "redoubt certify", context, w.len);
    key_derive(floors, shared, "redoubt floors", context, w.len);
}
