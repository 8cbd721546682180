#!/bin/bash
# train --devices: a rank that is killed, stopped or computes NaN costs no run; the others go on from the newest
# checkpoint, the device is named, and nothing is left behind.
. "$(dirname "${BASH_SOURCE[0]}")/../cli/common.sh"
. "$(dirname "${BASH_SOURCE[0]}")/ranks.sh"
need_ranks
recipe+=(--batch 2 --epochs 30 --save-every 10 --keep-all)
steps() { [ "$(grep -cs '"tokens"' "$1/metrics.jsonl")" -ge "$2" ] 2>/dev/null; }
rank_of() { pgrep -f -- "^[^ ]*bertcl-rank .*$tmp/$1" | sed -n "$2p"; }

# hurt NAME SIGNAL RANK
hurt() {
    local pid
    BERTCL_WATCHDOG=2 "$BERTCL" train --quiet "${recipe[@]}" --out "$tmp/$1" --devices pocl:0,pocl:0,pocl:0 \
        >"$tmp/$1.out" 2>"$tmp/$1.err" &
    pid=$!
    wait_until $pid steps "$tmp/$1" 30
    kill "-$2" "$(rank_of "$1" "$3")" || fail "$1: there is no rank $3"
    wait $pid || fail "$1: exit $?: $(cat "$tmp/$1.err")"
    grep -q '^pocl:0 left out: .*; the others go on$' "$tmp/$1.err" || fail "$1: not said: $(cat "$tmp/$1.err")"
    [ -s "$tmp/$1/model/model.safetensors" ] || fail "$1: no model"
    grep -q '"left_out":[[:space:]]*"' "$tmp/$1/results.json" || fail "$1: not in the results"
    [ -z "$(ls -a "$tmp/$1" | grep '\.tmp\.')" ] || fail "$1: temporary files"
    # no step is lost or doubled
    [ "$(sed -n 's/^{"step": \([0-9]*\),.*"tokens".*/\1/p' "$tmp/$1/metrics.jsonl" | awk '$1 != NR' | wc -l)" = 0 ] ||
        fail "$1: steps are missing"
    no_orphans
}
hurt first KILL 1
hurt last KILL 3
hurt stopped STOP 2
hurt second KILL 2

# Ctrl-C: a checkpoint, and on from it.
"$BERTCL" train --quiet "${recipe[@]}" --out "$tmp/int" --devices pocl:0,pocl:0 >"$tmp/int.out" 2>"$tmp/int.err" &
pid=$!
wait_until $pid steps "$tmp/int" 5
kill -TERM $pid
wait $pid
code=$?
[ $code = 143 ] || fail "TERM: exit $code: $(cat "$tmp/int.err")"
grep -q 'stopped at step [0-9]* of' "$tmp/int.err" || fail "TERM: $(cat "$tmp/int.err")"
no_orphans
check "on one device" 0 'int/model' "$BERTCL" train --quiet --out "$tmp/int" --resume --device pocl:0
exit $failed
