/*
 * A Redis client's connection to kv, as far as redis-server has no say in it: how bytes are cut, what is under way, whose turn it is,
 * users, RESP3, and what is told when an operation is not done. test_redis.c compares the rest with redis-server.
 */
#include "testing.h"

#include "fake_front.h"
#include "kv/front/kv_front.h"
#include "kv/front/kv_resp.h"
#include "troxy/user.h"

static struct fake_front front;
static struct fake_connection *c;

static void open_front(void)
{
    fake_front_init(&front, kv_front.service, "memory_mb=8");
    c = fake_connection_open(&front, kv_front.resp);
}

static void feed(const char *text)
{
    fake_connection_feed(&front, c, text, strlen(text));
}

static void assert_out_at(const char *expected, int line)
{
    if (c->out_len == strlen(expected) && (c->out_len == 0 || memcmp(c->out, expected, c->out_len) == 0))
        return;
    print_error("%.*s\nexpected\n%s\n", (int)c->out_len, (char *)c->out, expected);
    _fail(__FILE__, line);
}
#define assert_out(expected) assert_out_at(expected, __LINE__)

/* Sends lines, runs everything, and looks at what came. */
#define assert_reply(lines, expected)                                                                        \
    do {                                                                                                     \
        fake_connection_forget_output(c);                                                                    \
        feed(lines);                                                                                         \
        fake_front_run(&front, 1000);                                                                        \
        assert_out(expected);                                                                                \
    } while (0)

static void replies_come_in_turn(void **unused)
{
    (void)unused;
    open_front();
    feed("SET a 1\r\nPING\r\nGET a\r\nnosuch\r\nECHO x\r\nINCR a\r\n");
    assert_int_equal(c->submitted, 3); /* several are under way */
    assert_out("");
    fake_front_run(&front, 1);
    assert_out("+OK\r\n+PONG\r\n");
    fake_front_run(&front, 1);
    assert_out("+OK\r\n+PONG\r\n$1\r\n1\r\n-ERR unknown command 'nosuch', with args beginning with: "
               "\r\n$1\r\nx\r\n");
    fake_front_run(&front, 1);
    fake_connection_forget_output(c);
    feed("PING\r\n");
    assert_out("+PONG\r\n");
    assert_int_equal(front.arena.live, 0);
    fake_front_free(&front);
}

static const char story[] =
    "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$3\r\nx\ny\r\nset \"b c\" 'd e'\r\nget \"b "
    "c\"\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\n"
    "MULTI\r\nINCR n\r\nLPUSH l 1 2\r\nEXEC\r\nWATCH n\r\nMULTI\r\nGET n\r\nEXEC\r\nHGETALL none\r\n";
static const char told[] =
    "+OK\r\n+OK\r\n$3\r\nd e\r\n$3\r\nx\ny\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:1\r\n:2\r\n+OK\r\n+OK\r\n"
    "+QUEUED\r\n*1\r\n$1\r\n1\r\n*0\r\n";

/* However the bytes are cut, and however few operations the front takes at once. */
static void the_same_comes_of_all_cuts(void **unused)
{
    (void)unused;
    for (size_t piece = 1; piece < sizeof story; piece++) {
        for (unsigned most = 1; most <= 3; most++) {
            open_front();
            front.most_waiting = most;
            for (size_t at = 0; at < sizeof story - 1; at += piece) {
                size_t len = sizeof story - 1 - at < piece ? sizeof story - 1 - at : piece;
                fake_connection_feed(&front, c, story + at, len);
                if (piece % 2)
                    fake_front_run(&front, 1);
            }
            fake_front_run(&front, 1000);
            assert_out(told);
            assert_int_equal(front.arena.live, 0);
            fake_front_free(&front);
        }
    }
}

