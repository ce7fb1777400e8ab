#define _GNU_SOURCE 1
#include "shell/link.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "shell/start.h"
#include "shell/words.h"

static struct ring *ring_at(struct link_shared *shared, size_t at)
{
    return (struct ring *)(void *)((uint8_t *)shared + at);
}

void link_open(struct link *link, enum kind kind, uint32_t spin, struct lockdown_doors *doors)
{
    struct stat stat;
    int seals = fcntl(LINK_FD, F_GET_SEALS);
    if (seals < 0 || (seals & (F_SEAL_SHRINK | F_SEAL_GROW)) != (F_SEAL_SHRINK | F_SEAL_GROW) ||
        fstat(LINK_FD, &stat) != 0 || stat.st_size != (off_t)LINK_BYTES)
        shell_fail("cannot start", "there is no memory to share with the application");
    struct link_shared *shared = mmap(NULL, LINK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, LINK_FD, 0);
    if (shared == MAP_FAILED)
        shell_fail("cannot map the memory shared with the application", strerror(errno));
    madvise(shared, LINK_BYTES, MADV_DONTDUMP);

    bool calls = kind == KIND_EXECUTION;
    link->own = calls ? &shared->execution : &shared->application;
    link->other = calls ? &shared->application : &shared->execution;
    link->patient = !calls;
    link->spin = spin;
    link->frame = start_memory(FRAME_MAX, "cannot reserve memory for calls");
    ring_writer_init(&link->out, ring_at(shared, calls ? LINK_CALLS_AT : LINK_ANSWERS_AT), RING_BYTES);
    ring_reader_init(&link->in, ring_at(shared, calls ? LINK_ANSWERS_AT : LINK_CALLS_AT), RING_BYTES);
    doors->link_word = (const void *)link->own;
    doors->link_other = (const void *)link->other;
    doors->link_patience = calls ? &bell_patience : NULL;
}

void link_fail(void *context, const char *what)
{
    const struct link *link = context;
    shell_fail(link->patient ? "Execution's call" : "the application's answer", what);
}

static void show(struct link *link)
{
    if (ring_publish(&link->out))
        bell_ring(link->other, BELL_WANTS_INPUT);
}

static bool input_waits(const struct link *link)
{
    return atomic_load_explicit(&link->in.ring->head, memory_order_seq_cst) != link->in.head;
}

/* Has the other side made room since the ring was found full? */
static bool room_appeared(const struct link *link)
{
    return atomic_load_explicit(&link->out.ring->tail, memory_order_seq_cst) != link->out.tail;
}

static bool is_there(const struct link *link, enum bell wish)
{
    return wish == BELL_WANTS_INPUT ? input_waits(link) : room_appeared(link);
}

static void wait_for(struct link *link, enum bell wish)
{
    unsigned waited = 0, woken = 0;
    for (uint32_t i = 0; i < link->spin; i++) {
        if (is_there(link, wish))
            return;
        bell_pause();
    }
    while (!is_there(link, wish)) {
        bell_announce(link->own, wish);
        if (is_there(link, wish)) {
            bell_call_off(link->own);
            return;
        }
        if (link->patient)
            bell_sleep(link->own, wish);
        else if (++woken > LINK_WAKEUPS_MAX)
            shell_fail("the application wakes and does not answer", NULL);
        else if (!bell_sleep_a_while(link->own, wish) && ++waited >= LINK_PATIENCE_S)
            shell_fail("the application does not answer", NULL);
    }
}

void link_send(void *context, const struct slice *parts, unsigned count)
{
    struct link *link = context;
    enum ring_status status;
    while ((status = ring_write(&link->out, parts, count, 0)) == RING_NOTHING) {
        show(link);
        wait_for(link, BELL_WANTS_ROOM);
    }
    if (status == RING_BROKEN)
        shell_fail("malformed ring", "to the other process");
    if (link->out.head - link->out.published >= LINK_SHOW_BYTES)
        show(link);
}

/* Room that was read is given back before this side waits, and at the latest when it is much. */
static void give_room(struct link *link)
{
    if (ring_release(&link->in))
        bell_ring(link->other, BELL_WANTS_ROOM);
}

struct slice link_receive(void *context)
{
    struct link *link = context;
    struct ring_frame frame;
    enum ring_status status;
    if (ring_unreleased(&link->in) >= RING_BYTES / 8)
        give_room(link);
    while ((status = ring_read(&link->in, &frame)) == RING_NOTHING) {
        if (!input_waits(link)) {
            give_room(link);
            show(link);
            wait_for(link, BELL_WANTS_INPUT);
        }
        if (ring_refresh(&link->in) != RING_OK)
            break;
    }
    if (status != RING_OK || frame.flags != 0)
        shell_fail("malformed ring", "from the other process");
    ring_copy(link->frame, &frame);
    return (struct slice){link->frame, frame.len};
}
