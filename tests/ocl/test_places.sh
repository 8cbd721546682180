#!/usr/bin/env bash
# Where caches go: a user without a home, or with one that cannot be written, has a private folder under $TMPDIR, or is
# told what to set; what somebody else has put there is not used. As root the program runs as nobody.
source "$(dirname "$0")/../cli/common.sh"
need_device
unset BERTCL_CACHE_DIR XDG_CACHE_HOME POCL_CACHE_DIR
export HOME=$tmp # nothing is left in the user's
chmod 755 "$tmp"
cp "$BERTCL" "$tmp/bertcl" && chmod 755 "$tmp/bertcl" || exit 1
as=() uid=$(id -u)
if [ "$uid" = 0 ]; then
    command -v setpriv >/dev/null || { echo "skipped: root, and no setpriv"; exit 77; }
    as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
    uid=65534
fi
mkdir "$tmp/readonly"
chmod 555 "$tmp/readonly"
id=$(awk 'NR==1{print $1}' <("$BERTCL" devices 2>/dev/null | grep -v skipped))

# place NAME: a fresh $TMPDIR of that user
place() {
    place=$tmp/$1
    mkdir "$place"
    [ ${#as[@]} = 0 ] || chown $uid "$place"
}
in_place() { "${as[@]}" env "$@" "$tmp/bertcl" devices; }
# in_place VARIABLE...: devices as that user
private=bertcl-$uid

# one place: what was compiled there is used again
place homes
for home in HOME=/ -uHOME HOME= "HOME=$tmp/readonly" HOME=/nonexistent "HOME=$tmp/bertcl"; do
    check "$home: works" 0 "^$id " in_place "$home" TMPDIR="$place"
    check "$home: the folder" 0 "^700 $uid$" stat -c '%a %u' "$place/$private"
    [ -z "$(find "$place" -name 'bertcl-icd-*')" ] || fail "$home: a folder for the driver is left"
    for file in "$place/$private"/programs/*; do
        [ -e "$file" ] && check "$home: a program's mode" 0 '^600$' stat -c %a "$file"
    done
done
place xdg
check "XDG_CACHE_HOME that cannot be written" 0 "^$id " in_place HOME=/ XDG_CACHE_HOME="$tmp/readonly" TMPDIR="$place"
check "XDG_CACHE_HOME that cannot be written: the folder" 0 700 stat -c %a "$place/$private"

# a home that can be written is used as ever
place good
mkdir "$place/home"
[ ${#as[@]} = 0 ] || chown $uid "$place/home"
check "a home" 0 "^$id " in_place HOME="$place/home" TMPDIR="$place"
check "a home: its folder" 0 700 stat -c %a "$place/home/.cache/bertcl/programs"
[ ! -e "$place/$private" ] || fail "a home: a private folder beside it"

# somebody else's folder, a link, an open one: not used, and what to set is said where PoCL needs it
mkdir "$tmp/elsewhere"
chmod 777 "$tmp/elsewhere"
for kind in foreign link open file; do
    place $kind
    case $kind in
    foreign) [ ${#as[@]} = 0 ] && continue; mkdir -m 777 "$place/$private" ;;
    link) ln -s "$tmp/elsewhere" "$place/$private" ;;
    open) mkdir "$place/$private"; chmod 777 "$place/$private"; [ ${#as[@]} = 0 ] || chown $uid "$place/$private" ;;
    file) touch "$place/$private" ;;
    esac
    "${as[@]}" env TMPDIR="$place" HOME=/ "$tmp/bertcl" devices >"$tmp/out" 2>&1 ||
        grep -q "set POCL_CACHE_DIR (and BERTCL_CACHE_DIR)" "$tmp/out" || fail "$kind: $(cat "$tmp/out")"
    [ -z "$(find "$place/$private/" "$tmp/elsewhere" -mindepth 1 2>/dev/null)" ] || fail "$kind: something was put there"
done
place told
check "what it says to set" 0 "^$id " in_place HOME=/ TMPDIR=/nonexistent POCL_CACHE_DIR="$place" BERTCL_CACHE_DIR="$place"
exit $failed
