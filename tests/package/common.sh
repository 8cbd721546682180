# What the tests of the installed package share; sourced. $tmp is a folder that goes with the script.
set -eu
: "${BERTCL_BUILD:?}" "${BERTCL_TESTS:?}"
top=$(cd "$BERTCL_TESTS/.." && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fail() { echo "FAILED $*" >&2; exit 1; }
# quietly WHAT COMMAND...: the last lines of its output if it fails
quietly() {
    local what=$1
    shift
    "$@" >"$tmp/log" 2>&1 || fail "$what: $(tail -5 "$tmp/log")"
}
sanitized() { nm "$BERTCL" 2>/dev/null | grep -q __asan_init; }
warnings=(-Wall -Wextra -Wpedantic -Werror)

# install_to FOLDER BUILD: cmake --install into a prefix with a space in its name, which is then moved: the package is
# found from where it lies. Sets PKG_CONFIG_PATH and $prefix.
install_to() {
    quietly "cmake --install" cmake --install "$2" --prefix "$1 before"
    mv "$1 before" "$1"
    prefix=$1
    PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name bertcl.pc)")
    export PKG_CONFIG_PATH
}

# build_examples FOLDER: every example by find_package and by pkg-config, as FOLDER/cmake/NAME and FOLDER/pkg-config/NAME.
build_examples() {
    local out=$1 source name
    cp -r "$prefix/share/doc/bertcl/examples" "$out.source" # outside every tree
    quietly "find_package" cmake -S "$out.source" -B "$out/cmake" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" \
        -DCMAKE_C_FLAGS="${warnings[*]} ${sanitize[*]:-}"
    quietly "examples by find_package" cmake --build "$out/cmake"
    mkdir -p "$out/pkg-config"
    for source in "$out.source"/*.c; do
        name=$(basename "$source" .c)
        [ -x "$out/cmake/$name" ] || fail "$name: not built by find_package"
        # shellcheck disable=SC2046
        quietly "$name by pkg-config" "${CC:-cc}" -std=c11 "${warnings[@]}" ${sanitize[@]+"${sanitize[@]}"} "$source" \
            $(pkg-config --cflags --libs bertcl) -o "$out/pkg-config/$name"
    done
}

# run_tagger PROGRAM: examples/tag_stdin finds what bertcl predict finds.
run_tagger() {
    local program=$1
    "$program" "$tmp/none" </dev/null 2>"$tmp/err" && fail "$program: a model that is missing"
    grep -q "$tmp/none" "$tmp/err" || fail "$program: a model that is missing: $(cat "$tmp/err")"
    printf 'ab cd\n\nx y z 1 2\n' >"$tmp/text"
    "$program" "$tmp/model" <"$tmp/text" | cut -f2,4 >"$tmp/found"
    [ -s "$tmp/found" ] || fail "$program: no entity"
    "$prefix/bin/bertcl" predict --model "$tmp/model" --format counts "$tmp/text" | while IFS=$'\t' read -r n entity; do
        [ "$(grep -cxF "$entity" "$tmp/found")" = "$n" ] || fail "$entity: expected $n times in $(cat "$tmp/found")"
    done
}

# run_trainer PROGRAM: examples/train_and_score trains, scores, and tags by what it trained; started again it goes on.
run_trainer() {
    local program=$1 run time
    run="$tmp/run of $(basename "$(dirname "$program")")"
    head -600 "$top/sample/speech 1.conll" >"$tmp/data"
    for time in first again; do
        BERTCL_TUNE=off "$program" "$tmp/model" "$tmp/data" "$run" >"$tmp/scores" 2>"$tmp/messages" ||
            fail "$program, $time: exit $?: $(tail -1 "$tmp/messages")"
    done
    grep -q '^macro F1 0\.[0-9]* after [0-9]* steps' "$tmp/scores" || fail "$program: printed $(cat "$tmp/scores")"
    [ -s "$run/best/model.safetensors" ] || fail "$program: no model"
}
