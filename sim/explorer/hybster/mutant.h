/*
 * Mutants: one broken rule each. What the explorer does not find in them it would not find in the rules either.
 */
#ifndef EXPLORER_HYBSTER_MUTANT_H
#define EXPLORER_HYBSTER_MUTANT_H

#define MUTANTS(M)                                                                                           \
    M(NONE, "none")                                                                                          \
    M(ACT_IGNORED, "act-ignored")           /* a VIEW-CHANGE need not show how far its sender voted */       \
    M(ACT_VIEW_IGNORED, "act-view-ignored") /* ... need not be from the view that its sender voted in */     \
    M(LAST_PREVIOUS, "last-previous")       /* what it must show is what the last certificate moved from */  \
    M(GAP_BETWEEN_HOPS,                                                                                      \
      "gap-between-hops")                 /* ... what was voted in `from`; later views are not asked for */  \
    M(GAP_IN_PREPARES, "gap-in-prepares") /* the PREPAREs shown may have gaps */                             \
    M(ONE_PILLAR_ASKED, "one-pillar-asked") /* only the first pillar's part is checked */                    \
    M(PARTS_DISAGREE,                                                                                        \
      "parts-disagree")         /* the parts of its pillars may be from other views and checkpoints */       \
    M(MIXED_FROM, "mixed-from") /* VIEW-CHANGEs of a NEW-VIEW come from different views */                   \
    M(CORE_NOT_SHOWN, "core-not-shown") /* commands of core(from) count only if PREPAREs show them */        \
    M(REPROPOSALS_OMITTED, "reproposals-omitted")       /* VIEW-CHANGEs leave out what core(from) holds */   \
    M(PREPARE_OVER_CORE, "prepare-over-core")           /* a PREPARE that core(from) contradicts counts */   \
    M(CORE_NOT_CHECKED, "core-not-checked")             /* a follower votes for such a PREPARE */            \
    M(CORE_TWICE, "core-twice")                         /* a leader makes two cores of one view */           \
    M(COMMIT_BY_F, "commit-by-f")                       /* f votes commit */                                 \
    M(NEW_VIEW_BY_F, "new-view-by-f")                   /* f VIEW-CHANGEs make a NEW-VIEW */                 \
    M(SUSPECT_BY_F, "suspect-by-f")                     /* f SUSPECTs make a replica leave */                \
    M(VOTE_AFTER_LEAVING, "vote-after-leaving")         /* a replica votes in its last view after it left */ \
    M(LEAST_CHECKPOINT, "least-checkpoint")             /* o_min is the lowest o_C */                        \
    M(CHECKPOINT_BY_F, "checkpoint-by-f")               /* a checkpoint is stable at f */                    \
    M(CHECKPOINT_NOT_ADOPTED, "checkpoint-not-adopted") /* entering a view does not adopt its o_min */       \
    M(WINDOW_IGNORED, "window-ignored")                 /* a VIEW-CHANGE shows PREPAREs beyond its window */ \
    M(FRESH_TOO_EARLY, "fresh-too-early") /* fresh counters count with checkpoints below their activation */ \
    M(OLD_EPOCH_COUNTS, "old-epoch-counts") /* counters that were replaced count in later views, too */      \
    M(NOT_REISSUED, "not-reissued")         /* a NEW-VIEW that comes late is not adopted */

enum mutant {
#define M(name, text) MUTANT_##name,
    MUTANTS(M)
#undef M
        MUTANT_END
};

const char *mutant_name(enum mutant mutant);
/* MUTANT_END: there is none of this name. */
enum mutant mutant_find(const char *name);

#endif
