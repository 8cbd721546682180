#!/bin/bash
# The option parser: what was probably meant, help, limits, configuration files. No device is needed.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
train() { "$BERTCL" train "$@"; }

# ---- what was probably meant ----
check "command" 2 'unknown command "trian".*; did you mean train\?' "$BERTCL" trian
check "command with dashes" 2 'did you mean eval\?' "$BERTCL" --evl
check "nothing near" 2 'unknown command "xylophone", expected devices, .* or tune \(see' "$BERTCL" xylophone
check "action" 2 'data: .*"stat", .*; did you mean stats\?' "$BERTCL" data stat "$tmp"
check "option" 2 'unknown option --modle; did you mean --model\? \(see bertcl train --help\)' train --modle x
check "option with a value" 2 'unknown option --epoch=3; did you mean --epochs\?' train --epoch=3
check "underscores" 2 'did you mean --max-tokens\?' train --max_tokens 3
check "cut short" 2 'did you mean --split-seed\?' train --split-s 3
check "too long" 2 'did you mean --batch\?' train --batch-size 3
check "one dash" 2 'did you mean --model\?' train -model x
check "far from all" 2 'unknown option --xylophone \(see' train --xylophone 3
check "choice" 2 'optimizer: found "AdamX", expected one of adam\|adamw; did you mean adam\?' train --optimizer AdamX
check "choice in capitals" 2 'did you mean jsonl\?' "$BERTCL" predict --format JSONL

# ---- help ----
"$BERTCL" help train >"$tmp/help" || fail "help train: exit $?"
train --help | cmp -s - "$tmp/help" || fail "help train is not train --help"
"$BERTCL" help data stats >"$tmp/help" || fail "help data stats: exit $?"
"$BERTCL" data stats --help | cmp -s - "$tmp/help" || fail "help data stats is not data stats --help"
"$BERTCL" help >"$tmp/help" || fail "help: exit $?"
"$BERTCL" --help | cmp -s - "$tmp/help" || fail "help is not --help"
check "help of nothing" 2 'did you mean predict\?' "$BERTCL" help predcit
check "version" 0 '^bertcl [0-9]+\.[0-9]+\.[0-9]+$' "$BERTCL" --version
for columns in 40 60 80 100 200; do
    for command in train eval predict "data stats" tokenize devices tune; do
        # awk counts bytes here: "…" and "²" have more than a column has
        COLUMNS=$columns "$BERTCL" $command --help | sed 's/[^ -~]\+/x/g' |
            awk -v most=$((columns < 100 ? columns : 100)) 'length > most && !/^ *[^ ]+( [^ ]+)?$/ {print; bad = 1} END {exit bad}' ||
            fail "$command --help is wider than $columns columns"
    done
done

# ---- values ----
check "empty text" 2 'model: found an empty text, expected DIR' train --model ""
check "limit that is not whole" 2 'beta2: found 1, expected 0 to 0\.9999999 ' train --beta2 1
check "seed beyond 2^53" 2 'seed: found 9007199254740993, expected 0 to 9007199254740992 ' train --seed 9007199254740993
check "seed beyond 2^64" 2 'seed: found 99999999999999999999, expected 0 to 9007199254740992 ' train --seed 99999999999999999999
check "seed below" 2 'seed: found -1, expected 0 to' train --seed -1
check "not whole" 2 'epochs: found "1.5", expected a whole number' train --epochs 1.5
check "nan" 2 'lr: found "nan", expected a number' train --lr nan
check "value is missing" 2 'epochs needs a value, expected N ' train --epochs
check "value is an option" 2 'model needs a value, .* found the option --data; .* --model=--data' train --model --data x
check "flag with a value" 2 'recompute takes no value' train --recompute=1
check "control characters" 2 'found "\\x1b\[31mx\\n"' train --epochs $'\x1b[31mx\n'

# ---- configuration files ----
config() { printf '%s' "$1" >"$tmp/config.json"; }
# bad_config NAME JSON PATTERN: one line that names the file
bad_config() {
    config "$2"
    check "config: $1" 1 "$tmp/config.json: $3" train --config "$tmp/config.json" --print-config
}
bad_config "unknown key" '{"epoch": 3}' '"epoch" is no option of this command; did you mean "epochs"\?'
bad_config "text for a number" '{"epochs": "3"}' '"epochs": found a text, expected a whole number'
bad_config "number for a flag" '{"quiet": 1}' '"quiet": found a number, expected true or false'
bad_config "text for a list" '{"data": "a"}' '"data": found a text, expected a list of texts'
bad_config "list of numbers" '{"data": ["a", 1]}' '"data": found a number in the list'
bad_config "not whole" '{"epochs": 1.5}' '"epochs": found 1.5, expected a whole number'
bad_config "out of range" '{"epochs": 0}' '"epochs": found 0, expected 1 to 1000000'
bad_config "choice" '{"schedule": "linaer"}' '"schedule": found "linaer", .* did you mean linear\?'
bad_config "empty text" '{"model": ""}' '"model": found an empty text'
bad_config "twice" '{"epochs": 1, "epochs": 2}' '"epochs" is there twice'
bad_config "a list" '[1]' 'found a list, expected an object'
bad_config "not JSON" '{"epochs": 1,' 'byte 13: not valid JSON'
bad_config "itself" '{"config": "x"}' '"config" is no option'
check "config: no file" 1 'nowhere.json' train --config "$tmp/nowhere.json"

effective() { "$BERTCL" "$@" --print-config | tr -d '\t\n'; }
# is NAME PATTERN COMMAND...: the effective configuration
is() {
    local name=$1 pattern=$2
    shift 2
    effective "$@" | grep -qE -- "$pattern" || fail "$name: $(effective "$@"), expected $pattern"
}
config '{"epochs": 5, "data": ["x", "y"], "recompute": true, "lr": 0.001, "seed": null, "out": "run"}'
is "config" '"data":\["x", "y"\].*"out":"run".*"epochs":5.*"lr":0.001.*"seed":0.*"recompute":true' train --config "$tmp/config.json"
is "the command line wins" '"data":\["z"\].*"epochs":7.*"recompute":false' \
    train --epochs 7 --config "$tmp/config.json" --no-recompute --data z
is "defaults" '"model":null.*"split":null.*"epochs":1,.*"optimizer":"adam"' train
is "plain words" '"arguments":\["a", "b"\]' predict a b
train --print-config --model m --data a b --lr 3e-5 --max-tokens 512 --map 'X=O' --dropout 0.2 --json >"$tmp/full.json" || fail "--print-config: exit $?"
train --config "$tmp/full.json" --print-config | cmp -s - "$tmp/full.json" || fail "--print-config is not read back"
"$BERTCL" predict --print-config a b >"$tmp/full.json"
"$BERTCL" predict --config "$tmp/full.json" --print-config | cmp -s - "$tmp/full.json" || fail "arguments are not read back"
is "arguments of the command line" '"arguments":\["c"\]' predict --config "$tmp/full.json" c
printf '{"bertcl": "0.1.0", "options": {"epochs": 9}, "device": "pocl:0"}' >"$tmp/run.json"
is "a run's record" '"epochs":9' train --config "$tmp/run.json"
check "print-config checks" 2 'epochs: found 0' train --print-config --epochs 0

# ---- standard streams ----
check "version to a full disk" 1 'standard output: cannot write' bash -c '"$BERTCL" --version >/dev/full'
check "closed stdout" 1 'standard output: cannot write' bash -c '"$BERTCL" --version >&-'
check "closed stderr" 2 '' bash -c '"$BERTCL" trian 2>&- || { code=$?; echo one line >&2; exit $code; }'
exit $failed
