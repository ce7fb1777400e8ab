#include "moves.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "view_change.h"

struct listing {
    const struct model *model;
    struct move *moves;
    unsigned count;
};

static void add(struct listing *l, struct move move)
{
    if (l->count < MOVES_MAX)
        l->moves[l->count++] = move;
}

/* ------------------------------------------------------------ voting */

static bool in_core(const struct core *core, unsigned order)
{
    return core->made && order > core->least && order <= core->top;
}

/* The next order of a pillar that a correct replica may vote for in v_stb; 0: none within its window. */
static unsigned next_order(const struct model *m, const struct replica *self, unsigned pillar)
{
    unsigned last = self->checkpoint + m->bounds.window;
    for (unsigned o = self->checkpoint + 1u; o <= m->bounds.orders && o <= last; o++)
        if (model_pillar(m, o) == pillar && !(self->voted[self->stable] >> o & 1))
            return o;
    return 0;
}

static void list_proposals(struct listing *l, struct move vote)
{
    for (vote.command = COMMAND_A; vote.command < COMMAND_NULL + l->model->bounds.nulls; vote.command++)
        add(l, vote);
}

static void list_correct_vote(struct listing *l, unsigned r, unsigned pillar)
{
    const struct model *m = l->model;
    const struct replica *self = &m->replica[r];
    unsigned view = self->stable, order = next_order(m, self, pillar);
    const struct core *core = &m->core[view][self->base];
    struct move vote = {
        .kind = MOVE_VOTE, .replica = (uint8_t)r, .view = (uint8_t)view, .order = (uint8_t)order};
    if (!order || (self->view != view && !model_is(m, MUTANT_VOTE_AFTER_LEAVING)))
        return;
    if (model_leader(m, view) != r) {
        bool renewed = m->bounds.renewal && model_leader(m, view) == m->renewed;
        unsigned by = renewed && order > model_activation(m) ? m->bounds.replicas : model_leader(m, view);
        if (!model_counts(m, by, view, order))
            return; /* nobody's PREPARE counts there */
        bool agrees = !in_core(core, order) || core->command[order] == m->prepare[view][order];
        if (m->prepare[view][order] != COMMAND_NONE && (agrees || model_is(m, MUTANT_CORE_NOT_CHECKED)))
            add(l, vote);
    } else if (m->prepare[view][order] != COMMAND_NONE) {
        return; /* by a mutant that left and came back */
    } else if (in_core(core, order)) {
        vote.command = core->command[order];
        add(l, vote);
    } else {
        list_proposals(l, vote);
    }
}

/* As a follower it waits for the PREPARE: a vote for what it guesses would show no less in its VIEW-CHANGEs. */
static void list_faulty_votes(struct listing *l, unsigned r)
{
    const struct model *m = l->model;
    for (unsigned v = 0; v < m->bounds.views; v++)
        for (unsigned o = 1; o <= m->bounds.orders; o++) {
            struct place to = {(uint8_t)v, (uint8_t)o};
            if (!model_counts(m, r, v, o))
                continue;
            struct move vote = {
                .kind = MOVE_VOTE, .replica = (uint8_t)r, .view = (uint8_t)v, .order = (uint8_t)o};
            if (!place_below(m->replica[r].value[model_pillar(m, o)], to))
                continue;
            if (m->prepare[v][o] != COMMAND_NONE)
                add(l, vote);
            else if (model_leader(m, v) == model_identity(m, r))
                list_proposals(l, vote);
        }
}

/* ------------------------------------------------------------ leaving and entering */

static bool may_leave(const struct model *m, unsigned view)
{
    unsigned suspects = 0, left = 0, quorum = model_quorum(m) - model_is(m, MUTANT_SUSPECT_BY_F);
    if (!m->bounds.suspects)
        return true;
    for (unsigned r = 0; r < m->bounds.replicas; r++) {
        const struct replica *other = &m->replica[r];
        suspects += other->faulty || other->suspects >= view;
        left += other->faulty || (other->view >= view && other->stable < other->view);
    }
    return suspects >= quorum || left >= quorum;
}

