#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "call_service.h"
#include "commands.h"
#include "kv/kv_codec.h"

enum { CODE_NO_KEY = 5 };

static const char usage[] =
    "get K | put K V | del K | incr K [N] | cas K OLD NEW | mget K... | list PREFIX | batch";

static bool signed_read(const char *text, int64_t *value)
{
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    *value = number;
    return *text && *end == 0 && errno == 0 && *text != ' ' && *text != '+';
}

/* ------------------------------------------------------------------------------------------------ batch */

/* Cuts the next word off a line. */
static char *word(char **line)
{
    while (**line == ' ' || **line == '\t')
        (*line)++;
    if (!**line)
        return NULL;
    char *start = *line;
    while (**line && **line != ' ' && **line != '\t')
        (*line)++;
    if (**line)
        *(*line)++ = 0;
    return start;
}

static bool batch_step(struct kv_batch *batch, char *line)
{
    const char *op = word(&line);
    const char *key = word(&line);
    int64_t delta = 1;
    if (!key)
        return false;
    if (strcmp(op, "put") == 0) {
        kv_batch_put(batch, key, strlen(key), line, strlen(line));
        return true;
    }
    const char *first = word(&line);
    const char *second = word(&line);
    if (word(&line))
        return false;
    if (strcmp(op, "del") == 0 && !first) {
        kv_batch_delete(batch, key, strlen(key));
    } else if (strcmp(op, "incr") == 0 && !second && (!first || signed_read(first, &delta))) {
        kv_batch_increment(batch, key, strlen(key), delta);
    } else if (strcmp(op, "cas") == 0 && first && second) {
        struct kv_maybe expected = {true, {(const uint8_t *)first, strlen(first)}};
        struct kv_maybe value = {true, {(const uint8_t *)second, strlen(second)}};
        kv_batch_cas(batch, key, strlen(key), expected, value);
    } else {
        return false;
    }
    return true;
}

static int batch_encode(struct call *call)
{
    struct kv_batch batch;
    int failed = call_read_input(call);
    if (failed)
        return failed;
    if (memchr(call->input, 0, call->input_len))
        return say_failed("batch: standard input: a NUL byte");
    kv_batch_begin(&batch, call->request, REDOUBT_OP_MAX_BYTES);
    char *text = strndup((const char *)call->input, call->input_len);
    if (!text)
        return say_failed("batch: out of memory");
    char *rest = text;
    for (unsigned number = 1; rest && *rest && !failed; number++) {
        char *line = strsep(&rest, "\n");
        if (*line && !batch_step(&batch, line))
            failed =
                say_usage("call", "batch: line %u: not put K V, del K, incr K [N] or cas K OLD NEW", number);
    }
    free(text);
    if (failed)
        return failed;
    call->request_len = kv_batch_end(&batch);
    return call->request_len
               ? 0
               : say_failed("batch: no steps, a key that is empty or too long, or too large in all");
}

/* ------------------------------------------------------------------------------------------------ requests */

static int mget_encode(struct call *call)
{
    size_t count = (size_t)call->argc - 1;
    struct slice *keys = calloc(count, sizeof *keys);
    if (!keys)
        return say_failed("mget: out of memory");
    for (size_t i = 0; i < count; i++)
        keys[i] = (struct slice){(const uint8_t *)call->argv[i + 1], strlen(call->argv[i + 1])};
    call->request_len = kv_multi_get_encode(call->request, REDOUBT_OP_MAX_BYTES, keys, count);
    free(keys);
    return 0;
}

static int cas_encode(struct call *call, const char *key)
{
    struct slice expected;
    struct slice value;
    if (strcmp(call->argv[2], "-") == 0 && strcmp(call->argv[3], "-") == 0)
        return say_usage("call", "cas: only one value can come from standard input");
    int failed = call_value(call, 2, &expected);
    if (!failed)
        failed = call_value(call, 3, &value);
    if (!failed)
        call->request_len = kv_cas_encode(call->request, REDOUBT_OP_MAX_BYTES, key, strlen(key),
                                          (struct kv_maybe){true, expected}, (struct kv_maybe){true, value});
    return failed;
}

