/*
 * Why a request was refused: the status to answer with, and the reason in words for whoever debugs a client. The words are
 * constants: nothing of the request is in them.
 */
#ifndef TROXY_HTTP_REFUSAL_H
#define TROXY_HTTP_REFUSAL_H

#include <stdint.h>

struct http_refusal {
    uint16_t status; /* 0: not refused */
    const char *why;
};

#define HTTP_FINE            ((struct http_refusal){0, NULL})
#define HTTP_NO(status, why) ((struct http_refusal){status, why})

#endif
