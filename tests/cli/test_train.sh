#!/bin/bash
# bertcl train and eval on the sample corpus with a tiny random model: the run folder, results, every
# kind of bad input (one line, its exit code, nothing half-written), Ctrl-C and --resume.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
sample="$BERTCL_TESTS/../sample/speech 1.conll"
"$BERTCL_BUILD/tests/make_tiny_model" "$tmp/model" || exit 1
need_device

train() { "$BERTCL" train --quiet "$@"; }
# bad NAME CODE PATTERN OPTION...: train fails so, and leaves no run folder
bad() {
    local name=$1 code=$2 pattern=$3
    shift 3
    check "$name" "$code" "$pattern" train --out "$tmp/bad run" "$@"
    [ -e "$tmp/bad run" ] && { fail "$name: left $(ls -A "$tmp/bad run" | tr '\n' ' ')"; rm -rf "$tmp/bad run"; }
}
with() { # a copy of the model with one file replaced by stdin
    rm -rf "$tmp/copy"
    cp -r "$tmp/model" "$tmp/copy"
    cat >"$tmp/copy/$1"
}

head -3000 "$sample" >"$tmp/data"
check "train" 0 'run/model' train --model "$tmp/model" --data "$tmp/data" --out "$tmp/run" --max-steps 7 --batch 4 --lr 1e-3 --seed 3
for file in model/config.json model/model.safetensors model/vocab.txt model/tokenizer.json model/tokenizer_config.json \
    model/special_tokens_map.json best/model.safetensors test.conll metrics.jsonl results.json run.json; do
    [ -s "$tmp/run/$file" ] || fail "the run has no $file"
done
for key in train loss tokens_per_s steps eval accuracy report peak_rss_mb device seed 'macro avg' 'weighted avg'; do
    grep -q "\"$key\"" "$tmp/run/results.json" || fail "results.json: no key $key"
done
grep -qE '"steps":[[:space:]]*7,?$' "$tmp/run/results.json" || fail "--max-steps"
[ "$(grep -c '"grad_norm"' "$tmp/run/metrics.jsonl")" = 7 ] || fail "metrics.jsonl: not 7 steps"
ls -A "$tmp/run" | grep -q tmp && fail "a temporary file is left"
check "eval" 0 'macro avg' "$BERTCL" eval --model "$tmp/run/model" --data "$tmp/run/test.conll" --max-length 64
check "eval --json" 0 '"accuracy"' "$BERTCL" eval --model "$tmp/run/model" --data "$tmp/run/test.conll" --json
accuracy=$(grep -m1 '"accuracy"' "$tmp/stdout" | tr -d ' \t,')
grep -m1 '"accuracy"' "$tmp/run/results.json" | tr -d ' \t,' | grep -qxF "$accuracy" || fail "eval --json: another accuracy than train's"
grep -q '"profile"' "$tmp/run/results.json" && fail "a profile that nobody asked for"
check "profile" 0 'matrix product dW = X. dY .*[0-9]' train --model "$tmp/model" --data "$tmp/data" --out "$tmp/profiled" \
    --max-steps 7 --batch 4 --lr 1e-3 --seed 3 --profile
grep -qE '^gemm_|^operation .*GFLOP/s' "$tmp/stderr" || fail "profile: $(head -3 "$tmp/stderr")"
for key in step_ms kernel_ms gemm_share operations kernels launches share gb_per_s; do
    grep -q "\"$key\"" "$tmp/profiled/results.json" || fail "results.json: the profile has no $key"
done
# a step has two launches of Adam: dense parameters and rows of words
tr -d ' \t\n' <"$tmp/profiled/results.json" | grep -q '"name":"Adam","launches":2,' || fail "profile: launches of a step"
cmp -s "$tmp/run/model/model.safetensors" "$tmp/profiled/model/model.safetensors" || fail "the profile changed the model"
check "exists" 1 'run: exists' train --model "$tmp/model" --data "$tmp/data" --out "$tmp/run"
cp "$tmp/run/model/model.safetensors" "$tmp/kept"
check "resume a complete run" 0 '"eval"' train --out "$tmp/run" --resume
check "resume with another batch" 2 'batch' train --out "$tmp/run" --resume --batch 9
cmp -s "$tmp/kept" "$tmp/run/model/model.safetensors" || fail "a complete run was changed"
check "the same seed" 0 . train --model "$tmp/model" --data "$tmp/data" --out "$tmp/run2" --max-steps 7 --batch 4 --lr 1e-3 --seed 3
cmp -s "$tmp/kept" "$tmp/run2/model/model.safetensors" || fail "the same seed gave another model"

