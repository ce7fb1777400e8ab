/*
 * Reading JSON that another program (perhaps a hostile one) wrote: a bounded table of values over the text, nothing
 * allocated. And escaping for writing it.
 */
#ifndef HOST_JSON_H
#define HOST_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_VALUES_MAX 4096

enum json_kind { JSON_OBJECT, JSON_ARRAY, JSON_STRING, JSON_OTHER };

struct json_value {
    enum json_kind kind;
    uint32_t start, end; /* of the text; strings without their quotes, still escaped */
    uint32_t next;       /* value after this one and all that is in it */
    uint32_t count;      /* members or elements */
};

struct json {
    const char *text;
    uint32_t count;
    struct json_value value[JSON_VALUES_MAX]; /* keys of objects are values, too: key, value, key, value */
};

/* One whole document; false for anything else, and for more than fits. */
bool json_parse(struct json *json, const char *text, size_t len);

/* Member of an object, element of an array; 0 (the root, which is neither) when there is none. */
uint32_t json_member(const struct json *json, uint32_t object, const char *name);
uint32_t json_element(const struct json *json, uint32_t array, uint32_t index);

/* A whole number; `otherwise` when it is none. */
uint64_t json_number(const struct json *json, uint32_t value, uint64_t otherwise);
/* Copies a string's text (as it is escaped there); "" when it is none. Returns `out`. */
const char *json_string(const struct json *json, uint32_t value, char *out, size_t cap);

/* Text as it stands between quotes in JSON. Returns `out`. */
const char *json_escape(char *out, size_t cap, const char *text);

#endif
