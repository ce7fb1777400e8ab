/*
 * Backups at the host: the administrator's requests come in by a client connection, are checked here, so that nobody else costs own E a
 * signature check, and wait for their turn among the questions of peers that lag; so a backup takes no more of the
 * replica than they do. A request that begins one, or that nobody answered for a while, is sent to all replicas: the state is given as
 * of a checkpoint to come, and the primary of an idle cluster fills up to it.
 */
#include "ordering/backup_request.h"
#include "splitbft/broker.h"

#define FILLS_MAX 64u /* checkpoints that one session is good for: who heard a request may repeat it */

static void fill(struct broker *b)
{
    slot_no next = (b->executed / CHECKPOINT_INTERVAL + 1) * CHECKPOINT_INTERVAL;
    if (b->fill_until >= next || b->backup_fills >= FILLS_MAX)
        return;
    b->backup_fills++;
    b->fill_until = next;
    b->fill_since_us = b->now_us;
}

static bool begins(const struct ask_backup *ask)
{
    return ask->number <= 2; /* the key, and the first piece of the state */
}

/* A later session ends the ones before it, whose requests are worth nothing from then on. */
static enum verdict session_check(struct broker *b, const struct ask_backup *ask)
{
    if (ask->asked_us < b->backup_asked_us || b->now_us > ask->until_us)
        return VERDICT_STALE;
    if (ask->asked_us > b->backup_asked_us) {
        b->backup_asked_us = ask->asked_us;
        b->backup_fills = 0;
        b->backup_link = 0;
    }
    return VERDICT_ACCEPT;
}

enum verdict broker_on_ask_backup(struct broker *b, const struct frame *frame, uint32_t connection)
{
    struct ask_backup ask;
    enum verdict verdict = backup_request_check(frame, &b->cluster, b->held.admin_public, &ask);
    if (verdict == VERDICT_BAD_SIGNATURE) /* each costs a signature check */
        broker_emit(b, &(struct action){.kind = ACTION_DROP_CLIENT, .to = connection});
    if (verdict == VERDICT_ACCEPT)
        verdict = session_check(b, &ask);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    if (begins(&ask) || ask.replica != b->config.replica)
        fill(b);
    if (ask.replica != b->config.replica)
        return VERDICT_ACCEPT;
    if (b->backup_link && b->backup_link != connection + 1)
        return VERDICT_DUPLICATE; /* as long as the administrator is there, nobody else gets his pieces */
    b->backup_link = connection + 1;
    return catch_up_queue(b, ADMINISTRATOR, frame->whole);
}

enum verdict broker_on_backup(struct broker *b, const struct frame *frame)
{
    catch_up_sent(b, frame->whole.len);
    if (b->backup_link)
        broker_send_client(b, b->backup_link - 1, frame->whole);
    return VERDICT_ACCEPT;
}
