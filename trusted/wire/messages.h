/*
 * All messages, and the table of which body each frame type has.
 */
#ifndef WIRE_MESSAGES_H
#define WIRE_MESSAGES_H

#include "wire/attestation.h"
#include "wire/backup.h"
#include "wire/batch.h"
#include "wire/bundle.h"
#include "wire/certified.h"
#include "wire/chain.h"
#include "wire/checkpoint.h"
#include "wire/counter_answer.h"
#include "wire/counter_ask.h"
#include "wire/counter_key.h"
#include "wire/fetch_reply.h"
#include "wire/front.h"
#include "wire/hello.h"
#include "wire/hybster_commit.h"
#include "wire/hybster_committed.h"
#include "wire/hybster_new_view.h"
#include "wire/hybster_prepare.h"
#include "wire/hybster_suspect.h"
#include "wire/hybster_view_change.h"
#include "wire/local.h"
#include "wire/local_certify.h"
#include "wire/new_view.h"
#include "wire/parting.h"
#include "wire/reading.h"
#include "wire/record.h"
#include "wire/reconfig.h"
#include "wire/reply.h"
#include "wire/sign_wanted.h"
#include "wire/start.h"
#include "wire/state.h"
#include "wire/status.h"
#include "wire/view_change.h"
#include "wire/vote.h"

#define FRAME_BODIES(B)                                                                                      \
    B(COUNTER_KEY, counter_key)                                                                              \
    B(COUNTER_SIGNED, counter_sign)                                                                          \
    B(LOCAL_COUNT, local_count)                                                                              \
    B(LOCAL_COUNTED, local_counted)                                                                          \
    B(HYBSTER_PREPARE, hybster_prepare)                                                                      \
    B(HYBSTER_COMMIT, hybster_commit)                                                                        \
    B(HYBSTER_COMMITTED, hybster_committed)                                                                  \
    B(HYBSTER_SUSPECT, hybster_suspect)                                                                      \
    B(HYBSTER_VIEW_CHANGE, hybster_view_change)                                                              \
    B(HYBSTER_NEW_VIEW, hybster_new_view)                                                                    \
    B(LOCAL_COMMITTED, local_committed)                                                                      \
    B(LOCAL_CERTIFY, local_certify)                                                                          \
    B(CERTIFIED, certified)                                                                                  \
    B(ASK_ATTEST, ask_attest)                                                                                \
    B(ATTEST, attest)                                                                                        \
    B(ASK_READ, ask_read)                                                                                    \
    B(READ_ANSWER, read_answer)                                                                              \
    B(LOCAL_OPENED, local_opened)                                                                            \
    B(LOCAL_BYTES, local_bytes)                                                                              \
    B(LOCAL_CREDIT, local_credit)                                                                            \
    B(LOCAL_CLOSED, local_closed)                                                                            \
    B(LOCAL_TICK, local_tick)                                                                                \
    B(LOCAL_LINK, local_link)                                                                                \
    B(LOCAL_ARRIVED, local_arrived)                                                                          \
    B(LOCAL_SEND, local_send)                                                                                \
    B(LOCAL_CERTIFICATE, local_certificate)                                                                  \
    B(LOCAL_FRONT, local_front)                                                                              \
    B(ASK_BACKUP, ask_backup)                                                                                \
    B(BACKUP, backup)                                                                                        \
    B(LOCAL_RESTORE, local_restore)                                                                          \
    B(LOCAL_RESTORED, local_restored)                                                                        \
    B(HELLO, hello)                                                                                          \
    B(START, start)                                                                                          \
    B(RECONFIG, reconfig)                                                                                    \
    B(CONFIGURATION, chain)                                                                                  \
    B(GROUP_KEY, group_key)                                                                                  \
    B(ASK_CONFIGURATION, ask_chain)                                                                          \
    B(LOCAL_RECONFIGURED, local_reconfigured)                                                                \
    B(BUNDLE, bundle)                                                                                        \
    B(REPLY, reply)                                                                                          \
    B(FETCH_REPLY, fetch_reply)                                                                              \
    B(SIGN_WANTED, sign_wanted)                                                                              \
    B(PRE_PREPARE, vote)                                                                                     \
    B(PREPARE, vote)                                                                                         \
    B(COMMIT, vote)                                                                                          \
    B(EXECUTED, vote)                                                                                        \
    B(CHECKPOINT, checkpoint)                                                                                \
    B(PARTING, parting)                                                                                      \
    B(VIEW_CHANGE, view_change)                                                                              \
    B(NEW_VIEW, new_view)                                                                                    \
    B(ASK_EXECUTED, ask_executed)                                                                            \
    B(ASK_STATE, ask_state)                                                                                  \
    B(STATE, state)                                                                                          \
    B(STATUS, status)                                                                                        \
    B(FETCH, fetch)                                                                                          \
    B(BATCH, batch_frame)                                                                                    \
    B(LOCAL_PROPOSE, local_propose)                                                                          \
    B(LOCAL_LEAVE, local_leave)                                                                              \
    B(LOCAL_ADMITTED, local_admitted)                                                                        \
    B(LOCAL_PROGRESS, local_progress)                                                                        \
    B(LOCAL_NEED, local_need)                                                                                \
    B(LOCAL_CATCH_UP, local_catch_up)                                                                        \
    B(LOCAL_VIEW, local_view)                                                                                \
    B(LOCAL_SETTLED, local_settled)                                                                          \
    B(LOCAL_CHECKPOINT, local_checkpoint)                                                                    \
    B(LOCAL_SEALED, local_sealed)                                                                            \
    B(LOCAL_RECALL, local_recall)                                                                            \
    B(LOCAL_SAVE, local_save) B(LOCAL_SAVED, local_saved) B(LOCAL_TRANSFER, local_transfer)

#endif
