#!/bin/bash
# bertcl runs, models and data list|show|diff on run folders made by hand: lists, conditions, comparing,
# tags, deleting, lost and damaged indexes, several writers at once, and every kind of bad input.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
export BERTCL_HOME="$tmp/home"
b() { "$BERTCL" "$@"; }

# make_run FOLDER LR F1: a finished run with a model
make_run() {
    mkdir -p "$1/model"
    echo "{\"bertcl\": \"0\", \"options\": {\"lr\": $2, \"data\": [\"x\", \"y\"]}, \"device\": \"pocl:0\"}" >"$1/run.json"
    for step in 1 2 3 4; do echo "{\"step\": $step, \"loss\": $step.5, \"lr\": $2}"; done >"$1/metrics.jsonl"
    echo "{\"step\": 4, \"eval_loss\": 0.25, \"eval_macro_f1\": $3}" >>"$1/metrics.jsonl"
    echo "{\"labels\": \"$1\"}" >"$1/model/config.json"
    echo "{\"train\": {\"loss\": 4.5}, \"eval\": {\"loss\": 0.25, \"accuracy\": 0.5, \"report\": {\"macro avg\": {\"f1-score\": $3}}}}" \
        >"$1/results.json"
}
cd "$tmp" || exit 1
check "empty" 0 'no runs in .*home' b runs list
check "empty json" 0 '^\[\]$' b runs list --json
[ -e home ] && fail "a list made the store"
make_run "runs/good one" 1e-5 0.95
make_run runs/bad 1e-3 0.5
check "import" 0 '^2 runs read' b runs import runs
check "import again" 0 '^2 runs read' b runs import runs
check "list" 0 'good one +train +finished .* 4 +4.5 +0.25 +0.5 +0.95' b runs list
check "where" 0 'good one' b runs list --where 'eval.macro_f1 > 0.9 and lr = 1e-5'
grep -q bad stdout && fail "where: found the other run"
check "where: none" 0 'no run is like that' b runs list --where 'eval.macro_f1 > 0.99'
check "where: wrong" 2 'where: character 16: found "> 1"' b runs list --where 'eval.macro_f1 => 1'
check "sort" 0 . b runs list --sort -eval.macro_f1 --json
[ "$(grep '"name"' stdout | head -1 | grep -c 'good one')" = 1 ] || fail "sort: $(grep '"name"' stdout)"
check "limit" 0 '1 of 2 runs' b runs list --limit 1
check "fields" 0 'x y' b runs list --fields data
check "show" 0 'eval.macro_f1 +0.95' b runs show 'good one'
check "show artifacts" 0 'model/config.json' b runs show 'good one'
check "show metric" 0 '^2	2$' b runs show bad --metric loss --every 2
check "no metric" 2 'no such metric' b runs show bad --metric los
check "no run" 2 'no such run' b runs show nothing
check "compare" 0 'eval.macro_f1 +0.5 +0.95 +\+0.45' b runs compare bad 'good one'
check "compare one" 2 'expected 2 to' b runs compare bad
check "tag" 0 'bad: note=to be done again stage=test' b runs tag bad note='to be done again' stage=test
check "tag where" 0 '^[0-9a-f]{8} +bad ' b runs list --where 'tags.stage = test'
check "tag removed" 0 'again$' b runs tag bad stage=
check "tag where removed" 0 'no run is like that' b runs list --where 'tags.stage = test'
check "tag wrong" 2 'expected KEY=VALUE' b runs tag bad stage

# models
check "models" 0 'good one +1 +model' b models list
check "promote" 0 'bad:production is bad@1' b models promote bad@1 production
check "promote latest" 2 'expected a word other than latest' b models promote bad@1 latest
check "model name" 1 'runs/bad/model' b predict --model bad:production runs/bad/run.json
check "model version" 2 'bad@7: no such version or alias, expected bad@1 to bad@1' b predict --model bad@7 x
check "model unknown" 2 'has no model of the name' b predict --model models:worse x
check "export" 0 'out: bad@1' b models export bad:production --out out
cmp -s out/config.json runs/bad/model/config.json || fail "export: other files"
check "export again" 1 'exists' b models export bad --out out