# a development set: best/ is chosen on it, the test set is scored once, by best/
dev() { "$BERTCL" train --quiet --model "$tmp/model" --data "$tmp/data" --epochs 3 --lr 1e-3 --out "$@"; }
check "split in three" 0 'best: epoch [123] by entity-f1 on the development set: ' dev "$tmp/dev run" --split 0.8,0.1
grep -c '"dev_entity_f1"' "$tmp/dev run/metrics.jsonl" | grep -qx 3 || fail "metrics.jsonl: not three dev lines"
grep -q '"eval_loss"' "$tmp/dev run/metrics.jsonl" && fail "the test set was scored in an epoch"
for key in dev eval selection stopped_early; do grep -q "\"$key\"" "$tmp/dev run/results.json" || fail "results.json: no key $key"; done
[ -s "$tmp/dev run/dev.conll" ] || fail "no dev.conll"
cat "$tmp/dev run/dev.conll" "$tmp/dev run/test.conll" | sort >"$tmp/rest"
sort "$tmp/run/test.conll" | cmp -s - "$tmp/rest" || fail "--split 0.8,0.1: training has other sentences than with 0.8"
check "eval of best" 0 '"accuracy"' "$BERTCL" eval --model "$tmp/dev run/best" --data "$tmp/dev run/test.conll" --json
accuracy=$(grep -m1 '"accuracy"' "$tmp/stdout" | tr -d ' \t,')
sed -n '/"eval"/,$p' "$tmp/dev run/results.json" | grep -m1 '"accuracy"' | tr -d ' \t,' | grep -qxF "$accuracy" || fail "eval of results.json is not best's"
check "a file of dev" 0 'best: epoch' dev "$tmp/dev file" --dev "$tmp/dev run/dev.conll" --test "$tmp/dev run/test.conll" --select loss --patience 1
check "dev without test" 0 'best: epoch' dev "$tmp/dev alone" --dev "$tmp/dev run/dev.conll"
grep -q '"eval"' "$tmp/dev alone/results.json" && fail "--dev alone: a test set"
bad "patience without dev" 2 'patience needs a development set: give --dev' --model "$tmp/model" --data "$tmp/data" --patience 2
bad "split of too much" 2 'sum of at most 1' --model "$tmp/model" --data "$tmp/data" --split 0.8,0.3
bad "split of words" 2 'split: found "0.8,x"|split: found "x"' --model "$tmp/model" --data "$tmp/data" --split 0.8,x
bad "empty dev" 2 'leaves none for the development set' --model "$tmp/model" --data "$tmp/data" --split 0.8,0.0001
bad "dev twice" 2 'exclude' --model "$tmp/model" --data "$tmp/data" --split 0.8,0.1 --dev "$tmp/data"
{ cat "$tmp/dev run/dev.conll"; printf '\nword\tI-ODD\n'; } >"$tmp/odd"
bad "unseen tag of dev" 2 'training data have not: I-ODD .development data.*allow-unseen-tags' --model "$tmp/model" --data "$tmp/data" --dev "$tmp/odd"
bad "unseen tag of test" 2 'training data have not: I-ODD .test data.*allow-unseen-tags' --model "$tmp/model" --data "$tmp/data" --test "$tmp/odd"
check "unseen tags allowed" 0 'I-ODD' dev "$tmp/odd run" --test "$tmp/odd" --allow-unseen-tags --max-steps 2

# long sentences in windows; what is frozen stays; presets
check "windows" 0 'trained on in windows: [0-9]+ sequences' "$BERTCL" train --model "$tmp/model" --data "$tmp/data" --out "$tmp/windows" --long window --max-length 24 --max-steps 3
check "eval in windows" 0 '"accuracy"' "$BERTCL" eval --model "$tmp/windows/model" --data "$tmp/windows/test.conll" --long window --max-length 24 --json
accuracy=$(grep -m1 '"accuracy"' "$tmp/stdout" | tr -d ' \t,')
grep -m1 '"accuracy"' "$tmp/windows/results.json" | tr -d ' \t,' | grep -qxF "$accuracy" || fail "--long window: another accuracy than eval's"
check "the hint" 0 'try --recipe good' "$BERTCL" train --model "$tmp/model" --data "$tmp/data" --out "$tmp/hint" --max-steps 2
check "the hint, of dev" 0 'entity of the development set was found' "$BERTCL" train --model "$tmp/model" --data "$tmp/data" --dev "$tmp/dev run/dev.conll" --out "$tmp/hint of dev" --lr 1e-3 --epochs 2
check "recipe" 0 'run/model' train --model "$tmp/model" --data "$tmp/data" --out "$tmp/good run" --recipe good --lr 1e-3 --max-steps 2
tr -d ' \t\n' <"$tmp/good run/run.json" | grep -q '"epochs":3,"batch":16,.*"lr":0.001,"schedule":"linear","warmup":0.1,' ||
    fail "--recipe good: $(tr -d ' \t\n' <"$tmp/good run/run.json")"
