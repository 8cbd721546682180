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
    need_device
    if ! grep -q '^pocl:0' "$tmp/devices"; then
        echo "skipped: no pocl:0"
        exit 77
    fi
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

# No process of the ranks is left, whoever its parent is now; each carries the test's folder in its words.
no_orphans() {
    local left
    left=$(pgrep -f -- "bertcl-rank .*$tmp/" || true)
    [ -z "$left" ] || fail "processes are left: $left"
}
