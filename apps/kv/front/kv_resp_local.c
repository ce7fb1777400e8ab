/* What a Redis client is told without asking the service: about itself, about this server, and about the connection. */
#include "kv_resp.h"

#include "kv/kv_number.h"
#include "troxy/text.h"
#include "troxy/user.h"

#define VERSION "7.0.15" /* of the redis-server that these replies follow */

static struct slice arg_of(const struct resp_command *command, uint32_t i)
{
    return command->argument[i];
}

static bool is(const struct resp_command *command, uint32_t i, const char *word)
{
    return i < command->count && text_is_any_case(command->argument[i], word);
}

static enum kv_taken say_simple(struct kv_resp *c, const char *text)
{
    uint8_t room[64];
    struct resp_reply r = kv_resp_reply(c, room, sizeof room);
    put_resp_simple(&r, text_of(text));
    kv_resp_say(c, &r);
    return KV_TAKEN;
}

static enum kv_taken say_ok(struct kv_resp *c)
{
    kv_resp_say_ok(c);
    return KV_TAKEN;
}

static enum kv_taken error(struct kv_resp *c, const char *text)
{
    kv_resp_error(c, text);
    return KV_TAKEN;
}

static enum kv_taken say_integer(struct kv_resp *c, int64_t number)
{
    uint8_t room[32];
    struct resp_reply r = kv_resp_reply(c, room, sizeof room);
    put_resp_integer(&r, number);
    kv_resp_say(c, &r);
    return KV_TAKEN;
}

static enum kv_taken unknown_subcommand(struct kv_resp *c, const struct resp_command *command,
                                        const char *name)
{
    uint8_t text[256], room[300];
    struct writer w = writer_to(text, sizeof text);
    struct slice sub = arg_of(command, 1);
    put_text(&w, "ERR unknown subcommand '");
    put_raw(&w, sub.data, sub.len < 128 ? sub.len : 128);
    put_text(&w, "'. Try ");
    put_text(&w, name);
    put_text(&w, " HELP.");
    struct resp_reply r = kv_resp_reply(c, room, sizeof room);
    put_resp_error(&r, (struct slice){text, w.len});
    kv_resp_say(c, &r);
    return KV_TAKEN;
}

/* "ERR wrong number of arguments for 'client|setname' command" */
static enum kv_taken bad_arity(struct kv_resp *c, const char *name)
{
    uint8_t text[128], room[160];
    struct writer w = writer_to(text, sizeof text);
    put_text(&w, "ERR wrong number of arguments for '");
    put_text(&w, name);
    put_text(&w, "' command");
    struct resp_reply r = kv_resp_reply(c, room, sizeof room);
    put_resp_error(&r, (struct slice){text, w.len});
    kv_resp_say(c, &r);
    return KV_TAKEN;
}

/* A bulk string of any length. */
static enum kv_taken say_bulk(struct kv_resp *c, struct slice text)
{
    uint8_t room[KV_RESP_LOCAL_MAX];
    struct resp_reply r = kv_resp_reply(c, room, sizeof room);
    if (text.len > sizeof room - 32)
        return error(c, "ERR string exceeds maximum allowed size");
    put_resp_bulk(&r, text);
    kv_resp_say(c, &r);
    return KV_TAKEN;
}

/* ------------------------------------------------------------------------------------------------ the connection */

static enum kv_taken run_ping(struct kv_resp *c, const struct resp_command *command)
{
    if (command->count > 2)
        return bad_arity(c, "ping");
    return command->count == 2 ? say_bulk(c, arg_of(command, 1)) : say_simple(c, "PONG");
}

static enum kv_taken run_echo(struct kv_resp *c, const struct resp_command *command)
{
    return say_bulk(c, arg_of(command, 1));
}

static enum kv_taken run_quit(struct kv_resp *c, const struct resp_command *command)
{
    uint8_t room[16];
    struct resp_reply r = kv_resp_reply(c, room, sizeof room);
    (void)command;
    put_resp_simple(&r, text_of("OK"));
    kv_resp_say_and_close(c, &r);
    return KV_TAKEN;
}

static enum kv_taken run_reset(struct kv_resp *c, const struct resp_command *command)
{
    (void)command;
    if (c->first) /* replies under way are in the old version */
        return KV_WAIT;
    kv_resp_forget_multi(c);
    kv_resp_forget_watch(c);
    c->version = RESP_2;
    c->name_len = 0;
    c->known = c->base.front->user_count == 0;
    return say_simple(c, "RESET");
}