static void resp3_shows_types(void **unused)
{
    (void)unused;
    open_front();
    feed("HSET h f v\r\nSADD s m\r\nZADD z 1.5 m\r\n");
    fake_front_run(&front, 10);
    assert_reply("HGETALL h\r\n", "*2\r\n$1\r\nf\r\n$1\r\nv\r\n");
    assert_reply("ZRANGE z 0 -1 WITHSCORES\r\n", "*2\r\n$1\r\nm\r\n$3\r\n1.5\r\n");
    fake_connection_forget_output(c);
    feed("GET none\r\nHELLO 3 SETNAME me\r\n"); /* the first is answered in the old version */
    assert_out("");
    fake_front_run(&front, 10);
    assert_memory_equal(c->out, "$-1\r\n%7\r\n$6\r\nserver\r\n", 5 + 4 + 12);
    assert_reply("GET none\r\n", "_\r\n");
    assert_reply("HGETALL h\r\n", "%1\r\n$1\r\nf\r\n$1\r\nv\r\n");
    assert_reply("SMEMBERS s\r\n", "~1\r\n$1\r\nm\r\n");
    assert_reply("ZSCORE z m\r\n", ",1.5\r\n");
    assert_reply("ZRANGE z 0 -1 WITHSCORES\r\n", "*1\r\n*2\r\n$1\r\nm\r\n,1.5\r\n");
    assert_reply("ZPOPMIN z\r\n", "*2\r\n$1\r\nm\r\n,1.5\r\n");
    assert_reply("CLIENT GETNAME\r\n", "$2\r\nme\r\n");
    assert_reply("RESET\r\n", "+RESET\r\n");
    assert_reply("GET none\r\n", "$-1\r\n");
    fake_front_free(&front);
}

