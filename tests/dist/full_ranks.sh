#!/bin/bash
# train --devices beyond its losses: the same bits each time, gradients as bf16, ranks of mpirun's, a file of devices, measured shares, fewer
# sentences than ranks, going on.
. "$(dirname "${BASH_SOURCE[0]}")/../cli/common.sh"
. "$(dirname "${BASH_SOURCE[0]}")/ranks.sh"
need_ranks
# Open MPI keeps memory of modules that it has unloaded, which no suppression can name.
export ASAN_OPTIONS=detect_leaks=0
one=("$BERTCL" train --quiet "${recipe[@]}")
check "one device" 0 'one/model' "${one[@]}" --out "$tmp/one" --device pocl:0
check "two ranks" 0 'two/model' "${one[@]}" --out "$tmp/two" --devices pocl:0,pocl:0 --shares 1,1
check "three ranks" 0 . "${one[@]}" --out "$tmp/three" --devices pocl:0,pocl:0,pocl:0 --shares 5,1,2.5
check "three ranks again" 0 . "${one[@]}" --out "$tmp/again" --devices pocl:0,pocl:0,pocl:0 --shares 5,1,2.5
for file in metrics.jsonl model/model.safetensors; do
    cmp "$tmp/three/$file" "$tmp/again/$file" || fail "again: another $file"
done

# What a rank sends a step.
bytes() { sed -n 's/.*"bytes_per_step":[^0-9]*\([0-9.]*\).*/\1/p' "$1/results.json" | head -1; }

# Gradients as bf16: half of the bytes, losses near fp32's, the same bits each time. All ranks' parameters are compared to
# the bit before each checkpoint.
near() { # NAME FOLDER FOLDER: losses within 1 %, and not the same ones
    paste <(losses "$2") <(losses "$3") | awk '
        NF != 4 { bad = 1 }
        { d = $1 - $3; d = d < 0 ? -d : d; if (!(d <= 1e-2 * $1)) bad = 1; if (d > 0) other = 1 }
        END { exit bad || NR < 5 || !other }' || fail "$1: other losses than fp32's: $(paste <(losses "$2") <(losses "$3"))"
}
half() { # NAME FOLDER FOLDER
    echo "$(bytes "$2") $(bytes "$3")" | awk '{ d = $1 - $2 * 2; exit !($2 > 0 && d * d < 1) }' ||
        fail "$1: bytes a step: $(bytes "$2") and $(bytes "$3")"
}
check "bf16" 0 . "${one[@]}" --out "$tmp/wire" --devices pocl:0,pocl:0 --shares 1,1 --wire bf16 --save-every 10
near "bf16" "$tmp/two" "$tmp/wire"
[ "$(grep -c '"wire":[[:space:]]*"bf16"' "$tmp/wire/results.json")" = 2 ] || fail "bf16: not in the results"
half "bf16" "$tmp/two" "$tmp/wire"
for name in wire3 wire3again; do
    check "bf16, three ranks" 0 . "${one[@]}" --out "$tmp/$name" --devices pocl:0,pocl:0,pocl:0 --shares 5,1,2.5 --wire bf16
done
near "bf16, three ranks" "$tmp/three" "$tmp/wire3"
half "bf16, three ranks" "$tmp/three" "$tmp/wire3"
cmp "$tmp/wire3/model/model.safetensors" "$tmp/wire3again/model/model.safetensors" || fail "bf16 again: another model"
check "fp32 by its name" 0 . "${one[@]}" --out "$tmp/fp32" --devices pocl:0,pocl:0 --shares 1,1 --wire fp32
cmp "$tmp/two/model/model.safetensors" "$tmp/fp32/model/model.safetensors" || fail "--wire fp32: another model"

