/*
 * Seeded bugs. In the compartments that run for real `mutant()` is the constant false and the branch is compiled away;
 * only the simulator is built with REDOUBT_MUTANTS and can switch one on, to show that its checkers would see it.
 *
 * A quorum that is one short at C costs liveness, not safety: what is executed needs 2f+1 C all the same, and a claim f+1
 * PARTINGs; but a C that prepared with f correct P may wait for its PARTINGs for ever, and two correct C may claim
 * different batches of one view, so that no selection is possible.
 */
#ifndef ORDERING_MUTANT_H
#define ORDERING_MUTANT_H

#include <stdbool.h>

#define MUTANTS(M)                                                                                           \
    M(QUORUM_ONE_SHORT_C, "quorum-one-short-confirmation", "liveness")                                       \
    M(QUORUM_ONE_SHORT_E, "quorum-one-short-execution", "safety")                                            \
    M(VOTES_BY_MESSAGE, "votes-by-message", "safety")                                                        \
    M(NO_DOMAIN_SEPARATION, "no-domain-separation", "safety")                                                \
    M(CLAIMS_WITH_F_PARTINGS, "claims-with-f-partings", "safety")                                            \
    M(NO_OBJECTIONS, "no-objections", "safety")                                                              \
    M(NULL_AT_F, "null-at-f", "safety")                                                                      \
    M(P_WITHOUT_NEW_VIEW, "p-without-new-view", "safety")                                                    \
    M(VIEWS_FALL, "views-fall", "safety")                                                                    \
    M(C_COMMITS_AFTER_LEAVING, "c-commits-after-leaving", "safety")                                          \
    M(NEW_VIEW_H_NOT_ADOPTED, "new-view-h-not-adopted", "safety")                                            \
    M(CHECKPOINT_AT_F, "checkpoint-at-f", "safety")                                                          \
    M(EVICTION_FORGETS_EPOCH, "eviction-forgets-epoch", "safety")                                            \
    M(BUNDLE_EXECUTES_TWICE, "bundle-executes-twice", "safety")                                              \
    M(BATCH_NOT_CHECKED, "batch-not-checked", "safety")                                                      \
    M(BODY_NOT_CHECKED, "body-not-checked", "safety")                                                        \
    M(SELECTION_NOT_CHECKED, "selection-not-checked", "safety")                                              \
    M(STATE_ROOT_NOT_CHECKED, "state-root-not-checked", "safety")                                            \
    M(LEAF_UNCHECKED, "leaf-unchecked", "safety")                                                            \
    M(P_VOTES_TWICE, "p-votes-twice", "safety")                                                              \
    M(ADMISSION_SKIPPED, "admission-skipped", "safety")                                                      \
    M(TIME_FALLS, "time-falls", "safety")                                                                    \
    M(REPLY_QUORUM_ONE_SHORT, "reply-quorum-one-short", "safety")                                            \
    M(ADMISSION_ON_SELECTED, "admission-on-selected", "liveness")                                            \
    M(EXECUTION_ON_COMMITS_ALONE, "execution-on-commits-alone", "liveness")                                  \
    M(TIMERS_ON_UNSIGNED, "timers-on-unsigned", "liveness")                                                  \
    M(PARTING_WITHOUT_CERTIFICATE, "parting-without-certificate", "liveness")                                \
    M(NO_BACK_OFF, "no-back-off", "liveness")                                                                \
    M(NO_RETRANSMISSION, "no-retransmission", "liveness")                                                    \
    M(NO_JOINING, "no-joining", "liveness")                                                                  \
    M(NO_STATE_TRANSFER, "no-state-transfer", "liveness")                                                    \
    M(SILENT_PEER_KEPT, "silent-peer-kept", "liveness")                                                      \
    M(SEND_BEFORE_PERSIST, "send-before-persist", "safety")                                                  \
    M(FSYNC_ERROR_IGNORED, "fsync-error-ignored", "safety")                                                  \
    M(DAMAGE_TAKEN_FOR_END, "damage-taken-for-end", "safety")                                                \
    M(SAVED_UNHELD, "saved-unheld", "safety")                                                                \
    M(RETIRED_KEYS_FORGOTTEN, "retired-keys-forgotten", "liveness")                                          \
    M(SEALED_KEY_VOTES, "sealed-key-votes", "safety")                                                        \
    M(ACTIVATION_WITHOUT_L, "activation-without-l", "safety")                                                \
    M(OLD_PLATFORM_KEY, "old-platform-key", "safety")                                                        \
    M(MORE_THAN_F_PENDING, "more-than-f-pending", "safety")                                                  \
    M(CONFIGURATION_IGNORED, "configuration-ignored", "safety")                                              \
    M(OLD_EPOCH_VIEW_CHANGE, "old-epoch-view-change", "safety")                                              \
    M(REPLY_BEFORE_ACTIVATION, "reply-before-activation", "safety")                                          \
    M(IDLE_NEVER_ACTIVATES, "idle-never-activates", "liveness")                                              \
    M(DEAD_KEYS_INSTALLED, "dead-keys-installed", "safety")                                                  \
    M(LEARNER_COUNTS, "learner-counts", "safety")                                                            \
    M(LEARNER_WRITES, "learner-writes", "safety")                                                            \
    M(CHAIN_NOT_KEPT, "chain-not-kept", "liveness")                                                          \
    M(CLOSE_IGNORED, "close-ignored", "safety")                                                              \
    M(CLOSED_ELSEWHERE, "closed-elsewhere", "safety")                                                        \
    M(VERSIONS_FORGOTTEN, "versions-forgotten", "safety")                                                    \
    M(KEPT_WITHOUT_VOTE, "kept-without-vote", "safety")                                                      \
    M(WRITE_QUORUM_ONE_SHORT, "write-quorum-one-short", "safety")                                            \
    M(NONCE_REUSED, "nonce-reused", "safety")                                                                \
    M(ATTESTOR_COUNTED_TWICE, "attestor-counted-twice", "safety")                                            \
    M(READ_QUORUM_ONE_SHORT, "read-quorum-one-short", "safety")                                              \
    M(ATTESTED_BEFORE, "attested-before", "safety")                                                          \
    M(TWO_BUNDLES_OF_ONE, "two-bundles-of-one", "safety")                                                    \
    M(BROAD_WRITES_SPARE_CELLS, "broad-writes-spare-cells", "safety")                                        \
    M(HYBSTER_QUORUM_AT_F, "hybster-quorum-at-f", "safety")                                                  \
    M(HYBSTER_GAP, "hybster-votes-across-gap", "liveness")                                                   \
    M(HYBSTER_CHECKPOINT_UNCHECKED, "hybster-checkpoint-unchecked", "liveness")                              \
    M(HYBSTER_MIXED_FROM, "hybster-mixed-from", "safety")                                                    \
    M(HYBSTER_ACT_IGNORED, "hybster-act-ignored", "safety")                                                  \
    M(HYBSTER_CORE_NOT_SHOWN, "hybster-core-not-shown", "safety")                                            \
    M(HYBSTER_CORE_NOT_CHECKED, "hybster-core-not-checked", "safety")                                        \
    M(HYBSTER_FRESH_IN_OLD_VIEWS, "hybster-fresh-in-old-views", "safety")                                    \
    M(HYBSTER_OLD_COUNTS_ON, "hybster-old-counts-on", "safety")                                              \
    M(HYBSTER_FRESH_TOO_EARLY, "hybster-fresh-too-early", "safety")                                          \
    M(HYBSTER_LIFE_IGNORED, "hybster-life-ignored", "safety")                                                \
    M(HYBSTER_ADMISSION_ON_CORE, "hybster-admission-on-core", "safety")                                      \
    M(FLOORS_FORGOTTEN, "floors-forgotten", "safety")                                                        \
    M(FLOORS_WITHOUT_INDEX, "floors-without-index", "safety")                                                \
    M(GAP_RAISES_NOTHING, "gap-raises-nothing", "safety")                                                    \
    M(CERTIFIED_BEFORE_RAISING, "certified-before-raising", "safety")                                        \
    M(HEADS_NOT_COMPARED, "heads-not-compared", "safety")                                                    \
    M(CERTIFICATE_OF_ANOTHER, "certificate-of-another", "safety")                                            \
    M(REPLIES_UNCERTIFIED, "replies-uncertified", "safety")                                                  \
    M(WITNESS_OF_ANOTHER_LIFE, "witness-of-another-life", "safety")                                          \
    M(WRITES_SPARE_THE_WHOLE, "writes-spare-the-whole", "safety")                                            \
    M(VOLATILE_KEPT, "volatile-kept", "safety")                                                              \
    M(FIRST_CELL_ALONE, "first-cell-alone", "safety")                                                        \
    M(ANSWERS_BEHIND_KEPT, "answers-behind-kept", "safety")                                                  \
    M(VERSION_NOT_VOTED, "version-not-voted", "safety")                                                      \
    M(ANY_NUMBER_COUNTS, "any-number-counts", "safety")                                                      \
    M(SOUND_READ_ONE_SHORT, "sound-read-one-short", "safety")                                                \
    M(SKETCH_NOT_COMPARED, "sketch-not-compared", "safety")                                                  \
    M(KEPT_OVER_NUMBERS, "kept-over-numbers", "safety")                                                      \
    M(LEARNED_OVER_NUMBERS, "learned-over-numbers", "safety")

enum mutant {
    MUTANT_NONE,
#define M(name, text, kind) MUTANT_##name,
    MUTANTS(M)
#undef M
};

#ifdef REDOUBT_MUTANTS
extern enum mutant mutant_on;
static inline bool mutant(enum mutant which)
{
    return mutant_on == which;
}
#else
static inline bool mutant(enum mutant which)
{
    (void)which;
    return false;
}
#endif

#endif