bool moves_may_enter(const struct model *m, unsigned r, unsigned view, unsigned base)
{
    const struct replica *self = &m->replica[r];
    bool late = self->view > view;
    if (model_is_later(m, view) && !model_knows(m, self))
        return false; /* it has to learn of that configuration first */
    return m->core[view][base].made && self->stable < view && !(late && model_is(m, MUTANT_NOT_REISSUED));
}

static void list_correct(struct listing *l, unsigned r)
{
    const struct model *m = l->model;
    const struct replica *self = &m->replica[r];
    struct move move = {.replica = (uint8_t)r};
    for (unsigned p = 0; p < m->bounds.pillars; p++)
        list_correct_vote(l, r, p);
    for (unsigned v = 1; v < m->bounds.views; v++) {
        move.view = (uint8_t)v;
        move.kind = MOVE_SUSPECT;
        if (m->bounds.suspects && v == self->view + 1u && self->suspects < v)
            add(l, move);
        move.kind = MOVE_LEAVE;
        if (v > self->view && may_leave(m, v) && (!model_is_later(m, v) || model_knows(m, self)))
            add(l, move);
        move.kind = MOVE_ENTER;
        for (move.base = 0; move.base < CORES; move.base++)
            if (moves_may_enter(m, r, v, move.base))
                add(l, move);
        move.base = 0;
    }
    unsigned certified = model_certified(m);
    for (unsigned o = self->checkpoint + 1u; o <= certified; o++)
        add(l, (struct move){.kind = MOVE_CHECKPOINT, .replica = (uint8_t)r, .order = (uint8_t)o});
}

/* ------------------------------------------------------------ NEW-VIEW */

struct choice {
    struct listing *listing;
    struct move move;
    unsigned first; /* of its moves in the listing, to leave out repeats */
    unsigned quorum;
    unsigned count;
    uint8_t members; /* in the set, as bits */
    const struct view_change *set[REPLICAS_MAX + 1];
    struct view_change variants[REPLICAS_MAX + 1][VARIANTS_MAX];
    unsigned variant_count[REPLICAS_MAX + 1];
};

static void add_new_view(struct choice *c)
{
    struct listing *l = c->listing;
    const struct model *m = l->model;
    c->move.core = core_of(m, c->set, c->quorum);
    if (c->move.replica == m->bounds.replicas && c->move.core.least < model_activation(m) &&
        !model_is(m, MUTANT_FRESH_TOO_EARLY))
        return;
    for (unsigned i = c->first; i < l->count; i++)
        if (memcmp(&l->moves[i], &c->move, sizeof c->move) == 0)
            return;
    add(l, c->move);
}

static bool comes_now(const struct model *m, const struct replica *self, unsigned view)
{
    bool now = false;
    for (unsigned p = 0; p < m->bounds.pillars; p++)
        now |= self->value[p].view < view;
    return self->faulty && now;
}

static void choose(struct choice *c, unsigned from)
{
    const struct model *m = c->listing->model;
    if (c->count == c->quorum) {
        add_new_view(c);
        return;
    }
    for (unsigned r = from; r < model_members(m); r++) {
        uint8_t leave = c->move.leave;
        if (comes_now(m, &m->replica[r], c->move.view))
            c->move.leave |= (uint8_t)(1u << r);
        for (unsigned i = 0; i < c->variant_count[r]; i++) {
            const struct view_change *vc = &c->variants[r][i];
            bool same = !c->count || (vc->from == c->set[0]->from && vc->base == c->set[0]->base);
            if (!same && !model_is(m, MUTANT_MIXED_FROM))
                continue;
            if (r == m->bounds.replicas && c->members >> m->renewed & 1)
                continue; /* one replica, once */
            uint8_t members = c->members;
            c->members |= (uint8_t)(1u << r);
            c->set[c->count++] = vc;
            choose(c, r + 1);
            c->count--;
            c->members = members;
        }
        c->move.leave = leave;
    }
}