# Ranks that mpirun has started.
program=$(dirname "$BERTCL")/bertcl-rank
root=$([ "$(id -u)" = 0 ] && echo --allow-run-as-root)
mpirun $root --oversubscribe --bind-to none -n 2 "$program" train --quiet "${recipe[@]}" --out "$tmp/joined" \
    --devices pocl:0,pocl:0 --shares 1,1 >/dev/null 2>"$tmp/err" || fail "joined: $(cat "$tmp/err")"
cmp "$tmp/two/model/model.safetensors" "$tmp/joined/model/model.safetensors" || fail "joined: another model"

# A file that names each host's devices.
host=$(hostname)
printf '# devices\n\nelsewhere nvidia:0 3\n%s pocl:0,pocl:0  1,1 # here\n' "$host" >"$tmp/hosts"
check "device file" 0 . "${one[@]}" --out "$tmp/file" --device-file "$tmp/hosts"
cmp "$tmp/two/model/model.safetensors" "$tmp/file/model/model.safetensors" || fail "device file: another model"
mpirun $root --oversubscribe --bind-to none -n 2 "$program" train --quiet "${recipe[@]}" --out "$tmp/joined file" \
    --device-file "$tmp/hosts" >/dev/null 2>"$tmp/err" || fail "device file, joined: $(cat "$tmp/err")"
cmp "$tmp/two/model/model.safetensors" "$tmp/joined file/model/model.safetensors" || fail "device file, joined: another model"

# Shares by measured speed.
check "measured" 0 '"wait_share"' "${one[@]}" --json --out "$tmp/measured" --devices pocl:0,pocl:0 --keep-all
same_losses "measured" "$tmp/one" "$tmp/measured"
tokens() { awk '/"devices"/ { on = 1 } on && /"tokens":/ { gsub(/[^0-9]/, ""); n += $0 } END { print n }' "$1/results.json"; }
pieces=$(sed -n 's/.*"tokens": \([0-9]*\).*/\1/p' "$tmp/measured/metrics.jsonl" | awk '{ n += $0 } END { print n }')
[ "$(tokens "$tmp/measured")" = "$pieces" ] || fail "measured: the devices' tokens are $(tokens "$tmp/measured"), not $pieces"

# Fewer sentences than ranks: some have nothing to do.
for batches in '1 1' '1 3' '2 2'; do
    set -- $batches
    few=(--batch "$1" --accumulate "$2" --max-steps 7)
    check "few $batches" 0 . "${one[@]}" "${few[@]}" --out "$tmp/few1.$1$2" --device pocl:0
    check "few $batches, ranks" 0 . "${one[@]}" "${few[@]}" --out "$tmp/few3.$1$2" --devices pocl:0,pocl:0,pocl:0
    same_losses "few $batches" "$tmp/few1.$1$2" "$tmp/few3.$1$2"
done

# Goes on: on as many devices to the same bits, and on others.
check "half" 0 . "${one[@]}" --out "$tmp/half" --devices pocl:0,pocl:0 --max-steps 5
check "whole" 0 . "${one[@]}" --epochs 2 --out "$tmp/whole" --devices pocl:0,pocl:0 --shares 1,1
check "longer" 0 'two/model' "$BERTCL" train --quiet --out "$tmp/two" --resume --epochs 2 --devices pocl:0,pocl:0 --shares 1,1
cmp "$tmp/whole/model/model.safetensors" "$tmp/two/model/model.safetensors" || fail "resumed: another model"
check "on one" 0 . "${one[@]}" --out "$tmp/one" --resume --epochs 2 --devices pocl:0,pocl:0 --shares 1,3
same_losses "on one" "$tmp/whole" "$tmp/one"

check "a folder in use" 1 'two: exists; choose another' "${one[@]}" --out "$tmp/two" --devices pocl:0,pocl:0
check "no data" 1 'nothing-here' "$BERTCL" train --quiet --model "$tmp/model" --data "$tmp/nothing-here" --out "$tmp/bad" \
    --devices pocl:0,pocl:0
no_orphans
exit $failed
