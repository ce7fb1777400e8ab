#include "certificate.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
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

/* By `issuer` and its key; NULL: by itself. `names`: what clients may call it, "DNS:...,IP:..."; NULL for none. */
static X509 *signed_by(EVP_PKEY *key, const char *name, bool authority, const char *names, X509 *issuer,
                       EVP_PKEY *issuer_key)
{
    uint8_t serial[16];
    crypto_random(serial, sizeof serial);
    serial[0] &= 0x7f;
    X509 *certificate = X509_new();
    BIGNUM *number = BN_bin2bn(serial, sizeof serial, NULL);
    if (!certificate || !number)
        goto fail;
    X509_NAME *subject = X509_get_subject_name(certificate);
    EVP_PKEY *by = issuer ? issuer_key : key;
    if (!X509_set_version(certificate, 2) ||
        !BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) ||
        !X509_gmtime_adj(X509_getm_notBefore(certificate), -86400) ||
        !X509_time_adj_ex(X509_getm_notAfter(certificate), 365 * YEARS_VALID, 0, NULL) ||
        !X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0) ||
        !X509_set_issuer_name(certificate, issuer ? X509_get_subject_name(issuer) : subject) || !X509_set_pubkey(certificate, key) ||
        !extend(certificate, NID_basic_constraints, authority ? "critical,CA:TRUE" : "critical,CA:FALSE") ||
        !extend(certificate, NID_key_usage,
                authority ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature") ||
        !extend(certificate, NID_subject_key_identifier, "hash") ||
        (names && !extend(certificate, NID_subject_alt_name, names)) ||
        !X509_sign(certificate, by, EVP_PKEY_get_id(by) == EVP_PKEY_ED25519 ? NULL : EVP_sha256()))
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

static int pair_write(EVP_PKEY *key, X509 *certificate, const char *key_path, const char *certificate_path,
                      struct error *error)
{
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

int certificate_make(const char *key_path, const char *certificate_path, const char *name, bool authority,
                     struct error *error)
{
    /* Hosts know each other by Ed25519 keys; an authority is for stock clients, not all of which know those. */
    EVP_PKEY *key =
        authority ? EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256") : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    X509 *certificate = key ? signed_by(key, name, authority, NULL, NULL, NULL) : NULL;
    return pair_write(key, certificate, key_path, certificate_path, error);
}

/* "DNS:name," or "IP:address,", appended. */
static bool names_add(char *names, size_t cap, const char *host)
{
    uint8_t address[16];
    bool numeric = inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
    size_t at = strlen(names);
    if (strcspn(host, ",:") < strlen(host) && !numeric)
        return false;
    int len = snprintf(names + at, cap - at, "%s%s:%s", at ? "," : "", numeric ? "IP" : "DNS", host);
    return len > 0 && (size_t)len < cap - at;
}

int certificate_issue(const char *key_path, const char *certificate_path, const char *name,
                      const char *const *hosts, const char *authority_key, const char *authority_certificate,
                      struct error *error)
{
    struct file ca_key, ca;
    char names[2048] = "";
    for (; *hosts; hosts++)
        if (!names_add(names, sizeof names, *hosts))
            return error_set(error, "%s: `%s` is not a name that a certificate can bear", certificate_path,
                             *hosts);
    if (file_read_secret(&ca_key, authority_key, 65536, error))
        return -1;
    if (file_read(&ca, authority_certificate, 65536, error)) {
        file_free(&ca_key);
        return -1;
    }
    BIO *key_pem = BIO_new_mem_buf(ca_key.data, (int)ca_key.len);
    BIO *pem = BIO_new_mem_buf(ca.data, (int)ca.len);
    EVP_PKEY *issuer_key = key_pem ? PEM_read_bio_PrivateKey(key_pem, NULL, NULL, NULL) : NULL;
    X509 *issuer = pem ? PEM_read_bio_X509(pem, NULL, NULL, NULL) : NULL;
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    X509 *certificate =
        key && issuer && issuer_key ? signed_by(key, name, false, names, issuer, issuer_key) : NULL;
    int result = pair_write(key, certificate, key_path, certificate_path, error);
    X509_free(issuer);
    EVP_PKEY_free(issuer_key);
    BIO_free(pem);
    BIO_free(key_pem);
    file_free(&ca);
    file_free(&ca_key);
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
