#!/usr/bin/env bash
# Key files that are missing, readable by others, or nonsense: one clear error that names the file.
. "$(dirname "$0")/lib_cluster.sh"

init_cluster one
host_key=$dir/replica-1/host.key

mv "$host_key" "$tmp/kept"
refuses 1 "$host_key: No such file" "$redoubt" replica "$dir" --id 1
refuses 1 "$host_key: No such file" "$redoubt" up "$dir"
echo nonsense >"$host_key"
chmod 600 "$host_key"
refuses 1 "$host_key: not the key of" "$redoubt" replica "$dir" --id 1
cp -p "$dir/replica-2/host.key" "$host_key"
refuses 1 "$host_key: not the key of $dir/replica-1/host.crt" "$redoubt" replica "$dir" --id 1
mv "$tmp/kept" "$host_key"
for mode in 640 604 666; do
    chmod $mode "$host_key"
    refuses 1 "$host_key: a secret that others may read .mode 0$mode.: chmod 600" "$redoubt" replica "$dir" --id 1
    refuses 1 "$host_key: a secret that others may read .mode 0$mode.: chmod 600" "$redoubt" up "$dir"
done
chmod 600 "$host_key"

mv "$dir/replica-0/host.crt" "$tmp/kept"
refuses 1 "$dir/replica-0/host.crt: No such file" "$redoubt" replica "$dir" --id 0
mv "$tmp/kept" "$dir/replica-0/host.crt"

mv "$dir/admin.pub" "$tmp/kept"
refuses 1 "$dir/admin.pub: No such file" "$redoubt" replica "$dir" --id 0
head -c 31 "$tmp/kept" >"$dir/admin.pub"
refuses 1 "$dir/admin.pub: 31 bytes" "$redoubt" replica "$dir" --id 0
mv "$tmp/kept" "$dir/admin.pub"

chmod 644 "$dir/admin.key"
refuses 1 "$dir/admin.key: a secret that others may read" "$redoubt" start "$dir" --wait 1
refuses 1 "$dir/admin.key: a secret that others may read" "$redoubt" up "$dir"
mv "$dir/admin.key" "$tmp/kept"
refuses 1 "$dir/admin.key: No such file" "$redoubt" start "$dir" --wait 1
mv "$tmp/kept" "$dir/admin.key"
chmod 600 "$dir/admin.key"

: >"$tmp/empty"
mv "$dir/clients.pub" "$tmp/kept"
cp "$tmp/empty" "$dir/clients.pub"
refuses 1 "$dir/clients.pub: not a list of client keys" "$redoubt" start "$dir" --wait 1
mv "$tmp/kept" "$dir/clients.pub"

refuses 1 "replica 0 did not show its keys within 1 s" "$redoubt" start "$dir" --wait 1

up_cluster # and with everything in place it starts
down_cluster
echo ok
