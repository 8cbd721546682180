#!/usr/bin/env bash
# BUILD_SHARED_LIBS: the shared library, built from the sources and installed; its name, and the examples that run with it.
# Built as Release, where the compiler sees across more calls, and warns of more.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
command -v pkg-config >/dev/null || { echo "skipped: no pkg-config"; exit 77; }
sanitize=()
launcher=()
if command -v ccache >/dev/null; then launcher=(-DCMAKE_C_COMPILER_LAUNCHER=ccache); fi
quietly "cmake" cmake -S "$top" -B "$tmp/build" -G Ninja -DBUILD_SHARED_LIBS=ON -DCMAKE_BUILD_TYPE=Release -DBERTCL_WERROR=ON \
    -DBERTCL_TESTS=OFF "${launcher[@]}"
quietly "the build" cmake --build "$tmp/build"
install_to "$tmp/prefix" "$tmp/build"
library=$(find "$prefix" -name 'libbertcl.so')
[ -L "$library" ] || fail "no libbertcl.so that points to a version"
LD_LIBRARY_PATH=$(dirname "$library")
export LD_LIBRARY_PATH
soname=$(readelf -d "$library" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')
[[ $soname =~ ^libbertcl\.so\.[0-9]+$ ]] || fail "SONAME is \"$soname\""
[ -e "$(dirname "$library")/$soname" ] || fail "$soname is not installed"
case $(pkg-config --libs bertcl) in *OpenCL*) fail "pkg-config: $(pkg-config --libs bertcl)" ;; esac
build_examples "$tmp/examples"
for way in cmake pkg-config; do
    readelf -d "$tmp/examples/$way/tag_stdin" | grep -q "NEEDED.*$soname" || fail "tag_stdin by $way is not linked with $soname"
done
"$BERTCL_BUILD/tests/make_tiny_model" "$tmp/model"
if ! "$prefix/bin/bertcl" devices >"$tmp/devices" 2>&1; then
    echo "skipped: running the examples: $(tail -1 "$tmp/devices")"
    exit 0
fi
run_tagger "$tmp/examples/cmake/tag_stdin"
run_tagger "$tmp/examples/pkg-config/tag_stdin"
run_trainer "$tmp/examples/cmake/train_and_score"
