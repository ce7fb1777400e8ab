#include <stdlib.h>
#include <string.h>

#include "call_service.h"
#include "commands.h"
#include "counter/counter_codec.h"

static int encode(struct call *call)
{
    struct counter_request request = {.opcode = COUNTER_INCR, .amount = 1};
    const char *op = call->argv[0];
    if (strcmp(op, "get") == 0 && call->argc == 1) {
        request = (struct counter_request){.opcode = COUNTER_GET};
    } else if (strcmp(op, "incr") == 0 && call->argc <= 2) {
        if (call->argc == 2 && !number_read(call->argv[1], 0, UINT64_MAX, &request.amount))
            return say_usage("call", "incr %s: not a whole number", call->argv[1]);
    } else {
        return say_usage("call", "%s: the service counter knows: incr [N] | get", op);
    }
    call->request_len = counter_request_encode(call->request, REDOUBT_OP_MAX_BYTES, &request);
    return call->request_len ? 0 : say_failed("%s: too large", op);
}

static int print(struct call *call, const struct redoubt_outcome *outcome)
{
    struct counter_result result;
    if (outcome->status == REDOUBT_CONFLICT)
        return say_failed("%s: the sum would exceed 64 bits; nothing was changed", call->argv[0]);
    if (!counter_result_decode(&result, outcome->result, outcome->result_bytes))
        return say_failed("%s: an answer that is not of the service counter", call->argv[0]);
    printf(call->json ? ",\"global\":%llu,\"own\":%llu" : "%llu (this client: %llu)\n",
           (unsigned long long)result.global, (unsigned long long)result.own);
    return 0;
}

const struct call_service call_counter = {"counter", encode, print};
