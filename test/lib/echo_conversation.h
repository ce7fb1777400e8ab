/*
 * A tiny application protocol for tests of the front: a line in, an operation, a line out.
 *
 *   PING             PONG, at once
 *   QUIT             BYE, and the connection is closed
 *   READY            YES or NO
 *   FILL n           n bytes of "x" and a line end, at once
 *   anything else    is the operation; its result comes back as a line, or "!" and what became of it
 */
#ifndef TEST_ECHO_CONVERSATION_H
#define TEST_ECHO_CONVERSATION_H

#include "redoubt/app.h"
#include "troxy/conversation.h"

extern const struct conversation_type echo_conversation;
/* A service whose result is the operation, and its number: "3:text". */
extern const struct redoubt_service echo_service;
extern const struct service_front echo_front;
/* Of all conversations: opened and not closed. */
extern unsigned echo_open;

#endif