static void collect(struct choice *c, unsigned r)
{
    const struct model *m = c->listing->model;
    unsigned to = c->move.view;
    c->variant_count[r] = 0;
    for (unsigned from = 0; from < to; from++) {
        const struct view_change *vc = &m->replica[r].view_change[to][from];
        if (!m->replica[r].faulty) {
            if (vc->made)
                c->variants[r][c->variant_count[r]++] = *vc;
            continue;
        }
        for (unsigned base = 0; base < CORES; base++) {
            struct view_change some[VARIANTS_MAX];
            if (base && !m->core[from][base].made)
                continue;
            unsigned count = view_change_variants(m, r, to, from, base, some);
            for (unsigned i = 0; i < count && c->variant_count[r] < VARIANTS_MAX; i++)
                c->variants[r][c->variant_count[r]++] = some[i];
        }
    }
}

/* By its leader, or by the incarnation with fresh counters. */
static void list_new_views(struct listing *l, unsigned view, unsigned leader)
{
    static struct choice c;
    const struct model *m = l->model;
    unsigned base = 0;
    const struct replica *self = &m->replica[leader];
    if (self->faulty && m->core[view][0].made && model_is(m, MUTANT_CORE_TWICE))
        base = 1;
    if (m->core[view][base].made || (!self->faulty && (self->view != view || self->stable >= view)))
        return;
    c.listing = l;
    memset(&c.move, 0, sizeof c.move);
    c.move.kind = MOVE_NEW_VIEW;
    c.move.replica = (uint8_t)leader;
    c.move.view = (uint8_t)view;
    c.move.base = (uint8_t)base;
    c.first = l->count;
    c.quorum = model_quorum(m) - model_is(m, MUTANT_NEW_VIEW_BY_F);
    c.count = 0;
    for (unsigned r = 0; r < model_members(m); r++)
        collect(&c, r);
    choose(&c, 0);
}

unsigned moves_list(const struct model *m, struct move moves[MOVES_MAX])
{
    struct listing l = {.model = m, .moves = moves};
    for (unsigned r = 0; r < model_members(m); r++) {
        if (m->replica[r].faulty)
            list_faulty_votes(&l, r);
        else
            list_correct(&l, r);
    }
    for (unsigned v = 1; v < m->bounds.views; v++) {
        bool fresh = model_is_later(m, v) && model_leader(m, v) == m->renewed;
        list_new_views(
            &l, v, fresh && !model_is(m, MUTANT_OLD_EPOCH_COUNTS) ? m->bounds.replicas : model_leader(m, v));
    }
    return l.count;
}

bool moves_possible(const struct model *m, const struct move *move)
{
    static struct move all[MOVES_MAX];
    unsigned count = moves_list(m, all);
    for (unsigned i = 0; i < count; i++)
        if (memcmp(&all[i], move, sizeof *move) == 0)
            return true;
    return false;
}

/* ------------------------------------------------------------ what they do */

static void counter_to(struct replica *self, unsigned pillar, struct place to)
{
    for (unsigned w = self->value[pillar].view + 1u; w <= to.view; w++)
        self->act_at[pillar][w] = self->act[pillar];
    self->value[pillar] = to;
    if (to.order)
        self->act[pillar] = to;
}

static void leave(const struct model *m, struct replica *self, unsigned view)
{
    for (unsigned p = 0; p < m->bounds.pillars; p++)
        if (self->value[p].view < view && !(model_is(m, MUTANT_VOTE_AFTER_LEAVING) && !self->faulty))
            counter_to(self, p, (struct place){(uint8_t)view, 0});
}

static void vote(struct model *m, const struct move *move)
{
    struct replica *self = &m->replica[move->replica];
    struct place to = {move->view, move->order};
    unsigned pillar = model_pillar(m, move->order);
    assert(place_below(self->value[pillar],
                       to)); /* what the counter asks for; a correct replica never meets its refusal */
    counter_to(self, pillar, to);
    self->voted[move->view] |= (uint8_t)(1u << move->order);
    if (move->command != COMMAND_NONE)
        m->prepare[move->view][move->order] = move->command;
}

