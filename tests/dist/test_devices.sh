#!/bin/bash
# train --devices: the losses of one device whatever the number of ranks and their shares, with dropout on; what it
# refuses.
. "$(dirname "${BASH_SOURCE[0]}")/../cli/common.sh"
. "$(dirname "${BASH_SOURCE[0]}")/ranks.sh"
need_ranks
# Open MPI keeps memory of modules that it has unloaded, which no suppression can name.
export ASAN_OPTIONS=detect_leaks=0
one=("$BERTCL" train --quiet "${recipe[@]}")
check "one device" 0 'one/model' "${one[@]}" --out "$tmp/one" --device pocl:0
check "two ranks" 0 'two/model' "${one[@]}" --out "$tmp/two" --devices pocl:0,pocl:0 --shares 1,1
same_losses "two ranks" "$tmp/one" "$tmp/two"
check "three ranks" 0 . "${one[@]}" --out "$tmp/three" --devices pocl:0,pocl:0,pocl:0 --shares 5,1,2.5
same_losses "three ranks" "$tmp/one" "$tmp/three"

# What a rank sends a step: of two ranks one gradient, of three four thirds of it.
bytes() { sed -n 's/.*"bytes_per_step":[^0-9]*\([0-9.]*\).*/\1/p' "$1/results.json" | head -1; }
echo "$(bytes "$tmp/two") $(bytes "$tmp/three")" | awk '{ d = $2 - $1 * 4 / 3; exit !($1 > 0 && d * d < 1) }' ||
    fail "bytes a step: $(bytes "$tmp/two") and $(bytes "$tmp/three")"

check "bf16" 0 'wire/model' "${one[@]}" --out "$tmp/wire" --devices pocl:0,pocl:0 --shares 1,1 --wire bf16
echo "$(bytes "$tmp/two") $(bytes "$tmp/wire")" | awk '{ d = $1 - $2 * 2; exit !($2 > 0 && d * d < 1) }' ||
    fail "bf16: bytes a step: $(bytes "$tmp/two") and $(bytes "$tmp/wire")"
check "unknown wire" 2 'wire: found "fp8"' "${one[@]}" --out "$tmp/bad" --devices pocl:0,pocl:0 --wire fp8
for option in '--wire bf16' '--shares 1' --keep-all '--cores pocl:0=0'; do
    check "$option alone" 2 "${option% *} goes with --devices" "${one[@]}" --out "$tmp/bad" --device pocl:0 $option
done

# A file that names each host's devices: what it may not hold.
host=$(hostname)
bad_file() { # pattern, lines
    printf "$2" "$host" >"$tmp/hosts"
    check "device file: $1" 1 "$1" "${one[@]}" --out "$tmp/bad" --device-file "$tmp/hosts"
}
bad_file 'hosts:2: found a host without devices' '%s pocl:0\nelsewhere\n'
bad_file 'hosts:1: found more than three columns' '%s pocl:0 1 2\n'
bad_file 'hosts:3: "other" has a line already' '%s pocl:0\nother a:0\nother b:0\n'
bad_file 'hosts:2: found no shares where the lines above have them' '%s pocl:0 1\nother a:0\n'
bad_file 'hosts:1: shares: found 3, expected one for each of 2' '%s pocl:0,pocl:0 1,2,3\n'
bad_file 'hosts:1: shares: found "0"' '%s pocl:0 0\n'
bad_file 'hosts:1: found "pocl:0,,pocl:0", expected ids' '%s pocl:0,,pocl:0\n'
bad_file 'hosts:1: .*no "nope:0"; there are .*pocl:0' '%s nope:0\n'
bad_file 'hosts: no line is for this host' 'not%s pocl:0\n'
check "no device file" 1 'nothing-here' "${one[@]}" --out "$tmp/bad" --device-file "$tmp/nothing-here"
check "device file and devices" 2 'device-file excludes' "${one[@]}" --out "$tmp/bad" --device-file "$tmp/hosts" --devices pocl:0

check "unknown id" 1 'no "nope:3"; there are .*pocl:0' "${one[@]}" --out "$tmp/bad" --devices pocl:0,nope:3
check "too many shares" 2 'shares: found 3, expected one for each of 2 devices' \
    "${one[@]}" --out "$tmp/bad" --devices pocl:0,pocl:0 --shares 1,1,1
check "no share" 2 'shares: found "1,0"' "${one[@]}" --out "$tmp/bad" --devices pocl:0,pocl:0 --shares 1,0
check "cores" 2 'cores: found "nope=1"' "${one[@]}" --out "$tmp/bad" --devices pocl:0,pocl:0 --cores nope=1
check "both" 2 'device and --devices' "${one[@]}" --out "$tmp/bad" --devices pocl:0,pocl:0 --device pocl:0
mkdir "$tmp/bin"
check "no mpirun" 1 'no mpirun: install Open MPI .*openmpi-bin' env PATH="$tmp/bin" \
    "${one[@]}" --out "$tmp/bad" --devices pocl:0,pocl:0
[ ! -e "$tmp/bad" ] || fail "a refused run left its folder"
no_orphans
exit $failed
