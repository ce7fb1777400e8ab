#include "json.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define DEPTH_MAX 16

struct scan {
    struct json *json;
    const char *text;
    size_t len;
    size_t at;
};

static void skip_space(struct scan *s)
{
    while (s->at < s->len && strchr(" \t\r\n", s->text[s->at]) && s->text[s->at])
        s->at++;
}

static bool take(struct scan *s, char c)
{
    skip_space(s);
    if (s->at >= s->len || s->text[s->at] != c)
        return false;
    s->at++;
    return true;
}

static struct json_value *add(struct scan *s, enum json_kind kind)
{
    if (s->json->count == JSON_VALUES_MAX)
        return NULL;
    struct json_value *value = &s->json->value[s->json->count++];
    *value = (struct json_value){.kind = kind, .start = (uint32_t)s->at};
    return value;
}

static bool scan_string(struct scan *s)
{
    if (!take(s, '"'))
        return false;
    struct json_value *value = add(s, JSON_STRING);
    if (!value)
        return false;
    for (; s->at < s->len && s->text[s->at] != '"'; s->at++) {
        if ((unsigned char)s->text[s->at] < 0x20)
            return false;
        if (s->text[s->at] == '\\')
            s->at++;
    }
    if (s->at >= s->len)
        return false;
    value->end = (uint32_t)s->at++;
    value->next = s->json->count;
    return true;
}

static bool scan_other(struct scan *s)
{
    struct json_value *value = add(s, JSON_OTHER);
    if (!value)
        return false;
    while (s->at < s->len && (isalnum((unsigned char)s->text[s->at]) || strchr("+-.", s->text[s->at])) &&
           s->text[s->at])
        s->at++;
    value->end = (uint32_t)s->at;
    value->next = s->json->count;
    return value->end > value->start;
}

static bool scan_value(struct scan *s, int depth)
{
    skip_space(s);
    if (s->at >= s->len || depth > DEPTH_MAX)
        return false;
    char c = s->text[s->at];
    if (c == '"')
        return scan_string(s);
    if (c != '{' && c != '[')
        return scan_other(s);
    struct json_value *value = add(s, c == '{' ? JSON_OBJECT : JSON_ARRAY);
    if (!value)
        return false;
    s->at++;
    char close = c == '{' ? '}' : ']';
    if (!take(s, close)) {
        do {
            if (c == '{' && (!scan_string(s) || !take(s, ':')))
                return false;
            if (!scan_value(s, depth + 1))
                return false;
            value->count++;
        } while (take(s, ','));
        if (!take(s, close))
            return false;
    }
    value->end = (uint32_t)s->at;
    value->next = s->json->count;
    return true;
}

bool json_parse(struct json *json, const char *text, size_t len)
{
    struct scan s = {json, text, len, 0};
    json->text = text;
    json->count = 0;
    if (len > UINT32_MAX || !scan_value(&s, 0))
        return false;
    skip_space(&s);
    return s.at == len;
}

uint32_t json_member(const struct json *json, uint32_t object, const char *name)
{
    const struct json_value *o = &json->value[object];
    size_t len = strlen(name);
    if (o->kind != JSON_OBJECT)
        return 0;
    uint32_t at = object + 1;
    for (uint32_t i = 0; i < o->count; i++) {
        const struct json_value *key = &json->value[at];
        if (key->end - key->start == len && memcmp(json->text + key->start, name, len) == 0)
            return at + 1;
        at = json->value[at + 1].next;
    }
    return 0;
}

uint32_t json_element(const struct json *json, uint32_t array, uint32_t index)
{
    const struct json_value *a = &json->value[array];
    if (a->kind != JSON_ARRAY || index >= a->count)
        return 0;
    uint32_t at = array + 1;
    while (index-- > 0)
        at = json->value[at].next;
    return at;
}

uint64_t json_number(const struct json *json, uint32_t value, uint64_t otherwise)
{
    const struct json_value *v = &json->value[value];
    if (value == 0 || v->kind != JSON_OTHER || v->end - v->start > 20)
        return otherwise;
    uint64_t number = 0;
    for (uint32_t i = v->start; i < v->end; i++) {
        if (!isdigit((unsigned char)json->text[i]))
            return otherwise;
        number = 10 * number + (uint64_t)(json->text[i] - '0');
    }
    return number;
}

const char *json_string(const struct json *json, uint32_t value, char *out, size_t cap)
{
    const struct json_value *v = &json->value[value];
    out[0] = 0;
    if (value != 0 && v->kind == JSON_STRING)
        snprintf(out, cap, "%.*s", (int)(v->end - v->start), json->text + v->start);
    return out;
}

const char *json_escape(char *out, size_t cap, const char *text)
{
    size_t len = 0;
    for (const unsigned char *p = (const unsigned char *)text; *p && len + 7 < cap; p++) {
        if (*p == '"' || *p == '\\') {
            out[len++] = '\\';
            out[len++] = (char)*p;
        } else if (*p < 0x20 || *p == 0x7f) {
            len += (size_t)snprintf(out + len, cap - len, "\\u%04x", *p);
        } else {
            out[len++] = (char)*p;
        }
    }
    out[len] = 0;
    return out;
}
