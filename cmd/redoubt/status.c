/*
 * redoubt status: asks every replica's metrics address for /status and puts the answers together. What a replica says of
 * itself is its host's word.
 */
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/verdict.h"
#include "commands.h"
#include "config.h"
#include "json.h"
#include "pages.h"
#include "wire/reconfig.h"
#include "wire/start.h"

static const char help[] = "usage: redoubt status DIR [--json]\n\n"
                           "Shows every replica of the cluster in DIR: view, slots, compartments, what "
                           "became of the frames that it got,\n"
                           "and what is trusted. Exit 1 when no replica answers.\n\n"
                           "example: redoubt status demo --json | python3 -m json.tool\n";

#define ANSWER_TIMEOUT_MS 3000

struct answer {
    const struct replica_config *replica;
    pthread_t thread;
    char *body; /* NULL: down */
    struct error why;
    struct json *json;
    uint32_t at; /* the object `replica` in it */
};

static void *ask(void *context)
{
    struct answer *a = context;
    int status = page_fetch(&a->replica->metrics, "/status", ANSWER_TIMEOUT_MS, &a->body, &a->why);
    if (status > 0) {
        a->json = malloc(sizeof *a->json);
        if (status == 200 && a->json && json_parse(a->json, a->body, strlen(a->body)))
            a->at = json_member(a->json, 0, "replica");
        if (a->at && a->json->value[a->at].kind == JSON_OBJECT)
            return NULL;
        error_set(&a->why, "%s:%u: it is not a Redoubt replica", a->replica->metrics.host,
                  a->replica->metrics.port);
    }
    free(a->body);
    a->body = NULL;
    return NULL;
}

static uint64_t number(const struct answer *a, const char *name)
{
    return json_number(a->json, json_member(a->json, a->at, name), 0);
}

/* ---------------------------------------------------------------- for programs */

static void print_json(const struct config *config, const struct answer *answers)
{
    uint64_t configuration = 0;
    for (uint32_t i = 0; i < config->replicas; i++)
        if (answers[i].body) {
            uint64_t n = json_number(answers[i].json, json_member(answers[i].json, 0, "configuration"), 0);
            configuration = n > configuration ? n : configuration;
        }
    printf("{\"protocol\":\"%s\",\"configuration\":%" PRIu64 ",\"replicas\":[",
           protocol_name(config->protocol), configuration);
    for (uint32_t i = 0; i < config->replicas; i++) {
        const struct answer *a = &answers[i];
        char why[1200];
        if (i)
            putchar(',');
        if (a->body) {
            const struct json_value *v = &a->json->value[a->at];
            fwrite(a->body + v->start, 1, v->end - v->start, stdout);
        } else {
            printf(
                "{\"id\":%u,\"pid\":null,\"view\":null,\"slot\":null,\"stable\":null,\"lag\":null,\"epoch\":"
                "null,"
                "\"isolation\":\"%s\",\"durability\":\"%s\",\"compartments\":[],\"verdicts\":{},\"cache\":{},"
                "\"down\":\"%s\"}",
                i, isolation_text(config->isolation), durability_name(config->durability),
                json_escape(why, sizeof why, a->why.text));
        }
    }
    puts("]}");
}

/* ---------------------------------------------------------------- for people */

static void print_verdicts(const struct answer *a)
{
    uint32_t verdicts = json_member(a->json, a->at, "verdicts");
    bool any = false;
    printf("           verdicts:");
    for (int v = 0; v < VERDICT_COUNT; v++) {
        uint64_t n =
            verdicts ? json_number(a->json, json_member(a->json, verdicts, verdict_name((enum verdict)v)), 0)
                     : 0;
        if (n) {
            printf("%s %s %" PRIu64, any ? "," : "", verdict_name((enum verdict)v), n);
            any = true;
        }
    }
    puts(any ? "" : " none");
}

/* Text of another program: only what cannot do harm to a terminal. */
static const char *printable(char *text)
{
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    return text;
}

