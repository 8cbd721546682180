# What the scripts that measure with bertcl bench share; sourced behind common.sh.
need_device
device=$(sed -n 's/^\([a-z]*:[0-9]*\) .*/\1/p' "$tmp/devices" | grep -v oclgrind | head -1)
device=${BERTCL_DEVICE:-$device}
[ -n "$device" ] || { echo "skipped: no device to measure"; exit 77; }
# A model whose rows take milliseconds; some of its layers' products are of one shape.
echo '{"model_type": "bert", "hidden_size": 64, "num_attention_heads": 2, "num_hidden_layers": 2,
"max_position_embeddings": 128, "type_vocab_size": 2, "intermediate_size": 64, "vocab_size": 500}' >"$tmp/small.json"
model=$tmp/small.json
bench() { "$BERTCL" bench --device "$device" --model "$model" --quiet --patience 1700 "$@"; } # a busy machine does not hang
verify() { "$BERTCL" bench verify --device "$device" --model "$model" --quiet "$@"; }

# described FILE: the JSON is as docs/bench.schema.json has it.
described() {
    python3 - "$1" "$BERTCL_TESTS/../docs/bench.schema.json" <<'END' || fail "$1 is not as its schema says"
import json, sys
KINDS = {"object": dict, "array": list, "string": str, "number": (int, float), "boolean": bool, "null": type(None)}

def check(value, rule, where):
    kinds = rule.get("type", list(KINDS))
    kinds = [kinds] if isinstance(kinds, str) else kinds
    assert any(isinstance(value, KINDS[k]) for k in kinds), (where, value, kinds)
    assert "const" not in rule or value == rule["const"], (where, value)
    assert "enum" not in rule or value in rule["enum"], (where, value)
    if isinstance(value, dict):
        assert not set(rule.get("required", [])) - set(value), (where, set(rule["required"]) - set(value))
        assert rule.get("additionalProperties", True) or not set(value) - set(rule["properties"]), (where, value.keys())
        for key, item in value.items():
            check(item, rule.get("properties", {}).get(key, {}), f"{where}.{key}")
    if isinstance(value, list):
        for i, item in enumerate(value):
            check(item, rule.get("items", {}), f"{where}[{i}]")

check(json.load(open(sys.argv[1])), json.load(open(sys.argv[2])), "result")
END
}
