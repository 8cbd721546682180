#!/usr/bin/env bash
# Words that the model cannot see: without a piece they are counted by eval at each level and by train, and count as
# O, so that recall pays for them; where most are unknown it is said.
. "$BERTCL_TESTS/cli/common.sh"
model=$tmp/model
export BERTCL_HOME=off
"$BERTCL_BUILD/tests/make_tiny_model" "$model" || exit 1
need_device
device=(${BERTCL_DEVICE:+--device "$BERTCL_DEVICE"})
score() { "$BERTCL" eval --model "$model" "${device[@]}" --data "$tmp/words" --json "$@"; }
train() { "$BERTCL" train --model "$model" "${device[@]}" --split 1 --max-steps 1 "$@"; }
# nothing, a zero-width space, a soft hyphen and a space: four words of seven
printf '\tO\nab\tI-LOC\n\xE2\x80\x8B\tO\n\xC2\xAD\tI-LOC\n \tO\ncd\tI-LOC\nab\tO\n\n' >"$tmp/words"
for level in word piece; do
    check "eval: $level" 0 '"words_without_piece":[[:space:]]*4' score --level $level
done
command -v python3 >/dev/null || { echo "skipped: no python3"; exit 77; }
score --level word >"$tmp/out" 2>/dev/null
python3 - "$tmp/out" <<'END' || fail "eval: entities: $(head -c 600 "$tmp/out")"
import json, sys
j = json.load(open(sys.argv[1]))
assert j["counts"]["entities"]["gold"] == 3, j["counts"]
assert j["counts"]["tokens"] == 7, j["counts"]
assert j["level"] == "word"
END
check "eval: said" 0 '4 words of the (test )?data are without a piece' score
check "train: said" 0 'data: 4 words of the training data are without a piece' train --data "$tmp/words" --out "$tmp/run"
# a script that the vocabulary has not
printf '\xE6\x9D\xB1\tI-LOC\n\xE4\xBA\xAC\tI-LOC\nab\tO\n\n' >"$tmp/words"
check "unknown: said" 0 'data: .*\[UNK\]' train --data "$tmp/words" --out "$tmp/unknown"
# without tokenizer_config.json the defaults of BERT's tokenizer hold
rm "$model/tokenizer_config.json"
check "no tokenizer_config.json" 0 '"text": "ab"' "$BERTCL" predict --model "$model" "${device[@]}" - < <(echo ab)
exit $failed
