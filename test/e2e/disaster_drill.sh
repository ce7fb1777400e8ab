#!/usr/bin/env bash
# The disaster drill, as docs/OPERATE.md has it: every line of its blocks marked `drill`, in order, word by word.
. "$(dirname "$0")/lib_cluster.sh"

# `redoubt` as the lines call it; only the ports are chosen here, for other tests use the usual ones.
mkdir "$tmp/bin" "$tmp/drill"
cat >"$tmp/bin/redoubt" <<END
#!/usr/bin/env bash
case \$1 in init | restore) set -- "\$@" --base-port $(free_base 4) ;; esac
exec "$redoubt" "\$@"
END
chmod +x "$tmp/bin/redoubt"

awk '/^```drill$/ { on = 1; next } /^```$/ { on = 0 } on' "$root/docs/OPERATE.md" >"$tmp/lines"
[ "$(wc -l <"$tmp/lines")" -gt 20 ] || fail "no drill in docs/OPERATE.md"
{
    echo "set -eux; trap 'kill \${up:-} 2>/dev/null || true' EXIT"
    cat "$tmp/lines"
} >"$tmp/drill.sh"
cd "$tmp/drill" || exit 1
PATH=$tmp/bin:$PATH timeout 120 bash "$tmp/drill.sh" >"$tmp/drill.log" 2>&1 || fail "the drill does not work"

# What it was for.
grep -q "restored: the state of the backup is here" "$tmp/drill.log" || fail "no replica says that it restored"
"$redoubt" verify "$tmp/drill/shelf/tuesday.backup" --key "$tmp/drill/vault/backup-new.key" >/dev/null || fail "the backup of afterwards"
"$redoubt" verify "$tmp/drill/shelf/monday.backup" --key "$tmp/drill/vault/backup.key" >/dev/null || fail "the backup of before"
# The old key does not open the new cluster's backup, and the drill leaves nothing behind.
refuses 1 'another administrator' "$redoubt" verify "$tmp/drill/shelf/tuesday.backup" --key "$tmp/drill/vault/backup.key"
[ -e "$tmp/drill/old" ] && fail "the old cluster is still there"
echo ok
