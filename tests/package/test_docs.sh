#!/usr/bin/env bash
# Markdown: lines of at most 120 columns but for tables, links that lead somewhere.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$top"
command -v python3 >/dev/null || { echo "skipped: no python3"; exit 77; }
tools/wrap_markdown --check || fail "lines that are too long"
files=(*.md docs/*.md)
for file in "${files[@]}"; do
    { grep -oE '\]\([^)# ]+' "$file" || true; } | cut -c3- | while read -r link; do
        case $link in http*) continue ;; esac
        [ -e "$(dirname "$file")/$link" ] || fail "$file: links to $link, which is not there"
    done
done
