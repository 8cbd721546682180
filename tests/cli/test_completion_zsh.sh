#!/bin/bash
# zsh's completion, in an interactive shell on a pseudo terminal.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
command -v zsh >/dev/null || { echo "skipped: no zsh"; exit 77; }
mkdir -p "$tmp/here/corpus" "$tmp/functions"
touch "$tmp/here/a file.conll"
cp "$BERTCL_BUILD/docs/completion/_bertcl" "$tmp/functions/"
cat >"$tmp/.zshrc" <<END
PS1='ready> '
PATH=${BERTCL%/*}:\$PATH
fpath=($tmp/functions \$fpath)
autoload -Uz compinit
compinit -u -D
cd $tmp/here
tell() { print -r -- "\$BUFFER" >$tmp/line; exit; }
zle -N tell
bindkey '^T' tell
END
# completes NAME EXPECTED KEYS: the line after the keys, or what was shown below it
completes() {
    rm -f "$tmp/line"
    ZDOTDIR=$tmp TERM=xterm "$BERTCL_BUILD/tests/make_terminal" 100 -k 'ready> ' "$3"$'\x14' zsh -i >"$tmp/screen" 2>&1 ||
        fail "$1: exit $?: $(cat -v "$tmp/screen" | tail -3)"
    cat "$tmp/line" "$tmp/screen" | grep -qF -- "$2" || fail "$1: found $(cat "$tmp/line"), expected $2"
}
completes command 'bertcl train ' $'bertcl tra\t'
completes action 'data stats ' $'bertcl data st\t'
completes "help of a command" 'help predict ' $'bertcl help pr\t'
completes "help of an action" 'help data stats ' $'bertcl help data st\t'
completes option '--schedule=' $'bertcl train --sche\t'
completes choice 'schedule=cosine' $'bertcl train --schedule=cos\t'
completes folder 'model corpus/' $'bertcl train --model co\t'
completes "a list of files" 'a\ file.conll' $'bertcl train --data x a\t'
completes descriptions 'peak learning rate' $'bertcl train --l\t\t'
exit $failed
