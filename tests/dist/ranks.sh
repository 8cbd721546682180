# What the tests of several ranks share; sourced behind common.sh.
recipe=(--model "$tmp/model" --data "$tmp/data" --batch 8 --lr 1e-3 --seed 3 --dropout 0.1 --epochs 1)

# Ranks on PoCL; a build without MPI is a skip.
need_ranks() {
    local bin
    bin=$(dirname "$BERTCL")
    if [ ! -x "$bin/bertcl-rank" ] || ! command -v mpirun >/dev/null; then
        echo "skipped: no MPI"
        exit 77
    fi
    need_pocl
    "$BERTCL_BUILD/tests/make_tiny_model" "$tmp/model" || exit 1
    head -1500 "$BERTCL_TESTS/../sample/speech 1.conll" >"$tmp/data"
}

losses() { sed -n 's/.*"loss": \([^,]*\), "accuracy": \([^,]*\), "lr".*/\1 \2/p' "$1/metrics.jsonl"; }

# same_losses NAME FOLDER FOLDER: within 1e-4 of each other, step by step.
same_losses() {
    paste <(losses "$2") <(losses "$3") | awk '
        NF != 4 { bad = 1 }
        { d = $1 - $3; d = d < 0 ? -d : d; if (!(d <= 1e-4 * $1)) bad = 1 }
        END { exit bad || NR < 5 }' || fail "$1: other losses"
}

# No process of the ranks is left, whoever its parent is now; each carries the test's folder in its words. What
# was killed may need a moment to be gone.
no_orphans() {
    local left
    for _ in $(seq 300); do
        left=$(pgrep -f -- "bertcl-rank .*$tmp/" || true)
        [ -n "$left" ] || return 0
        sleep 0.1
    done
    fail "processes are left: $left"
}

# faulty FAULT COMMAND...: with a driver that fails, see fault.c.
faulty() {
    local fault=$1
    shift
    BERTCL_FAULT=$fault LD_PRELOAD=$BERTCL_BUILD/tests/fault.so "$@"
}

# survived NAME PATTERN: the run $tmp/NAME, whose messages are in NAME.err, has ended with a model; a device was left out
# and it was said why (PATTERN; "": none was); no step is lost or doubled, and nothing is left behind.
survived() {
    local run=$tmp/$1 out
    if [ -n "$2" ]; then
        grep -qE -- "^pocl:0 left out: .*$2.*; the others go on\$" "$run.err" || fail "$1: not said: $(cat "$run.err")"
        grep -q '"left_out":[[:space:]]*"' "$run/results.json" || fail "$1: not in the results"
    fi
    [ -s "$run/model/model.safetensors" ] || fail "$1: no model"
    out=$(sed -n 's/^{"step": \([0-9]*\),.*"tokens".*/\1/p' "$run/metrics.jsonl" | awk '$1 != NR' | wc -l)
    [ "$out" = 0 ] || fail "$1: steps are missing"
    clean "$1"
}

# honest NAME: the run $tmp/NAME, tested with its training data, says of its model what a sound device finds.
honest() {
    "$BERTCL" eval --quiet --json --model "$tmp/$1/model" --data "$tmp/data" --device pocl:0 >"$tmp/found" ||
        fail "$1: its model cannot be evaluated"
    paste <(loss_of eval "$tmp/$1/results.json") <(loss_of '' "$tmp/found") | awk '
        { d = $1 - $2; d = d < 0 ? -d : d } END { exit NF != 2 || !(d <= 1e-4 * $2) }' ||
        fail "$1: a loss of $(loss_of eval "$tmp/$1/results.json"), and the model has $(loss_of '' "$tmp/found")"
}

# loss_of KEY FILE: the first loss behind the key.
loss_of() { sed -n "/\"$1/,\$ s/.*\"loss\":[[:space:]]*\([^,]*\),.*/\1/p" "$2" | head -1; }

# Nothing half-written in the run $tmp/NAME, no process, no file of Open MPI's.
clean() {
    [ -z "$(ls -a "$tmp/$1" | grep '\.tmp\.')" ] || fail "$1: temporary files: $(ls -a "$tmp/$1")"
    no_orphans
    no_files
}

# The folders that no keeper holds. The keeper of a launcher that was killed needs a moment to clear up.
no_files() {
    local folder left
    for _ in $(seq 300); do
        left=
        for folder in /dev/shm/bertcl-mpirun.* "${TMPDIR:-/tmp}"/bertcl-mpirun.*; do
            [ ! -e "$folder" ] || ! flock -n "$folder" true || left="$left $folder"
        done
        [ -n "$left" ] || return 0
        sleep 0.1
    done
    fail "files are left: $left"
}
