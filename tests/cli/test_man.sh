#!/bin/bash
# The manual pages: one for every command, without a complaint of groff or mandoc, with the options that --help has.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
pages=$BERTCL_BUILD/docs/man1
command -v groff >/dev/null || { echo "skipped: no groff"; exit 77; }
command -v mandoc >/dev/null || { echo "skipped: no mandoc"; exit 77; }
for page in "$pages"/*.1; do
    groff -ww -man -Tutf8 -Kutf8 "$page" 2>&1 >/dev/null | grep . >&2 && fail "groff: $page"
    mandoc -Tlint -Wstyle "$page" >&2 || fail "mandoc: $page"
    words=$(basename "$page" .1 | tr - ' ') # bertcl-data-stats
    # shellcheck disable=SC2086
    COLUMNS=100 "$BERTCL" ${words#bertcl} --help >"$tmp/help" || fail "$words --help: exit $?"
    mandoc -Tutf8 -O width=200 "$page" | sed 's/.\x08//g' >"$tmp/page"
    for option in $(grep -oE '^  --[a-z0-9-]+' "$tmp/help"); do
        grep -q -- "^ *$option\b" "$tmp/page" || fail "$page: no $option"
    done
done
for command in $("$BERTCL" --help | sed -n 's/^  \([a-z]*\)  .*/\1/p'); do
    [ -s "$pages/bertcl-$command.1" ] || fail "no page of $command"
done
for action in $("$BERTCL" data --help | sed -n 's/^  \([a-z]*\)  .*/\1/p'); do
    [ -s "$pages/bertcl-data-$action.1" ] || fail "no page of data $action"
done
exit $failed
