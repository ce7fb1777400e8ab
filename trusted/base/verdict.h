/*
 * What became of a frame. A peer's lie is a verdict, counted and traced; never an assert, never fatal.
 */
#ifndef BASE_VERDICT_H
#define BASE_VERDICT_H

#define VERDICTS(V)                                                                                          \
    V(ACCEPT, "accept")                 /* used */                                                           \
    V(DUPLICATE, "duplicate")           /* known already; repeats are harmless */                            \
    V(STALE, "stale")                   /* below the window, of a left view, of a closed epoch */            \
    V(EARLY, "early")                   /* beyond the window, of a view not entered */                       \
    V(MALFORMED, "malformed")           /* does not decode, or breaks a rule that the message alone shows */ \
    V(UNKNOWN_SENDER, "unknown-sender") /* not in the configuration, or of another epoch */                  \
    V(WRONG_KIND, "wrong-kind")         /* this kind of sender may not send this message */                  \
    V(BAD_MAC, "bad-mac")                                                                                    \
    V(BAD_SIGNATURE, "bad-signature")                                                                        \
    V(EQUIVOCATION, "equivocation") /* contradicts an authenticated message of the same sender */            \
    V(UNEXPECTED, "unexpected")     /* well-formed, but not for this compartment or state */                 \
    V(MISMATCH, "mismatch")         /* a digest, root or selection differs from what it must be */           \
    V(LIMIT, "limit")               /* over a limit; refused so that memory stays bounded */

enum verdict {
#define V(name, text) VERDICT_##name,
    VERDICTS(V)
#undef V
        VERDICT_COUNT
};

const char *verdict_name(enum verdict verdict);

#endif