static void print_disk(const struct answer *a)
{
    uint32_t disk = json_member(a->json, a->at, "disk");
    char state[32], problem[2048];
    if (!disk)
        return;
    json_string(a->json, json_member(a->json, disk, "state"), state, sizeof state);
    json_string(a->json, json_member(a->json, disk, "problem"), problem, sizeof problem);
    printf("           disk %s: log %" PRIu64 " of %" PRIu64 " MiB, checkpoint of slot %" PRIu64 " %" PRIu64
           " MiB%s%s\n",
           printable(state), json_number(a->json, json_member(a->json, disk, "log_bytes"), 0) >> 20,
           json_number(a->json, json_member(a->json, disk, "log_max_bytes"), 0) >> 20,
           json_number(a->json, json_member(a->json, disk, "checkpoint_slot"), 0),
           json_number(a->json, json_member(a->json, disk, "checkpoint_bytes"), 0) >> 20,
           *problem ? "; " : "", printable(problem));
}

static void print_compartments(const struct answer *a)
{
    uint32_t list = json_member(a->json, a->at, "compartments"), at;
    for (uint32_t i = 0; i < 8 && list && (at = json_element(a->json, list, i)) != 0; i++) {
        char kind[32], measurement[80], died[1400], sandbox[128];
        json_string(a->json, json_member(a->json, at, "kind"), kind, sizeof kind);
        json_string(a->json, json_member(a->json, at, "measurement"), measurement, sizeof measurement);
        json_string(a->json, json_member(a->json, at, "died"), died, sizeof died);
        json_string(a->json, json_member(a->json, at, "sandbox"), sandbox, sizeof sandbox);
        printf("           %-12s pid %-7" PRIu64 " measurement %.16s  sandbox: %s%s%s\n", printable(kind),
               json_number(a->json, json_member(a->json, at, "pid"), 0), printable(measurement),
               printable(sandbox), *died ? "  DIED: " : "", printable(died));
    }
}

/* Only while there is something to say. */
static void print_transfer(const struct answer *a)
{
    uint32_t at = json_member(a->json, a->at, "catching_up");
    char phase[32];
    json_string(a->json, at ? json_member(a->json, at, "phase") : 0, phase, sizeof phase);
    if (!*phase || strcmp(phase, "none") == 0)
        return;
    printf("           catching up: %s, %" PRIu64 " of %" PRIu64 " leaves, %" PRIu64 " MiB moved\n",
           printable(phase), json_number(a->json, json_member(a->json, at, "leaves_moved"), 0),
           json_number(a->json, json_member(a->json, at, "leaves_total"), 0),
           json_number(a->json, json_member(a->json, at, "bytes_moved"), 0) >> 20);
}

/* With hybster. */
static void print_counter(const struct answer *a)
{
    uint32_t at = json_member(a->json, a->at, "counter");
    if (!at)
        return;
    printf("           counter: %" PRIu64 " certificates made, %" PRIu64 " of others verified, %" PRIu64
           " forged; %" PRIu64 " refused to this host\n",
           json_number(a->json, json_member(a->json, at, "certified"), 0),
           json_number(a->json, json_member(a->json, at, "verified"), 0),
           json_number(a->json, json_member(a->json, at, "forged"), 0),
           json_number(a->json, json_member(a->json, at, "refused"), 0));
}

static void print_replica(const struct answer *a, uint32_t id)
{
    char fault[32];
    if (!a->body) {
        printf("replica %-2u  down: %s\n", id, a->why.text);
        return;
    }
    printf("replica %-2u  pid %" PRIu64 ", view %" PRIu64 ", slot %" PRIu64 ", stable checkpoint %" PRIu64
           ", lag %" PRIu64 ", epoch %" PRIu64,
           id, number(a, "pid"), number(a, "view"), number(a, "slot"), number(a, "stable"), number(a, "lag"),
           number(a, "epoch"));
    json_string(a->json, json_member(a->json, a->at, "fault"), fault, sizeof fault);
    printf("%s%s\n", *fault && strcmp(fault, "none") != 0 ? ", MISBEHAVES ON REQUEST: " : "",
           *fault && strcmp(fault, "none") != 0 ? printable(fault) : "");
    print_transfer(a);
    print_disk(a);
    print_compartments(a);
    print_counter(a);
    print_verdicts(a);
}

