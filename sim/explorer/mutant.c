/* Mutants: the table of names. See mutant.h. */
#include "mutant.h"

#include <assert.h>
#include <string.h>

struct mutant_entry {
    const char *name;
    const char *about;
};

static const struct mutant_entry MUTANTS[MUTANT_END] = {
    [MUTANT_NONE] = {"none", "the rules as they are"},
    [MUTANT_CLAIMS_WITH_F_PARTINGS] = {"claims-with-f-partings", "a claim is valid with f PARTINGs"},
    [MUTANT_CLAIMS_FOR_ANY_VIEW] = {"claims-for-any-view",
                                    "PARTINGs that list an older view support a claim"},
    [MUTANT_CLAIMS_FOR_EXACT_VIEW] = {"claims-for-exact-view",
                                      "PARTINGs that list a later view do not support a claim"},
    [MUTANT_CLAIMS_NOT_WAITED_FOR] = {"claims-not-waited-for",
                                      "C omits a claim whose PARTINGs have not come"},
    [MUTANT_NO_OBJECTIONS] = {"no-objections", "the selection ignores objections"},
    [MUTANT_OBJECTIONS_IGNORE_EQUAL_VIEWS] =
        {"objections-ignore-equal-views", "a claim with the same view and another digest is no objection"},
    [MUTANT_NULL_AT_F] = {"null-at-f", "null is selected when f of S claim nothing"},
    [MUTANT_SELECTION_FROM_LOWEST_H] = {"selection-from-lowest-h",
                                        "the selection starts at the lowest certificate in S"},
    [MUTANT_SELECTION_NOT_BINDING] = {"selection-not-binding",
                                      "P votes for what the primary proposes at a selected slot"},
    [MUTANT_VIEW_CHANGES_COUNTED_TWICE] = {"view-changes-counted-twice",
                                           "VIEW-CHANGEs count by message, not by sender"},
    [MUTANT_NEW_VIEW_FROM_2F] = {"new-view-from-2f", "NEW-VIEW is built on 2f VIEW-CHANGEs"},
    [MUTANT_NEW_VIEW_H_NOT_ADOPTED] = {"new-view-h-not-adopted", "P votes at or below the h of NEW-VIEW"},
    [MUTANT_P_WITHOUT_NEW_VIEW] = {"p-without-new-view", "P votes in a view that it has not entered"},
    [MUTANT_P_VOTES_TWICE] = {"p-votes-twice", "P votes for two digests at one (view, slot)"},
    [MUTANT_C_COMMITS_AFTER_LEAVING] = {"c-commits-after-leaving", "C commits in a view that it has left"},
    [MUTANT_C_COMMITS_AT_2F] = {"c-commits-at-2f", "C commits on the votes of 2f P"},
    [MUTANT_VIEWS_FALL] = {"views-fall",
                           "P and C go back to lower views, and C claims what it committed last"},
    [MUTANT_VOTE_AFTER_PARTING] = {"vote-after-parting", "P still votes in a view that it has parted from"},
    [MUTANT_PARTING_OMITS_VOTES] = {"parting-omits-votes",
                                    "PARTING lists only the votes of the view that is parted from"},
    [MUTANT_PARTING_LISTS_FIRST_VIEW] = {"parting-lists-first-view",
                                         "PARTING lists the first view of a vote, not the latest"},
    [MUTANT_QUORUM_ONE_SHORT] = {"quorum-one-short", "E executes on the COMMITs of 2f C"},
};

const char *mutant_name(enum mutant mutant)
{
    assert(mutant < MUTANT_END);
    return MUTANTS[mutant].name;
}

const char *mutant_about(enum mutant mutant)
{
    assert(mutant < MUTANT_END);
    return MUTANTS[mutant].about;
}

enum mutant mutant_find(const char *name)
{
    enum mutant mutant = MUTANT_NONE;

    while (mutant < MUTANT_END && strcmp(MUTANTS[mutant].name, name) != 0)
        mutant++;
    return mutant;
}
