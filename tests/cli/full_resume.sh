#!/bin/bash
# A run killed (SIGKILL) at 20 random moments and resumed each time ends with the very bytes of an
# uninterrupted run: the model, the best model, the curve and the figures. BERTCL_KILL_SEED repeats.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
RANDOM=${BERTCL_KILL_SEED:-7}
"$BERTCL_BUILD/tests/make_tiny_model" "$tmp/model" || exit 1
need_device
head -1200 "$BERTCL_TESTS/../sample/speech 2.conll" >"$tmp/data"
# --max-tokens: the number of steps of an epoch depends on its order
recipe=(--model "$tmp/model" --data "$tmp/data" --epochs 40 --batch 3 --max-tokens 100 --accumulate 2 --lr 1e-3 --schedule cosine
    --warmup 0.1 --optimizer adamw --clip 1 --save-every 7 --seed 5 --quiet)
now() { date +%s%N; }

start=$(now)
"$BERTCL" train "${recipe[@]}" --out "$tmp/whole" >/dev/null || exit 1
whole=$((($(now) - start) / 1000)) # us
kills=0
while [ $kills -lt 20 ]; do
    # early moments (start-up, first checkpoint) and late ones
    "$BERTCL" train "${recipe[@]}" --out "$tmp/killed" --resume >"$tmp/log" 2>&1 &
    pid=$!
    us=$(((RANDOM * 32768 + RANDOM) % (whole / 3 + 1)))
    sleep "$(printf '%d.%06d' $((us / 1000000)) $((us % 1000000)))"
    kill -KILL $pid 2>/dev/null
    wait $pid 2>/dev/null
    code=$?
    if [ $code != 137 ] && [ $code != 0 ]; then
        echo "FAILED: exit $code after $kills kills: $(cat "$tmp/log")"
        exit 1
    fi
    if [ -e "$tmp/killed/results.json" ]; then
        # done too early: compare what there is and begin again, the kills go on counting
        for file in model/model.safetensors best/model.safetensors metrics.jsonl; do
            cmp "$tmp/whole/$file" "$tmp/killed/$file" || failed=1
        done
        rm -rf "$tmp/killed"
    fi
    [ $code = 137 ] && kills=$((kills + 1))
done
"$BERTCL" train "${recipe[@]}" --out "$tmp/killed" --resume >"$tmp/log" 2>&1 || { cat "$tmp/log"; exit 1; }
for file in model/model.safetensors best/model.safetensors test.conll metrics.jsonl; do
    cmp "$tmp/whole/$file" "$tmp/killed/$file" || failed=1
done
figures() { grep -vE 'tokens_per_s|seconds|peak_rss' "$1/results.json"; }
diff <(figures "$tmp/whole") <(figures "$tmp/killed") || failed=1
leftover=$(ls -A "$tmp/killed" | grep -E 'tmp' | tr '\n' ' ')
[ -z "$leftover" ] || { echo "FAILED: left $leftover"; failed=1; }
[ $failed = 0 ] && echo "killed $kills times and resumed: the same bytes"
exit $failed