# the index is lost, and made again: the same lists
lists() { b runs list --json; b models list --json; b runs show bad --json; b runs show bad --metric loss --json; }
lists >before 2>/dev/null
rm home/store.db*
check "rebuilt" 0 'the index was made from .*: 2 runs' b runs list
lists >after 2>/dev/null
# numbers of rows may differ, nothing else
diff <(grep -v '"number"' before) <(grep -v '"number"' after) >&2 || fail "the rebuilt index has other lists"
rm -r home
check "rebuilt by import" 0 '2 runs read' b runs import runs
check "rebuilt by import: list" 0 'good one' b runs list
b runs show bad --metric loss --json >after 2>/dev/null
grep -A99 '^\[\[' before | diff - after >&2 || fail "the rebuilt index has other metrics"

# damage: said, kept aside, made again
head -c 20000 /dev/urandom >noise
dd if=noise of=home/store.db conv=notrunc 2>/dev/null
check "damaged" 0 'store.db was damaged: kept as .*store.db.damaged-' b runs list
grep -q 'good one' stdout || fail "damaged: the list is empty"
size=$(stat -c %s home/store.db)
dd if=noise of=home/store.db bs=4096 seek=$((size / 4096 / 2)) conv=notrunc 2>/dev/null
b runs list >/dev/null 2>&1; b runs show bad >/dev/null 2>&1; b models list >/dev/null 2>&1; b runs compare bad 'good one' >/dev/null 2>&1
check "damaged in the middle" 0 'good one' b runs list
echo "no database at all" >home/store.db
check "no database" 0 'was damaged' b runs list

# other databases
python3 - home/store.db <<'P'
import sqlite3, sys
sqlite3.connect(sys.argv[1]).execute("PRAGMA user_version = 99")
P
check "newer schema" 1 'schema 99 of a newer bertcl' b runs list
check "newer schema, import" 1 'schema 99 of a newer bertcl' b runs import runs
[ -e runs/bad/results.json ] || fail "newer schema: a run is gone"
rm home/store.db*
b runs list >/dev/null 2>&1

# one name, two runs
make_run elsewhere/bad 1e-4 0.7
check "import the same name" 0 '1 runs read' b runs import elsewhere/bad
check "ambiguous" 2 'bad: found several runs' b runs show bad
check "by folder" 0 'elsewhere/bad' b runs show elsewhere/bad
id=$(b runs list --where 'lr = 1e-4' 2>/dev/null | awk 'END {print $1}')
check "by id" 0 'elsewhere/bad' b runs show "$id"
check "import what is no run" 0 '^0 runs read' b runs import out
check "import nothing" 1 'no such folder' b runs import absent
mkdir -p broken/run && echo '{"a"' >broken/run/run.json
check "import a broken run" 0 'run.json: byte' b runs import broken

# a run whose process is gone; one that ended badly
make_run runs/gone 1e-5 0.1
rm runs/gone/results.json
boot=$(cat /proc/sys/kernel/random/boot_id)
echo "{\"id\": \"00000000000000000000000000000001\", \"started\": 1000, \"host\": {\"name\": \"$(uname -n)\"},
    \"process\": {\"pid\": 4194303, \"boot\": \"$boot\", \"start\": 1}}" >runs/gone/track.json
check "import a killed run" 0 . b runs import runs
check "killed" 0 'gone +train +killed' b runs list
sed -i "s/4194303, \"boot\": \"$boot\", \"start\": 1/$$, \"boot\": \"$boot\", \"start\": $(sed 's/.*) //' /proc/$$/stat | cut -d' ' -f20)/" runs/gone/track.json
check "running" 0 'gone +train +running' b runs list
check "delete a running run" 2 'is running' b runs delete gone
echo '{"time": 2000, "state": "failed", "message": "the loss is nan", "ended": 2000}' >runs/gone/heartbeat.json
check "failed" 0 'gone +train +failed' b runs list
check "why" 0 'because +the loss is nan' b runs show gone
check "watch" 0 'gone failed .* step 4 ' b runs watch gone