static int encode_one(struct call *call)
{
    const char *op = call->argv[0];
    const char *key = call->argc > 1 ? call->argv[1] : NULL;
    uint8_t *out = call->request;
    size_t cap = REDOUBT_OP_MAX_BYTES;
    struct slice value;
    int64_t delta = 1;
    if (strcmp(op, "get") == 0 && call->argc == 2) {
        call->request_len = kv_get_encode(out, cap, key, strlen(key));
    } else if (strcmp(op, "put") == 0 && call->argc == 3) {
        int failed = call_value(call, 2, &value);
        if (failed)
            return failed;
        call->request_len = kv_put_encode(out, cap, key, strlen(key), value.data, value.len);
    } else if (strcmp(op, "del") == 0 && call->argc == 2) {
        call->request_len = kv_delete_encode(out, cap, key, strlen(key));
    } else if (strcmp(op, "incr") == 0 && (call->argc == 2 || call->argc == 3)) {
        if (call->argc == 3 && !signed_read(call->argv[2], &delta))
            return say_usage("call", "incr %s %s: not a whole number", key, call->argv[2]);
        call->request_len = kv_increment_encode(out, cap, key, strlen(key), delta);
    } else if (strcmp(op, "cas") == 0 && call->argc == 4) {
        return cas_encode(call, key);
    } else if (strcmp(op, "mget") == 0 && call->argc >= 2) {
        return mget_encode(call);
    } else if (strcmp(op, "list") == 0 && call->argc == 2) {
        call->request_len = kv_list_encode(out, cap, (struct slice){(const uint8_t *)key, strlen(key)},
                                           (struct slice){NULL, 0}, KV_LIST_MAX, true);
    } else if (strcmp(op, "batch") == 0 && call->argc == 1) {
        return batch_encode(call);
    } else {
        return say_usage("call", "%s: the service kv knows: %s", op, usage);
    }
    return 0;
}

static int encode(struct call *call)
{
    int failed = encode_one(call);
    if (failed || call->request_len)
        return failed;
    return say_failed("%s: a key must have 1 to %u bytes, a value at most %u", call->argv[0], KV_KEY_MAX,
                      KV_VALUE_MAX);
}

/* ------------------------------------------------------------------------------------------------ results */

static void put_line(struct slice bytes)
{
    fwrite(bytes.data, 1, bytes.len, stdout);
    putchar('\n');
}

static int not_kv(const struct call *call)
{
    return say_failed("%s: an answer that is not of the service kv", call->argv[0]);
}

static int conflict_print(struct call *call, const struct redoubt_outcome *outcome)
{
    static const char *const reasons[] = {
        [KV_REASON_NOT_A_NUMBER] = "the value is not a whole number",
        [KV_REASON_OVERFLOW] = "the sum does not fit 64 bits",
        [KV_REASON_DIFFERS] = "the value is another one",
    };
    struct kv_conflict conflict;
    if (!kv_conflict_decode(outcome->result, outcome->result_bytes, &conflict))
        return not_kv(call);
    if (call->json) {
        printf(",\"reason\":\"%s\",\"step\":%u", reasons[conflict.reason], conflict.step);
        if (conflict.current.present)
            call_json_bytes("current", conflict.current.bytes);
    }
    if (strcmp(call->argv[0], "batch") == 0)
        return say_failed("batch: step %u: %s; nothing was changed", conflict.step + 1,
                          reasons[conflict.reason]);
    return say_failed("%s %s: %s; nothing was changed", call->argv[0], call->argv[1],
                      reasons[conflict.reason]);
}

