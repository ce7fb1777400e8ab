/* Commands on sorted sets. A member has two pieces: one by its name, with its score, and one by score and name. */
#include "kv_command.h"
#include "kv_double.h"
#include "kv_number.h"

static struct kv_piece by_name(const struct kv_opened *set, struct slice member)
{
    struct kv_piece piece = kv_piece_of(set->c.number, 'e');
    kv_piece_add(&piece, member);
    return piece;
}

static struct kv_piece by_score(const struct kv_opened *set, double score, struct slice member)
{
    struct kv_piece piece = kv_piece_of(set->c.number, 's');
    kv_piece_add_u64(&piece, kv_double_order(score));
    kv_piece_add(&piece, member);
    return piece;
}

static double order_read(const uint8_t *bytes)
{
    uint64_t order = 0;
    for (unsigned i = 0; i < 8; i++)
        order = order << 8 | bytes[i];
    return kv_double_of_order(order);
}

static bool find(const struct kv_run *run, const struct kv_opened *set, struct slice member, double *score)
{
    if (!set->exists || member.len > KV_KEY_MAX)
        return false;
    struct kv_piece piece = by_name(set, member);
    const struct kv_entry *entry = kv_run_piece(run, &piece);
    if (entry)
        *score = order_read(kv_entry_value(entry).data);
    return entry != NULL;
}

static void put_member(struct kv_run *run, const struct kv_opened *set, struct slice member, double score)
{
    struct kv_piece order = {.len = 0};
    struct kv_piece name = by_name(set, member), place = by_score(set, score, member);
    kv_piece_add_u64(&order, kv_double_order(score));
    kv_run_piece_put(run, &name, kv_piece_key(&order));
    kv_run_piece_put(run, &place, (struct slice){NULL, 0});
}

static void remove_member(struct kv_run *run, struct kv_opened *set, struct slice member, double score)
{
    struct kv_piece name = by_name(set, member), place = by_score(set, score, member);
    kv_run_piece_remove(run, &name);
    kv_run_piece_remove(run, &place);
    set->c.count--;
}

static void reply_score(struct kv_run *run, double score)
{
    uint8_t text[KV_DOUBLE_TEXT_MAX];
    kv_reply_number(&run->out, (struct slice){text, kv_double_write(text, score)});
}

/* ------------------------------------------------------------------------------------------------ adding */

#define NX    1u
#define XX    2u
#define GT    4u
#define LT    8u
#define CH    16u
#define INCR  32u
#define KINDS 6u

struct added {
    unsigned options;
    uint64_t fresh;
    uint64_t moved;
    bool done;    /* the last one */
    double score; /* of the last one */
};

/* False: not a number, and the reply says so. */
static bool add_one(struct kv_run *run, struct kv_opened *set, struct added *added, double score,
                    struct slice member)
{
    unsigned o = added->options;
    double old = 0;
    bool there = find(run, set, member, &old);
    added->done = false;
    if (there ? (o & NX) != 0 : (o & XX) != 0)
        return true;
    if (there && (o & INCR))
        score += old;
    if (score != score) {
        kv_run_error(run, "ERR resulting score is not a number (NaN)");
        return false;
    }
    if (there && (((o & LT) && score >= old) || ((o & GT) && score <= old)))
        return true;
    added->done = true;
    added->score = score;
    if (there && score == old)
        return true;
    if (!kv_run_begin(run, set))
        return true;
    if (there)
        remove_member(run, set, member, old);
    put_member(run, set, member, score);
    set->c.count++;
    added->fresh += !there;
    added->moved += there;
    return true;
}

/* What stands before the scores; returns where they begin. */
static uint32_t add_options(const struct kv_run *run, unsigned *options)
{
    static const char *const word[KINDS] = {"nx", "xx", "gt", "lt", "ch", "incr"};
    uint32_t i = 1;
    for (; i < run->args; i++) {
        unsigned kind = 0;
        while (kind < KINDS && !kv_run_is(run, i, word[kind]))
            kind++;
        if (kind == KINDS)
            break;
        *options |= 1u << kind;
    }
    return i;
}

