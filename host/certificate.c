#include "certificate.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

#define YEARS_VALID 30

static int extend(X509 *certificate, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    int ok = extension && X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    return ok;
}

static X509 *self_signed(EVP_PKEY *key, const char *name, bool authority)
{
    uint8_t serial[16];
    crypto_random(serial, sizeof serial);
    serial[0] &= 0x7f;
    X509 *certificate = X509_new();
    BIGNUM *number = BN_bin2bn(serial, sizeof serial, NULL);
    if (!certificate || !number)
        goto fail;
    X509_NAME *subject = X509_get_subject_name(certificate);
    if (!X509_set_version(certificate, 2) ||
        !BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) ||
        !X509_gmtime_adj(X509_getm_notBefore(certificate), -86400) ||
        !X509_time_adj_ex(X509_getm_notAfter(certificate), 365 * YEARS_VALID, 0, NULL) ||
        !X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0) ||
        !X509_set_issuer_name(certificate, subject) || !X509_set_pubkey(certificate, key) ||
        !extend(certificate, NID_basic_constraints, authority ? "critical,CA:TRUE" : "critical,CA:FALSE") ||
        !extend(certificate, NID_key_usage,
                authority ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature") ||
        !extend(certificate, NID_subject_key_identifier, "hash") || !X509_sign(certificate, key, NULL))
        goto fail;
    BN_free(number);
    return certificate;
fail:
    BN_free(number);
    X509_free(certificate);
    return NULL;
}

static int bio_to_file(BIO *bio, const char *path, mode_t mode, struct error *error)
{
    char *data;
    long len = BIO_get_mem_data(bio, &data);
    return file_write(path, data, (size_t)len, mode, error);
}

int certificate_make(const char *key_path, const char *certificate_path, const char *name, bool authority,
                     struct error *error)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    X509 *certificate = key ? self_signed(key, name, authority) : NULL;
    BIO *key_pem = BIO_new(BIO_s_secmem());
    BIO *pem = BIO_new(BIO_s_mem());
    int result;
    if (!certificate || !key_pem || !pem ||
        !PEM_write_bio_PrivateKey(key_pem, key, NULL, NULL, 0, NULL, NULL) ||
        !PEM_write_bio_X509(pem, certificate))
        result = error_set(error, "%s: the TLS library could not make a certificate", certificate_path);
    else if (!(result = bio_to_file(key_pem, key_path, 0600, error)))
        result = bio_to_file(pem, certificate_path, 0644, error);
    BIO_free(pem);
    BIO_free(key_pem);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return result;
}

int certificate_key_read(struct sign_key *key, const char *path, struct error *error)
{
    struct file file;
    uint8_t seed[32];
    size_t len = sizeof seed;
    if (file_read_secret(&file, path, 65536, error))
        return -1;
    BIO *pem = BIO_new_mem_buf(file.data, (int)file.len);
    EVP_PKEY *private = pem ? PEM_read_bio_PrivateKey(pem, NULL, NULL, NULL) : NULL;
    int result = 0;
    if (!private || EVP_PKEY_get_id(private) != EVP_PKEY_ED25519 ||
        !EVP_PKEY_get_raw_private_key(private, seed, &len) || len != sizeof seed)
        result = error_set(error, "%s: not an Ed25519 key in PEM", path);
    else
        sign_keypair_from(key, seed);
    crypto_wipe(seed, sizeof seed);
    EVP_PKEY_free(private);
    BIO_free(pem);
    file_free(&file);
    return result;
}
