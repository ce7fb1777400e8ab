/* Commands on lists. An element has a position, one more than that of the element before it; the first element's may be any. */
#include "kv_command.h"
#include "kv_number.h"

static struct kv_piece piece_at(const struct kv_opened *list, uint64_t index)
{
    struct kv_piece piece = kv_piece_of(list->c.number, 'e');
    kv_piece_add_u64(&piece, list->c.first + index);
    return piece;
}

static struct slice element(const struct kv_run *run, const struct kv_opened *list, uint64_t index)
{
    struct kv_piece piece = piece_at(list, index);
    const struct kv_entry *entry = kv_run_piece(run, &piece);
    return entry ? kv_entry_value(entry) : (struct slice){0};
}

static void push(struct kv_run *run, bool left, bool if_there)
{
    struct kv_opened list;
    if (!kv_run_open(run, run->arg[0], KV_TYPE_LIST, &list))
        return;
    if (!list.exists && if_there) {
        kv_run_integer(run, 0);
        return;
    }
    if (!kv_run_begin(run, &list))
        return;
    for (uint32_t i = 1; i < run->args && !run->full; i++) {
        if (left)
            list.c.first--;
        struct kv_piece piece = piece_at(&list, left ? 0 : list.c.count);
        kv_run_piece_put(run, &piece, run->arg[i]);
        list.c.count++;
    }
    kv_run_save(run, &list);
    kv_run_integer(run, (int64_t)list.c.count);
}

void kv_do_lpush(struct kv_run *run)
{
    push(run, true, false);
}

void kv_do_rpush(struct kv_run *run)
{
    push(run, false, false);
}

void kv_do_lpushx(struct kv_run *run)
{
    push(run, true, true);
}

void kv_do_rpushx(struct kv_run *run)
{
    push(run, false, true);
}

/* Takes an element away at an end. */
static void take(struct kv_run *run, struct kv_opened *list, bool left)
{
    struct kv_piece piece = piece_at(list, left ? 0 : list->c.count - 1);
    kv_run_piece_remove(run, &piece);
    list->c.count--;
    list->c.first += left;
}

static void pop(struct kv_run *run, bool left)
{
    struct kv_opened list;
    int64_t count = 1;
    bool many = run->args == 2;
    if (run->args > 2) {
        kv_run_arity_error(run);
        return;
    }
    if (many && (!kv_number_read(run->arg[1].data, run->arg[1].len, &count) || count < 0)) {
        kv_run_error(run, "ERR value is out of range, must be positive");
        return;
    }
    if (!kv_run_open(run, run->arg[0], KV_TYPE_LIST, &list))
        return;
    if (!list.exists) {
        if (many)
            kv_reply_nil_array(&run->out);
        else
            kv_reply_nil(&run->out);
        return;
    }
    if ((uint64_t)count > list.c.count)
        count = (int64_t)list.c.count;
    if (many)
        kv_reply_begin(&run->out, KV_REPLY_ARRAY, (uint64_t)count);
    for (int64_t i = 0; i < count && !run->full && !run->out.bad; i++) {
        kv_reply_bulk(&run->out, element(run, &list, left ? 0 : list.c.count - 1));
        take(run, &list, left);
    }
    if (count)
        kv_run_save(run, &list);
}

void kv_do_lpop(struct kv_run *run)
{
    pop(run, true);
}

void kv_do_rpop(struct kv_run *run)
{
    pop(run, false);
}

void kv_do_llen(struct kv_run *run)
{
    struct kv_opened list;
    if (kv_run_open(run, run->arg[0], KV_TYPE_LIST, &list))
        kv_run_integer(run, (int64_t)list.c.count);
}

