#!/bin/bash
# bertcl train in the store: what is recorded of a run, killed and resumed runs, four at once beside a reader, and
# stores that fail: the run goes on and says so.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
export BERTCL_HOME="$tmp/home"
"$BERTCL_BUILD/tests/make_tiny_model" "$tmp/model" || exit 1
need_device
cd "$tmp" || exit 1
head -3000 "$BERTCL_TESTS/../sample/speech 1.conll" >corpus.conll
sed -i '1s/\t.*/\tI-OR/' corpus.conll # a stray tag
train() { "$BERTCL" train --quiet --model model --data corpus.conll --lr 1e-3 --batch 2 --epochs 1000 "$@"; }
b() { "$BERTCL" "$@"; }

check "train" 0 'report: first/report.html' train --out first --max-steps 250 --map I-OR=O --seed 5 --track tensorboard
# histograms of gradients: the norm of each step, and the same run as without them
check "histograms" 0 . train --out spread --max-steps 25 --map I-OR=O --seed 5 --histograms 10
check "no histograms" 0 . train --out plain --max-steps 25 --map I-OR=O --seed 5
cmp spread/metrics.jsonl plain/metrics.jsonl || fail "histograms change the run"
check "histograms of what is trained" 0 . train --out frozen --max-steps 10 --map I-OR=O --histograms 10 --freeze 1
python3 - <<'P' || failed=1
import json
def read(name): return [json.loads(line) for line in open(name)]
norms = {p["step"]: p["grad_norm"] for p in read("spread/metrics.jsonl") if "grad_norm" in p}
lines = read("spread/histograms.jsonl")
assert [line["step"] for line in lines] == [10, 20], lines
for line in lines:
    tensors = line["gradients"].values()
    assert len(tensors) > 30 and all(sum(h["counts"]) == h["count"] and len(h["counts"]) == len(h["limits"]) for h in tensors)
    assert all(h["limits"] == sorted(h["limits"]) and h["limits"][-1] >= h["greatest"] for h in tensors)
    norm = sum(h["squares"] for h in tensors) ** 0.5
    assert abs(norm / norms[line["step"]] - 1) < 1e-4, (line["step"], norm, norms)
names = read("frozen/histograms.jsonl")[0]["gradients"]
assert names and not any("embeddings" in n or "layer.0." in n for n in names), list(names)
P

check "list" 0 'first +train +finished .* 250 ' b runs list
check "show" 0 "command +train --quiet --model model --data corpus.conll" b runs show first
for part in 'I-OR=O' 'seed +5' 'parent +model +1' 'model +first +1' 'training and test +corpus +1' 'predictions.conll' 'report.html' 'tokenizer +model/vocab.txt'; do
    grep -qE "$part" stdout || fail "show: no $part"
done
# read back by commands, the same as the run's own files
check "loss by 100 steps" 0 '^250	' b runs show first --metric loss --every 100
grep '"grad_norm"' first/metrics.jsonl | sed 's/.*"step": \([0-9]*\),.*"loss": \([^,]*\),.*/\1 \2/' |
    awk '{s += $2; n++; if ($1 % 100 == 0 || $1 == 250) {printf "%d\t%.7g\n", $1, s / n; s = n = 0}}' >expected
awk '{printf "%d\t%.7g\n", $1, $2}' stdout | diff expected - >&2 || fail "loss by 100 steps: not that of metrics.jsonl"
check "figures" 0 'eval.accuracy' b runs show first --json
for key in loss accuracy; do
    value=$(grep -A3 '"eval":' first/results.json | grep -m1 "\"$key\"" | sed 's/.*:[[:space:]]*//; s/,//')
    grep -qE "\"eval.$key\":[[:space:]]*$value" stdout || fail "figures: eval.$key is not $value"
done
check "data" 0 'I-OR +1 +0' b data show corpus
check "data source" 0 "source +$tmp/corpus.conll" b data show corpus
check "models" 0 'first +1 .* model@1' b models list
check "lineage" 0 'made from +model@1' b models show first
check "model by name" 0 '"accuracy"' b eval --model first:latest --data first/test.conll --json
check "eval is recorded" 0 'eval-[0-9-]*.* +eval +finished' b runs list --where 'command = eval'
check "eval's lineage" 0 'as its eval' b models show first
check "prepare" 0 'registered as prepared@1' b data prepare corpus.conll --out prepared --map I-OR=O --description 'a speech' --source 'https://example.org/a'
check "prepared again" 0 'registered as prepared@1' b data prepare corpus.conll --out other --name prepared --map I-OR=O
check "prepared: description" 0 'description +a speech' b data show prepared
for part in 'source +https://example.org/a' 'made from +corpus@' 'I-OR +1 +0'; do
    grep -qE "$part" stdout || fail "data show prepared: no $part"
