/*
 * One schema per message: a list of fields from which the struct, encode, decode and print follow.
 *
 *   #define VOTE_FIELDS(F) F(u64, view) F(u64, slot) F(digest, batch)
 *   WIRE_STRUCT(vote, VOTE_FIELDS)      in the header: struct vote and the three prototypes
 *   WIRE_CODE(vote, VOTE_FIELDS)        in the .c file: the three functions
 *
 * Field types: u8 u16 u32 u64, digest and key (32 bytes), tag16 (16 bytes), signature (64 bytes), slice (u32 length and
 * bytes; after decoding it points into the input). Lists of fixed-size elements are slices whose elements have a schema of
 * their own; see WIRE_LIST.
 */
#ifndef WIRE_SCHEMA_H
#define WIRE_SCHEMA_H

#include "base/bytes.h"

struct key {
    uint8_t bytes[32];
};
struct tag16 {
    uint8_t bytes[16];
};
struct signature {
    uint8_t bytes[64];
};

/* Where print writes: text, always terminated, cut when full. */
struct text {
    char *data;
    size_t cap;
    size_t len;
};
void text_add(struct text *text, const char *string);
void text_add_u64(struct text *text, uint64_t value);
void text_add_hex(struct text *text, const uint8_t *data, size_t len);

#define WIRE_C_u8        uint8_t
#define WIRE_C_u16       uint16_t
#define WIRE_C_u32       uint32_t
#define WIRE_C_u64       uint64_t
#define WIRE_C_digest    struct digest
#define WIRE_C_key       struct key
#define WIRE_C_tag16     struct tag16
#define WIRE_C_signature struct signature
#define WIRE_C_slice     struct slice

#define WIRE_SIZE_u8        1
#define WIRE_SIZE_u16       2
#define WIRE_SIZE_u32       4
#define WIRE_SIZE_u64       8
#define WIRE_SIZE_digest    32
#define WIRE_SIZE_key       32
#define WIRE_SIZE_tag16     16
#define WIRE_SIZE_signature 64

static inline void wire_put_u8(struct writer *w, const uint8_t *v)
{
    put_u8(w, *v);
}
static inline void wire_put_u16(struct writer *w, const uint16_t *v)
{
    put_u16(w, *v);
}
static inline void wire_put_u32(struct writer *w, const uint32_t *v)
{
    put_u32(w, *v);
}
static inline void wire_put_u64(struct writer *w, const uint64_t *v)
{
    put_u64(w, *v);
}
static inline void wire_put_digest(struct writer *w, const struct digest *v)
{
    put_digest(w, v);
}
static inline void wire_put_key(struct writer *w, const struct key *v)
{
    put_raw(w, v->bytes, sizeof v->bytes);
}
static inline void wire_put_tag16(struct writer *w, const struct tag16 *v)
{
    put_raw(w, v->bytes, sizeof v->bytes);
}
static inline void wire_put_signature(struct writer *w, const struct signature *v)
{
    put_raw(w, v->bytes, sizeof v->bytes);
}
static inline void wire_put_slice(struct writer *w, const struct slice *v)
{
    put_slice(w, *v);
}

static inline void wire_get_u8(struct reader *r, uint8_t *v)
{
    *v = get_u8(r);
}
static inline void wire_get_u16(struct reader *r, uint16_t *v)
{
    *v = get_u16(r);
}
static inline void wire_get_u32(struct reader *r, uint32_t *v)
{
    *v = get_u32(r);
}
static inline void wire_get_u64(struct reader *r, uint64_t *v)
{
    *v = get_u64(r);
}
static inline void wire_get_digest(struct reader *r, struct digest *v)
{
    *v = get_digest(r);
}
static inline void wire_get_key(struct reader *r, struct key *v)
{
    get_raw(r, v->bytes, sizeof v->bytes);
}
static inline void wire_get_tag16(struct reader *r, struct tag16 *v)
{
    get_raw(r, v->bytes, sizeof v->bytes);
}
static inline void wire_get_signature(struct reader *r, struct signature *v)
{
    get_raw(r, v->bytes, sizeof v->bytes);
}
static inline void wire_get_slice(struct reader *r, struct slice *v)
{
    *v = get_slice(r);
}

