#!/usr/bin/env bash
# bertcl bench verify finds and names an error in each kernel's file, on each driver that is installed: PoCL with the
# kernels of CPUs and of GPUs, rusticl, and Intel's runtime where $BERTCL_INTEL_ICD names its library. Right kernels pass.
. "$(dirname "${BASH_SOURCE[0]}")/../cli/common.sh"
need_device
echo '{"model_type": "bert", "hidden_size": 48, "num_attention_heads": 3, "num_hidden_layers": 1,
"max_position_embeddings": 128, "type_vocab_size": 2, "intermediate_size": 96, "vocab_size": 500}' >"$tmp/config.json"
sed 's/48, "num_attention_heads": 3/132, "num_attention_heads": 1/' "$tmp/config.json" >"$tmp/wide.json"

# FILE | EDIT (sed) | options of verify
errors='
attention.cl      | s/sum += exp(p\[j\] - m);/sum += exp(p[j] - m) * 1.001f;/            |
attention_tiled.cl | s/const float x = exp(row\[i + w \* LANES\] - m);/const float x = exp(row[i + w * LANES] - m) * (1.0f + 0.001f * (w > 0));/ |
attention_cpu.cl  | s/const fv e = exp(LOAD_FULL(row + j) - \*top);/const fv e = exp(LOAD_FULL(row + j) - *top) * (1.0f + 0.001f * (j > 8));/ |
cross_entropy.cl  | s/sum += exp(logits\[row + k\] - m);/sum += exp(logits[row + k] - m) * 1.001f;/ |
elementwise.cl    | s/store(load(dy + i, N - i) \*/store(load(dy + i, N - i) * (i > 60 ? 1.0001f : 1.0f) */ |
embedding.cl      | s/1\.0f \/ sqrt(\([a-z]*\)_sum/1.0001f \/ sqrt(\1_sum/                   |
layernorm.cl      | s/1\.0f \/ sqrt(\([a-z]*\)_sum/1.0001f \/ sqrt(\1_sum/                   |
optimizer.cl      | s/sum += v \* v;/sum += v * v * 1.0001f;/                               |
optimizer.cl      | s/store_half(updated,/store_half(updated * 1.01f,/                    | --gemm mma-bf16:emulated-nvidia --precision bf16
sums.cl           | s/sum += load(x + (size_t)t \* N + c, n);/sum += load(x + (size_t)t * N + c, n) * (t == 40 ? 1.1f : 1.0f);/ |
gemm_reference.cl | s/sum = fma(A/sum = fma(1.00001f * A/                                    | --gemm reference
gemm_tile.cl      | s/c##i##_##j = fma(x, b##j, c##i##_##j)/c##i##_##j = fma(x * 1.0001f, b##j, c##i##_##j)/ | --gemm tile
gemm_tile_bf16.cl | s/fma(UPPER(a), UPPER(b), c)/fma(UPPER(a), UPPER(b), 0.9f * c)/           | --gemm tile-bf16 --precision bf16
gemm_mma.cl       | s/for (int k = 0; k < BK; k += FK)/for (int k = FK; k < BK; k += FK)/     | --gemm mma:emulated-nvidia
gemm_mma_finish.cl | s/x += parts\[s \* all + i\];/x += parts[s * all + i] * 1.001f;/          | --gemm mma:emulated-nvidia
gemm_bias.cl      | s/bias\[/1.001f * bias[/                                                 | --gemm clblast
'
model=$tmp/config.json
verify() { "$BERTCL" bench verify --device "$device" --model "$model" --quiet "$@"; }

# one NAME [FILE...]: the errors, or those in the files named, on the driver that the environment names. A file whose kernels
# it does not take is no error there.
one() {
    local name=$1 only
    shift
    only=" $* "
    model=$tmp/config.json
    verify >"$tmp/stdout" 2>"$tmp/stderr" || fail "$name: right kernels: $(tail -2 "$tmp/stderr")"
    while IFS='|' read -r file edit options; do
        file=$(echo $file) edit=$(echo "$edit" | sed 's/^ *//; s/ *$//')
        [ -n "$file" ] || continue
        [ "$only" = "  " ] || [[ $only == *" $file "* ]] || continue
        model=$tmp/config.json
        [ "$file" != attention.cl ] || model=$tmp/wide.json # GPUs take it for heads of more than 128
        rm -rf "$tmp/cl"
        cp -r "$BERTCL_TESTS/../cl" "$tmp/cl"
        sed -i "$edit" "$tmp/cl/$file"
        cmp -s "$tmp/cl/$file" "$BERTCL_TESTS/../cl/$file" && fail "$file: the error was not made"
        BERTCL_KERNEL_DIR=$tmp/cl verify $options --json "$tmp/v.json" >"$tmp/stdout" 2>"$tmp/stderr"
        local code=$?
        if { [ $code = 0 ] && ! grep -q "($file)" "$tmp/v.json"; } || grep -q ': unsupported: GEMM provider' "$tmp/stderr"; then
            echo "$name $file: not used"
            continue
        fi
        used="$used $file"
        [ $code = 1 ] || fail "$name: an error in $file: exit $code, expected 1: $(tail -1 "$tmp/stderr")"
        grep -q "^bertcl: $device verify/.*: wrong: .*($file).*expected.*$device" "$tmp/stderr" ||
            fail "$name: an error in $file is not named: $(grep -v warning "$tmp/stderr" | head -2 | cut -c1-300)"
        echo "$name $file: $(grep -c ': wrong: ' "$tmp/stderr") outputs wrong"
    done <<<"$errors"
}

# driver ID LIBRARY: alone in a folder of .icd files
driver() {
    rm -rf "$tmp/icd"
    mkdir "$tmp/icd"
    echo "$2" >"$tmp/icd/$1.icd"
    device=$1:0
    export OCL_ICD_VENDORS=$tmp/icd
    "$BERTCL" devices 2>/dev/null | grep -q "^$device "
}
export RUSTICL_ENABLE=llvmpipe
ran=0 used=
if driver pocl libpocl.so.2; then
    one pocl
    BERTCL_KERNELS=gpu one pocl-gpu attention.cl attention_tiled.cl elementwise.cl layernorm.cl sums.cl
    ran=1
fi
if driver rusticl libRusticlOpenCL.so.1; then
    one rusticl attention.cl attention_tiled.cl cross_entropy.cl optimizer.cl
    ran=1
fi
if [ -n "${BERTCL_INTEL_ICD-}" ] && driver intel "$BERTCL_INTEL_ICD"; then
    LD_LIBRARY_PATH=$(dirname "$BERTCL_INTEL_ICD") one intel
    ran=1
fi
[ $ran = 1 ] || { echo "skipped: none of the drivers is installed"; exit 77; }
while IFS='|' read -r file _; do
    file=$(echo $file)
    [ -z "$file" ] || [[ " $used " == *" $file "* ]] || fail "no driver took the kernels of $file"
done <<<"$errors"
exit $failed