static enum kv_taken run_select(struct kv_resp *c, const struct resp_command *command)
{
    int64_t number;
    struct slice text = arg_of(command, 1);
    if (!kv_number_read(text.data, text.len, &number))
        return error(c, KV_NOT_INTEGER);
    return number == 0 ? say_ok(c) : error(c, "ERR DB index is out of range");
}

static bool name_is_good(struct slice name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.data[i] < '!' || name.data[i] > '~')
            return false;
    return name.len <= KV_RESP_NAME_MAX;
}

static void name_set(struct kv_resp *c, struct slice name)
{
    c->name_len = (uint8_t)name.len;
    if (name.len)
        memcpy(c->name, name.data, name.len);
}

#define BAD_NAME   "ERR Client names cannot contain spaces, newlines or special characters."
#define WRONG_PASS "WRONGPASS invalid username-password pair or user is disabled."

static bool login(struct kv_resp *c, struct slice user, struct slice password)
{
    const struct conversation_front *front = c->base.front;
    if (front->user_count == 0)
        return text_is(user, "default");
    if (!conversation_user_find(front, user, password))
        return false;
    c->known = true;
    return true;
}

static enum kv_taken run_auth(struct kv_resp *c, const struct resp_command *command)
{
    bool named = command->count == 3;
    if (command->count > 3)
        return error(c, KV_SYNTAX);
    if (!named && c->base.front->user_count == 0)
        return error(c,
                     "ERR AUTH <password> called without any password configured for the default user. Are "
                     "you sure your configuration is correct?");
    struct slice user = named ? arg_of(command, 1) : text_of("default");
    return login(c, user, arg_of(command, named ? 2 : 1)) ? say_ok(c) : error(c, WRONG_PASS);
}

static void put_pair(struct resp_reply *r, const char *name, const char *value)
{
    put_resp_bulk(r, text_of(name));
    put_resp_bulk(r, text_of(value));
}

static enum kv_taken say_hello(struct kv_resp *c)
{
    uint8_t room[512];
    struct resp_reply r = kv_resp_reply(c, room, sizeof room);
    put_resp_map(&r, 7);
    put_pair(&r, "server", "redis");
    put_pair(&r, "version", VERSION);
    put_resp_bulk(&r, text_of("proto"));
    put_resp_integer(&r, c->version);
    put_resp_bulk(&r, text_of("id"));
    put_resp_integer(&r, c->base.connection);
    put_pair(&r, "mode", "standalone");
    put_pair(&r, "role", "master");
    put_resp_bulk(&r, text_of("modules"));
    put_resp_array(&r, 0);
    kv_resp_say(c, &r);
    return KV_TAKEN;
}

static enum kv_taken run_hello(struct kv_resp *c, const struct resp_command *command)
{
    int64_t version = c->version;
    bool named = false;
    struct slice name = {0};
    if (c->first)
        return KV_WAIT;
    if (command->count > 1 && !kv_number_read(command->argument[1].data, command->argument[1].len, &version))
        return error(c, "ERR Protocol version is not an integer or out of range");
    if (version != 2 && version != 3)
        return error(c, "NOPROTO unsupported protocol version");
    for (uint32_t i = 2; i < command->count; i++) {
        if (is(command, i, "auth") && i + 2 < command->count) {
            if (!login(c, arg_of(command, i + 1), arg_of(command, i + 2)))
                return error(c, WRONG_PASS);
            i += 2;
        } else if (is(command, i, "setname") && i + 1 < command->count) {
            named = true;
            name = arg_of(command, ++i);
        } else {
            return error(c, "ERR Syntax error in HELLO");
        }
    }
    if (!c->known)
        return error(
            c,
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> "
            "AUTH <user> <pass> option can be used to authenticate the client and select the RESP "
            "protocol version at the same time");
    if (named && !name_is_good(name))
        return error(c, BAD_NAME);
    if (named)
        name_set(c, name);
    c->version = (enum resp_version)version;
    return say_hello(c);
}

static void put_client(struct writer *w, const struct kv_resp *c)
{
    put_text(w, "id=");
    put_number(w, c->base.connection);
    put_text(w, " name=");
    put_raw(w, c->name, c->name_len);
    put_text(w, " db=0 multi=");
    if (c->multi)
        put_number(w, c->queued);
    else
        put_text(w, "-1");
    put_text(w, " resp=");
    put_number(w, (uint64_t)c->version);
    put_text(w, "\n");
}

