/* Commands on sets. Members lie in the order of their hashes, which nobody can choose, so a random place in it is a random member. */
#include "kv_command.h"
#include "kv_hash.h"
#include "kv_number.h"

#define ORDER_BYTES 8u

static bool members_fit(struct kv_run *run, uint32_t first)
{
    for (uint32_t i = first; i < run->args; i++) {
        if (run->arg[i].len > KV_KEY_MAX) {
            kv_run_error(run, KV_TOO_LARGE);
            return false;
        }
    }
    return true;
}

static struct kv_piece piece_of(const struct kv_run *run, const struct kv_opened *set, struct slice member)
{
    struct kv_piece piece = kv_piece_of(set->c.number, 'e');
    kv_piece_add_u64(&piece, kv_hash(run->store->hash_key, member.data, member.len));
    kv_piece_add(&piece, member);
    return piece;
}

static bool has(const struct kv_run *run, const struct kv_opened *set, struct slice member)
{
    if (!set->exists || member.len > KV_KEY_MAX)
        return false;
    struct kv_piece piece = piece_of(run, set, member);
    return kv_run_piece(run, &piece) != NULL;
}

void kv_do_sadd(struct kv_run *run)
{
    struct kv_opened set;
    uint64_t before;
    if (!members_fit(run, 1) || !kv_run_open(run, run->arg[0], KV_TYPE_SET, &set))
        return;
    before = set.c.count;
    for (uint32_t i = 1; i < run->args && !run->full; i++) {
        if (has(run, &set, run->arg[i]) || !kv_run_begin(run, &set))
            continue;
        struct kv_piece piece = piece_of(run, &set, run->arg[i]);
        kv_run_piece_put(run, &piece, (struct slice){NULL, 0});
        set.c.count++;
    }
    if (set.c.count > before)
        kv_run_save(run, &set);
    kv_run_integer(run, (int64_t)(set.c.count - before));
}

void kv_do_srem(struct kv_run *run)
{
    struct kv_opened set;
    int64_t gone = 0;
    if (!kv_run_open(run, run->arg[0], KV_TYPE_SET, &set))
        return;
    for (uint32_t i = 1; i < run->args && !run->full; i++) {
        if (!has(run, &set, run->arg[i]))
            continue;
        struct kv_piece piece = piece_of(run, &set, run->arg[i]);
        kv_run_piece_remove(run, &piece);
        set.c.count--;
        gone++;
    }
    if (gone)
        kv_run_save(run, &set);
    kv_run_integer(run, gone);
}

/* A member by the seed; `turn` makes several of one operation differ. */
static bool pick(struct kv_run *run, const struct kv_opened *set, uint64_t turn, struct slice *member)
{
    struct kv_walk walk;
    struct kv_piece from = kv_piece_of(set->c.number, 'e');
    uint8_t text[40];
    struct writer w = writer_to(text, sizeof text);
    put_raw(&w, run->op->seed, 32);
    put_u64(&w, turn ^ (uint64_t)run->op->index << 32);
    kv_piece_add_u64(&from, kv_hash(run->store->hash_key, text, w.len));
    kv_walk_start(&walk, run, &from);
    walk.prefix = kv_piece_of(set->c.number, 'e');
    if (!kv_walk_at(&walk, member))
        kv_walk_start(&walk, run, &walk.prefix); /* round the end */
    if (!kv_walk_at(&walk, member))
        return false;
    *member = (struct slice){member->data + ORDER_BYTES, member->len - ORDER_BYTES};
    return true;
}

void kv_do_spop(struct kv_run *run)
{
    struct kv_opened set;
    struct slice member;
    int64_t count = 1;
    bool many = run->args == 2;
    run->is_volatile = true;
    if (run->args > 2) {
        kv_run_error(run, KV_SYNTAX);
        return;
    }
    if (many && (!kv_number_read(run->arg[1].data, run->arg[1].len, &count) || count < 0)) {
        kv_run_error(run, "ERR value is out of range, must be positive");
        return;
    }
    if (!kv_run_open(run, run->arg[0], KV_TYPE_SET, &set))
        return;
    if (!set.exists && !many) {
        kv_reply_nil(&run->out);
        return;
    }
    if ((uint64_t)count > set.c.count)
        count = (int64_t)set.c.count;
    if (many)
        kv_reply_begin(&run->out, KV_REPLY_SET, (uint64_t)count);
    for (int64_t i = 0; i < count && !run->full && !run->out.bad; i++) {
        if (!pick(run, &set, (uint64_t)i, &member))
            break;
        kv_reply_bulk(&run->out, member);
        struct kv_piece piece = piece_of(run, &set, member);
        kv_run_piece_remove(run, &piece);
        set.c.count--;
    }
    if (count)
        kv_run_save(run, &set);
}

void kv_do_srandmember(struct kv_run *run)
{
    struct kv_opened set;
    struct slice member;
    if (!kv_run_open(run, run->arg[0], KV_TYPE_SET, &set))
        return;
    if (set.exists && pick(run, &set, 0, &member))
        kv_reply_bulk(&run->out, member);
    else
        kv_reply_nil(&run->out);
}

void kv_do_smembers(struct kv_run *run)
{
    struct kv_opened set;
    struct kv_walk walk;
    struct slice name;
    if (!kv_run_open(run, run->arg[0], KV_TYPE_SET, &set))
        return;
    kv_reply_begin(&run->out, KV_REPLY_SET, set.c.count);
    if (!set.exists)
        return;
    struct kv_piece prefix = kv_piece_of(set.c.number, 'e');
    kv_walk_start(&walk, run, &prefix);
    for (; kv_walk_at(&walk, &name) && !run->out.bad; kv_walk_on(&walk))
        kv_reply_bulk(&run->out, (struct slice){name.data + ORDER_BYTES, name.len - ORDER_BYTES});
}

void kv_do_scard(struct kv_run *run)
{
    struct kv_opened set;
    if (kv_run_open(run, run->arg[0], KV_TYPE_SET, &set))
        kv_run_integer(run, (int64_t)set.c.count);
}

void kv_do_sismember(struct kv_run *run)
{
    struct kv_opened set;
    if (kv_run_open(run, run->arg[0], KV_TYPE_SET, &set))
        kv_run_integer(run, has(run, &set, run->arg[1]));
}

void kv_do_smismember(struct kv_run *run)
{
    struct kv_opened set;
    if (!kv_run_open(run, run->arg[0], KV_TYPE_SET, &set))
        return;
    kv_reply_begin(&run->out, KV_REPLY_ARRAY, run->args - 1);
    for (uint32_t i = 1; i < run->args; i++)
        kv_run_integer(run, has(run, &set, run->arg[i]));
}
