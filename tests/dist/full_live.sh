#!/bin/bash
# train --devices: what is shown of the devices while it goes on: a table below the progress line on a terminal, a list in
# the status file, and `runs watch`.
. "$(dirname "${BASH_SOURCE[0]}")/../cli/common.sh"
. "$(dirname "${BASH_SOURCE[0]}")/ranks.sh"
need_ranks
export ASAN_OPTIONS=detect_leaks=0 # Open MPI's
export TERM=xterm BERTCL_HOME=$tmp/store
unset COLUMNS
terminal=$BERTCL_BUILD/tests/make_terminal
two=("$BERTCL" train "${recipe[@]}" --devices pocl:0,pocl:0 --shares 3,1 --keep-all)
heads='^device +share +tokens/s +waiting +communication +memory'
row='^pocl:0 +[0-9]+ % +[0-9]+ +[0-9]+ % +[0-9]+ % +[0-9]+ MiB'

"$terminal" 100 "${two[@]}" --out "$tmp/run" --status "$tmp/status.json" >"$tmp/screen" || fail "exit $?"
tr -d '\r' <"$tmp/screen" | sed 's/\x1b\[[0-9]*A//; s/\x1b\[K$//' >"$tmp/lines"
grep -qE "$heads" "$tmp/lines" || fail "no table: $(cat -v "$tmp/screen" | head -20)"
[ "$(grep -cE "$row" "$tmp/lines")" = $((2 * $(grep -cE "$heads" "$tmp/lines"))) ] || fail "not two rows a table: $(cat -v "$tmp/lines" | head)"
grep -A1 -E "$heads" "$tmp/lines" | grep -qE '^pocl:0 +75 %' || fail "the shares: $(cat -v "$tmp/lines" | head)"
# Where the epoch's line comes the table is gone: the screen is cleared from the progress line on.
grep -q $'\x1b\[Jepoch 1: training loss' "$tmp/screen" || fail "the table stays: $(cat -v "$tmp/screen" | tail -40)"
grep -qF '"devices"' "$tmp/status.json" || fail "status: no devices"
[ "$(grep -c '"id":[[:space:]]*"pocl:0"' "$tmp/status.json")" = 2 ] || fail "status: $(cat "$tmp/status.json")"
for key in share tokens_per_s wait_share communication_share memory_mb; do
    [ "$(grep -cE "\"$key\":[[:space:]]*[0-9]" "$tmp/status.json")" -ge 2 ] || fail "status: no $key: $(cat "$tmp/status.json")"
    [ "$(grep -cE "\"$key\":[[:space:]]*[0-9]" "$tmp/run/results.json")" -ge 2 ] || fail "results: no $key"
done

# No line is wider than the terminal.
"$terminal" 40 "${two[@]}" --out "$tmp/narrow" >"$tmp/screen" || fail "narrow: exit $?"
sed 's/\x1b\[J.*//; s/.*\r\(.\)/\1/; s/\x1b\[[0-9]*[AK]//g; s/\r//g' "$tmp/screen" | grep -E '^(device|pocl:0) ' >"$tmp/lines"
[ -s "$tmp/lines" ] && awk 'length > 39 { print; bad = 1 } END { exit bad }' "$tmp/lines" || fail "narrow: a line that is wider"

# Elsewhere there is none, and one device has none.
"${two[@]}" --out "$tmp/piped" >"$tmp/screen" 2>&1 || fail "piped: exit $?"
! grep -qE "communication|$(printf '\x1b')" "$tmp/screen" || fail "piped: $(cat -v "$tmp/screen")"
"$terminal" 100 "$BERTCL" train "${recipe[@]}" --device pocl:0 --out "$tmp/one" --status "$tmp/one.json" >"$tmp/screen" || fail "one: exit $?"
! grep -q 'communication' "$tmp/screen" || fail "one device: a table"
! grep -q '"devices"' "$tmp/one.json" || fail "one device: a list in the status file"

# From another terminal.
"${two[@]}" --quiet --batch 1 --epochs 10000 --out "$tmp/long" >"$tmp/long.out" 2>&1 &
pid=$!
wait_until $pid grep -qs '"devices"' "$tmp/long/heartbeat.json"
"$BERTCL" runs watch --once "$tmp/long" >"$tmp/watched" 2>&1 || fail "watch: exit $?: $(cat "$tmp/watched")"
kill -INT $pid
wait $pid
grep -qE 'running' "$tmp/watched" && grep -qE "$heads" "$tmp/watched" && [ "$(grep -cE "$row" "$tmp/watched")" = 2 ] ||
    fail "watch: $(cat "$tmp/watched" "$tmp/long.out")"
"$BERTCL" runs watch --once "$tmp/long" >"$tmp/watched" 2>&1
! grep -qE "$heads" "$tmp/watched" || fail "watch of a run that has ended: $(cat "$tmp/watched")"
no_orphans
exit $failed
