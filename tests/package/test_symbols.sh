#!/usr/bin/env bash
# The shared library gives away the functions that the public headers declare, and nothing else.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
library=$BERTCL_BUILD/tests/libbertcl_symbols.so
[ -s "$library" ] || fail "$library is not there"
# AddressSanitizer's own marks of variables are not ours
nm -D --defined-only "$library" | awk '{ print $NF }' | grep -v '^__odr_asan' | LC_ALL=C sort -u >"$tmp/found"
grep -hv '^#' "$top"/include/bertcl/*.h | tr '\n' ' ' | grep -oE 'BCL_EXPORT [^;(]*\(' | sed -E 's/.*[ *](bcl_[a-z0-9_]+)\($/\1/' |
    LC_ALL=C sort -u >"$tmp/declared"
[ "$(wc -l <"$tmp/declared")" -gt 100 ] || fail "only $(wc -l <"$tmp/declared") functions found in the public headers"
LC_ALL=C comm -23 "$tmp/found" "$tmp/declared" >"$tmp/more"
LC_ALL=C comm -13 "$tmp/found" "$tmp/declared" >"$tmp/less"
[ -s "$tmp/more" ] && fail "exported, but in no public header: $(head -20 "$tmp/more" | tr '\n' ' ')"
[ -s "$tmp/less" ] && fail "declared, but not in the library: $(head -20 "$tmp/less" | tr '\n' ' ')"
echo "$(wc -l <"$tmp/found") functions"
