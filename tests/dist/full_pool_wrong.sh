#!/bin/bash
# eval --devices and predict --devices where a device computes wrong but finite numbers, from its first call or later:
# no false figures, no false line that is not said to be in doubt.
. "$(dirname "${BASH_SOURCE[0]}")/../cli/common.sh"
need_pocl
model=$tmp/model
"$BERTCL_BUILD/tests/make_tiny_model" "$model" || exit 1
head -600 "$BERTCL_TESTS/../sample/speech 1.conll" >"$tmp/data"
for i in $(seq 200); do printf 'a%.0s ' $(seq $((i % 40))); echo "word $i"; done >"$tmp/text"
two=pocl:0,pocl:0 three=pocl:0,pocl:0,pocl:0
predict() { "$BERTCL" predict --model "$model" --max-tokens 50 "$@"; }
figures() {
    "$BERTCL" eval --model "$model" --data "$tmp/data" --max-tokens 60 --json "$@" 2>"$tmp/err" |
        grep -v 'tokens_per_s\|peak_rss\|"device"'
    return "${PIPESTATUS[0]}"
}
# What is preloaded: a sanitizer's runtime must come first.
driver="$(ldd "$BERTCL" | awk '/libasan/ { print $3 }') $BERTCL_BUILD/tests/fault.so"
# lying KIND WHEN COMMAND...: on one device.
lying() {
    rm -f "$tmp/mark"
    BERTCL_FAULT="-2 $1 $2 $tmp/mark" LD_PRELOAD=$driver "${@:3}"
}
told='pocl:0 left out: .*(computes wrong numbers|not finite where|evaluation|label)'

# An evaluation has the right figures, whenever it begins: it is done again without the device.
predict --device pocl:0 "$tmp/text" >"$tmp/right"
figures --device pocl:0 >"$tmp/one" || fail "one device: $(cat "$tmp/err")"
for kind in skip wrong zero nan; do
    for when in 1 60 150 300; do
        [ $kind = skip ] || [ $when != 60 ] || continue
        for devices in $two $three; do
            lying $kind $when figures --devices $devices >"$tmp/out" || fail "eval, $kind from $when: $(cat "$tmp/err")"
            cmp "$tmp/one" "$tmp/out" || fail "eval, $kind from $when on $devices: other figures"
            # (of two, both answer first; a third, and the end of a process, may come too late to be heard)
            [ $when != 1 ] || [ $devices != $two ] || grep -qE "$told" "$tmp/err" || fail "eval, $kind from $when: not said: $(cat "$tmp/err")"
        done
    done
done
# What is kept of a sentence's logits is that of the last pass. Which device gets the batch is not known before.
figures --device pocl:0 --constrain --logits "$tmp/one.logits" >"$tmp/one"
for when in $(seq 120 20 400); do
    lying skip $when figures --devices $two --constrain --logits "$tmp/two.logits" >"$tmp/out" || fail "eval --logits: $(cat "$tmp/err")"
    cmp "$tmp/one" "$tmp/out" && cmp "$tmp/one.logits" "$tmp/two.logits" || fail "eval --logits: others"
    grep -q 'begins anew' "$tmp/err" && break
done
grep -q 'begins anew' "$tmp/err" || fail "eval --logits: never in doubt: $(cat "$tmp/err")"

# doubt FILE: what is in doubt, by stderr's last line: "FIRST LAST".
doubt() { tail -1 "$1" | sed -n 's/^bertcl: answers from text \([0-9]*\) to text \([0-9]*\) may be wrong: .*give them again$/\1 \2/p'; }
# honest NAME CODE: either all lines are right, or those that are not are said to be in doubt.
honest() {
    local first last
    if [ "$2" = 0 ]; then
        cmp "$tmp/right" "$tmp/out" || fail "$1: false lines, and exit 0"
        return
    fi
    read -r first last < <(doubt "$tmp/err")
    if [ "$2" != 1 ] || [ -z "$last" ]; then
        fail "$1: exit $2: $(cat "$tmp/err")"
        return
    fi
    cmp <(sed "${first},${last}d" "$tmp/right") <(sed "${first},${last}d" "$tmp/out") || fail "$1: false lines beside $first to $last"
}
for when in 1 30 90 200; do
    for devices in $two $three; do
        lying skip $when predict --devices $devices "$tmp/text" >"$tmp/out" 2>"$tmp/err"
        code=$?
        honest "predict, from $when on $devices" $code
        [ $when != 1 ] || [ $code = 0 ] || fail "predict: the first answers were given out unchecked: $(cat "$tmp/err")"
    done