done
check "data diff" 0 'files: 0 the same' b data diff prepared corpus
check "same data again" 0 . train --out second --max-steps 3
check "other reading" 0 'corpus +2' b data list # without the map it is another dataset
check "a report of two" 0 . b report first second -o two.html
grep -q '^base_model\|^pipeline_tag: token-classification' first/model/README.md || fail "no model card"
[ "$(find first/tensorboard -type f | wc -l)" = 1 ] || fail "tensorboard: not one file"

# several devices in the report: shares, speeds, and who was left out
mkdir several && echo '{"options": {}, "device": "pocl:0"}' >several/run.json
cat >several/results.json <<'P'
{"devices": [{"id": "pocl:0", "name": "a <CPU>", "driver": "PoCL", "host": "here", "share": 0.625, "tokens": 1000, "tokens_per_s": 5000.4, "wait_share": 0.015, "left_out": null},
 {"id": "intel:0", "name": "CPU", "driver": "Intel", "host": "there", "share": 0.375, "tokens": 600, "tokens_per_s": 3000, "wait_share": 0.2, "left_out": null},
 {"id": "rusticl:0", "left_out": "its share does not pay"}]}
P
check "a report of several devices" 0 . b report several -o several.html
for part in 'a &lt;CPU&gt;' '>62.5 %<' '>5000<' '>PoCL, on here<' '>20.0 %<' '>its share does not pay<' 'Share of the work' 'Speed by device'; do
    grep -q "$part" several.html || fail "a report of several devices: no $part"
done
grep -qi 'nan' several.html && fail "a report of several devices: a number that is none"

# killed, resumed
(exec "$BERTCL" train --quiet --model model --data corpus.conll --out killed --lr 1e-3 --batch 2 --epochs 100000 --save-every 50 --max-steps 1000000 >/dev/null 2>&1) &
pid=$!
until [ -e killed/metrics.jsonl ] && [ "$(wc -l <killed/metrics.jsonl)" -gt 60 ]; do kill -0 $pid 2>/dev/null || break; sleep 0.1; done
check "running" 0 'killed +train +running' b runs list
check "watch once" 0 'killed running .* step [0-9]+' b runs watch killed --once
kill -9 $pid; wait $pid 2>/dev/null
check "killed" 0 'killed +train +killed' b runs list
python3 -c "import sqlite3; assert sqlite3.connect('home/store.db').execute('PRAGMA integrity_check').fetchone() == ('ok',)" || fail "integrity after a kill"
id=$(b runs list --where 'name = killed' --json | grep '"id"')
(exec "$BERTCL" train --out killed --resume --quiet >/dev/null 2>&1) & pid=$!
for i in $(seq 100); do b runs list 2>/dev/null | grep -q 'killed.*running' && break; sleep 0.1; done
sleep 1; kill -INT $pid; wait $pid
check "stopped" 0 'killed +train +stopped' b runs list
[ "$(b runs list --where 'name = killed' --json | grep '"id"')" = "$id" ] || fail "a resumed run got another id"
grep -q '"sessions"' killed/track.json || fail "track.json has no sessions"

# killed between run.json and the first look at it: the store knows where to look
mkdir early && echo '{"options": {}}' >early/run.json
python3 - home/store.db "$tmp/early" <<'P'
import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as db:
    db.execute("INSERT INTO expected VALUES (?, 1)", (sys.argv[2],))
P
check "expected" 0 'early ' b runs list

# a development set
check "development set" 0 . train --out dev --split 0.7,0.1 --max-steps 60
check "development set: metrics" 0 '.' b runs show dev --metric dev_loss
grep -q 'Scores of the best model on the test set' dev/report.html || fail "the report does not say whose scores they are"
grep -q 'Loss on the development set' dev/report.html || fail "the report has no curve of the development set"

