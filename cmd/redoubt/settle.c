#include "settle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/limits.h"
#include "json.h"
#include "pages.h"

#define SETTLE_TRIES      150
#define SETTLE_EVERY_MS   200
#define ANSWER_TIMEOUT_MS 1000

/* Slots that it lacks, or whose state it has not digested yet; 0 when it does not say. */
static uint64_t behind_by(const struct replica_config *replica)
{
    static struct json json; /* one thread asks */
    struct error ignored;
    char *body = NULL;
    uint64_t lag = 0, slot = 0, stable = 0;
    if (page_fetch(&replica->metrics, "/status", ANSWER_TIMEOUT_MS, &body, &ignored) == 200 &&
        json_parse(&json, body, strlen(body))) {
        uint32_t at = json_member(&json, 0, "replica");
        lag = json_number(&json, json_member(&json, at, "lag"), 0);
        slot = json_number(&json, json_member(&json, at, "slot"), 0);
        stable = json_number(&json, json_member(&json, at, "stable"), 0);
    }
    free(body);
    uint64_t undigested = slot > stable ? slot - stable : 0;
    return lag > undigested ? lag : undigested;
}

bool settle_wait(const struct config *config)
{
    for (int tries = 0;; tries++) {
        uint64_t most = 0;
        uint32_t who = 0;
        for (uint32_t i = 0; i < config->replicas; i++) {
            uint64_t by = behind_by(&config->replica[i]);
            if (by > most)
                most = by, who = i;
        }
        if (most < CHECKPOINT_INTERVAL)
            return true;
        if (tries == SETTLE_TRIES) {
            fprintf(stderr, "bench: replica %u is still %llu slots behind: measuring all the same\n", who,
                    (unsigned long long)most);
            return false;
        }
        nanosleep(&(struct timespec){0, SETTLE_EVERY_MS * 1000000L}, NULL);
    }
}