bad "frozen layers" 2 'freeze: found "9", expected embeddings or 0 to [0-9]+ layers' --model "$tmp/model" --data "$tmp/data" --freeze 9
bad "frozen words" 2 'freeze: found "head"' --model "$tmp/model" --data "$tmp/data" --freeze head
bad "head-lr without lr" 2 'head-lr needs --lr above 0' --model "$tmp/model" --data "$tmp/data" --lr 0 --head-lr 1

# batches by word pieces: a step holds as many, several make the same step, both limits hold
tokens() { "$BERTCL" train --quiet --model "$tmp/model" --data "$tmp/data" --epochs 2 --lr 1e-3 --seed 3 --out "$@"; }
check "max-tokens" 0 'run/model' tokens "$tmp/tokens run" --max-tokens 150
sed -n 's/.*"tokens": \([0-9]*\)}.*/\1/p' "$tmp/tokens run/metrics.jsonl" | awk '$1 > 150 || $1 < 1 {bad = 1} $1 > 64 {many++} END {exit bad || !many}' ||
    fail "--max-tokens: steps of $(sed -n 's/.*"tokens": //p' "$tmp/tokens run/metrics.jsonl" | sort -u | tr '\n' ' ')"
check "max-tokens and batch" 0 'run/model' tokens "$tmp/both run" --max-tokens 150 --batch 1 --max-steps 5
check "batch 1" 0 'run/model' tokens "$tmp/single run" --batch 1 --max-steps 5
cmp -s "$tmp/both run/metrics.jsonl" "$tmp/single run/metrics.jsonl" || fail "--max-tokens with --batch 1 is not --batch 1"
check "recompute" 0 'run/model' tokens "$tmp/again run" --max-tokens 150 --recompute
cmp -s "$tmp/again run/model/model.safetensors" "$tmp/tokens run/model/model.safetensors" || fail "--recompute gave another model"
cmp -s "$tmp/again run/metrics.jsonl" "$tmp/tokens run/metrics.jsonl" || fail "--recompute gave other metrics"
bad "max-tokens below a sentence" 2 'max-tokens: found 20, sentence [0-9]+ .* has [0-9]+ word pieces' --model "$tmp/model" --data "$tmp/data" --max-tokens 20
check "memory" 0 '^memory: weights [0-9]+ MiB, moments [0-9]+ MiB, gradients and activations [0-9]+ MiB for batches of up to [0-9]+ tokens' \
    "$BERTCL" train --model "$tmp/model" --data "$tmp/data" --out "$tmp/memory run" --max-steps 1

