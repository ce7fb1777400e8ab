/*
 * The front with the echo service, under a host that says anything.
 *
 * Input: records of u8 what, u8 connection, u16 length, and as many bytes. what modulo 8: 0 a client connects, 1 credit (the length), 2 the
 * host closes it, 3 time passes (the length, in milliseconds), 4 a frame of any kind whose body the bytes are, else bytes of the
 * client. After each all invariants are checked.
 */
#include "front_world.h"
#include "need.h"

#define CONNECTIONS 4u

static struct front_world world;

static void any_frame(const uint8_t *data, size_t len)
{
    if (len == 0)
        return;
    enum frame_type type = (enum frame_type)(FRAME_LOCAL_OPENED + data[0] % 10);
    size_t body = len - 1 < 5 ? len - 1 : 5;
    front_world_give(&world, type, (struct slice){data + 1, body},
                     (struct slice){data + 1 + body, len - 1 - body});
}

static void record(uint8_t what, uint8_t connection, const uint8_t *data, size_t len)
{
    connection %= CONNECTIONS;
    switch (what % 8) {
    case 0:
        front_world_opened(&world, connection, LISTENER_HTTP + len % 2);
        break;
    case 1:
        front_world_credit(&world, connection, len);
        break;
    case 2:
        front_world_closed(&world, connection);
        break;
    case 3:
        front_world_wait(&world, len * 1000);
        break;
    case 4:
        any_frame(data, len);
        break;
    default:
        front_world_bytes(&world, connection, data, len, what >= 248);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    front_world_open(&world, NULL);
    for (size_t at = 0; at + 4 <= len;) {
        size_t here = (size_t)data[at + 2] | (size_t)data[at + 3] << 8;
        size_t left = len - at - 4;
        bool bytes = data[at] % 8 >= 4;
        size_t taken = !bytes ? 0 : here < left ? here : left;
        record(data[at], data[at + 1], data + at + 4, bytes ? taken : here);
        at += 4 + taken;
    }
    front_world_run(&world);
    front_world_close_all(&world);
    need(echo_open == 0);
    front_world_close(&world);
    return 0;
}
