/*
 * What the HTTP fronts of kv and pages share: tags as entity tags, conditions, one object as an answer (conditional, in parts), lists.
 */
#ifndef KV_OBJECT_H
#define KV_OBJECT_H

#include "kv/kv_http.h"
#include "troxy/http/exchange.h"

#define KV_ETAG_BYTES       (2u * KV_TAG_BYTES + 2u)
#define KV_CONDITIONS_BYTES (2u * (2u + KV_TAGS_MAX * KV_TAG_BYTES) + 10u)
#define KV_LIST_LIMIT       1000u           /* keys in one list; the default too */
#define KV_LIST_BODY_MAX    (1024u * 1024u) /* bytes of one list */

/* The tag between quotes. */
void kv_etag_write(uint8_t out[KV_ETAG_BYTES], const uint8_t tag[KV_TAG_BYTES]);
/* If-Match and If-None-Match as the service takes them; false: malformed, and the request is answered. */
bool kv_conditions_encode(struct http_exchange *x, uint8_t out[KV_CONDITIONS_BYTES], size_t *len);
/* If-Unmodified-Since behind them, for a service that knows when things changed. */
void kv_conditions_add_date(const struct http_exchange *x, uint8_t out[KV_CONDITIONS_BYTES], size_t *len);

struct kv_object {
    const uint8_t *tag;
    struct slice type;  /* content type */
    uint64_t changed_s; /* 0: not known */
    bool once;          /* no other was put there in that second */
    struct slice bytes;
};
/* The answer to GET or HEAD: 200, 206, 304, 412 or 416. Its date stands for an object that was put there `once` only: who knows another of the
 * same second would take the one for the other. */
void kv_object_answer(struct http_exchange *x, const struct kv_object *object);
/* 201 or 204 with the new tag; `location` may be empty. */
void kv_object_stored(struct http_exchange *x, bool created, const uint8_t *tag, struct slice location);

/* `prefix`, `after` and `limit` of a query; false: malformed, and the request is answered. */
struct kv_list_query {
    uint8_t prefix[KV_KEY_MAX];
    uint8_t after[KV_KEY_MAX];
    size_t prefix_len;
    size_t after_len;
    uint32_t limit;
};
bool kv_list_query_read(struct http_exchange *x, struct kv_list_query *query);
/* A list as JSON: {"keys":[{"key":"...","href":"..."},...],"more":true}. Begins with room from the front's arena. */
struct kv_list_answer {
    struct writer out;
    bool first;
    bool more; /* not all fitted */
};
bool kv_list_answer_begin(struct kv_list_answer *list, struct http_exchange *x);
/* False: it does not fit any more, and the list ends before it. `more` is text behind the key, such as ",\"bytes\":1". */
bool kv_list_answer_add(struct kv_list_answer *list, const char *path, struct slice key, struct slice more);
void kv_list_answer_end(struct kv_list_answer *list, struct http_exchange *x, bool more);

/* Percent-encoded but for "/" and what needs no encoding. */
void kv_put_encoded(struct writer *w, struct slice text);

#endif
