/*
 * Results that no service would give, told to conversations that wait for one: they must neither fall over nor wait for ever.
 *
 * Input: u8 that picks conversation, request and status; then the result.
 */
#include "fake_front.h"
#include "kv/front/kv_front.h"
#include "need.h"
#include "pages/front/pages_front.h"

static const char *const resp[] = {"GET a\r\n", "HELLO 3\r\nZRANGE z 0 -1 WITHSCORES\r\n",
                                   "WATCH a b\r\nMULTI\r\nEXEC\r\n", "KEYS *\r\n"};
static const char *const kv[] = {
    "GET /kv/a HTTP/1.1\r\nHost: h\r\n\r\n", "PUT /kv/a HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
    "GET /kv/ HTTP/1.1\r\nHost: h\r\n\r\n", "POST /kv/a?incr=1 HTTP/1.1\r\nHost: h\r\n\r\n"};
static const char *const pages[] = {"GET /a HTTP/1.1\r\nHost: h\r\nRange: bytes=1-2\r\n\r\n",
                                    "PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
                                    "GET /? HTTP/1.1\r\nHost: h\r\n\r\n",
                                    "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fake_front front;
    if (size < 1)
        return 0;
    unsigned how = data[0], request = how >> 2 & 3;
    const struct service_front *service = how % 3 == 2 ? &pages_front : &kv_front;
    const char *text = how % 3 == 0 ? resp[request] : how % 3 == 1 ? kv[request] : pages[request];
    fake_front_init(&front, service->service, "memory_mb=1");
    struct fake_connection *c = fake_connection_open(&front, how % 3 == 0 ? service->resp : service->http);
    fake_connection_feed(&front, c, text, strlen(text));
    need(c->submitted == 1);
    uint8_t *result = malloc(size);
    need(result != NULL);
    memcpy(result, data + 1, size - 1);
    const struct redoubt_outcome outcome = {.kind = REDOUBT_COMMITTED,
                                            .status =
                                                how & 0x40 ? (enum redoubt_status)(how >> 4 & 3) : REDOUBT_OK,
                                            .result = result,
                                            .result_bytes = size - 1};
    c->conversation->type->on_outcome(c->conversation, 0, &outcome);
    c->conversation->type->validate(c->conversation);
    need(c->out_len > 0 || c->closed);
    free(result);
    fake_front_free(&front);
    return 0;
}