static enum kv_taken run_client(struct kv_resp *c, const struct resp_command *command)
{
    uint8_t text[256], room[320];
    struct writer w = writer_to(text, sizeof text);
    struct resp_reply r = kv_resp_reply(c, room, sizeof room);
    if (is(command, 1, "setname")) {
        if (command->count != 3)
            return bad_arity(c, "client|setname");
        if (!name_is_good(arg_of(command, 2)))
            return error(c, BAD_NAME);
        name_set(c, arg_of(command, 2));
        return say_ok(c);
    }
    if (is(command, 1, "getname")) {
        if (c->name_len)
            put_resp_bulk(&r, (struct slice){c->name, c->name_len});
        else
            put_resp_null(&r);
        kv_resp_say(c, &r);
        return KV_TAKEN;
    }
    if (is(command, 1, "id"))
        return say_integer(c, c->base.connection);
    if (is(command, 1, "info") || is(command, 1, "list")) {
        put_client(&w, c);
        put_resp_verbatim(&r, (struct slice){text, w.len});
        kv_resp_say(c, &r);
        return KV_TAKEN;
    }
    if (is(command, 1, "setinfo") || is(command, 1, "no-evict") || is(command, 1, "no-touch") ||
        (is(command, 1, "reply") && is(command, 2, "on")))
        return say_ok(c);
    return unknown_subcommand(c, command, "CLIENT");
}

/* ------------------------------------------------------------------------------------------------ transactions */

static enum kv_taken run_multi(struct kv_resp *c, const struct resp_command *command)
{
    (void)command;
    if (c->multi)
        return error(c, "ERR MULTI calls can not be nested");
    c->multi = true;
    return say_ok(c);
}

static enum kv_taken run_discard(struct kv_resp *c, const struct resp_command *command)
{
    (void)command;
    if (c->watching)
        return KV_WAIT;
    if (!c->multi)
        return error(c, "ERR DISCARD without MULTI");
    kv_resp_forget_multi(c);
    kv_resp_forget_watch(c);
    return say_ok(c);
}

static enum kv_taken run_unwatch(struct kv_resp *c, const struct resp_command *command)
{
    (void)command;
    if (c->watching)
        return KV_WAIT;
    kv_resp_forget_watch(c);
    return say_ok(c);
}

/* ------------------------------------------------------------------------------------------------ the server */

static const struct {
    const char *name;
    const char *value;
} settings[] = {
    {"save", ""},
    {"appendonly", "no"},
    {"databases", "1"},
    {"maxmemory", "0"},
    {"maxmemory-policy", "noeviction"},
    {"timeout", "0"},
    {"cluster-enabled", "no"},
    {"proto-max-bulk-len", "1048576"},
};
#define SETTINGS (sizeof settings / sizeof *settings)

static bool is_asked(const struct resp_command *command, const char *name)
{
    for (uint32_t i = 2; i < command->count; i++)
        if (is(command, i, name) || text_is(command->argument[i], "*"))
            return true;
    return false;
}

static enum kv_taken run_config(struct kv_resp *c, const struct resp_command *command)
{
    uint8_t room[1024];
    struct resp_reply r = kv_resp_reply(c, room, sizeof room);
    uint64_t found = 0;
    if (is(command, 1, "resetstat"))
        return say_ok(c);
    if (is(command, 1, "set"))
        return error(c, "ERR CONFIG SET failed: settings are in the cluster file");
    if (!is(command, 1, "get"))
        return unknown_subcommand(c, command, "CONFIG");
    if (command->count < 3)
        return bad_arity(c, "config|get");
    for (size_t i = 0; i < SETTINGS; i++)
        found += is_asked(command, settings[i].name);
    put_resp_map(&r, found);
    for (size_t i = 0; i < SETTINGS; i++)
        if (is_asked(command, settings[i].name))
            put_pair(&r, settings[i].name, settings[i].value);
    kv_resp_say(c, &r);
    return KV_TAKEN;
}

static void put_command(struct resp_reply *r, const struct kv_command *type)
{
    put_resp_array(r, 6);
    put_resp_bulk(r, text_of(type->name));
    put_resp_integer(r, type->arity);
    put_resp_set(r, 1);
    put_resp_simple(r, text_of(type->flags & KV_FLAG_WRITE ? "write" : "readonly"));
    put_resp_integer(r, type->first);
    put_resp_integer(r, type->last);
    put_resp_integer(r, type->step);
}