static void users_say_who_they_are(void **unused)
{
    (void)unused;
    struct conversation_user user = {.name = {(const uint8_t *)"ann", 3}, .salt = {9}};
    conversation_user_hash(user.hash, user.salt, (struct slice){(const uint8_t *)"secret", 6});
    fake_front_init(&front, kv_front.service, "");
    front.front.users = &user;
    front.front.user_count = 1;
    c = fake_connection_open(&front, kv_front.resp);
    assert_reply("GET a\r\n", "-NOAUTH Authentication required.\r\n");
    assert_reply("PING\r\n", "-NOAUTH Authentication required.\r\n");
    assert_reply("AUTH secret\r\n", "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
    assert_reply("AUTH ann secreT\r\n", "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
    assert_reply("AUTH bob secret\r\n", "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
    assert_reply("HELLO 3 AUTH ann no\r\n",
                 "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
    assert_int_equal(c->submitted, 0);
    assert_reply("AUTH ann secret\r\n", "+OK\r\n");
    assert_reply("GET a\r\n", "$-1\r\n");
    assert_reply("RESET\r\nGET a\r\n", "+RESET\r\n-NOAUTH Authentication required.\r\n");
    fake_front_free(&front);
}

static void what_is_not_done_is_not_an_answer(void **unused)
{
    (void)unused;
    open_front();
    front.next_kind = REDOUBT_REJECTED;
    assert_reply("SET a 1\r\nPING\r\n",
                 "-ERR not executed: the cluster does not take it at the moment\r\n+PONG\r\n");
    front.next_kind = REDOUBT_UNKNOWN;
    assert_reply("SET a 1\r\nPING\r\n", ""); /* nothing that could be taken for an answer */
    assert_true(c->closed);
    fake_front_free(&front);

    open_front(); /* a WATCH that failed ends the connection, or EXEC would not know */
    front.next_kind = REDOUBT_REJECTED;
    feed("WATCH a\r\n");
    fake_front_run(&front, 1);
    assert_true(c->closed);
    fake_front_free(&front);
}

static void bad_bytes_end_the_connection(void **unused)
{
    (void)unused;
    static const char *const bad[] = {"*1\r\n$9223372036854775807\r\n", "*1000000\r\n", "*1\r\n:1\r\n",
                                      "*1\r\n$1\r\nxyz", "set \"a\r\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        open_front();
        feed("PING\r\n");
        feed(bad[i]);
        assert_true(c->closed);
        assert_memory_equal(c->out, "+PONG\r\n-ERR Protocol error", 26);
        fake_front_free(&front);
    }
    open_front();
    feed("POST / HTTP/1.1\r\nHost: localhost\r\n\r\nset a 1\r\n");
    assert_true(c->closed);
    assert_int_equal(c->out_len, 0);
    fake_front_free(&front);
    open_front();
    assert_reply("QUIT\r\nSET a 1\r\n", "+OK\r\n");
    assert_true(c->closed);
    assert_int_equal(c->submitted, 0);
    fake_front_free(&front);
}

static void a_transaction_is_bounded(void **unused)
{
    (void)unused;
    static char big[300000];
    open_front();
    feed("MULTI\r\n");
    for (unsigned i = 0; i < 6; i++) {
        size_t len = (size_t)snprintf(big, sizeof big, "*3\r\n$3\r\nSET\r\n$1\r\n%u\r\n$250000\r\n", i);
        memset(big + len, 'x', 250000);
        memcpy(big + len + 250000, "\r\n", 2);
        fake_connection_feed(&front, c, big, len + 250002);
    }
    assert_non_null(memmem(c->out, c->out_len, "-ERR the transaction is too large\r\n", 35));
    assert_reply("EXEC\r\n", "-EXECABORT Transaction discarded because of previous errors.\r\n");
    assert_int_equal(front.arena.live, 0);
    feed("MULTI\r\n");
    for (unsigned i = 0; i < KV_COMMANDS_MAX; i++)
        feed("INCR n\r\n");
    fake_connection_forget_output(c);
    feed("EXEC\r\n");
    fake_front_run(&front, 10);
    assert_memory_equal(c->out, "*1024\r\n:1\r\n:2\r\n", 15);
    /* A pipeline without end waits at the client's. */
    for (unsigned i = 0; i < 200; i++)
        feed("INCR n\r\nPING\r\n");
    assert_true(c->submitted <= 66 && c->in_len > 0);
    fake_connection_forget_output(c);
    fake_front_run(&front, 100000);
    assert_non_null(memmem(c->out, c->out_len, ":1224\r\n+PONG\r\n", 14));
    fake_front_free(&front);
}

static void values_are_bounded(void **unused)
{
    (void)unused;
    static char big[1100000];
    open_front();
    size_t len = (size_t)snprintf(big, sizeof big, "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1048576\r\n");
    memset(big + len, 'x', 1048576);
    memcpy(big + len + 1048576, "\r\n", 2);
    fake_connection_feed(&front, c, big, len + 1048578);
    fake_front_run(&front, 10);
    assert_out("+OK\r\n");
    assert_reply("APPEND a x\r\n", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n");
    assert_reply("STRLEN a\r\n", ":1048576\r\n");
    fake_connection_forget_output(c);
    feed("GET a\r\n");
    fake_front_run(&front, 10);
    assert_int_equal(c->out_len, 1048576 + 12);
    assert_reply("MGET a a\r\n", "-ERR the reply is longer than 1 MiB; ask for less at once\r\n");
    assert_reply("*2\r\n$3\r\nGET\r\n$0\r\n\r\n", "-ERR a key must have 1 to 1024 bytes\r\n");
    len = (size_t)snprintf(big, sizeof big, "*2\r\n$3\r\nGET\r\n$1025\r\n");
    memcpy(big + len + 1025, "\r\n", 2);
    fake_connection_forget_output(c);
    fake_connection_feed(&front, c, big, len + 1027);
    assert_out("-ERR a key must have 1 to 1024 bytes\r\n");
    fake_front_free(&front);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_come_in_turn),
        cmocka_unit_test(the_same_comes_of_all_cuts),
        cmocka_unit_test(resp3_shows_types),
        cmocka_unit_test(users_say_who_they_are),
        cmocka_unit_test(what_is_not_done_is_not_an_answer),
        cmocka_unit_test(bad_bytes_end_the_connection),
        cmocka_unit_test(a_transaction_is_bounded),
        cmocka_unit_test(values_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
