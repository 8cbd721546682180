#!/bin/bash
# train --devices: what is refused before anything is computed, and what it leaves of the folder; the same shares, and with
# them the same bits, where a run goes on.
. "$(dirname "${BASH_SOURCE[0]}")/../cli/common.sh"
. "$(dirname "${BASH_SOURCE[0]}")/ranks.sh"
need_ranks
export ASAN_OPTIONS=detect_leaks=0 # Open MPI's
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 HWLOC_COMPONENTS=-opencl
rank=$(dirname "$BERTCL")/bertcl-rank

# refused NAME PATTERN: ranks that say so of the second one, and compute nothing.
refused() {
    local name=$1 pattern=$2
    grep -qE "rank 1 \(pocl:0 on .*\): found another $pattern than rank 0's; start all ranks with the same" "$tmp/stdout" ||
        fail "$name: $(cat "$tmp/stdout")"
    [ ! -e "$tmp/differ.$name/results.json" ] && [ ! -s "$tmp/differ.$name/metrics.jsonl" ] || fail "$name: it has trained"
    no_orphans
}
# differ NAME PATTERN PROGRAM OPTION...: the second rank is started otherwise than the first.
differ() {
    local name=$1 pattern=$2 program=$3
    shift 3
    local one=("$rank" train --quiet "${recipe[@]}" --out "$tmp/differ.$name" --devices pocl:0,pocl:0)
    mpirun --oversubscribe --bind-to none -n 1 "${one[@]}" : -n 1 "$program" "${one[@]:1}" "$@" >"$tmp/stdout" 2>&1 &&
        fail "$name: exit 0"
    refused "$name" "$pattern"
}
differ option options "$rank" --lr 1e-4
differ data 'training data|tags|options' "$rank" --data "$BERTCL_TESTS/../sample/speech 2.conll"
differ shares '--shares, --keep-all or --wire' "$rank" --shares 1,2
differ wire '--shares, --keep-all or --wire' "$rank" --wire bf16
cp "$rank" "$tmp/other" && echo >>"$tmp/other"
differ build 'program for .*' "$tmp/other"

mpirun --oversubscribe --bind-to none -n 2 "$rank" train --quiet "${recipe[@]}" --out "$tmp/fp16" --devices pocl:0,pocl:0 \
    --wire bf16 --precision fp16 >"$tmp/stdout" 2>&1 && fail "fp16 with --wire bf16: exit 0"
grep -q -- '--wire bf16 does not go with --precision fp16' "$tmp/stdout" || fail "fp16 with --wire bf16: $(cat "$tmp/stdout")"
no_orphans

mpirun -n 1 "$rank" train --quiet "${recipe[@]}" --out "$tmp/idle" --devices pocl:0,pocl:0 >"$tmp/stdout" 2>&1 &&
    fail "a device without a rank: exit 0"
grep -q 'found 2 for 1 rank in all, and pocl:0 would be left idle; start a rank for each' "$tmp/stdout" ||
    fail "a device without a rank: $(cat "$tmp/stdout")"
[ ! -e "$tmp/idle" ] || fail "a device without a rank: a folder is left"

# differ_in NAME PATTERN: the ranks run in $tmp/here and $tmp/there, whose model is another by the same name, as on two
# machines; of letters alone, so that the vocabulary's last words are none of the data's.
mkdir "$tmp/here" "$tmp/there"
cp -r "$tmp/model" "$tmp/here/model"
sed 's/[0-9]/a/g' "$tmp/data" >"$tmp/letters"
differ_in() {
    local each=("$rank" train --quiet --model model --data "$tmp/letters" --epochs 1 --out "$tmp/differ.$1"
        --devices pocl:0,pocl:0)
    mpirun --oversubscribe --bind-to none -n 1 -wdir "$tmp/here" "${each[@]}" : -n 1 -wdir "$tmp/there" "${each[@]}" \
        >"$tmp/stdout" 2>&1 && fail "$1: exit 0"
    refused "$1" "$2"
    rm -r "$tmp/there/model"
}
"$BERTCL_BUILD/tests/make_tiny_model" "$tmp/there/model" 99 || exit 1
differ_in weights "model's weights"
cp -r "$tmp/model" "$tmp/there/model"
{ head -n -2 "$tmp/model/vocab.txt" && tail -2 "$tmp/model/vocab.txt" | tac; } >"$tmp/there/model/vocab.txt"
differ_in vocabulary vocabulary

# bertcl without bertcl-rank beside it is what a build without MPI installs: it has nothing of MPI in itself.
mkdir "$tmp/alone" && cp "$BERTCL" "$tmp/alone/bertcl"
! ldd "$BERTCL" | grep -q libmpi || fail "bertcl needs MPI's library"
check "no MPI" 1 'bertcl-rank is not there: bertcl was built without MPI; install Open MPI .*libopenmpi-dev.* --device' \
    "$tmp/alone/bertcl" train --quiet "${recipe[@]}" --out "$tmp/without" --devices pocl:0,pocl:0
[ ! -e "$tmp/without" ] || fail "no MPI: a folder is left"
check "no MPI, one device" 0 'without/model' "$tmp/alone/bertcl" train --quiet "${recipe[@]}" --out "$tmp/without" --device pocl:0

if grep -q '^ *GPU,' "$tmp/devices"; then
    echo "skipped: there is a GPU"
else
    check "no GPU" 1 'devices gpu: no GPU can be used' "$BERTCL" train --quiet "${recipe[@]}" --out "$tmp/gpu" --devices gpu
fi

# Two runs into one folder: one of them trains.
for i in 1 2; do
    "$BERTCL" train --quiet "${recipe[@]}" --out "$tmp/both" --devices pocl:0,pocl:0 --keep-all >"$tmp/both.$i" 2>&1 &
    both[i]=$!
done
wait "${both[1]}"
one=$?
wait "${both[2]}"
two=$?
[ $((one + two)) = 1 ] || fail "two runs into one folder: exits $one and $two: $(cat "$tmp"/both.?)"
grep -qE 'both( is in use|: exists|: another process)' "$tmp"/both.[12] || fail "two runs into one folder: $(cat "$tmp"/both.?)"
survived both ""

# Shares that were measured are kept: a run that goes on twice from one state has the same bits.
measured() { grep '"share"' "$1/results.json"; }
check "measured" 0 . "$BERTCL" train --quiet "${recipe[@]}" --epochs 2 --out "$tmp/first" --devices pocl:0,pocl:0 --keep-all
cp -r "$tmp/first" "$tmp/second"
before=$(measured "$tmp/first")
for name in first second; do
    check "$name goes on" 0 . "$BERTCL" train --quiet --out "$tmp/$name" --resume --epochs 3 --devices pocl:0,pocl:0 --keep-all
    [ "$(measured "$tmp/$name")" = "$before" ] || fail "$name: other shares: $before; $(measured "$tmp/$name")"
done
for file in metrics.jsonl model/model.safetensors; do
    cmp "$tmp/first/$file" "$tmp/second/$file" || fail "going on twice: another $file"
done
exit $failed
