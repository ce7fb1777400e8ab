/*
 * A frame: what travels between compartments, hosts and clients.
 *
 *   header (32 bytes) | body | authenticator | attachment
 *
 * The content digest covers protocol tag and version, cluster id, type, sender (kind, id, epoch) and body; MACs and
 * signatures are made over it, so nothing verifies as another type, of another sender, or in another cluster. The
 * attachment is covered through a digest of it in the body; it can be stripped for receivers that need only the
 * vote (P gets bundles without their operations, C gets pre-prepares without their lists).
 */
#ifndef WIRE_FRAME_H
#define WIRE_FRAME_H

#include "base/verdict.h"
#include "wire/schema.h"

#define WIRE_VERSION       1
#define FRAME_HEADER_BYTES 32u

/* The numbers are part of the wire format. */
#define FRAME_TYPES(T)                                                                                       \
    T(HELLO, 1, "hello")                 /* compartment -> start: public keys, evidence */                   \
    T(START, 2, "start")                 /* admin -> compartments: the manifest */                           \
    T(RECONFIG, 3, "reconfig")           /* admin or launcher -> hosts, P and E: fresh keys */               \
    T(CONFIGURATION, 4, "configuration") /* E -> P, C, E, hosts, origins: RECONFIGs that were executed */    \
    T(GROUP_KEY, 5, "group-key")         /* E -> a fresh E */                                                \
    T(ASK_CONFIGURATION, 6, "ask-configuration")  /* host, origin -> host: what comes after number N? */     \
    T(BUNDLE, 10, "bundle")                       /* origin -> hosts, P and E */                             \
    T(REPLY, 11, "reply")                         /* E -> origin */                                          \
    T(FETCH_REPLY, 12, "fetch-reply")             /* origin -> E: the reply again, in full */                \
    T(SIGN_WANTED, 13, "sign-wanted")             /* host -> origin: that bundle signed, please */           \
    T(ASK_ATTEST, 14, "ask-attest")               /* origin -> E, T: which versions have these cells? */     \
    T(ATTEST, 15, "attest")                       /* E, T -> origin */                                       \
    T(ASK_READ, 16, "ask-read")                   /* origin -> E: what do these operations give now? */      \
    T(READ_ANSWER, 17, "read-answer")             /* E -> origin */                                          \
    T(CERTIFIED, 18, "certified")                 /* T -> origin (hybster): I was shown that bundle */       \
    T(PRE_PREPARE, 20, "pre-prepare")             /* P of primary -> P, C, E */                              \
    T(PREPARE, 21, "prepare")                     /* P -> C */                                               \
    T(COMMIT, 22, "commit")                       /* C -> E */                                               \
    T(EXECUTED, 23, "executed")                   /* E -> an E that asks */                                  \
    T(CHECKPOINT, 24, "checkpoint")               /* E -> P, C, E */                                         \
    T(PARTING, 25, "parting")                     /* P -> C, P */                                            \
    T(VIEW_CHANGE, 26, "view-change")             /* C -> P */                                               \
    T(NEW_VIEW, 27, "new-view")                   /* P of primary -> P, C */                                 \
    T(ASK_EXECUTED, 30, "ask-executed")           /* E -> E: your EXECUTED for these slots, please */        \
    T(ASK_STATE, 31, "ask-state")                 /* E -> E: leaves of your state at a checkpoint */         \
    T(STATE, 32, "state")                         /* E -> E: some leaves, encrypted */                       \
    T(ASK_BACKUP, 33, "ask-backup")               /* admin -> hosts, E: a piece of a backup, please */       \
    T(BACKUP, 34, "backup")                       /* E -> admin: a piece, encrypted for the administrator */ \
    T(STATUS, 40, "status")                       /* host -> hosts: where I am, so send me what I lack */    \
    T(FETCH, 41, "fetch")                         /* host -> host: a batch or bundle by digest */            \
    T(BATCH, 42, "batch")                         /* host -> host: a batch (the attachment) */               \
    T(HYBSTER_PREPARE, 43, "hybster-prepare")     /* N of the leader -> orderers */                          \
    T(HYBSTER_COMMIT, 44, "hybster-commit")       /* N -> orderers */                                        \
    T(HYBSTER_COMMITTED, 45, "hybster-committed") /* anybody -> orderers: certificates of a batch */         \
    T(HYBSTER_SUSPECT, 46, "hybster-suspect")     /* N -> orderers */                                        \
    T(HYBSTER_VIEW_CHANGE, 47, "hybster-view-change") /* N -> orderers */                                    \
    T(HYBSTER_NEW_VIEW, 48, "hybster-new-view")       /* N of the new leader -> orderers */                  \
    T(LOCAL_PROPOSE, 50, "local-propose")             /* host -> P: put these bundles into the next slot */  \
    T(LOCAL_LEAVE, 51, "local-leave")                 /* host -> P, C: leave all views below this one */     \
    T(LOCAL_ADMITTED, 52, "local-admitted")           /* P -> host: verdict on a bundle */                   \
    T(LOCAL_PROGRESS, 53, "local-progress")     /* E -> host: executed up to here, stable up to here */      \
    T(LOCAL_NEED, 54, "local-need")             /* E -> host: give me this batch or bundle */                \
    T(LOCAL_CATCH_UP, 55, "local-catch-up")     /* host -> E: ask that peer */                               \
    T(LOCAL_VIEW, 56, "local-view")             /* P, C -> host: the view I am in */                         \
    T(LOCAL_SETTLED, 57, "local-settled")       /* E -> host: this bundle will not be executed (again) */    \
    T(LOCAL_CHECKPOINT, 58, "local-checkpoint") /* host -> E: go on with the checkpoint under way */         \
    T(LOCAL_COMMITTED, 63, "local-committed")   /* host -> E (hybster): the batch of a slot */               \
    T(LOCAL_CERTIFY, 60, "local-certify")       /* E -> own T (hybster): a bundle was executed */            \
    T(LOCAL_RECONFIGURED, 62, "local-reconfigured") /* E -> host: a RECONFIG was executed */                 \
    T(LOCAL_TRANSFER, 59, "local-transfer")         /* E -> host: how catching up by state goes */           \
    T(LOCAL_SEALED, 70, "local-sealed")   /* P, C, E -> host: a record, durable before what follows */       \
    T(LOCAL_RECALL, 71, "local-recall")   /* host -> P, C, E: a record of an earlier life */                 \
    T(LOCAL_SAVE, 72, "local-save")       /* host -> E: save a checkpoint */                                 \
    T(LOCAL_SAVED, 73, "local-saved")     /* E -> host: a piece of a checkpoint to be stored */              \
    T(LOCAL_RESTORE, 74, "local-restore") /* host -> E: a piece of the state that the cluster begins with */ \
    T(LOCAL_RESTORED, 75, "local-restored") /* E -> host: the next one, or that was all */                   \
    T(LOCAL_OPENED, 90, "local-opened")     /* host -> Troxy: a client connected (wire/front.h) */           \
    T(LOCAL_BYTES, 91, "local-bytes")       /* both: of a client's connection */                             \
    T(LOCAL_CREDIT, 92, "local-credit")     /* both: so many of them are worked off */                       \
    T(LOCAL_CLOSED, 93, "local-closed")     /* both: the last about a connection */                          \
    T(LOCAL_TICK, 94, "local-tick")         /* both: when to wake; now it is */                              \
    T(LOCAL_LINK, 95, "local-link")         /* host -> Troxy: a replica's client port is reached, or not */  \
    T(LOCAL_ARRIVED, 96, "local-arrived")   /* host -> Troxy: a frame from a replica's client port */        \
    T(LOCAL_SEND, 97, "local-send")         /* Troxy -> host: a frame for it */                              \
    T(LOCAL_CERTIFICATE, 98, "local-certificate") /* host -> Troxy: another key and certificate */           \
    T(LOCAL_FRONT, 99, "local-front")             /* Troxy -> host: how it is */                             \
    T(COUNTER_KEY, 100, "counter-key")            /* admin -> N: begins its counters */                      \
    T(COUNTER_SIGNED, 101, "counter-signed")      /* N -> whoever holds no counter: a digest, signed */      \
    T(LOCAL_COUNT, 102, "local-count")            /* host -> N: certify, verify, sign */                     \
    T(LOCAL_COUNTED, 103, "local-counted")        /* N -> host: the answer */