/* Indexes of Redis, negative ones from the end, as [*first, *last + 1) of `count`; false: an empty range. */
static bool range_of(int64_t start, int64_t end, uint64_t count, uint64_t *first, uint64_t *behind)
{
    int64_t len = (int64_t)count;
    start = start < -len ? 0 : start < 0 ? start + len : start;
    end = end < -len ? -1 : end < 0 ? end + len : end;
    if (end >= len)
        end = len - 1;
    *first = (uint64_t)start;
    *behind = (uint64_t)(end + 1);
    return start <= end;
}

void kv_do_lrange(struct kv_run *run)
{
    struct kv_opened list;
    struct kv_walk walk;
    struct slice name;
    int64_t start, end;
    uint64_t first, behind;
    if (!kv_run_number(run, 1, &start) || !kv_run_number(run, 2, &end) ||
        !kv_run_open(run, run->arg[0], KV_TYPE_LIST, &list))
        return;
    if (!range_of(start, end, list.c.count, &first, &behind)) {
        kv_reply_begin(&run->out, KV_REPLY_ARRAY, 0);
        return;
    }
    kv_reply_begin(&run->out, KV_REPLY_ARRAY, behind - first);
    struct kv_piece from = piece_at(&list, first);
    kv_walk_start(&walk, run, &from);
    walk.prefix = kv_piece_of(list.c.number, 'e');
    const struct kv_entry *at;
    for (uint64_t i = first; i < behind && (at = kv_walk_at(&walk, &name)) && !run->out.bad; i++) {
        kv_reply_bulk(&run->out, kv_entry_value(at));
        kv_walk_on(&walk);
    }
}

/* True: there is such an element, at *at. */
static bool index_of(const struct kv_opened *list, int64_t index, uint64_t *at)
{
    int64_t len = (int64_t)list->c.count;
    if (index < 0)
        index += len;
    *at = (uint64_t)index;
    return index >= 0 && index < len;
}

void kv_do_lindex(struct kv_run *run)
{
    struct kv_opened list;
    int64_t index;
    uint64_t at;
    if (!kv_run_open(run, run->arg[0], KV_TYPE_LIST, &list))
        return;
    if (!list.exists) {
        kv_reply_nil(&run->out);
        return;
    }
    if (!kv_run_number(run, 1, &index))
        return;
    if (index_of(&list, index, &at))
        kv_reply_bulk(&run->out, element(run, &list, at));
    else
        kv_reply_nil(&run->out);
}

void kv_do_lset(struct kv_run *run)
{
    struct kv_opened list;
    int64_t index;
    uint64_t at;
    if (!kv_run_open(run, run->arg[0], KV_TYPE_LIST, &list))
        return;
    if (!list.exists) {
        kv_run_error(run, KV_NO_KEY);
        return;
    }
    if (!kv_run_number(run, 1, &index))
        return;
    if (!index_of(&list, index, &at)) {
        kv_run_error(run, "ERR index out of range");
        return;
    }
    struct kv_piece piece = piece_at(&list, at);
    kv_run_piece_put(run, &piece, run->arg[2]);
    kv_run_save(run, &list);
    kv_run_ok(run);
}

/* Costs what it takes away. */
void kv_do_ltrim(struct kv_run *run)
{
    struct kv_opened list;
    int64_t start, end;
    uint64_t first, behind, count;
    if (!kv_run_number(run, 1, &start) || !kv_run_number(run, 2, &end) ||
        !kv_run_open(run, run->arg[0], KV_TYPE_LIST, &list))
        return;
    count = list.c.count;
    if (list.exists) {
        if (!range_of(start, end, count, &first, &behind)) {
            kv_run_remove(run, run->arg[0]);
        } else if (kv_run_spend(run, (count - (behind - first)) * KV_WORK_CHANGE)) {
            for (uint64_t i = behind; i < count && !run->full; i++)
                take(run, &list, false);
            for (uint64_t i = 0; i < first && !run->full; i++)
                take(run, &list, true);
            if (list.c.count < count)
                kv_run_save(run, &list);
        }
    }
    kv_run_ok(run);
}