static bool options_agree(struct kv_run *run, unsigned o, uint32_t scores)
{
    if (scores % 2 || scores == 0)
        kv_run_error(run, KV_SYNTAX);
    else if ((o & NX) && (o & XX))
        kv_run_error(run, "ERR XX and NX options at the same time are not compatible");
    else if (((o & GT) && (o & LT)) || ((o & NX) && (o & (GT | LT))))
        kv_run_error(run, "ERR GT, LT, and/or NX options at the same time are not compatible");
    else if ((o & INCR) && scores > 2)
        kv_run_error(run, "ERR INCR option supports a single increment-element pair");
    else
        return true;
    return false;
}

static bool scores_are_good(struct kv_run *run, uint32_t first)
{
    double score;
    for (uint32_t i = first; i < run->args; i += 2) {
        if (!kv_double_read(run->arg[i], &score)) {
            kv_run_error(run, KV_NOT_FLOAT);
            return false;
        }
    }
    for (uint32_t i = first + 1; i < run->args; i += 2) {
        if (run->arg[i].len > KV_KEY_MAX) {
            kv_run_error(run, KV_TOO_LARGE);
            return false;
        }
    }
    return true;
}

static void add(struct kv_run *run, struct added *added, uint32_t first)
{
    struct kv_opened set;
    if (!scores_are_good(run, first) || !kv_run_open(run, run->arg[0], KV_TYPE_ZSET, &set))
        return;
    for (uint32_t i = first; i + 1 < run->args && !run->full; i += 2) {
        double score = 0;
        (void)kv_double_read(run->arg[i], &score);
        if (!add_one(run, &set, added, score, run->arg[i + 1]))
            return;
    }
    if (added->fresh + added->moved)
        kv_run_save(run, &set);
    if (!(added->options & INCR))
        kv_run_integer(run, (int64_t)(added->fresh + (added->options & CH ? added->moved : 0)));
    else if (added->done)
        reply_score(run, added->score);
    else
        kv_reply_nil(&run->out);
}

void kv_do_zadd(struct kv_run *run)
{
    struct added added = {.options = 0};
    uint32_t first = add_options(run, &added.options);
    if (options_agree(run, added.options, run->args - first))
        add(run, &added, first);
}

void kv_do_zincrby(struct kv_run *run)
{
    struct added added = {.options = INCR};
    add(run, &added, 1);
}

void kv_do_zrem(struct kv_run *run)
{
    struct kv_opened set;
    int64_t gone = 0;
    double score = 0;
    if (!kv_run_open(run, run->arg[0], KV_TYPE_ZSET, &set))
        return;
    for (uint32_t i = 1; i < run->args && !run->full; i++) {
        if (!find(run, &set, run->arg[i], &score))
            continue;
        remove_member(run, &set, run->arg[i], score);
        gone++;
    }
    if (gone)
        kv_run_save(run, &set);
    kv_run_integer(run, gone);
}

/* ------------------------------------------------------------------------------------------------ reading */

static void reply_member(struct kv_run *run, const struct kv_opened *set, struct slice member)
{
    double score = 0;
    if (find(run, set, member, &score))
        reply_score(run, score);
    else
        kv_reply_nil(&run->out);
}

void kv_do_zscore(struct kv_run *run)
{
    struct kv_opened set;
    if (kv_run_open(run, run->arg[0], KV_TYPE_ZSET, &set))
        reply_member(run, &set, run->arg[1]);
}

void kv_do_zmscore(struct kv_run *run)
{
    struct kv_opened set;
    if (!kv_run_open(run, run->arg[0], KV_TYPE_ZSET, &set))
        return;
    kv_reply_begin(&run->out, KV_REPLY_ARRAY, run->args - 1);
    for (uint32_t i = 1; i < run->args; i++)
        reply_member(run, &set, run->arg[i]);
}

