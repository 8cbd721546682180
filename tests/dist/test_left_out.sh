#!/bin/bash
# --devices: a device that is there but fails its self-test is named and left out, and the others do the work; one that is
# not there is an error.
. "$(dirname "${BASH_SOURCE[0]}")/../cli/common.sh"
. "$(dirname "${BASH_SOURCE[0]}")/ranks.sh"
need_ranks
if ldd "$BERTCL" | grep -q libasan; then
    echo "skipped: the sanitizers' library must be loaded before the one that stands between"
    exit 77
fi
# PoCL as two devices of the same processor.
export POCL_DEVICES="pthread pthread"
if ! "$BERTCL" devices | grep -q '^pocl:1'; then
    echo "skipped: no second device of PoCL's"
    exit 77
fi
wrong='pocl: self-test: item 0 gave 0.01, expected'
said() { grep -qE -- "$2" "$tmp/stderr" || fail "$1: not said: $(cat "$tmp/stderr")"; }

# broken NAME CODE N KIND COMMAND...: the N-th device fails its self-test, as bertcl probes it.
broken() {
    local name=$1 code=$2 fault="-1 $4 test:$3 $tmp/$1.marker"
    shift 4
    faulty "$fault" "$@" >"$tmp/stdout" 2>"$tmp/stderr"
    local got=$?
    [ $got = "$code" ] || fail "$name: exit $got: $(cat "$tmp/stderr")"
    [ -e "$tmp/$name.marker" ] || fail "$name: the driver never failed"
}
train() { # NAME N KIND OPTION...
    local name=$1 n=$2 kind=$3
    shift 3
    broken "$name" 0 "$n" "$kind" "$BERTCL" train --quiet "${recipe[@]}" --out "$tmp/$name" "$@"
    [ -s "$tmp/$name/model/model.safetensors" ] || fail "$name: no model"
}
# left NAME ID: it is in the results as left out, with the other one's share of all.
left() {
    awk -v id="\"$2\"" '$1 == "\"id\":" { on = index($0, id) } on && /"left_out"/ && !/null/ { found = 1 } END { exit !found }' \
        "$tmp/$1/results.json" || fail "$1: not in the results: $(grep -E '"id"|"left_out"' "$tmp/$1/results.json")"
    [ "$(grep -cE '"share":[[:space:]]*1,' "$tmp/$1/results.json")" = 1 ] || fail "$1: shares: $(grep '"share"' "$tmp/$1/results.json")"
}
train second 2 wrong --devices pocl:0,pocl:1
said second "^pocl:1 left out: $wrong.*; the others go on\$"
left second pocl:1
train first 1 error --devices pocl:0,pocl:1 --shares 3,1 --cores pocl:0=0
said first '^pocl:0 left out: pocl: .*out of device resources.*; the others go on$'
left first pocl:0
# "all" takes each piece of hardware by a driver that can use it.
train all 1 nan --devices all
[ ! -s "$tmp/stderr" ] && grep -q '"id":[[:space:]]*"pocl:1"' "$tmp/all/results.json" || fail "all: $(cat "$tmp/stderr")"

for command in "predict --input-format conll --model $tmp/model $tmp/data" "eval --model $tmp/model --data $tmp/data"; do
    name=${command%% *}
    "$BERTCL" $command --device pocl:0 2>/dev/null | sed 's/, [0-9]* tokens.s$//' >"$tmp/one"
    broken "$name" 0 2 wrong "$BERTCL" $command --devices pocl:1,pocl:0
    sed 's/, [0-9]* tokens.s$//' "$tmp/stdout" | cmp - "$tmp/one" || fail "$name: not what one device gives"
    said "$name" "pocl:1 left out: $wrong.*; the others go on"
done

# Nothing is left, or was never there.
refused() { # NAME N KIND PATTERN DEVICES
    broken "$1" 1 "$2" "$3" "$BERTCL" train --quiet "${recipe[@]}" --out "$tmp/refused" --devices "$5"
    said "$1" "$4"
    [ "$(wc -l <"$tmp/stderr")" = 1 ] && [ ! -e "$tmp/refused" ] || fail "$1: $(cat "$tmp/stderr"; ls "$tmp")"
}
refused alone 2 wrong "devices: pocl:1 cannot be used: $wrong" pocl:1
refused missing 2 wrong 'there is no "pocl:2"; there are pocl:0 ' pocl:0,pocl:2
refused crash 2 kill 'there is no "pocl:1": .*pocl.icd: the driver crashed .Killed.; there are ' pocl:0,pocl:1
no_orphans
exit $failed