static void issue(struct model *m, unsigned r)
{
    struct replica *self = &m->replica[r];
    self->view_change[self->view][self->stable] = view_change_of(m, r);
}

static void adopt(struct model *m, unsigned r, unsigned view, unsigned base)
{
    struct replica *self = &m->replica[r];
    bool late = self->view > view;
    const struct core *core = &m->core[view][base];
    self->stable = (uint8_t)view;
    self->base = (uint8_t)base;
    if (core->least > self->checkpoint && !model_is(m, MUTANT_CHECKPOINT_NOT_ADOPTED))
        self->checkpoint = core->least;
    if (late) {
        issue(m, r);
        return;
    }
    self->view = (uint8_t)view;
    leave(m, self, view);
}

void moves_apply(struct model *m, const struct move *move)
{
    struct replica *self = &m->replica[move->replica];
    switch (move->kind) {
    case MOVE_SUSPECT:
        self->suspects = move->view;
        break;
    case MOVE_LEAVE:
        self->view = move->view;
        leave(m, self, move->view);
        issue(m, move->replica);
        break;
    case MOVE_VOTE:
        vote(m, move);
        break;
    case MOVE_CHECKPOINT:
        self->checkpoint = move->order;
        break;
    case MOVE_NEW_VIEW:
        m->core[move->view][move->base] = move->core;
        for (unsigned r = 0; r < model_members(m); r++)
            if (move->leave >> r & 1)
                leave(m, &m->replica[r], move->view);
        if (!self->faulty)
            adopt(m, move->replica, move->view, move->base);
        break;
    case MOVE_ENTER:
        adopt(m, move->replica, move->view, move->base);
        break;
    default:
        assert(false);
    }
}

/* ------------------------------------------------------------ in words */

static const char letters[COMMAND_END] = {'-', 'a', 'b', '0'};

static void print_core(const struct core *core)
{
    printf(" from=%u o_min=%u core:", core->from, core->least);
    for (unsigned o = core->least + 1u; o <= core->top; o++)
        printf(" %u=%c", o, letters[core->command[o]]);
}

void moves_print(const struct model *m, unsigned number, const struct move *move)
{
    static const char *const verbs[MOVE_KINDS] = {"suspects", "leaves for",     "votes",
                                                  "learns",   "makes NEW-VIEW", "accepts NEW-VIEW"};
    const struct replica *self = &m->replica[move->replica];
    printf("%4u  R%u%s %s", number, move->replica, self->faulty ? " (faulty)" : "", verbs[move->kind]);
    if (move->kind == MOVE_VOTE) {
        uint8_t command = move->command ? move->command : m->prepare[move->view][move->order];
        printf(" [%u|%u] %c%s", move->view, move->order, letters[command], move->command ? " (PREPARE)" : "");
    } else if (move->kind == MOVE_CHECKPOINT) {
        printf(" checkpoint %u", move->order);
    } else {
        printf(" %u", move->view);
    }
    if (move->kind == MOVE_NEW_VIEW) {
        print_core(&move->core);
        for (unsigned r = 0; r < model_members(m); r++)
            if (move->leave >> r & 1)
                printf(", R%u comes to [%u|0]", r, move->view);
    }
    if (move->kind == MOVE_LEAVE) {
        struct view_change vc = view_change_of(m, move->replica);
        printf(", VIEW-CHANGE from=%u o_C=%u shows", vc.from, vc.checkpoint);
        for (unsigned o = 1; o <= m->bounds.orders; o++)
            if (vc.shown >> o & 1)
                printf(" %u=%c", o, letters[m->prepare[vc.from][o]]);
    }
    if (move->kind == MOVE_ENTER && self->view > move->view)
        printf(" (late; VIEW-CHANGE %u again, from %u)", self->view, move->view);
    putchar('\n');
}
