#!/usr/bin/env bash
# The library as others use it: cmake --install into a prefix, examples/tag_stdin.c built with what pkg-config says, and run.
set -eu
: "${BERTCL_BUILD:?}" "${BERTCL_TESTS:?}"
command -v pkg-config >/dev/null || { echo "skipped: no pkg-config"; exit 77; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fail() { echo "FAILED $*" >&2; exit 1; }
cmake --install "$BERTCL_BUILD" --prefix "$tmp/a prefix" >"$tmp/log" 2>&1 || fail "cmake --install: $(tail -3 "$tmp/log")"
mv "$tmp/a prefix" "$tmp/prefix" # found from where it lies
PKG_CONFIG_PATH=$(dirname "$(find "$tmp/prefix" -name bertcl.pc)")
export PKG_CONFIG_PATH
[ "$(pkg-config --modversion bertcl)" = "$("$tmp/prefix/bin/bertcl" --version | cut -d' ' -f2)" ] || fail "version: $(pkg-config --modversion bertcl)"
sanitize=()
if nm "$(find "$tmp/prefix" -name libbertcl.a)" 2>/dev/null | grep -q __asan_; then sanitize=(-fsanitize=address,undefined); fi
for header in "$tmp"/prefix/include/bertcl/*.h; do # each stands alone
    echo "#include <bertcl/$(basename "$header")>" | ${CC:-cc} -std=c11 -Wall -Wextra -Wpedantic -Werror $(pkg-config --cflags bertcl) -fsyntax-only -xc -
done
${CC:-cc} -std=c11 -Wall -Wextra -Wpedantic -Werror "${sanitize[@]}" "$BERTCL_TESTS/../examples/tag_stdin.c" $(pkg-config --cflags --libs bertcl) -o "$tmp/tag_stdin"
"$BERTCL_BUILD/tests/make_tiny_model" "$tmp/model"
"$tmp/tag_stdin" "$tmp/none" </dev/null 2>"$tmp/err" && fail "a model that is missing"
grep -q "$tmp/none" "$tmp/err" || fail "a model that is missing: $(cat "$tmp/err")"
if ! "$tmp/prefix/bin/bertcl" devices >"$tmp/devices" 2>&1; then
    echo "skipped: $(tail -1 "$tmp/devices")"
    exit 77
fi
printf 'ab cd\n\nx y z 1 2\n' >"$tmp/text"
"$tmp/tag_stdin" "$tmp/model" <"$tmp/text" | cut -f2,4 >"$tmp/found"
[ -s "$tmp/found" ] || fail "no entity"
"$tmp/prefix/bin/bertcl" predict --model "$tmp/model" --format counts "$tmp/text" | while IFS=$'\t' read -r n entity; do
    [ "$(grep -cxF "$entity" "$tmp/found")" = "$n" ] || fail "$entity: expected $n times in $(cat "$tmp/found")"
done
