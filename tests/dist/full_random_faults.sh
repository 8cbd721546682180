#!/bin/bash
# train --devices: BERTCL_FAULTS runs (20), each with one fault of a random kind, in a random rank, at a random moment; every
# fifth time bertcl itself is ended by a signal instead. BERTCL_FAULT_SEED draws others.
. "$(dirname "${BASH_SOURCE[0]}")/../cli/common.sh"
. "$(dirname "${BASH_SOURCE[0]}")/ranks.sh"
need_ranks
RANDOM=${BERTCL_FAULT_SEED:-1}
recipe+=(--test "$tmp/data" --batch 4 --epochs 3 --save-every 10 --keep-all)
train=("$BERTCL" train --quiet "${recipe[@]}" --devices pocl:0,pocl:0,pocl:0 --out)
kinds=(error hang nan wrong zero kill stop)
passed=0

# How many calls a run makes in each rank, and how long it takes (ms).
for rank in 0 1 2; do
    began=$(date +%s%N)
    faulty "$rank count 1 $tmp/count.$rank" "${train[@]}" "$tmp/count" >"$tmp/stdout" 2>&1 || fail "count: $(cat "$tmp/stdout")"
    took=$((($(date +%s%N) - began) / 1000000))
    calls[rank]=$(cat "$tmp/count.$rank")
    rm -rf "$tmp/count"
done
echo "calls of the ranks: ${calls[*]}; a run takes $took ms"

end_bertcl() {
    local name=$1 signal=$2 after=$3 pid code
    "${train[@]}" "$tmp/$name" >"$tmp/$name.out" 2>"$tmp/$name.err" &
    pid=$!
    sleep "$after"
    kill "-$signal" $pid 2>/dev/null
    wait $pid
    code=$?
    no_orphans
    no_files
    [ $code = 0 ] || "$BERTCL" train --quiet "${recipe[@]}" --out "$tmp/$name" --resume --devices pocl:0,pocl:0 \
        >"$tmp/$name.out" 2>"$tmp/$name.err" || fail "$name: resumed: $(cat "$tmp/$name.err")"
    survived "$name" ""
    honest "$name"
    echo "$name: bertcl ended by $signal after $after s with status $code; resumed"
}

break_driver() {
    local name=$1 kind=$2 rank=$3 when=$4 pattern=
    BERTCL_WATCHDOG=2 faulty "$rank $kind $when $tmp/$name.marker" "${train[@]}" "$tmp/$name" \
        >"$tmp/$name.out" 2>"$tmp/$name.err" || fail "$name: exit $?: $(cat "$tmp/$name.err")"
    [ ! -s "$tmp/$name.err" ] || pattern='.'
    survived "$name" "$pattern"
    honest "$name"
    echo "$name: $kind in rank $rank from call $when on: $([ -e "$tmp/$name.marker" ] || echo "not reached; ")$(
        grep -o 'left out.*' "$tmp/$name.err" || echo "nothing was to be seen")"
}

runs=${BERTCL_FAULTS:-20}
for i in $(seq "$runs"); do
    before=$failed
    failed=0
    rank=$((RANDOM % 3))
    if [ $((i % 5)) = 0 ]; then
        signals=(KILL TERM INT)
        end_bertcl "run$i" "${signals[RANDOM % 3]}" "$(awk "BEGIN { print $((RANDOM % 1000)) / 1000 * $took / 1000 }")"
    else
        break_driver "run$i" "${kinds[RANDOM % ${#kinds[@]}]}" $rank $((1 + (RANDOM * 32768 + RANDOM) % calls[rank]))
    fi
    [ $failed = 1 ] || passed=$((passed + 1))
    failed=$((failed | before))
    rm -rf "$tmp/run$i"
done
echo "$passed of $runs"
exit $failed
