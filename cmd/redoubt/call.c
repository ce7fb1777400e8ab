/*
 * redoubt call: one operation through the client library.
 */
#include "redoubt/client.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "call_service.h"
#include "commands.h"
#include "config.h"

enum { EXIT_REJECTED = 3, EXIT_UNKNOWN = 4, EXIT_NO_KEY = 5 };

static const char help[] =
    "usage: redoubt call DIR [--timeout MS] [--json] OP [ARG...]\n\n"
    "Sends one operation to the cluster and prints what enough replicas agree on.\n\n"
    "  kv       get K | put K V | del K | incr K [N] | cas K OLD NEW | mget K... | list PREFIX\n"
    "           batch: steps on standard input, one a line: put K V, del K, incr K [N], cas K OLD NEW\n"
    "           (V is the rest of the line); all of them or none\n"
    "  counter  incr [N] | get\n\n"
    "A value of `-` is read from standard input. Options come before OP; `--` ends them.\n\n"
    "  --timeout MS  give up after that long (5000)\n"
    "  --json        one JSON document on standard output\n\n"
    "exit: 0 done, 1 failed, 2 wrong usage, 3 rejected (not executed), 4 unknown (the time is over; it may "
    "yet be executed),\n"
    "5 no such key\n\n"
    "example: redoubt call demo put greeting hello\n";

enum { OPT_TIMEOUT = 2, OPT_JSON, OPT_HELP }; /* 1: a word that is no option */

/* ------------------------------------------------------------------------------------------------ words and JSON */