static void print_trust(const struct config *config)
{
    if (config->protocol == PROTOCOL_HYBSTER)
        printf("\ntrusted: the counter compartments, all %u of them. None lets its replica say two things; "
               "but one "
               "that is broken,\n"
               "or whose machine's kernel or root reads its key, can make any certificate of the cluster. "
               "Then results "
               "are right\n"
               "while at most %u of %u replicas are faulty in any other part. Nothing is secret from a "
               "replica's host "
               "process: it can\n"
               "read what the service holds.\n",
               config->replicas, config->faults, config->replicas);
    else if (config->isolation == ISOLATION_PROCESS)
        printf(
            "\ntrusted: integrity holds while at most %u compartments of each kind are faulty, even if "
            "every host process\n"
            "lies; secrets hold while no execution compartment is faulty. Compartments are sandboxed "
            "processes, so on each\n"
            "machine its kernel and root are trusted with that machine's compartments: whoever is root "
            "there controls all\n"
            "of them and reads what they know. There is no confidentiality against root without "
            "hardware.\n%s",
            config->faults,
            config->split_app
                ? "The service runs in a process of its own (application): what it does wrong counts as its "
                  "execution compartment's\nfault, and it holds the state, but no keys.\n"
                : "");
    else
        printf("\ntrusted: compartments are called inside the host process, so a replica is one fault "
               "domain: results are right\n"
               "while at most %u of %u replicas are faulty in any part, and nothing is secret from a host "
               "process, its kernel\n"
               "or root.\n",
               config->faults, config->replicas);
    if (config->durability == DURABILITY_SYNC)
        printf("durability: sync. All replicas may lose power at once, and nothing that was acknowledged is "
               "lost, while at "
               "most %u\nof them lose their logs or are given older ones.\n",
               config->faults);
    else
        puts("durability: memory. What was acknowledged is lost when more replicas stop than faults are "
             "survived.");
}

/* By the word of the one that has followed most changes. */
static void print_members(const struct config *config, const struct answer *answers)
{
    const struct answer *best = NULL;
    for (uint32_t i = 0; i < config->replicas; i++)
        if (answers[i].body &&
            (!best || number(&answers[i], "configuration") > number(best, "configuration")))
            best = &answers[i];
    uint32_t list = best ? json_member(best->json, best->at, "members") : 0, at;
    if (!list)
        return;
    printf("\nmembers, configuration %" PRIu64 ":", number(best, "configuration"));
    for (uint32_t i = 0; i < config->replicas && (at = json_element(best->json, list, i)) != 0; i++) {
        char peer[ADDRESS_BYTES_MAX + 1], link[20];
        json_string(best->json, json_member(best->json, at, "peer"), peer, sizeof peer);
        json_string(best->json, json_member(best->json, at, "link"), link, sizeof link);
        printf("%s %u at %s (link key %s)", i ? "," : "", i, printable(peer), printable(link));
    }
    putchar('\n');
}

static void print_text(const struct config *config, const struct answer *answers, uint32_t up)
{
    char pillars[32] = "";
    if (config->pillars > 1)
        snprintf(pillars, sizeof pillars, " with %u pillars", config->pillars);
    printf("%s%s, %u replicas, %u fault%s survived, service %s%s, isolation %s, durability %s; %u up\n\n",
           protocol_name(config->protocol), pillars, config->replicas, config->faults,
           config->faults == 1 ? "" : "s", config->service, config->split_app ? " apart" : "",
           isolation_text(config->isolation), durability_name(config->durability), up);
    for (uint32_t i = 0; i < config->replicas; i++)
        print_replica(&answers[i], i);
    print_members(config, answers);
    print_trust(config);
}

int cmd_status(int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
    static struct config config;
    static struct answer answers[REPLICAS_MAX];
    struct error error;
    bool json = false;
    uint32_t up = 0;
    int c;
    opterr = 0;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == 'h')
            return say_help(help);
        if (c != 'j')
            return say_usage("status", "%s: unknown option", argv[optind - 1]);
        json = true;
    }
    if (optind + 1 != argc)
        return say_usage("status", "exactly one DIR is needed");
    if (config_read(&config, argv[optind], &error))
        return say_failed("%s", error.text);
    for (uint32_t i = 0; i < config.replicas; i++) {
        answers[i].replica = &config.replica[i];
        if (pthread_create(&answers[i].thread, NULL, ask, &answers[i]) != 0)
            return say_failed("status: cannot make a thread");
    }
    for (uint32_t i = 0; i < config.replicas; i++) {
        pthread_join(answers[i].thread, NULL);
        up += answers[i].body != NULL;
    }
    if (json)
        print_json(&config, answers);
    else
        print_text(&config, answers, up);
    for (uint32_t i = 0; i < config.replicas; i++) {
        free(answers[i].body);
        free(answers[i].json);
    }
    if (fflush(stdout) != 0)
        return say_failed("status: cannot write");
    return up > 0 ? 0 : say_failed("status: no replica answers: is the cluster up?");
}
