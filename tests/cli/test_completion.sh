#!/bin/bash
# bash's completion: its function is asked as readline asks it.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck disable=SC1091
. "$BERTCL_BUILD/docs/completion/bertcl" || fail "the script"
compopt() { :; } # works only within a completion
mkdir -p "$tmp/here/corpus"
cd "$tmp/here" || exit 1
touch "a file.conll" conf.json

# offers EXPECTED WORD...: what is offered for the last word, sorted, between two spaces; an empty last word is a new one
offers() {
    local expected=$1 got
    shift
    COMP_WORDS=("$BERTCL" "$@")
    COMP_CWORD=$#
    COMPREPLY=()
    _bertcl
    got=$(printf '%s\n' "${COMPREPLY[@]}" | sort | tr '\n' '|')
    [[ $got == $expected ]] || fail "$*: offered $got, expected $expected"
}
offers 'train|' tr
offers '*devices|*eval|*help|*predict|*train|*' ''
offers 'stats|' data st
offers '--schedule|' train --sche
offers 'constant|cosine|linear|' train --schedule ''
offers 'cosine|' train --schedule cos
offers 'cosine|' train --schedule = cos # readline's words of --schedule=cos
offers 'a file.conll|' train --data a
offers 'a file.conll|' train --data x y a # a list goes on
offers '--label-pieces|' train --data x y --label-p
offers 'corpus|' train --model ''
offers '*--epochs|*--model|*' train ''
offers '*--epochs|*--model|*' train --recompute ''
offers 'a file.conll|' predict a
offers 'conf.json|corpus|' train --config c
offers '|' train --epochs ''
offers '|' nonsense ''
offers 'predict|' help pr
offers 'convert|' help data con
offers '|' help train --
# every choice of a table is offered, and every option of the help
for command in train eval predict tokenize; do
    for option in $("$BERTCL" $command --help | grep -oE '^  --[a-z0-9-]+'); do
        offers "$option|*" $command "$option"
    done
done
if "$BERTCL" devices >/dev/null 2>&1; then
    id=$("$BERTCL" devices --json | sed -n 's/.*"id":[^"]*"\([^"]*\)".*/\1/p' | head -1)
    offers "*$id|*" train --device ''
    offers "*${id#*:}|*" train --device "${id%:*}" : '' # readline's words of pocl:
fi
exit $failed
