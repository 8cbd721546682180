#!/bin/bash
# fish's completion, asked by its own `complete -C`.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
command -v fish >/dev/null || { echo "skipped: no fish"; exit 77; }
mkdir -p "$tmp/here/corpus"
cd "$tmp/here" || exit 1
touch "a file.conll" conf.json
export HOME=$tmp XDG_CONFIG_HOME=$tmp PATH=${BERTCL%/*}:$PATH
# offers PATTERN LINE: a line of what is offered; none for an empty pattern
offers() {
    fish -c "source $BERTCL_BUILD/docs/completion/bertcl.fish; complete -C $(printf '%q' "$2")" >"$tmp/offered" 2>"$tmp/errors" || fail "$2: exit $?"
    [ -s "$tmp/errors" ] && fail "$2: $(head -3 "$tmp/errors")"
    if [ -n "$1" ]; then
        grep -qE "^$1" "$tmp/offered" || fail "$2: offered $(head -5 "$tmp/offered"), expected $1"
    elif [ -s "$tmp/offered" ]; then
        fail "$2: offered $(head -5 "$tmp/offered")"
    fi
}
offers $'train\tfine-tune' 'bertcl tr'
offers $'stats\t' 'bertcl data s'
offers $'predict\t' 'bertcl help pr'
offers $'stats\t' 'bertcl help data s'
offers '' 'bertcl data stats stats'
offers $'--schedule\t' 'bertcl train --sch'
offers 'cosine' 'bertcl train --schedule c'
offers 'corpus/' 'bertcl train --model c'
offers 'a file.conll' 'bertcl train --data a'
offers 'a file.conll' 'bertcl predict a'
offers '' 'bertcl train --epochs '
grep -q conf.json "$tmp/offered" && fail "files for a number"
exit $failed