static inline void wire_print_u8(struct text *t, const uint8_t *v)
{
    text_add_u64(t, *v);
}
static inline void wire_print_u16(struct text *t, const uint16_t *v)
{
    text_add_u64(t, *v);
}
static inline void wire_print_u32(struct text *t, const uint32_t *v)
{
    text_add_u64(t, *v);
}
static inline void wire_print_u64(struct text *t, const uint64_t *v)
{
    text_add_u64(t, *v);
}
static inline void wire_print_digest(struct text *t, const struct digest *v)
{
    text_add_hex(t, v->bytes, 4);
}
static inline void wire_print_key(struct text *t, const struct key *v)
{
    text_add_hex(t, v->bytes, 4);
}
static inline void wire_print_tag16(struct text *t, const struct tag16 *v)
{
    text_add_hex(t, v->bytes, 4);
}
static inline void wire_print_signature(struct text *t, const struct signature *v)
{
    text_add_hex(t, v->bytes, 4);
}
static inline void wire_print_slice(struct text *t, const struct slice *v)
{
    text_add_u64(t, v->len);
}

#define WIRE_MEMBER(type, field) WIRE_C_##type field;
#define WIRE_PUT(type, field)    wire_put_##type(w, &m->field);
#define WIRE_GET(type, field)    wire_get_##type(r, &m->field);
#define WIRE_PRINT(type, field)                                                                              \
    text_add(t, " " #field "=");                                                                             \
    wire_print_##type(t, &m->field);
#define WIRE_ADD_SIZE(type, field) +WIRE_SIZE_##type

#define WIRE_STRUCT(name, FIELDS)                                                                            \
    struct name {                                                                                            \
        FIELDS(WIRE_MEMBER)                                                                                  \
    };                                                                                                       \
    void name##_put(struct writer *w, const struct name *m);                                                 \
    void name##_get(struct reader *r, struct name *m);                                                       \
    /* The whole of `body` and nothing after it. */                                                          \
    bool name##_decode(struct slice body, struct name *m);                                                   \
    void name##_print(struct text *t, const struct name *m);

#define WIRE_CODE(name, FIELDS)                                                                              \
    void name##_put(struct writer *w, const struct name *m)                                                  \
    {                                                                                                        \
        FIELDS(WIRE_PUT)                                                                                     \
    }                                                                                                        \
    void name##_get(struct reader *r, struct name *m)                                                        \
    {                                                                                                        \
        FIELDS(WIRE_GET)                                                                                     \
    }                                                                                                        \
    bool name##_decode(struct slice body, struct name *m)                                                    \
    {                                                                                                        \
        struct reader reader = reader_of(body.data, body.len);                                               \
        name##_get(&reader, m);                                                                              \
        return reader_done(&reader);                                                                         \
    }                                                                                                        \
    void name##_print(struct text *t, const struct name *m)                                                  \
    {                                                                                                        \
        FIELDS(WIRE_PRINT)                                                                                   \
    }

/* A list of fixed-size elements carried in a slice: NAME_BYTES, name_count, name_at. */
#define WIRE_LIST(name, FIELDS)                                                                              \
    enum { name##_BYTES = 0 FIELDS(WIRE_ADD_SIZE) };                                                         \
    static inline bool name##_list_ok(struct slice list, uint32_t max)                                       \
    {                                                                                                        \
        return list.len % name##_BYTES == 0 && list.len / name##_BYTES <= max;                               \
    }                                                                                                        \
    static inline uint32_t name##_count(struct slice list)                                                   \
    {                                                                                                        \
        return (uint32_t)(list.len / name##_BYTES);                                                          \
    }                                                                                                        \
    static inline struct name name##_at(struct slice list, uint32_t i)                                       \
    {                                                                                                        \
        struct name element;                                                                                 \
        struct reader reader = reader_of(list.data + (size_t)i * name##_BYTES, name##_BYTES);                \
        name##_get(&reader, &element);                                                                       \
        return element;                                                                                      \
    }

#endif
