#!/usr/bin/env bash
# A build on a machine without MPI: no warning, nothing of several ranks in it; train --devices says what to install, and
# one device trains, evaluates and predicts, the latter two on several as well.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
launcher=()
if command -v ccache >/dev/null; then launcher=(-DCMAKE_C_COMPILER_LAUNCHER=ccache); fi
quietly "cmake" cmake -S "$top" -B "$tmp/build" -G Ninja -DCMAKE_DISABLE_FIND_PACKAGE_MPI=ON -DBERTCL_WERROR=ON \
    -DBERTCL_TESTS=OFF "${launcher[@]}"
quietly "the build" cmake --build "$tmp/build"
install_to "$tmp/prefix" "$tmp/build"
bertcl=$prefix/bin/bertcl
[ ! -e "$prefix/bin/bertcl-rank" ] || fail "bertcl-rank is installed"
! ldd "$bertcl" | grep -q libmpi || fail "it needs MPI's library"
if ! "$bertcl" devices >"$tmp/devices" 2>&1; then
    echo "skipped: running it: $(tail -1 "$tmp/devices")"
    exit 0
fi
device=$(sed -n 's/^\([a-z]*:[0-9]*\) .*/\1/p' "$tmp/devices" | head -1)
"$BERTCL_BUILD/tests/make_tiny_model" "$tmp/model"
head -600 "$top/sample/speech 1.conll" >"$tmp/data"
export BERTCL_HOME=off BERTCL_TUNE=off
train=("$bertcl" train --quiet --model "$tmp/model" --data "$tmp/data" --epochs 1 --out "$tmp/run")
printf '%s %s,%s\n' "$(hostname)" "$device" "$device" >"$tmp/hosts"
for how in "--devices $device,$device" '--devices all' "--device-file $tmp/hosts"; do
    # shellcheck disable=SC2086
    "${train[@]}" $how 2>"$tmp/err" && fail "train $how: exit 0"
    grep -qE 'built without MPI; install Open MPI .*libopenmpi-dev openmpi-bin.* and build again, or .* --device$' "$tmp/err" ||
        fail "train $how: $(cat "$tmp/err")"
    [ "$(wc -l <"$tmp/err")" = 1 ] && [ ! -e "$tmp/run" ] || fail "train $how: $(cat "$tmp/err")"
done
quietly "train --device" "${train[@]}" --device "$device"
quietly "eval --devices" "$bertcl" eval --model "$tmp/run" --data "$tmp/data" --devices "$device,$device"
echo "Geneva is a city" | "$bertcl" predict --model "$tmp/run" --devices "$device,$device" >"$tmp/out" 2>&1 ||
    fail "predict --devices: $(cat "$tmp/out")"
