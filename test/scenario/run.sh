#!/usr/bin/env bash
# The golden traces: every story (*.txt) is played and must give the trace that stands behind its line of `---`.
# `run.sh --update` writes the traces down anew; look at the difference before you believe them.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
sim=${REDOUBT_BIN:-$here/../../build/release/bin}/redoubt-sim
if [ ! -x "$sim" ]; then
    echo "run.sh: $sim: not built" >&2
    exit 1
fi
failed=0
for story in "$here"/*.txt; do
    trace=$("$sim" --scenario "$story") || true
    if [ "${1:-}" = --update ]; then
        { sed '/^---$/,$d' "$story"; echo ---; echo "$trace"; } >"$story.new"
        mv "$story.new" "$story"
    elif ! diff -u --label expected --label "$(basename "$story")" <(sed '1,/^---$/d' "$story") <(echo "$trace"); then
        failed=1
    else
        echo "as expected: $(basename "$story" .txt)"
    fi
done
exit "$failed"