# usage
bad "no data" 2 'data is needed' --model "$tmp/model"
bad "no model" 2 'model is needed' --data "$tmp/data"
check "no out" 2 'out is needed' train --model "$tmp/model" --data "$tmp/data"
bad "unknown option" 2 'learning-rate' --model "$tmp/model" --data "$tmp/data" --learning-rate 1
bad "bad number" 2 'lr' --model "$tmp/model" --data "$tmp/data" --lr fast
bad "bad choice" 2 'schedule' --model "$tmp/model" --data "$tmp/data" --schedule step
bad "test and split" 2 'exclude' --model "$tmp/model" --data "$tmp/data" --test "$tmp/data" --split 0.5
bad "too long" 2 'max-length.* 64' --model "$tmp/model" --data "$tmp/data" --max-length 65
bad "no provider" 2 'cublas.*expected' --model "$tmp/model" --data "$tmp/data" --gemm cublas
# data
bad "missing data" 1 'none: cannot open' --model "$tmp/model" --data "$tmp/none"
printf 'a\tO\nb\n' >"$tmp/one"
bad "one column" 1 'one:2: ' --model "$tmp/model" --data "$tmp/one"
printf 'a\tO\nb\xff\tO\n' >"$tmp/one"
bad "not UTF-8" 1 'one:2: .*0xFF' --model "$tmp/model" --data "$tmp/one"
: >"$tmp/one"
bad "empty corpus" 1 'one: found no sentence' --model "$tmp/model" --data "$tmp/one"
printf 'a\tO\nb\tI-ODD\n' >"$tmp/one"
check "unknown tag" 1 'one:2: .*I-ODD' "$BERTCL" eval --model "$tmp/run/model" --data "$tmp/one"
# models
bad "no folder" 1 'nothing.*config.json' --model "$tmp/nothing" --data "$tmp/data"
with model.safetensors </dev/null; rm "$tmp/copy/model.safetensors"
bad "no weights" 1 'copy.*model.safetensors' --model "$tmp/copy" --data "$tmp/data"
head -c 5000 "$tmp/model/model.safetensors" | with model.safetensors
bad "cut weights" 1 'copy/model.safetensors: ' --model "$tmp/copy" --data "$tmp/data"
head -c 5 "$tmp/model/model.safetensors" | with model.safetensors
bad "five bytes" 1 'copy/model.safetensors: ' --model "$tmp/copy" --data "$tmp/data"
sed 's/"model_type":.*/"model_type": "gpt2",/' "$tmp/model/config.json" | with config.json
bad "another architecture" 1 'config.json: .*gpt2.*bert' --model "$tmp/copy" --data "$tmp/data"
sed 's/"hidden_act":.*/"hidden_act": "relu",/' "$tmp/model/config.json" | with config.json
bad "unknown activation" 1 'config.json: .*relu' --model "$tmp/copy" --data "$tmp/data"
sed 's/"intermediate_size":.*/"intermediate_size": 46,/' "$tmp/model/config.json" | with config.json
bad "wrong shape" 1 'intermediate.*found shape \[45, 32\].* \[46, 32\]' --model "$tmp/copy" --data "$tmp/data"
{ cat "$tmp/model/vocab.txt"; echo extra; } | with vocab.txt
bad "vocabulary" 1 '78 pieces.* 77' --model "$tmp/copy" --data "$tmp/data"
with config.json <<<'{"model_type": "bert",'
bad "broken JSON" 1 'config.json: ' --model "$tmp/copy" --data "$tmp/data"
# devices
bad "no such device" 1 'pocl:99' --model "$tmp/model" --data "$tmp/data" --device pocl:99
export OCL_ICD_VENDORS=/nonexistent
bad "no driver" 1 '[Nn]o OpenCL' --model "$tmp/model" --data "$tmp/data"
unset OCL_ICD_VENDORS

# a disk that has room for the model, but not for the optimizer's state beside it
if mkdir "$tmp/disk" && mount -t tmpfs -o size=200k tmpfs "$tmp/disk" 2>"$tmp/mount"; then
    mounted="$tmp/disk"
    check "full disk" 1 '(No space left|cannot write)' train --json --model "$tmp/model" --data "$tmp/data" --out "$tmp/disk/run" --max-steps 3
    ls "$tmp/disk/run" | grep -qE 'checkpoint|^model$|results' && fail "full disk: left $(ls "$tmp/disk/run" | tr '\n' ' ')"
    head -c 200000 /dev/zero >"$tmp/disk/rest" 2>/dev/null
    check "full disk: logits" 1 '(No space left|cannot write)' "$BERTCL" eval --quiet --model "$tmp/run/model" --data "$tmp/data" --logits "$tmp/disk/l"
    [ -e "$tmp/disk/l" ] && fail "full disk: logits are there"
else
    echo "skipped: full disk: cannot mount a small file system"
fi

# Ctrl-C: a checkpoint, and --resume ends at the bits of a run that was not stopped
"$BERTCL" train --quiet --model "$tmp/model" --data "$tmp/data" --out "$tmp/whole" --epochs 4 --batch 2 >"$tmp/stdout" 2>&1 || fail "whole"
set -m # or the shell starts it with SIGINT ignored
"$BERTCL" train --quiet --model "$tmp/model" --data "$tmp/data" --out "$tmp/stopped" --epochs 4 --batch 2 >"$tmp/stdout" 2>"$tmp/stderr" &
pid=$!
wait_until $pid [ -s "$tmp/stopped/metrics.jsonl" ]
kill -INT $pid
wait $pid
code=$?
if [ -e "$tmp/stopped/results.json" ]; then
    echo "skipped: Ctrl-C: the run was faster"
else
    [ $code = 130 ] && grep -q 'stopped at step .*--resume' "$tmp/stderr" || fail "Ctrl-C: exit $code: $(cat "$tmp/stderr")"
    [ "$(wc -l <"$tmp/stderr")" = 1 ] || fail "Ctrl-C: not one line"
    ls "$tmp/stopped" | grep -q '^checkpoint-' || fail "Ctrl-C: no checkpoint"
    check "resume" 0 'stopped/model' train --out "$tmp/stopped" --resume
fi
cmp -s "$tmp/whole/model/model.safetensors" "$tmp/stopped/model/model.safetensors" || fail "resumed to another model"
cmp -s "$tmp/whole/metrics.jsonl" "$tmp/stopped/metrics.jsonl" || fail "resumed to another metrics.jsonl"
exit $failed
