#!/bin/bash
# eval --devices and predict --devices: the bytes that one device of the same kind gives, in the input's order and as
# they come, also when devices die or hang; what they refuse.
. "$(dirname "${BASH_SOURCE[0]}")/../cli/common.sh"
need_pocl
model=$tmp/model
"$BERTCL_BUILD/tests/make_tiny_model" "$model" || exit 1
head -1500 "$BERTCL_TESTS/../sample/speech 1.conll" >"$tmp/data"
for i in $(seq 300); do printf 'a%.0s ' $(seq $((i % 40))); echo "word $i"; done >"$tmp/text"
three=(--devices pocl:0,pocl:0,pocl:0)
predict() { "$BERTCL" predict --model "$model" "$@"; }
undated() { sed 's/<dt>Date.*//'; } # a page has the time
evaluate() { # without the speed
    "$BERTCL" eval --model "$model" --data "$tmp/data" "$@" | sed 's/, [0-9]* tokens.s$//'
    return "${PIPESTATUS[0]}"
}
same() { cmp "$2" "$3" || fail "$1: not what one device gives"; }

# The same bytes in every format, with batches of many sizes.
for format in jsonl conll html counts; do
    predict --device pocl:0 --format $format "$tmp/text" | undated >"$tmp/one"
    for size in 3 100 5000; do
        predict "${three[@]}" --format $format --max-tokens $size "$tmp/text" | undated >"$tmp/three"
        [ "${PIPESTATUS[0]}" = 0 ] || fail "$format: it failed"
        same "$format, $size tokens" "$tmp/one" "$tmp/three"
    done
done
check "nothing" 0 '^$' sh -c "'$BERTCL' predict --model '$model' --devices pocl:0,pocl:0 </dev/null; echo"
evaluate --device pocl:0 --logits "$tmp/one.logits" --predictions "$tmp/one.tags" >"$tmp/one"
for size in 3 100 5000; do
    evaluate "${three[@]}" --max-tokens $size --logits "$tmp/three.logits" --predictions "$tmp/three.tags" >"$tmp/three" ||
        fail "eval: exit $?"
    for what in '' .logits .tags; do
        same "eval$what, $size tokens" "$tmp/one$what" "$tmp/three$what"
    done
done
check "two models" 0 'model' evaluate --devices pocl:0,pocl:0 --model "$model" "$model"
figures() { evaluate --json "$@" | grep -v 'tokens_per_s\|peak_rss\|"device"'; }
figures --device pocl:0 >"$tmp/one"
figures "${three[@]}" >"$tmp/three"
same "eval --json" "$tmp/one" "$tmp/three"

# Answers come while the input stays open; devices die between the questions, until none is left.
mkfifo "$tmp/in"
"$BERTCL" predict --model "$model" "${three[@]}" <"$tmp/in" >"$tmp/out" 2>"$tmp/err" &
job=$!
exec 3>"$tmp/in"
answers() { [ "$(wc -l <"$tmp/out")" = "$1" ]; }
for i in 1 2 3; do
    echo "word $i" >&3
    wait_until $job answers $i
    answers $i || fail "died: no answer to question $i: $(cat "$tmp/err")"
    kill -9 "$(pgrep -P $job | head -1)"
done
echo "word 4" >&3
exec 3>&-
wait $job
code=$?
[ $code = 1 ] || fail "died: exit $code, expected 1"
grep -q 'pocl:0 left out: its process has died (Killed); the others go on' "$tmp/err" || fail "died: $(cat "$tmp/err")"
grep -q 'no device is left' "$tmp/err" || fail "all died: $(cat "$tmp/err")"
[ "$(grep -c 'left out' "$tmp/err")" = 2 ] || fail "died: not named twice: $(cat "$tmp/err")"
predict --device pocl:0 >"$tmp/one" < <(for i in 1 2 3; do echo "word $i"; done)
same "died" "$tmp/one" "$tmp/out"

# One dies, another hangs with much to do: the third computes it all.
BERTCL_WATCHDOG=5 "$BERTCL" predict --model "$model" "${three[@]}" --max-tokens 50 <"$tmp/in" >"$tmp/out" 2>"$tmp/err" &
job=$!
exec 3>"$tmp/in"
echo "word 1" >&3
wait_until $job answers 1
kill -STOP "$(pgrep -P $job | tail -1)"
kill -9 "$(pgrep -P $job | head -1)"
cat "$tmp/text" >&3
wait_until $job answers 301
# the one that hangs is named once its time is over, while there is something to wait for
until grep -q 'has not answered' "$tmp/err" || ! kill -0 $job 2>/dev/null; do
    echo "word 1" >&3 || break
    sleep 0.05
done
exec 3>&-
wait $job || fail "hung: exit $?"
predict --device pocl:0 >"$tmp/one" < <(echo "word 1"; cat "$tmp/text")
head -301 "$tmp/out" | cmp - "$tmp/one" || fail "hung: not what one device gives"
grep -q 'left out: it has not answered for .* s; the others go on' "$tmp/err" || fail "hung: $(cat "$tmp/err")"

# What is wrong everywhere is told once, as one device tells it.
cp -r "$model" "$tmp/broken"
head -c 2000 "$model/model.safetensors" >"$tmp/broken/model.safetensors"
"$BERTCL" predict --model "$tmp/broken" --device pocl:0 </dev/null >"$tmp/stdout" 2>"$tmp/one.err"
check "a damaged model" $? "$(sed 's/^bertcl: //; s/[][\/.*()]/./g' "$tmp/one.err")" \
    "$BERTCL" predict --model "$tmp/broken" "${three[@]}" "$tmp/text"
check "no model" 1 'nothing-here' "$BERTCL" eval --model "$tmp/nothing-here" --data "$tmp/data" "${three[@]}"
check "no data" 1 'nothing-here' "$BERTCL" eval --model "$model" --data "$tmp/nothing-here" "${three[@]}"
check "unknown id" 1 'no "nope:3"; there are .*pocl:0' predict --devices pocl:0,nope:3 "$tmp/text"
check "eval: unknown id" 1 'no "nope:3"; there are .*pocl:0' evaluate --devices pocl:0,nope:3
check "both" 2 'device and --devices' predict --device pocl:0 --devices pocl:0 "$tmp/text"
check "eval: both" 2 'device and --devices' evaluate --device pocl:0 --devices pocl:0
check "cores" 2 'cores: found "nope=1"' predict --devices pocl:0 --cores nope=1 "$tmp/text"
check "cores alone" 2 'cores goes with --devices' evaluate --cores pocl:0=0
if ! "$BERTCL" devices | grep -q ' GPU,'; then
    check "no GPU" 1 'devices gpu: no GPU' predict --devices gpu "$tmp/text"
fi
[ -z "$(pgrep -f -- "--model $model")" ] || fail "processes are left: $(pgrep -af -- "--model $model")"
exit $failed
