/*
 * Mutants: one rule of the protocol broken on purpose each, to show that the explorer can see at all.
 * The rules ask `mutant == MUTANT_X` at the very branch that they break, so reading a mutant is reading its rule.
 */
#ifndef EXPLORER_MUTANT_H
#define EXPLORER_MUTANT_H

enum mutant {
    MUTANT_NONE,
    MUTANT_CLAIMS_WITH_F_PARTINGS,
    MUTANT_CLAIMS_FOR_ANY_VIEW,
    MUTANT_CLAIMS_FOR_EXACT_VIEW,
    MUTANT_CLAIMS_NOT_WAITED_FOR,
    MUTANT_NO_OBJECTIONS,
    MUTANT_OBJECTIONS_IGNORE_EQUAL_VIEWS,
    MUTANT_NULL_AT_F,
    MUTANT_SELECTION_FROM_LOWEST_H,
    MUTANT_SELECTION_NOT_BINDING,
    MUTANT_VIEW_CHANGES_COUNTED_TWICE,
    MUTANT_NEW_VIEW_FROM_2F,
    MUTANT_NEW_VIEW_H_NOT_ADOPTED,
    MUTANT_P_WITHOUT_NEW_VIEW,
    MUTANT_P_VOTES_TWICE,
    MUTANT_C_COMMITS_AFTER_LEAVING,
    MUTANT_C_COMMITS_AT_2F,
    MUTANT_VIEWS_FALL,
    MUTANT_VOTE_AFTER_PARTING,
    MUTANT_PARTING_OMITS_VOTES,
    MUTANT_PARTING_LISTS_FIRST_VIEW,
    MUTANT_QUORUM_ONE_SHORT,
    MUTANT_END
};

/* The name for the command line; "none" for MUTANT_NONE. */
const char *mutant_name(enum mutant mutant);

/* The rule that it breaks, in half a sentence. */
const char *mutant_about(enum mutant mutant);

/* MUTANT_END when no mutant has this name. */
enum mutant mutant_find(const char *name);

#endif
