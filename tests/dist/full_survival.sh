#!/bin/bash
# train --devices: a rank that is killed or stopped costs no run; the others go on from the newest checkpoint, the device
# is named, and nothing is left behind. bertcl itself may be ended at any time, and --resume goes on.
. "$(dirname "${BASH_SOURCE[0]}")/../cli/common.sh"
. "$(dirname "${BASH_SOURCE[0]}")/ranks.sh"
need_ranks
export ASAN_OPTIONS=detect_leaks=0 # Open MPI's
recipe+=(--batch 2 --epochs 3 --save-every 10 --keep-all)
steps() { [ "$(grep -cs '"tokens"' "$1/metrics.jsonl")" -ge "$2" ] 2>/dev/null; }
rank_of() { pgrep -f -- "^[^ ]*bertcl-rank .*$tmp/$1" | sed -n "$2p"; }

# begin NAME DEVICES...: a run in the background, $pid.
begin() {
    local name=$1
    shift
    BERTCL_WATCHDOG=3 "$BERTCL" train --quiet "${recipe[@]}" --out "$tmp/$name" "$@" >"$tmp/$name.out" 2>"$tmp/$name.err" &
    pid=$!
}

# hurt NAME SIGNAL RANK PATTERN
hurt() {
    begin "$1" --devices pocl:0,pocl:0,pocl:0
    wait_until $pid steps "$tmp/$1" 30
    kill "-$2" "$(rank_of "$1" "$3")" || fail "$1: there is no rank $3"
    wait $pid || fail "$1: exit $?: $(cat "$tmp/$1.err")"
    survived "$1" "$4"
}
# A folder whose keeper was killed too goes at the next start, one that is in use does not.
[ -w /dev/shm ] && shm=/dev/shm || shm=${TMPDIR:-/tmp}
mkdir -p $shm/bertcl-mpirun.{stale,used}/sub
exec {used}<$shm/bertcl-mpirun.used
flock $used
hurt first KILL 1 'signal 9|has died'
[ ! -e $shm/bertcl-mpirun.stale ] || fail "a stale folder is left"
[ -e $shm/bertcl-mpirun.used/sub ] || fail "a folder in use was removed"
exec {used}<&-
rm -r $shm/bertcl-mpirun.used
hurt last KILL 3 'signal 9|has died'
hurt stopped STOP 2 'was stopped'

# All of them: bertcl tries the rest, and in the end says how to go on.
begin none --devices pocl:0
wait_until $pid steps "$tmp/none" 15
kill -KILL "$(rank_of none 1)"
wait $pid && fail "none: exit 0"
grep -q 'pocl:0: .*; no device is left; --resume goes on' "$tmp/none.err" || fail "none: $(cat "$tmp/none.err")"
clean none
check "none, on another" 0 'none/model' "$BERTCL" train --quiet --out "$tmp/none" --resume --devices pocl:0,pocl:0 --keep-all
survived none ""

# bertcl itself. Ctrl-C and TERM: a checkpoint first.
ended() {
    begin "$1" --devices pocl:0,pocl:0
    wait_until $pid steps "$tmp/$1" 15
    kill "-$2" $pid
    wait $pid
    code=$?
    [ $code = "$3" ] || fail "$1: exit $code: $(cat "$tmp/$1.err")"
    [ "$2" = KILL ] || grep -q 'stopped at step [0-9]* of' "$tmp/$1.err" || fail "$1: $(cat "$tmp/$1.err")"
    no_orphans
    no_files
    shift 3
    check "resumed" 0 'model' "$BERTCL" train --quiet --out "$tmp/$name" --resume "$@"
    survived "$name" ""
}
name=term && ended term TERM 143 --device pocl:0
name=kill && ended kill KILL 137 --devices pocl:0,pocl:0 --keep-all
exit $failed
