#!/bin/bash
# train --seeds in the store: a run of all of them, with their means; listed, shown, resumed, imported, deleted.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_device
"$BERTCL_BUILD/tests/make_tiny_model" "$tmp/model" || exit 1
head -1500 "$BERTCL_TESTS/../sample/speech 1.conll" >"$tmp/data"
train() { "$BERTCL" train --quiet "$@"; }
recipe=(--model "$tmp/model" --data "$tmp/data" --batch 8 --lr 1e-3)
# in the store each is a run, and all of them are one, whose figures are their means
export BERTCL_HOME="$tmp/store"
check "store" 0 . train "${recipe[@]}" --max-steps 2 --seeds 2 --out "$tmp/stored"
runs() { "$BERTCL" runs "$@"; }
listed() { # NAME: what the list has of the group and its runs
    check "$1: group" 0 '"command":[[:space:]]*"seeds"' runs list --json --where "name = stored"
    grep -qE '"state":[[:space:]]*"finished"' "$tmp/stdout" || fail "$1: group: $(cat "$tmp/stdout")"
    check "$1: members" 0 '"seed-1"' runs list --json --where "group = stored"
    [ "$(grep -c '"name":' "$tmp/stdout")" = 2 ] || fail "$1: members: $(cat "$tmp/stdout")"
    check "$1: list" 0 'MACRO F1 +GROUP' runs list
    [ "$(grep -c ' stored *$' "$tmp/stdout")" = 2 ] && grep -q '  stored  *seeds ' "$tmp/stdout" || fail "$1: list: $(cat "$tmp/stdout")"
    check "$1: show" 0 '^kind +seeds' runs show stored
    [ "$(grep -cE '^[0-9a-f]{32} +seed-[01] +finished' "$tmp/stdout")" = 2 ] || fail "$1: show: $(cat "$tmp/stdout")"
    check "$1: show a member" 0 '^group +stored' runs show seed-1
}
listed "at the end"
check "report" 0 'seeds.html' "$BERTCL" report stored --out "$tmp/seeds.html"
grep -q '>seed-0<' "$tmp/seeds.html" && grep -q '>seed-1<' "$tmp/seeds.html" || fail "report: not of both runs"
check "tag" 0 '"seed-1"' runs list --json --where "tags.group = stored"
mean=$(sed -n '/"eval"/,$p' "$tmp/stored/results.json" | grep -m1 '"loss"' | tr -cd '0-9.')
check "the mean" 0 "\"eval.loss\":[[:space:]]*${mean:0:8}" runs show --json stored
id=$(runs show stored | sed -n 's/^id  *//p')
check "more seeds" 0 . train --out "$tmp/stored" --resume --seeds 2
[ "$(runs show stored | sed -n 's/^id  *//p')" = "$id" ] || fail "resumed: another run"
rm -r "$tmp/store"
check "import" 0 '3 runs' runs import "$tmp/stored"
listed "imported"
rm "$tmp/stored/track.json" # of a bertcl that knew no groups
rm -r "$tmp/store"
runs import "$tmp/stored" >/dev/null
listed "without a record"
check "promote" 0 . "$BERTCL" models promote seed-1:latest keep
check "delete" 0 'stored: deleted' runs delete stored
check "all hidden" 0 'no run is like that' runs list --where "group = stored or name = stored"
check "promoted" 0 "kept: its model is promoted +stored" runs gc --dry-run
runs delete "$tmp/stored" --restore >/dev/null
listed "restored"
if command -v python3 >/dev/null; then
    python3 -c 'import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(
        "DROP INDEX runs_by_parent; ALTER TABLE runs DROP COLUMN parent; PRAGMA user_version = 2")' "$tmp/store/store.db"
    listed "an index of before"
fi
check "delete again" 0 'stored: deleted' runs delete stored
check "restore one" 0 'seed-0: restored' runs delete "$tmp/stored/seed-0" --restore
check "a member is there" 0 . runs gc
[ -e "$tmp/stored/seed-0/results.json" ] && [ -e "$tmp/stored/seeds.json" ] || fail "gc took a run that is not deleted"
exit $failed