static int mget_print(struct call *call, const struct redoubt_outcome *outcome)
{
    struct kv_items items;
    struct kv_value_item item;
    int present = 0;
    if (!kv_multi_get_result_open(&items, outcome->result, outcome->result_bytes))
        return not_kv(call);
    if (call->json)
        fputs(",\"values\":[", stdout);
    for (int i = 1; i < call->argc && kv_multi_get_result_next(&items, &item); i++) {
        struct slice key = {(const uint8_t *)call->argv[i], strlen(call->argv[i])};
        struct slice value = {item.value, item.found == KV_PRESENT ? item.value_len : 0};
        present += item.found != KV_ABSENT;
        if (call->json) {
            printf("%s{\"key\":", i > 1 ? "," : "");
            call_json_string(key);
            printf(",\"found\":%s", item.found == KV_ABSENT ? "false" : "true");
            if (item.found == KV_PRESENT)
                call_json_bytes("value", value);
            putchar('}');
        } else if (item.found == KV_PRESENT) {
            printf("%s\t", call->argv[i]);
            put_line(value);
        } else {
            puts(call->argv[i]);
        }
        if (item.found == KV_OMITTED)
            say_failed("mget: %s: its value did not fit into the answer: get it alone", call->argv[i]);
    }
    if (call->json)
        putchar(']');
    return present ? 0 : CODE_NO_KEY;
}

static int list_print(struct call *call, const struct redoubt_outcome *outcome)
{
    struct kv_items items;
    struct kv_list_item item;
    if (!kv_list_result_open(&items, outcome->result, outcome->result_bytes))
        return not_kv(call);
    if (call->json)
        printf(",\"more\":%s,\"keys\":[", items.more ? "true" : "false");
    for (bool first = true; kv_list_result_next(&items, &item); first = false) {
        if (call->json) {
            printf("%s{\"key\":", first ? "" : ",");
            call_json_string(item.key);
            call_json_bytes("value", item.value.bytes);
            putchar('}');
        } else {
            fwrite(item.key.data, 1, item.key.len, stdout);
            putchar('\t');
            put_line(item.value.bytes);
        }
    }
    if (call->json)
        putchar(']');
    if (items.more)
        say_failed("list: there are more keys than fit into one answer: use a longer prefix");
    return 0;
}

static int batch_print(struct call *call, const struct redoubt_outcome *outcome)
{
    struct kv_items items;
    struct kv_step_item item;
    if (!kv_batch_result_open(&items, outcome->result, outcome->result_bytes))
        return not_kv(call);
    if (call->json)
        fputs(",\"steps\":[", stdout);
    for (bool first = true; kv_batch_result_next(&items, &item); first = false) {
        bool number = item.opcode == KV_INCREMENT;
        if (call->json) {
            printf("%s{\"existed\":%s", first ? "" : ",", item.existed ? "true" : "false");
            if (number)
                printf(",\"number\":%lld", (long long)item.number);
            putchar('}');
        } else if (number) {
            printf("%lld\n", (long long)item.number);
        } else {
            puts(item.opcode == KV_DELETE && !item.existed ? "absent" : "ok");
        }
    }
    if (call->json)
        putchar(']');
    return 0;
}

static int print(struct call *call, const struct redoubt_outcome *outcome)
{
    const char *op = call->argv[0];
    struct slice result = {outcome->result, outcome->result_bytes};
    int64_t number;
    bool replaced;
    if (outcome->status == REDOUBT_CONFLICT)
        return conflict_print(call, outcome);
    if (strcmp(op, "mget") == 0)
        return mget_print(call, outcome);
    if (strcmp(op, "list") == 0)
        return list_print(call, outcome);
    if (strcmp(op, "batch") == 0)
        return batch_print(call, outcome);
    if (strcmp(op, "get") == 0) {
        call->json ? call_json_bytes("value", result) : put_line(result);
    } else if (strcmp(op, "incr") == 0) {
        if (!kv_increment_result_decode(result.data, result.len, &number))
            return not_kv(call);
        printf(call->json ? ",\"number\":%lld" : "%lld\n", (long long)number);
    } else if (strcmp(op, "put") == 0) {
        if (!kv_put_result_decode(result.data, result.len, &replaced))
            return not_kv(call);
        call->json ? (void)printf(",\"replaced\":%s", replaced ? "true" : "false") : (void)puts("ok");
    } else if (!call->json) {
        puts("ok");
    }
    return 0;
}

const struct call_service call_kv = {"kv", encode, print};
