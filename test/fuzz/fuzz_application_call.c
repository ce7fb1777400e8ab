/*
 * Whatever Execution calls an application with: it is carried out, or it ends the application.
 */
#include <setjmp.h>

#include "application_pair.h"
#include "need.h"

extern const struct redoubt_service redoubt_service_kv;

static jmp_buf ended;
static uint8_t *call; /* of exactly its size */

static void on_fail(void *context, const char *what)
{
    (void)context, (void)what;
    longjmp(ended, 1);
}

/* Input: (u16 length, call)*. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct application_pair *pair = application_pair_new(&redoubt_service_kv, 64u << 20);
    struct slice answer;
    static const uint8_t create[] = "\1memory_mb=4";
    pair->on_fail = on_fail;
    if (!setjmp(ended)) {
        struct reader r = reader_of(data, size);
        application_on_call(pair->application, create, sizeof create - 1);
        while (reader_left(&r)) {
            uint16_t len = get_u16(&r);
            const uint8_t *bytes = reader_take(&r, len);
            if (!bytes)
                break;
            free(call);
            call = malloc(len ? len : 1);
            need(call != NULL);
            memcpy(call, bytes, len);
            bool good = !len || call[0] != 6; /* RESET to any number of leaves takes its time */
            if (good)
                application_on_call(pair->application, call, len);
        }
    }
    while (frame_queue_take(&pair->answers, &answer))
        (void)look_at(answer.data, answer.len);
    application_pair_free(pair);
    free(call);
    call = NULL;
    return 0;
}