int call_read_input(struct call *call)
{
    size_t cap = 2 * REDOUBT_OP_MAX_BYTES;
    if (call->input)
        return 0;
    call->input = malloc(cap);
    if (!call->input)
        return say_failed("standard input: out of memory");
    for (;;) {
        ssize_t n = read(STDIN_FILENO, call->input + call->input_len, cap - call->input_len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return say_failed("standard input: %s", strerror(errno));
        call->input_len += (size_t)n;
        if (n == 0)
            return 0;
        if (call->input_len == cap)
            return say_failed("standard input: longer than an operation may be (%u bytes)",
                              REDOUBT_OP_MAX_BYTES);
    }
}

int call_value(struct call *call, int word, struct slice *value)
{
    const char *text = call->argv[word];
    *value = (struct slice){(const uint8_t *)text, strlen(text)};
    if (strcmp(text, "-") != 0)
        return 0;
    int failed = call_read_input(call);
    *value = (struct slice){call->input, call->input_len};
    return failed;
}

/* Length of the well-formed UTF-8 sequence at the front, 0 when there is none. */
static size_t utf8_len(struct slice s)
{
    uint8_t first = s.data[0];
    size_t len = first < 0x80                    ? 1
                 : first >= 0xc2 && first < 0xe0 ? 2
                 : first >= 0xe0 && first < 0xf0 ? 3
                 : first >= 0xf0 && first < 0xf5 ? 4
                                                 : 0;
    if (len == 0 || len > s.len)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((s.data[i] & 0xc0) != 0x80)
            return 0;
    if ((first == 0xe0 && s.data[1] < 0xa0) || (first == 0xed && s.data[1] >= 0xa0) ||
        (first == 0xf0 && s.data[1] < 0x90) || (first == 0xf4 && s.data[1] >= 0x90))
        return 0;
    return len;
}

static bool is_text(struct slice bytes)
{
    for (size_t at = 0, len; at < bytes.len; at += len) {
        len = utf8_len((struct slice){bytes.data + at, bytes.len - at});
        if (len == 0)
            return false;
    }
    return true;
}

void call_json_string(struct slice bytes)
{
    if (!is_text(bytes)) {
        fputs("null", stdout);
        return;
    }
    putchar('"');
    for (size_t i = 0; i < bytes.len; i++) {
        uint8_t c = bytes.data[i];
        if (c == '"' || c == '\\')
            printf("\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            printf("\\u%04x", c);
        else
            putchar(c);
    }
    putchar('"');
}

void call_json_bytes(const char *name, struct slice bytes)
{
    if (is_text(bytes)) {
        printf(",\"%s\":", name);
        call_json_string(bytes);
        return;
    }
    printf(",\"%s_hex\":\"", name);
    for (size_t i = 0; i < bytes.len; i++)
        printf("%02x", bytes.data[i]);
    putchar('"');
}

/* ------------------------------------------------------------------------------------------------ outcome */

static const char *status_name(enum redoubt_status status)
{
    switch (status) {
    case REDOUBT_OK:
        return "ok";
    case REDOUBT_NOT_FOUND:
        return "not_found";
    case REDOUBT_CONFLICT:
        return "conflict";
    case REDOUBT_INVALID:
        return "invalid";
    case REDOUBT_DENIED:
        return "denied";
    case REDOUBT_FULL:
        return "full";
    }
    return "?";
}

static int committed(struct call *call, const struct call_service *service,
                     const struct redoubt_outcome *outcome)
{
    if (call->json)
        printf("{\"outcome\":\"committed\",\"status\":\"%s\",\"slot\":%llu,\"latency_us\":%llu",
               status_name(outcome->status), (unsigned long long)outcome->slot,
               (unsigned long long)outcome->latency_us);
    int code = 1;
    switch (outcome->status) {
    case REDOUBT_OK:
    case REDOUBT_CONFLICT:
        code = service->print(call, outcome);
        break;
    case REDOUBT_NOT_FOUND:
        say_failed("%s: no such key", call->argc > 1 ? call->argv[1] : call->argv[0]);
        code = EXIT_NO_KEY;
        break;
    case REDOUBT_INVALID:
        say_failed("%s: the service does not know such an operation", call->argv[0]);
        break;
    case REDOUBT_DENIED:
        say_failed("%s: this client may not do that", call->argv[0]);
        break;
    case REDOUBT_FULL:
        say_failed("%s: the service's memory limit is reached; nothing was changed", call->argv[0]);
        break;
    }
    if (call->json)
        fputs("}\n", stdout);
    return code;
}

static int not_committed(const struct call *call, const struct redoubt_client *client,
                         const struct redoubt_outcome *outcome)
{
    bool rejected = outcome->kind == REDOUBT_REJECTED;
    struct redoubt_client_counters counters = {.struct_bytes = sizeof counters};
    redoubt_client_counters((struct redoubt_client *)(uintptr_t)client, &counters);
    if (call->json)
        printf("{\"outcome\":\"%s\",\"reason\":\"%s\",\"latency_us\":%llu}\n",
               rejected ? "rejected" : "unknown", outcome->reason, (unsigned long long)outcome->latency_us);
    if (counters.replicas_connected < counters.replicas)
        say_failed("%s: %s: %s (%u of %u replicas are connected; %s)", call->argv[0],
                   rejected ? "rejected" : "unknown", outcome->reason, counters.replicas_connected,
                   counters.replicas, redoubt_client_error(client));
    else
        say_failed("%s: %s: %s", call->argv[0], rejected ? "rejected" : "unknown", outcome->reason);
    return rejected ? EXIT_REJECTED : EXIT_UNKNOWN;
}

static int call_run(struct call *call, const struct call_service *service, const char *dir,
                    unsigned timeout_ms)
{
    struct redoubt_client *client;
    struct redoubt_outcome outcome;
    if (redoubt_client_open(&client, dir, NULL) != 0)
        return say_failed("%s", redoubt_client_error(NULL));
    int code;
    int failed = redoubt_call(client, call->request, call->request_len, timeout_ms, &outcome);
    if (failed) {
        code = say_failed("%s: %s", call->argv[0], strerror(-failed));
    } else {
        code = outcome.kind == REDOUBT_COMMITTED ? committed(call, service, &outcome)
                                                 : not_committed(call, client, &outcome);
        redoubt_outcome_clear(&outcome);
    }
    redoubt_client_close(client);
    return fflush(stdout) == 0 ? code : say_failed("standard output: %s", strerror(errno));
}

/* ------------------------------------------------------------------------------------------------ command line */

static const struct call_service *service_of(const char *dir, int *code)
{
    struct config *config = malloc(sizeof *config);
    struct error error;
    const struct call_service *service = NULL;
    if (!config)
        *code = say_failed("call: out of memory");
    else if (config_read(config, dir, &error))
        *code = say_failed("%s", error.text);
    else if (strcmp(config->service, "kv") == 0)
        service = &call_kv;
    else if (strcmp(config->service, "counter") == 0)
        service = &call_counter;
    else
        *code = say_failed("call: %s: speaks only to the services kv and counter; use the client library",
                           config->service);
    free(config);
    return service;
}

int cmd_call(int argc, char **argv)
{
    static const struct option options[] = {{"timeout", required_argument, NULL, OPT_TIMEOUT},
                                            {"json", no_argument, NULL, OPT_JSON},
                                            {"help", no_argument, NULL, OPT_HELP},
                                            {0}};
    struct call call = {0};
    const char *dir = NULL;
    uint64_t timeout_ms = 5000;
    int c;
    /* Words of the operation may look like options (incr K -1): nothing behind the second word is one. */
    opterr = 0;
    while ((c = getopt_long(argc, argv, "-:", options, NULL)) != -1) {
        switch (c) {
        case 1:
            if (dir) {
                optind--;
                goto parsed;
            }
            dir = optarg;
            break;
        case OPT_TIMEOUT:
            if (!number_read(optarg, 1, 86400000, &timeout_ms))
                return say_usage("call", "--timeout %s: must be from 1 to 86400000 ms", optarg);
            break;
        case OPT_JSON:
            call.json = true;
            break;
        case OPT_HELP:
            return say_help(help);
        default:
            return say_usage("call", "%s: unknown option or no value", argv[optind - 1]);
        }
    }
parsed:
    if (!dir && optind < argc)
        dir = argv[optind++];
    if (!dir || optind >= argc)
        return say_usage("call", "DIR and OP are needed");
    call.argc = argc - optind;
    call.argv = argv + optind;
    int code = 1;
    const struct call_service *service = service_of(dir, &code);
    if (!service)
        return code;
    call.request = malloc(REDOUBT_OP_MAX_BYTES);
    if (!call.request)
        return say_failed("call: out of memory");
    code = service->encode(&call);
    if (code == 0)
        code = call_run(&call, service, dir, (unsigned)timeout_ms);
    free(call.request);
    free(call.input);
    return code;
}