enum frame_type {
#define T(name, number, text) FRAME_##name = number,
    FRAME_TYPES(T)
#undef T
};

/* AUTH_COUNTER: of a certificate of the sender's counter compartment, see wire/hybster_prepare.h. */
enum auth_kind { AUTH_NONE = 0, AUTH_MACS = 1, AUTH_SIGNATURE = 2, AUTH_COUNTER = 3 };

/* Who a frame says it is from; `id` is a replica or an origin. */
struct sender {
    enum kind kind;
    uint32_t id;
    epoch_no epoch;
};

struct frame {
    enum frame_type type;
    struct sender sender;
    enum auth_kind auth_kind;
    struct slice body;
    struct slice auth;
    struct slice attachment;
    struct slice whole;
};

const char *frame_type_name(enum frame_type type);

/* Splits a frame into its parts, which point into `data`. False when lengths, kinds or type are not possible. */
bool frame_decode(const uint8_t *data, size_t len, struct frame *frame);

/* Writes header and parts; the lengths follow from the slices. Returns the length, 0 when it does not fit. */
size_t frame_encode(uint8_t *out, size_t cap, enum frame_type type, const struct sender *sender,
                    enum auth_kind auth_kind, struct slice body, struct slice auth, struct slice attachment);

/* Writes everything but the attachment, which the caller puts behind it. Returns the length written, 0 if too long. */
size_t frame_head(uint8_t *out, size_t cap, const struct frame *frame, size_t attachment_len);

/* Length of the frame without its attachment, and the header that such a stripped frame must have. */
size_t frame_strip(uint8_t *out, size_t cap, const struct frame *frame);

/* Frames inside an attachment: each a u32 length and the frame. False at the end or (with *at = SIZE_MAX) on an error. */
bool frame_list_next(struct slice list, size_t *at, struct slice *frame);

/* One line for traces: type, sender, fields. */
void frame_print(struct text *text, const struct frame *frame);

#endif