void kv_do_zcard(struct kv_run *run)
{
    struct kv_opened set;
    if (kv_run_open(run, run->arg[0], KV_TYPE_ZSET, &set))
        kv_run_integer(run, (int64_t)set.c.count);
}

struct range {
    bool by_score, down, scores, limited;
    int64_t start, end; /* by rank */
    double low, high;   /* by score */
    bool low_open, high_open;
    int64_t offset, count; /* of LIMIT */
};

static void walk_from(struct kv_walk *walk, struct kv_run *run, const struct kv_opened *set, bool down)
{
    struct kv_piece prefix = kv_piece_of(set->c.number, 's');
    if (down)
        kv_walk_start_down(walk, run, &prefix);
    else
        kv_walk_start(walk, run, &prefix);
}

static void walk_step(struct kv_walk *walk, bool down)
{
    if (down)
        kv_walk_down(walk);
    else
        kv_walk_on(walk);
}

static void reply_place(struct kv_run *run, struct slice name, bool scores)
{
    kv_reply_bulk(&run->out, (struct slice){name.data + 8, name.len - 8});
    if (scores)
        reply_score(run, order_read(name.data));
}

/* Costs what it skips and what it finds. */
static void range_by_rank(struct kv_run *run, const struct kv_opened *set, const struct range *r)
{
    struct kv_walk walk;
    struct slice name;
    int64_t len = (int64_t)set->c.count;
    int64_t start = r->start < -len ? 0 : r->start < 0 ? r->start + len : r->start;
    int64_t end = r->end < -len ? -1 : r->end < 0 ? r->end + len : r->end;
    if (end >= len)
        end = len - 1;
    uint64_t found = start <= end ? (uint64_t)(end - start + 1) : 0;
    kv_reply_begin(&run->out, r->scores ? KV_REPLY_PAIRS : KV_REPLY_ARRAY, found);
    if (!found)
        return;
    if (!kv_run_spend(run, (uint64_t)start * KV_WORK_ENTRY))
        return;
    walk_from(&walk, run, set, r->down);
    for (int64_t i = 0; i < start; i++)
        walk_step(&walk, r->down);
    for (; found && !run->out.bad && kv_walk_at(&walk, &name); found--) {
        reply_place(run, name, r->scores);
        walk_step(&walk, r->down);
    }
}

static void range_by_score(struct kv_run *run, const struct kv_opened *set, const struct range *r)
{
    struct kv_walk walk;
    struct slice name;
    uint64_t found = 0;
    int64_t skip = r->limited ? r->offset : 0, left = r->limited && r->count >= 0 ? r->count : INT64_MAX;
    size_t begin = kv_reply_begin(&run->out, r->scores ? KV_REPLY_PAIRS : KV_REPLY_ARRAY, 0);
    if (!set->exists || skip < 0)
        return;
    struct kv_piece from = kv_piece_of(set->c.number, 's');
    if (r->down) {
        kv_piece_add_u64(&from, kv_double_order(r->high) + 1);
        kv_cursor_seek_down(&walk.cursor, &run->store->inner, kv_piece_key(&from));
    } else {
        kv_piece_add_u64(&from, kv_double_order(r->low));
        kv_cursor_seek(&walk.cursor, &run->store->inner, kv_piece_key(&from), false);
    }
    walk.prefix = kv_piece_of(set->c.number, 's');
    for (; left && !run->out.bad && kv_walk_at(&walk, &name); walk_step(&walk, r->down)) {
        double score = order_read(name.data);
        if (!kv_run_spend(run, KV_WORK_ENTRY))
            break;
        if (r->down ? score < r->low || (r->low_open && score == r->low)
                    : score > r->high || (r->high_open && score == r->high))
            break;
        if ((r->low_open && score == r->low) || (r->high_open && score == r->high))
            continue;
        if (skip > 0) {
            skip--;
            continue;
        }
        reply_place(run, name, r->scores);
        found++;
        left--;
    }
    kv_reply_end(&run->out, begin, found);
}

