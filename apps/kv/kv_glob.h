/* Patterns of KEYS and SCAN: `*`, `?`, `[abc]`, `[^a-z]`, and `\` before what stands for itself. */
#ifndef KV_GLOB_H
#define KV_GLOB_H

#include "base/types.h"

/* Takes what it looks at from `*left`, at least one; false when that is used up. */
bool kv_glob_matches(struct slice pattern, struct slice text, uint64_t *left);
/* What every match begins with. */
struct slice kv_glob_prefix(struct slice pattern);

#endif
