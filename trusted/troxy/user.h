/* Users of the cluster file: what AUTH and HTTP's Basic are checked against. */
#ifndef TROXY_USER_H
#define TROXY_USER_H

#include "troxy/conversation.h"

/* What stands in `hash` for this password. */
void conversation_user_hash(uint8_t out[32], const uint8_t salt[16], struct slice password);
/* The user with this name and password; NULL: there is none, and how long that took says nothing of the password. */
const struct conversation_user *conversation_user_find(const struct conversation_front *front,
                                                       struct slice name, struct slice password);

#endif
