/*
 * The backup file. Input: u8 how, and then
 *
 *   0   bytes behind a good beginning: frames, or whatever they are
 *   1   changes of a good file: u16 place, u8 what is turned over, each
 *   2   changes of what E_3 encrypts: the same, in the plaintext of its leaves; encrypted and signed again: E_3 is faulty
 *   3   frames of the good file in another order: u8 each
 *
 * Whatever is taken as whole is the state that 2f+1 signed; and without the key nothing passes that no key of an E made.
 */
#include <stdlib.h>
#include <string.h>

#include "../../apps/kv/kv.h"
#include "../../apps/kv/kv_codec.h"
#include "backups.h"
#include "need.h"

#define E      KIND_EXECUTION
#define FRAMES 5u

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct cluster *c;
static struct backup_test t;
static struct slice good, frame[FRAMES];
static struct digest root;
static struct secret_key content;
static uint8_t *plain;
static size_t plain_len, mark;
static struct backup leaves;

static void put(uint64_t number)
{
    uint8_t op[400], value[100];
    char key[32];
    memset(value, (int)number, sizeof value);
    int key_len = snprintf(key, sizeof key, "key-%u", (unsigned)number);
    struct slice slice = {op, kv_put_encode(op, sizeof op, key, (size_t)key_len, value, sizeof value)};
    struct test_bundle *b = cluster_bundle(c, 0, number, &slice, 1, FORM_MACS);
    cluster_order(c, &b, 1);
}

static size_t clear_body(uint8_t ad[96])
{
    struct backup clear = leaves;
    struct writer w = writer_to(ad, 96);
    memset(&clear.digest, 0, sizeof clear.digest);
    backup_put(&w, &clear);
    return w.len;
}

static void good_open(void)
{
    struct backup_reader *r;
    struct frame piece;
    uint8_t ad[96], nonce[12];
    need(backup_test_read(&t, good, &t.key, &r, NULL, NULL) == BACKUP_WHOLE);
    content = r->content;
    root = r->root;
    struct reader in = reader_of(good.data + BACKUP_FILE_HEAD, good.len - BACKUP_FILE_HEAD);
    for (unsigned i = 0; i < FRAMES; i++)
        frame[i] = get_slice(&in);
    need(reader_done(&in) && frame_decode(frame[3].data, frame[3].len, &piece));
    need(backup_decode(piece.body, &leaves));
    plain_len = piece.attachment.len - AEAD_TAG_BYTES;
    plain = malloc(plain_len);
    size_t len = clear_body(ad);
    reply_nonce(nonce, leaves.number);
    need(aead_open(plain, &content, nonce, ad, len, piece.attachment.data, piece.attachment.len));
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    cluster_random_fixed(12);
    c = cluster_new(
        &(struct cluster_options){.service = &redoubt_service_kv, .service_options = "memory_mb=4"});
    for (uint64_t n = 1; n <= 40; n++)
        put(n);
    backup_test_begin(&t, c, 3);
    backup_test_take(&t);
    cluster_forget(c);
    good = (struct slice){malloc(t.len), t.len};
    memcpy((uint8_t *)(uintptr_t)good.data, t.file, t.len);
    good_open();
    mark = cluster_mark(c);
    return 0;
}

static void turn_over(uint8_t *bytes, size_t len, const uint8_t *data, size_t size)
{
    for (; size >= 3; data += 3, size -= 3)
        bytes[((size_t)data[0] | (size_t)data[1] << 8) % len] ^= data[2];
}

static void lie(const uint8_t *data, size_t size)
{
    uint8_t *changed = malloc(plain_len), *sealed = malloc(plain_len + AEAD_TAG_BYTES), ad[96], nonce[12];
    struct backup body = leaves;
    memcpy(changed, plain, plain_len);
    turn_over(changed, plain_len, data, size);
    size_t len = clear_body(ad);
    reply_nonce(nonce, leaves.number);
    aead_seal(sealed, &content, nonce, ad, len, changed, plain_len);
    digest_of(&body.digest, "backup", sealed, plain_len + AEAD_TAG_BYTES);
    struct slice piece = forge_signed(c, cluster_auth(c, E, 3), FRAME_BACKUP, cluster_body(c, backup, &body),
                                      (struct slice){sealed, plain_len + AEAD_TAG_BYTES});
    for (unsigned i = 0; i < FRAMES; i++)
        backup_test_append(&t, i == 3 ? piece : frame[i]);
    free(changed);
    free(sealed);
}

static void file_make(const uint8_t *data, size_t size)
{
    t.len = BACKUP_FILE_HEAD;
    memcpy(t.file, good.data, BACKUP_FILE_HEAD);
    switch (data[0] % 4) {
    case 0:
        backup_test_append(&t, frame[0]);
        backup_test_append(&t, frame[1]);
        backup_test_raw(&t, (struct slice){data + 1, size - 1});
        break;
    case 1:
        for (unsigned i = 0; i < FRAMES; i++)
            backup_test_append(&t, frame[i]);
        turn_over(t.file, t.len, data + 1, size - 1);
        break;
    case 2:
        lie(data + 1, size - 1);
        break;
    default:
        for (size_t i = 1; i < size && i < 64; i++)
            backup_test_append(&t, frame[data[i] % FRAMES]);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct backup_reader *r;
    if (size == 0)
        return 0;
    file_make(data, size);
    struct slice file = {t.file, t.len};
    bool same = file.len == good.len && memcmp(file.data, good.data, good.len) == 0;
    enum backup_result result = backup_test_read(&t, file, NULL, &r, NULL, NULL);
    need(result != BACKUP_EARLY && (result != BACKUP_BAD || r->problem));
    need(!same || result == BACKUP_WHOLE);
    need(result != BACKUP_WHOLE || same || data[0] % 4 == 2);
    result = backup_test_read(&t, file, &t.key, &r, NULL, NULL);
    need(!same || result == BACKUP_WHOLE);
    need(result != BACKUP_WHOLE || digest_equal(&r->root, &root));
    cluster_release(c, mark);
    return 0;
}