static enum kv_taken say_commands(struct kv_resp *c)
{
    uint8_t room[KV_RESP_LOCAL_MAX];
    struct resp_reply r = kv_resp_reply(c, room, sizeof room);
    uint64_t count = 0;
    for (uint32_t i = 0; i < KV_DO_COUNT; i++)
        count += !(kv_command_of(i)->flags & KV_FLAG_HIDDEN);
    put_resp_array(&r, count);
    for (uint32_t i = 0; i < KV_DO_COUNT; i++)
        if (!(kv_command_of(i)->flags & KV_FLAG_HIDDEN))
            put_command(&r, kv_command_of(i));
    kv_resp_say(c, &r);
    return KV_TAKEN;
}

static enum kv_taken run_command(struct kv_resp *c, const struct resp_command *command)
{
    uint8_t room[KV_RESP_LOCAL_MAX];
    struct resp_reply r = kv_resp_reply(c, room, sizeof room);
    if (command->count == 1)
        return say_commands(c);
    if (is(command, 1, "count")) {
        int64_t count = 0;
        for (uint32_t i = 0; i < KV_DO_COUNT; i++)
            count += !(kv_command_of(i)->flags & KV_FLAG_HIDDEN);
        return say_integer(c, count);
    }
    if (is(command, 1, "docs")) {
        put_resp_map(&r, 0);
        kv_resp_say(c, &r);
        return KV_TAKEN;
    }
    if (is(command, 1, "info") && command->count > 2 && command->count < 64) {
        put_resp_array(&r, command->count - 2);
        for (uint32_t i = 2; i < command->count; i++) {
            int number = kv_command_find(command->argument[i]);
            if (number >= 0)
                put_command(&r, kv_command_of((uint32_t)number));
            else
                put_resp_null_array(&r);
        }
        kv_resp_say(c, &r);
        return KV_TAKEN;
    }
    return unknown_subcommand(c, command, "COMMAND");
}

static enum kv_taken run_info(struct kv_resp *c, const struct resp_command *command)
{
    uint8_t text[512], room[600];
    struct writer w = writer_to(text, sizeof text);
    struct resp_reply r = kv_resp_reply(c, room, sizeof room);
    (void)command;
    put_text(&w, "# Server\r\nredis_version:" VERSION "\r\nredis_mode:standalone\r\nserver_name:redoubt\r\n"
                 "redoubt_version:" REDOUBT_VERSION "\r\n# Clients\r\nconnection:");
    put_number(&w, c->base.connection);
    put_text(&w, "\r\n# Persistence\r\nloading:0\r\n# Replication\r\nrole:master\r\nconnected_slaves:0\r\n"
                 "redoubt_quorum_reached:");
    put_number(&w, c->base.front->is_ready(c->base.front));
    put_text(&w, "\r\n# Cluster\r\ncluster_enabled:0\r\n");
    put_resp_verbatim(&r, (struct slice){text, w.len});
    kv_resp_say(c, &r);
    return KV_TAKEN;
}

/* ------------------------------------------------------------------------------------------------ the table */

static const struct kv_local locals[] = {
    {"ping", -1, 0, run_ping},
    {"echo", 2, 0, run_echo},
    {"quit", -1, KV_LOCAL_STRANGER | KV_LOCAL_MULTI, run_quit},
    {"reset", 1, KV_LOCAL_STRANGER | KV_LOCAL_MULTI, run_reset},
    {"select", 2, 0, run_select},
    {"auth", -2, KV_LOCAL_STRANGER, run_auth},
    {"hello", -1, KV_LOCAL_STRANGER, run_hello},
    {"client", -2, 0, run_client},
    {"multi", 1, KV_LOCAL_MULTI, run_multi},
    {"exec", 1, KV_LOCAL_MULTI, kv_resp_exec},
    {"discard", 1, KV_LOCAL_MULTI, run_discard},
    {"watch", -2, KV_LOCAL_MULTI, kv_resp_watch},
    {"unwatch", 1, 0, run_unwatch},
    {"config", -2, 0, run_config},
    {"command", -1, 0, run_command},
    {"info", -1, 0, run_info},
};

const struct kv_local *kv_local_find(struct slice name)
{
    for (size_t i = 0; i < sizeof locals / sizeof *locals; i++)
        if (text_is_any_case(name, locals[i].name))
            return &locals[i];
    return NULL;
}
