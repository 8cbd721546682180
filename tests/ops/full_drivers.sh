#!/bin/bash
# The operations' tests on every OpenCL driver that can be found, one after the other: the system's
# (PoCL, rusticl on llvmpipe), Intel's CPU runtime (BERTCL_INTEL_OCL, else the Python peers' folder),
# and oclgrind with its checks of races, bounds, uninitialised memory and API use on small shapes.
# Prints a line a driver; a missing one is counted as skipped.
set -u
: "${BERTCL_BUILD:?}"
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
passed=0 failed=0 skipped=0
checks="ops_ops ops_attention ops_optimizer ops_gemm"

# driver NAME LIBRARY [VARIABLE=VALUE...]: runs all with this driver alone
driver() {
    local name=$1 library=$2 bad=0 device
    shift 2
    if [ -z "$library" ]; then
        echo "$name: skipped, not installed"
        skipped=$((skipped + 1))
        return
    fi
    mkdir -p "$tmp/$name"
    echo "$library" >"$tmp/$name/$name.icd"
    for check in $checks; do
        env OCL_ICD_VENDORS="$tmp/$name" "$@" timeout 1000 "$BERTCL_BUILD/tests/check_$check" \
            >"$tmp/$name/$check" 2>&1
        local code=$?
        if [ $code = 77 ]; then
            echo "$name: skipped, $(head -1 "$tmp/$name/$check")"
            skipped=$((skipped + 1))
            return
        elif [ $code != 0 ]; then
            echo "$name: check_$check failed ($code):"
            grep -vE '^\[ +(RUN|OK) ' "$tmp/$name/$check" | head -12
            bad=1
        fi
    done
    if [ -s "$tmp/oclgrind.log" ]; then
        echo "$name: reported:"
        head -20 "$tmp/oclgrind.log"
        bad=1
    fi
    [ $bad = 0 ] && { passed=$((passed + 1)) && echo "$name: passed"; } || failed=$((failed + 1))
}

system() { # the library of an installed driver whose .icd file has this name
    local file
    for file in /etc/OpenCL/vendors/$1*.icd; do
        [ -r "$file" ] && head -1 "$file" && return
    done
}
first() { # the first file that exists
    local file
    for file in "$@"; do
        [ -e "$file" ] && echo "$file" && return
    done
}
driver pocl "$(system pocl)"
driver intel "$(first ${BERTCL_INTEL_OCL:-} "$HOME/.cache/bertcl-peers/lib/libintelocl.so" \
    /opt/intel/oneapi/compiler/latest/lib/libintelocl.so)"
driver rusticl "$(system rusticl)" RUSTICL_ENABLE=llvmpipe
driver oclgrind "$(first /usr/lib/oclgrind/liboclgrind-rt-icd.so \
    /usr/lib/*/oclgrind/liboclgrind-rt-icd.so)" BERTCL_TEST_SMALL=1 OCLGRIND_DATA_RACES=1 \
    OCLGRIND_UNINITIALIZED=1 OCLGRIND_CHECK_API=1 OCLGRIND_LOG="$tmp/oclgrind.log"
echo "operations: $passed drivers passed, $failed failed, $skipped skipped"
[ $failed = 0 ] && { [ $passed -gt 0 ] || exit 77; }
