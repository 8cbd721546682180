#!/bin/bash
# Every file and folder of $BERTCL_CASES through what reads text and data: done or refused in one line, and no crash, no
# hang, nothing that a sanitizer finds. A folder with *.icd files is taken for OpenCL's drivers, one with config.json
# for a model.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
if [ -z "${BERTCL_CASES:-}" ]; then
    echo "skipped: BERTCL_CASES names no folder"
    exit 77
fi
shopt -s nullglob
model=$tmp/model
"$BERTCL_BUILD/tests/make_tiny_model" "$model" || exit 1
device=
"$BERTCL" devices >"$tmp/devices" 2>&1 && device=yes
seconds=10 # of a processor: what a driver compiles is not counted
ldd "$BERTCL" | grep -q libasan && seconds=60
[ -z "$device" ] || echo a | "$BERTCL" predict --quiet --model "$model" >"$tmp/stdout" 2>&1
count=0
# attempt FILE ARGUMENT...: one command, which ends by itself with 0, 1 or 2
attempt() {
    local file=$1 code lines
    shift
    count=$((count + 1))
    (ulimit -t $seconds && exec timeout -k 1 300 "$BERTCL" "$@") >"$tmp/stdout" 2>"$tmp/stderr" </dev/null
    code=$?
    lines=$(grep -c '^bertcl' "$tmp/stderr")
    if [ $code -gt 2 ]; then
        fail "$file: bertcl $1 ${2%%/*}: exit $code: $(tail -3 "$tmp/stderr")"
    elif grep -qE 'Sanitizer|runtime error' "$tmp/stderr" "$tmp/stdout"; then
        fail "$file: bertcl $1: $(grep -m 3 -E 'Sanitizer|runtime error' "$tmp/stderr")"
    elif [ $code != 0 ] && { [ "$lines" != 1 ] || [ "$(tail -1 "$tmp/stderr" | grep -c '^bertcl')" != 1 ]; }; then
        fail "$file: bertcl $1: exit $code and $lines messages: $(head -5 "$tmp/stderr")"
    elif grep -qP '[\x00-\x08\x0b-\x1f\x7f]' "$tmp/stderr"; then
        fail "$file: bertcl $1: control characters on stderr"
    fi
}
for file in "$BERTCL_CASES"/*; do
    drivers=("$file"/*.icd)
    if [ ${#drivers[@]} -gt 0 ]; then
        OCL_ICD_VENDORS=$file attempt "$file" devices
        continue
    fi
    if [ -f "$file/config.json" ]; then
        attempt "$file" tokenize --model "$file" "$BERTCL_TESTS/../sample/speech 1.conll"
        [ -z "$device" ] || attempt "$file" predict --quiet --model "$file" --input-format text "$BERTCL_TESTS/../README.md"
        continue
    fi
    attempt "$file" data stats "$file"
    attempt "$file" data stats "$file" --json
    for to in jsonl conll brat; do
        rm -rf "$tmp/out"
        attempt "$file" data convert "$file" --out "$tmp/out" --to $to
    done
    rm -rf "$tmp/out"
    attempt "$file" data prepare "$file" --out "$tmp/out"
    attempt "$file" eval --gold "$file" --pred "$file"
    attempt "$file" data stats "$file" --map-file "$file"
    attempt "$file" predict --model "$file"
    attempt "$file" runs import "$file"
    attempt "$file" bench report "$file"
    [ -d "$file" ] || attempt "$file" tokenize --model "$model" "$file"
    [ -d "$file" ] || attempt "$file" tokenize --words --model "$model" "$file"
    [ -n "$device" ] || continue
    for source in text words document conll jsonl; do
        attempt "$file" predict --quiet --model "$model" --input-format $source --long window "$file"
    done
    attempt "$file" predict --model "$model" --format html "$file"
    attempt "$file" eval --model "$model" --data "$file"
done
echo "$count commands"
[ $count -gt 0 ] || fail "$BERTCL_CASES: no file"
exit $failed
