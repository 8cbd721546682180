#!/usr/bin/env bash
# .icd files: a library that is missing or is none is named with the loader's reason; one that two files name is one
# device; the same hardware by two drivers is said. Damaged files harm nobody else.
source "$(dirname "$0")/../cli/common.sh"
need_device
mkdir "$tmp/icd"
export OCL_ICD_VENDORS=$tmp/icd
devices() { "$BERTCL" devices "$@" 2>&1; }
alone() { # FILE'S-TEXT: one file
    rm -rf "$tmp/icd"
    mkdir "$tmp/icd"
    printf "$1" >"$tmp/icd/one.icd"
}
says() { # NAME PATTERN: what devices says
    devices >"$tmp/out"
    grep -qE -- "$2" "$tmp/out" || fail "$1: no /$2/ in: $(cat "$tmp/out")"
}

alone 'libnope.so.1\n'
says "a missing library" 'one.icd: the driver.s library libnope.so.1 cannot be loaded: .*No such file'
alone '/no/such/libdriver.so'
says "a missing path, without a line's end" 'library /no/such/libdriver.so cannot be loaded: .*No such file'
alone "$tmp/text.so\n"
echo "no library" >"$tmp/text.so"
says "a file that is none" 'text.so cannot be loaded: .*(invalid ELF header|too short)'
alone 'libm.so.6\r\n'
says "a library that is no driver" 'one.icd: its library loads but offers no OpenCL platform'
alone '\n'
says "an empty line" 'one.icd: its first line is empty'
alone ''
says "an empty file" 'one.icd: its first line is empty'
rm "$tmp/icd/one.icd"
mkfifo "$tmp/icd/one.icd"
timeout 50 "$BERTCL" devices >"$tmp/out" 2>&1
grep -q 'one.icd: not a regular file' "$tmp/out" || fail "a pipe: $(cat "$tmp/out")"
rm "$tmp/icd/one.icd"
ln -s /nowhere "$tmp/icd/one.icd"
says "a link that leads nowhere" 'one.icd: cannot open: No such file'
rm -r "$tmp/icd"
says "no folder" 'icd does not exist; install one'

# real drivers
unset OCL_ICD_VENDORS
find_library() { # its file, by the .icd file of the default folder
    local soname
    soname=$(head -1 /etc/OpenCL/vendors/pocl.icd 2>/dev/null | tr -d ' \r\n')
    case $soname in
    /*) readlink -f "$soname" ;;
    ?*) find /usr/lib /usr/lib64 /usr/local/lib -name "$soname" 2>/dev/null | head -1 | xargs -r readlink -f ;;
    esac
}
library=$(find_library)
[ -n "$library" ] || { echo "skipped: no pocl.icd whose library is in /usr/lib"; exit $((failed ? 1 : 77)); }
export OCL_ICD_VENDORS=$tmp/icd
mkdir "$tmp/icd"
cp /etc/OpenCL/vendors/pocl.icd "$tmp/icd/pocl.icd"
echo "$library" >"$tmp/icd/another.icd"
ln -s "$library" "$tmp/libother.so"
echo "$tmp/libother.so" >"$tmp/icd/third.icd"
echo libnope.so.1 >"$tmp/icd/broken.icd"
count() { devices | grep -c '^pocl:[0-9]'; }
[ "$(count)" = 1 ] || fail "a library named three times: $(devices)"
devices | grep -q '^pocl:0' || fail "a library named three times: its id: $(devices)"
devices | grep -q 'broken.icd' || fail "a broken file beside: not named"
devices --json 2>/dev/null >"$tmp/json"
python3 - "$tmp/json" <<'END' || failed=1
import json, sys
devices = json.load(open(sys.argv[1]))
good = [d for d in devices if d["available"]]
assert len(good) == 1 and good[0]["id"] == "pocl:0" and good[0]["same_hardware_as"] is None, devices
assert {"pci", "uuid", "same_hardware_as"} <= good[0].keys(), good
assert good[0]["pci"] is None, good
END
"$BERTCL_BUILD/tests/make_tiny_model" "$tmp/model" || exit 1
echo ab | "$BERTCL" predict --model "$tmp/model" --device pocl:0 >"$tmp/out" 2>&1 || fail "--device pocl:0: $(cat "$tmp/out")"

# file names that are not UTF-8
name=$(printf 'caf\351.icd')
rm "$tmp/icd/"*
echo libnope.so.1 >"$tmp/icd/$name"
cp /etc/OpenCL/vendors/pocl.icd "$tmp/icd/pocl.icd"
devices --json 2>/dev/null >"$tmp/json"
python3 - "$tmp/json" <<'END' || failed=1
import json, os, sys
text = open(sys.argv[1], encoding="utf-8").read()
bad = [d for d in json.loads(text) if not d["available"]]
assert os.fsencode(bad[0]["library"]).endswith(b"/caf\xe9.icd"), bad
END
exit $failed
