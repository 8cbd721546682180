# What the scripts that run the program share; sourced. $tmp is a folder that goes with the script.
set -u
: "${BERTCL:?}" "${BERTCL_TESTS:?}" "${BERTCL_BUILD:?}"
tmp=$(mktemp -d) || exit 1
mounted=
trap '[ -z "$mounted" ] || umount "$mounted"; rm -rf "$tmp"' EXIT
failed=0
fail() { echo "FAILED $*" >&2; failed=1; }

# Without a device there is nothing to test: a skip.
need_device() {
    if ! "$BERTCL" devices >"$tmp/devices" 2>&1; then
        echo "skipped: $(tail -1 "$tmp/devices")"
        exit 77
    fi
}

need_pocl() {
    need_device
    if ! grep -q '^pocl:0' "$tmp/devices"; then
        echo "skipped: no pocl:0"
        exit 77
    fi
}

# wait_until PID COMMAND...: until the command succeeds or the process has ended. No limit of time: ctest ends what hangs.
wait_until() {
    local pid=$1
    shift
    until "$@" || ! kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
}

# check NAME CODE PATTERN COMMAND...: the exit code, and a pattern in stdout and stderr together; a
# failure is one line on stderr, notes on data aside, and nothing on stdout.
check() {
    local name=$1 code=$2 pattern=$3 got
    shift 3
    "$@" >"$tmp/stdout" 2>"$tmp/stderr"
    got=$?
    if [ $got != "$code" ] || ! cat "$tmp/stdout" "$tmp/stderr" | grep -qE -- "$pattern"; then
        fail "$name: exit $got, expected $code and /$pattern/:"
        head -5 "$tmp/stdout" "$tmp/stderr" >&2
    elif [ "$code" != 0 ] && { [ -s "$tmp/stdout" ] || [ "$(grep -vc '^data: ' "$tmp/stderr")" != 1 ]; }; then
        fail "$name: not one line on stderr:"
        cat "$tmp/stdout" "$tmp/stderr" >&2
    fi
}