done

# Nothing was in doubt before the fault, everything behind it is told at the end, though all was answered before.
mkfifo "$tmp/in"
begin() {
    rm -f "$tmp/mark" "$tmp/now"
    BERTCL_FAULT="-2 skip $tmp/now $tmp/mark" LD_PRELOAD=$driver \
        "$BERTCL" predict --model "$model" --devices $two "$@" <"$tmp/in" >"$tmp/out" 2>"$tmp/err" &
    job=$!
    exec 3>"$tmp/in"
}
answers() { [ "$(wc -l <"$tmp/out")" = "$1" ]; }
ask() {
    sed -n "$1p" "$tmp/text" >&3
    wait_until $job answers "$1"
}
for quiet in '' --quiet; do
    begin $quiet
    for i in $(seq 6); do ask "$i"; done
    touch "$tmp/now"
    for i in $(seq 7 12); do ask "$i"; done
    exec 3>&-
    wait $job
    code=$?
    [ $code = 1 ] || fail "late: exit $code, expected 1: $(cat "$tmp/err")"
    read -r first last < <(doubt "$tmp/err")
    cmp <(head -12 "$tmp/right" | sed "$first,${last}d") <(sed "$first,${last}d" "$tmp/out") || fail "late: false lines beside $first to $last"
    answers 12 || fail "late: not all answered"
done
[ "$(wc -l <"$tmp/err")" = 1 ] || fail "late, --quiet: $(cat "$tmp/err")"

# The places in several files; and counts, of which nothing is printed.
head -30 "$tmp/text" >"$tmp/first file"
begin --max-tokens 64 "$tmp/first file" -
wait_until $job answers 30
touch "$tmp/now"
head -4 "$tmp/text" >&3
exec 3>&-
wait $job && fail "several files: exit 0: $(cat "$tmp/err")"
grep -qE "answers from text [0-9]+ of ($tmp/first file|standard input) to text 4 of standard input may be wrong: pocl:0 computes" "$tmp/err" ||
    fail "several files: $(cat "$tmp/err")"
begin --format counts --max-tokens 50
head -80 "$tmp/text" >&3
touch "$tmp/now"
sed -n '81,200p' "$tmp/text" >&3
exec 3>&-
if wait $job; then
    predict --device pocl:0 --format counts "$tmp/text" | cmp - "$tmp/out" || fail "counts: false, and exit 0"
else
    grep -q 'nothing is printed' "$tmp/err" && [ ! -s "$tmp/out" ] || fail "counts: $(cat "$tmp/err" "$tmp/out")"
fi

# A driver of another kind settles it: of one kind, two may have the same fault.
export RUSTICL_ENABLE=llvmpipe # which has no device else
other=$("$BERTCL" devices 2>/dev/null | sed -n 's/^\(intel:0\|rusticl:0\) .*/\1/p' | head -1)
if [ -n "$other" ]; then
    rm -f "$tmp/mark"
    BERTCL_FAULT="-2 skip 1 $tmp/mark pocl:0" LD_PRELOAD=$driver \
        "$BERTCL" predict --model "$model" --devices pocl:0,pocl:0,$other --max-tokens 50 "$tmp/text" >"$tmp/out" 2>"$tmp/err" ||
        fail "two drivers: $(cat "$tmp/err")"
    grep -qE '^bertcl: pocl:0 left out' "$tmp/err" || fail "two drivers: $(cat "$tmp/err")"
    ! grep -q "^bertcl: $other left out" "$tmp/err" || fail "two drivers: a right one was left out: $(cat "$tmp/err")"
    [ "$(sed 's/"entities.*//' "$tmp/out" | cksum)" = "$(sed 's/"entities.*//' "$tmp/right" | cksum)" ] || fail "two drivers: other texts"
else
    echo "skipped: two drivers: there is one"
fi
exit $failed