# four runs at once, and a reader; the index is lost afterwards
for i in 1 2 3 4; do train --out "many$i" --max-steps 300 >"out$i" 2>&1 & done
while [ -n "$(jobs -r)" ]; do b runs list >/dev/null 2>>reader || echo failed >>reader; sleep 0.3; done
wait
cat out? | grep -iE 'lock|store|busy' >&2 && fail "writers at once"
[ -s reader ] && { cat reader >&2; fail "reader beside writers"; }
b runs list --json >before; b models list --json | grep -v number >>before; b data list --json | grep -v number >>before
rm home/store.db*
check "rebuilt" 0 'many4' b runs list
b runs list --json >after; b models list --json | grep -v number >>after; b data list --json | grep -v number >>after
diff before after >&2 || fail "the rebuilt index has other lists"

# a store that cannot be had: the run goes on and says so, and is brought in later
echo x >file
BERTCL_HOME="$tmp/file" check "store is a file" 0 'the run goes on without it, bertcl runs import .*/alone' train --out alone --max-steps 3
check "brought in later" 0 '^1 runs' b runs import alone
check "brought in later: list" 0 'alone +train +finished' b runs list
python3 -c "import sqlite3; sqlite3.connect('home2.db').execute('PRAGMA user_version = 77')"
mkdir newer && mv home2.db newer/store.db
BERTCL_HOME="$tmp/newer" check "newer store" 0 'schema 77 .*the run goes on' train --out alone2 --max-steps 3
BERTCL_HOME=off check "no store" 0 'report' train --out alone3 --max-steps 3
[ -e alone3/track.json ] && fail "BERTCL_HOME=off left a track.json"
if [ "$(id -u)" = 0 ] && mkdir small && mount -t tmpfs -o size=100k none small 2>/dev/null; then
    mounted="$tmp/small"
    BERTCL_HOME="$tmp/small/home" check "full disk" 0 'store: .*the run goes on' train --out alone4 --max-steps 300
    umount small; mounted=
else
    echo "skipped: without root: a full disk"
fi
check "target unknown" 2 'track: found "wandb"' train --out none --track tensorboard,wandb
check "no server" 2 'MLFLOW_TRACKING_URI' train --out none --track mlflow
[ -e none ] && fail "a run was begun though its options were wrong"
check "run name exists" 1 'exists' train --out first --max-steps 3
MLFLOW_TRACKING_URI=http://127.0.0.1:9 check "server is down" 0 'mlflow: .*runs sync' train --out offline --max-steps 3 --track mlflow
# who asks: the header of each request; a server that says no is told and stops nothing
cat >server.py <<'P'
import http.server, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def answer(self):
        print(self.headers.get("Authorization", "none"), file=open("asked", "a"), flush=True)
        self.send_response(403)
        self.end_headers()
    do_GET = do_POST = do_PUT = answer
    def log_message(self, *a): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Answer)
print(server.server_port, file=open("port.tmp", "w"), flush=True)
__import__("os").rename("port.tmp", "port")
server.serve_forever()
P
python3 server.py & server=$!
until [ -e port ]; do kill -0 $server || break; sleep 0.1; done
asks() { # NAME HEADER VARIABLE=VALUE…
    local name=$1 header=$2
    shift 2
    rm -f asked
    MLFLOW_TRACKING_URI="http://127.0.0.1:$(cat port)" check "$name" 0 'answered 403.*runs sync' env "$@" "$BERTCL" train --quiet \
        --model model --data corpus.conll --lr 1e-3 --out "asks-$name" --max-steps 3 --track mlflow
    [ "$(sort -u asked)" = "$header" ] || fail "$name: the server was asked with $(sort -u asked), expected $header"
}
asks nobody none A=b
asks token 'Bearer a.b-c' MLFLOW_TRACKING_TOKEN=a.b-c
long=$(printf 'x%.0s' $(seq 6000))
asks long-token "Bearer $long" MLFLOW_TRACKING_TOKEN="$long"
asks password "Basic $(printf 'me:pass: word' | base64)" MLFLOW_TRACKING_USERNAME=me MLFLOW_TRACKING_PASSWORD='pass: word'
asks both "Basic $(printf 'me:p' | base64)" MLFLOW_TRACKING_USERNAME=me MLFLOW_TRACKING_PASSWORD=p MLFLOW_TRACKING_TOKEN=a.b
kill $server; wait $server 2>/dev/null
check "sync fails" 1 '127.0.0.1:9' env MLFLOW_TRACKING_URI=http://127.0.0.1:9 "$BERTCL" runs sync offline
exit $failed
