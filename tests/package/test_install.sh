#!/usr/bin/env bash
# The library as others use it: installed into a prefix; every header alone in C11 and C++; the examples built outside the
# tree by find_package and by pkg-config, and run.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
command -v pkg-config >/dev/null || { echo "skipped: no pkg-config"; exit 77; }
sanitize=()
if sanitized; then sanitize=(-fsanitize=address,undefined); fi
install_to "$tmp/prefix" "$BERTCL_BUILD"
version=$(sed -n 's/^project(bertcl VERSION \([0-9.]*\).*/\1/p' "$top/CMakeLists.txt")
for found in "$(pkg-config --modversion bertcl)" "$("$prefix/bin/bertcl" --version | cut -d' ' -f2)" \
    "$(sed -n 's/^#define BERTCL_VERSION  *"\(.*\)"/\1/p' "$prefix/include/bertcl/version.h")"; do
    [ "$found" = "$version" ] || fail "version: found $found, expected $version"
done
for file in README.md CHANGELOG.md LICENSE docs/architecture.md examples/tag_stdin.c; do
    [ -s "$prefix/share/doc/bertcl/$file" ] || fail "not installed: $file"
done
for file in man/man1/bertcl.1 man/man1/bertcl-train.1 man/man1/bertcl-data-stats.1 zsh/site-functions/_bertcl \
    bash-completion/completions/bertcl fish/vendor_completions.d/bertcl.fish; do
    [ -s "$prefix/share/$file" ] || fail "not installed: $file"
done

umbrella=$prefix/include/bertcl/bertcl.h
for header in "$prefix"/include/bertcl/*.h; do
    name=bertcl/$(basename "$header")
    printf '#include <%s>\ntypedef int one;\n' "$name" >"$tmp/header.c" # ISO C wants something in a file
    # shellcheck disable=SC2046
    quietly "$name in C11" "${CC:-cc}" -std=c11 "${warnings[@]}" $(pkg-config --cflags bertcl) -fsyntax-only "$tmp/header.c"
    if command -v "${CXX:-c++}" >/dev/null; then
        # shellcheck disable=SC2046
        quietly "$name in C++" "${CXX:-c++}" -std=c++11 "${warnings[@]}" $(pkg-config --cflags bertcl) -fsyntax-only -xc++ "$tmp/header.c"
    fi
    [ "$header" = "$umbrella" ] || grep -q "^#include <$name>" "$umbrella" || fail "bertcl.h does not include <$name>"
done
command -v "${CXX:-c++}" >/dev/null || echo "skipped: headers in C++: no C++ compiler"

build_examples "$tmp/examples"
"$BERTCL_BUILD/tests/make_tiny_model" "$tmp/model"
if ! "$prefix/bin/bertcl" devices >"$tmp/devices" 2>&1; then
    echo "skipped: running the examples: $(tail -1 "$tmp/devices")"
    exit 0
fi
run_tagger "$tmp/examples/cmake/tag_stdin"
run_tagger "$tmp/examples/pkg-config/tag_stdin"
run_trainer "$tmp/examples/cmake/train_and_score"
run_trainer "$tmp/examples/pkg-config/train_and_score"
