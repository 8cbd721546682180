#!/bin/bash
# train --seeds stopped by a signal and gone on with; on several devices.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
. "$(dirname "${BASH_SOURCE[0]}")/../dist/ranks.sh"
need_device
"$BERTCL_BUILD/tests/make_tiny_model" "$tmp/model" || exit 1
head -1500 "$BERTCL_TESTS/../sample/speech 1.conll" >"$tmp/data"
train() { "$BERTCL" train --quiet "$@"; }
recipe=(--model "$tmp/model" --data "$tmp/data" --batch 8 --lr 1e-3)
same() { # NAME RUN RUN
    local file
    for file in metrics.jsonl model/model.safetensors best/model.safetensors run.json; do
        cmp -s "$2/$file" "$3/$file" || fail "$1: another $file"
    done
}

# stopped by a signal, of the terminal to the whole group and to this process alone, and gone on with
long=(--epochs 50 --split 0.9)
steps() { cat "$tmp/stopped/seed-8/metrics.jsonl" 2>/dev/null | wc -l; }
has_more_steps() { [ "$(steps)" -gt "$before" ]; }
stop() { # SIGNAL CODE TO OPTION...
    local signal=$1 code=$2 to=$3 got pid
    shift 3
    before=$(steps)
    setsid "$BERTCL" train --quiet --out "$tmp/stopped" "$@" >"$tmp/out" 2>"$tmp/err" &
    pid=$!
    wait_until $pid has_more_steps
    check "in use" 1 'stopped is in use by process' train --out "$tmp/stopped" --resume
    kill -s "$signal" -- "${to/PID/$pid}"
    wait $pid
    got=$?
    [ $got = "$code" ] || fail "$signal: exit $got: $(cat "$tmp/err")"
    [ -s "$tmp/out" ] && fail "$signal: figures of what is not complete"
    grep -q 'seed-8: stopped at step [0-9]* of [0-9]*; --resume' "$tmp/err" || fail "$signal: the run has not ended in order: $(cat "$tmp/err")"
    tail -1 "$tmp/err" | grep -q 'stopped in seed 8, 2 of 2; --resume goes on' || fail "$signal: $(cat "$tmp/err")"
    ls -d "$tmp/stopped/seed-8/checkpoint-"* >/dev/null || fail "$signal: no checkpoint"
    pgrep -f -- "--out=$tmp/stopped/" >/dev/null && fail "$signal: a run outlives its group"
    [ -e "$tmp/stopped/results.json" ] && fail "$signal: results of a part"
}
stop INT 130 -PID "${recipe[@]}" "${long[@]}" --seeds 4,8
stop TERM 143 PID --resume
check "goes on" 0 '^SD ' train --out "$tmp/stopped" --resume
check "never stopped" 0 . train "${recipe[@]}" "${long[@]}" --seed 8 --out "$tmp/whole"
same "goes on" "$tmp/whole" "$tmp/stopped/seed-8"

[ $failed = 0 ] || exit 1
need_ranks
check "devices" 0 '^SD ' train "${recipe[@]}" --max-steps 6 --seeds 2 --out "$tmp/ranks" --devices pocl:0,pocl:0 --shares 1,2
check "one device" 0 . train "${recipe[@]}" --max-steps 6 --seed 1 --out "$tmp/single"
same_losses "devices" "$tmp/single" "$tmp/ranks/seed-1"
no_orphans
exit $failed
