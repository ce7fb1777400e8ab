/*
 * hiredis, the clients' side of Redis: its reader is for replies, of which an array of bulk strings is one; and sdssplitargs in it
 * is the function by which redis-server reads inline commands.
 */
#include <stdlib.h>

#include <hiredis/hiredis.h>
#include <hiredis/sds.h>

#include "base/check.h"
#include "resp_transcript.h"
#include "troxy/text.h"

static void put_argument(struct writer *w, const char *data, size_t len)
{
    put_text(w, "(");
    put_raw(w, data, len);
    put_text(w, ")");
}

static bool write_array(struct writer *out, const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ARRAY)
        return false;
    for (size_t i = 0; i < reply->elements; i++) {
        if (reply->element[i]->type != REDIS_REPLY_STRING)
            return false;
        put_argument(out, reply->element[i]->str, reply->element[i]->len);
    }
    return true;
}

static bool read_array(struct writer *out, struct slice command)
{
    redisReader *reader = redisReaderCreate();
    void *reply = NULL, *second = NULL;
    CHECK(reader);
    bool good = redisReaderFeed(reader, (const char *)command.data, command.len) == REDIS_OK &&
                redisReaderGetReply(reader, &reply) == REDIS_OK && reply && write_array(out, reply) &&
                redisReaderGetReply(reader, &second) == REDIS_OK && !second;
    if (reply)
        freeReplyObject(reply);
    if (second)
        freeReplyObject(second);
    redisReaderFree(reader);
    return good;
}

/* As redis-server: up to the line feed, without a carriage return before it. */
static bool read_inline(struct writer *out, struct slice command)
{
    size_t len = command.len - 1;
    int count = 0;
    if (len && command.data[len - 1] == '\r')
        len--;
    char *line = malloc(len + 1);
    CHECK(line);
    memcpy(line, command.data, len);
    line[len] = 0;
    sds *words = sdssplitargs(line, &count);
    free(line);
    for (int i = 0; words && i < count; i++)
        put_argument(out, words[i], sdslen(words[i]));
    if (words)
        sdsfreesplitres(words, count);
    return words;
}

bool other_resp_read(struct writer *out, struct slice command)
{
    return command.data[0] == '*' ? read_array(out, command) : read_inline(out, command);
}