static bool bound_read(struct slice text, double *score, bool *open)
{
    *open = text.len && text.data[0] == '(';
    if (*open)
        text = (struct slice){text.data + 1, text.len - 1};
    return kv_double_read(text, score);
}

static bool range_options(struct kv_run *run, struct range *r)
{
    for (uint32_t i = 3; i < run->args; i++) {
        if (kv_run_is(run, i, "withscores")) {
            r->scores = true;
        } else if (kv_run_is(run, i, "rev")) {
            r->down = true;
        } else if (kv_run_is(run, i, "byscore")) {
            r->by_score = true;
        } else if (kv_run_is(run, i, "limit") && i + 2 < run->args) {
            r->limited = true;
            if (!kv_run_number(run, i + 1, &r->offset) || !kv_run_number(run, i + 2, &r->count))
                return false;
            i += 2;
        } else {
            kv_run_error(run, KV_SYNTAX);
            return false;
        }
    }
    if (r->limited && !r->by_score) {
        kv_run_error(run,
                     "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX");
        return false;
    }
    return true;
}

static bool range_bounds(struct kv_run *run, struct range *r)
{
    if (!r->by_score)
        return kv_run_number(run, 1, &r->start) && kv_run_number(run, 2, &r->end);
    if (bound_read(run->arg[r->down ? 2 : 1], &r->low, &r->low_open) &&
        bound_read(run->arg[r->down ? 1 : 2], &r->high, &r->high_open))
        return true;
    kv_run_error(run, "ERR min or max is not a float");
    return false;
}

static void range(struct kv_run *run, struct range *r)
{
    struct kv_opened set;
    if (!range_bounds(run, r) || !kv_run_open(run, run->arg[0], KV_TYPE_ZSET, &set))
        return;
    if (r->by_score)
        range_by_score(run, &set, r);
    else
        range_by_rank(run, &set, r);
}

void kv_do_zrange(struct kv_run *run)
{
    struct range r = {.by_score = false};
    if (range_options(run, &r))
        range(run, &r);
}

void kv_do_zrevrange(struct kv_run *run)
{
    struct range r = {.down = true};
    bool scores = run->args == 4 && kv_run_is(run, 3, "withscores");
    r.scores = scores;
    if (run->args > 3 && !scores)
        kv_run_error(run, KV_SYNTAX);
    else
        range(run, &r);
}

static void pop(struct kv_run *run, bool down)
{
    struct kv_opened set;
    struct slice name;
    struct kv_walk walk;
    int64_t count = 1;
    bool many = run->args == 2;
    if (run->args > 2) {
        kv_run_error(run, KV_SYNTAX);
        return;
    }
    if (many && (!kv_number_read(run->arg[1].data, run->arg[1].len, &count) || count < 0)) {
        kv_run_error(run, "ERR value is out of range, must be positive");
        return;
    }
    if (!kv_run_open(run, run->arg[0], KV_TYPE_ZSET, &set))
        return;
    if ((uint64_t)count > set.c.count)
        count = (int64_t)set.c.count;
    /* One member alone is no pair, but an array of two. */
    kv_reply_begin(&run->out, many ? KV_REPLY_PAIRS : KV_REPLY_ARRAY, (uint64_t)(many ? count : 2 * count));
    for (int64_t i = 0; i < count && !run->full && !run->out.bad; i++) {
        walk_from(&walk, run, &set, down);
        if (!kv_walk_at(&walk, &name))
            break;
        reply_place(run, name, true);
        remove_member(run, &set, (struct slice){name.data + 8, name.len - 8}, order_read(name.data));
    }
    if (count)
        kv_run_save(run, &set);
}

void kv_do_zpopmin(struct kv_run *run)
{
    pop(run, false);
}

void kv_do_zpopmax(struct kv_run *run)
{
    pop(run, true);
}