# Results that are damaged are said to be, whatever else is known of the run; one that goes on is running.
make_run runs/hurt 1e-5 0.5
touch runs/hurt/.lock
check "import" 0 . b runs import runs
check "before the damage" 0 'hurt +train +finished' b runs list
cp runs/hurt/results.json whole.json
n=0
while IFS= read -r text; do
    n=$((n + 1)) # the time of the last change alone may be that of the one before
    printf '%s%*s' "$text" $n '' >runs/hurt/results.json
    check "damaged: $text" 0 'hurt +train +damaged' b runs list
    check "damaged: $text: show" 0 '^because +.*runs/hurt/results.json: .*--resume. makes it again.*bertcl eval' b runs show hurt
done <<'T'
{"train": {"loss": 4.5}, "eval": {"lo
[1, 2
not JSON at all
[]
{}
{"eval": {"loss": -1}}
{"eval": {"loss": "low"}}
{"eval": {"accuracy": 1.5, "loss": 1}}
{"eval": {"report": {"macro avg": {"f1-score": 50}}}}
{"eval": {"report": {"I-LOC": {"support": -3}}}}
{"train": {"tokens_per_s": 1e999}}
{"train": {"other": -1e999}}
T
check "damaged: its figures" 0 . b runs show hurt
grep -qF 'eval.loss' stdout && fail "damaged: figures are shown: $(cat stdout)"
check "damaged: condition" 0 'hurt' b runs list --where 'state = damaged'
: >runs/hurt/results.json
check "damaged: empty" 0 'hurt +train +damaged' b runs list
rm -r home/store.db*
check "damaged: index made again" 0 'hurt +train +damaged' b runs list
echo '{"time": 2000, "state": "finished", "ended": 2000}' >runs/hurt/heartbeat.json
rm runs/hurt/results.json
check "damaged: gone" 0 'hurt +train +damaged' b runs list
check "damaged: gone: why" 0 '^because +.*runs/hurt/results.json: is gone' b runs show hurt
rm runs/hurt/heartbeat.json
echo '{"eval"' >runs/hurt/results.json
python3 - runs/hurt/.lock <<'P' &
import fcntl, sys, time
f = open(sys.argv[1], "r+")
fcntl.lockf(f, fcntl.LOCK_EX)
open("locked", "w").close()
time.sleep(600)
P
locker=$!
wait_until $locker test -e locked
check "damaged, but it goes on" 0 'hurt +train +running' b runs list
kill $locker; wait $locker 2>/dev/null
check "damaged, and it has ended" 0 'hurt +train +damaged' b runs list
cp whole.json runs/hurt/results.json
check "mended" 0 'hurt +train +finished .* 0.25 +0.5 +0.5' b runs list
rm -r runs/hurt
b runs gc >/dev/null 2>&1

# deleting
check "delete" 0 'gone: deleted' b runs delete gone
check "deleted is hidden" 0 'no run is like that' b runs list --where 'name = gone'
check "deleted list" 0 'gone' b runs list --deleted
check "restore" 0 ': restored' b runs delete 00000000000000000000000000000001 --restore
check "restored" 0 'gone' b runs list --where 'name = gone'
b runs delete gone; b models promote bad@1 keep >/dev/null; b runs delete runs/bad
check "gc dry" 0 'removed run +gone' b runs gc --dry-run
[ -e runs/gone ] || fail "gc --dry-run removed a run"
check "gc" 0 'kept: its model is promoted +bad' b runs gc
[ -e runs/gone ] && fail "gc left the deleted run"
[ -e runs/bad/model ] || fail "gc removed a run with a promoted model"
rm -r elsewhere
check "gc forgets" 0 'forgotten run +bad' b runs gc
check "gc nothing" 0 'kept' b runs gc

# many writers and a reader
for i in 1 2 3 4; do for k in 1 2 3 4 5 6 7 8; do make_run "many/$i/run $i $k" "0.$i$k" 0.5; done; done
for i in 1 2 3 4; do (for k in 1 2 3 4 5 6 7 8; do b runs import "many/$i/run $i $k" || echo failed; done) >"writer$i" 2>&1 & done
for k in 1 2 3 4 5 6 7 8; do b runs list >/dev/null 2>>reader || echo failed >>reader; done
wait
[ "$(cat writer? | grep -c '^1 runs read')" = 32 ] || fail "writers: $(cat writer? | sort | uniq -c)"
grep -v 'of .* runs' reader >&2 && fail "reader"
[ "$(b runs list --where 'name ~ run' --json 2>/dev/null | grep -c '"id"')" = 32 ] || fail "writers: runs are missing"

# no write-ahead log, as on a network file system
BERTCL_HOME="$tmp/delete" BERTCL_STORE_WAL=off check "without a log" 0 '^1 runs read' b runs import 'runs/good one'
# network file systems by their number: no write-ahead log, and a word that says so
cat >statfs.c <<'C'
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
int statfs(const char *path, struct statfs *out) {
    memset(out, 0, sizeof *out);
    out->f_type = strtol(getenv("FAKE_TYPE"), 0, 16);
    return path ? 0 : -1;
}
C
if nm "$BERTCL" 2>/dev/null | grep -q __asan_init || ! cc -shared -fPIC -o statfs.so statfs.c 2>/dev/null; then
    echo "skipped: a statfs(2) of network file systems"
else
    for type in 6969=NFS 0bd00bd0=Lustre fe534d42=SMB2 65735546=FUSE 01021997=9P ef53=; do
        name=${type#*=} home="$tmp/on-${type%=*}"
        BERTCL_HOME=$home FAKE_TYPE=${type%=*} check "on ${name:-ext4}" 0 "${name:+network file system .$name.*without it}" \
            env LD_PRELOAD="$tmp/statfs.so" "$BERTCL" runs import 'runs/good one'
        mode=$(python3 -c 'import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute("PRAGMA journal_mode").fetchone()[0])' "$home/store.db")
        [ "$mode" = "$([ -n "$name" ] && echo delete || echo wal)" ] || fail "on ${name:-ext4}: the journal's mode is $mode"
        [ -n "$name" ] || ! grep -q network stderr || fail "ext4 is called a network file system"
    done
fi
BERTCL_HOME="$tmp/delete" check "without a log, with one again" 0 'good one' b runs list

# what cannot be written
BERTCL_HOME=off check "off" 2 'there is no store' b runs list
BERTCL_HOME="$tmp/noise/home" check "no folder" 1 'noise' b runs import runs
if [ "$(id -u)" = 0 ] && mkdir small && mount -t tmpfs -o size=200k none small 2>/dev/null; then
    mounted="$tmp/small"
    BERTCL_HOME="$tmp/small/home" check "full disk" 1 '(disk is full|No space left)' b runs import many
    umount small; mounted=
    mkdir fixed
    mount -t tmpfs none fixed && mounted="$tmp/fixed"
    BERTCL_HOME="$tmp/fixed/home" b runs import 'runs/good one' >/dev/null
    mount -o remount,ro fixed
    BERTCL_HOME="$tmp/fixed/home" check "read-only: list" 0 'good one' b runs list
    BERTCL_HOME="$tmp/fixed/home" check "read-only: import" 1 '(read-only|Read-only)' b runs import runs
    umount fixed; mounted=
else
    echo "skipped: without root: full disk, read-only file system"
fi

# data and usage
check "data list" 0 'no datasets' b data list
check "data show" 2 'has no dataset of the name' b data show corpus
check "data diff" 2 'expected NAME' b data diff one
check "runs unknown" 2 'did you mean list' b runs lst
check "runs help" 0 'import' b runs --help
check "models help" 0 'promote' b models --help
exit $failed
