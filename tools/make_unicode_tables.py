#!/usr/bin/env python3
"""Writes src/text/unicode_tables.c: what BertTokenizerFast does with every code point.

Nothing is taken from a Unicode database: every property is asked of the `tokenizers` package itself,
whose Rust crates carry Unicode tables of several (partly old) versions. Run it with the peers'
Python, from the repository's root: python tools/make_unicode_tables.py src/text/unicode_tables.c
"""
import sys

import tokenizers
from tokenizers import normalizers, pre_tokenizers

DROP, SPACE, CHINESE, MARK, PUNCT, WORD, WHITE, LOWER = (1 << i for i in range(8))
LAST = 0x110000
BLOCK = 128


def every():
    return (c for c in range(LAST) if not 0xD800 <= c < 0xE000)


def bert(**on):
    options = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    return normalizers.BertNormalizer(**{**options, **on}).normalize_str


clean, chinese, strip, lower = (bert(**{name: True}) for name in
                                ("clean_text", "handle_chinese_chars", "strip_accents", "lowercase"))
nfd = normalizers.NFD().normalize_str
split_bert = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
split_word = pre_tokenizers.Whitespace().pre_tokenize_str


def combining_classes(decomposed):
    """Canonical combining classes up to order: NFD swaps x y exactly if class(x) > class(y) > 0."""
    def before(x, y):  # does y move in front of x?
        return x != y and nfd(x + y) == y + x

    # U+0345 has the highest class, 240, and U+0334 the lowest, 1.
    moved = [c for c in every() if c not in decomposed and
             (before("\u0345", chr(c)) or before(chr(c), "\u0334"))]
    moved = sorted(set(moved) | {0x334, 0x345})
    classes = []  # one member each, ascending
    member = {}
    for c in moved:
        x, low, high = chr(c), 0, len(classes)
        while low < high:  # first class that is not below x's
            middle = (low + high) // 2
            if before(x, chr(classes[middle])):
                low = middle + 1
            else:
                high = middle
        if low == len(classes) or before(chr(classes[low]), x):
            classes.insert(low, c)
        member[c] = x
    order = {}
    for c, x in member.items():
        below = sum(before(x, chr(k)) for k in classes)
        order[c] = below + 1
    assert len(classes) < 255
    one_of = {rank: c for c, rank in order.items()}
    for c, rank in order.items():
        for other, k in one_of.items():
            assert before(chr(c), chr(k)) == (other < rank), (hex(c), hex(k))
    return order


def gather():
    flags, decomposed, lowered = {}, {}, {}
    for c in every():
        x = chr(c)
        bits = 0
        y = clean(x)
        assert y in ("", " ", x), hex(c)
        bits |= DROP if y == "" else SPACE if y == " " else 0
        y = chinese(x)
        assert y in (x, f" {x} "), hex(c)
        bits |= CHINESE if y != x else 0
        y = nfd(x)
        if y != x:
            decomposed[c] = y
        elif strip(x) == "":
            bits |= MARK
        else:
            assert strip(x) == x, hex(c)
        pieces = [p for p, _ in split_bert("a" + x + "b")]
        assert pieces in (["a", "b"], ["a" + x + "b"], ["a", x, "b"]), hex(c)
        assert (pieces == ["a", "b"]) == (clean(x) == " " or c in (0xB, 0xC, 0x85)), hex(c)
        bits |= PUNCT if pieces == ["a", x, "b"] else 0
        pieces = [p for p, _ in split_word("a" + x + "b")]
        bits |= WHITE if pieces == ["a", "b"] else WORD if len(pieces) == 1 else 0
        y = lower(x)
        if y != x:
            bits |= LOWER
            lowered[c] = y
        flags[c] = bits
    return flags, decomposed, lowered


def check(flags, decomposed, lowered, order):
    for c, y in decomposed.items():
        if 0xAC00 <= c < 0xD7A4:  # computed, not stored
            s = c - 0xAC00
            parts = [0x1100 + s // 588, 0x1161 + s % 588 // 28] + ([0x11A7 + s % 28] if s % 28 else [])
            assert y == "".join(map(chr, parts)), hex(c)
            assert not any(p in order or p in decomposed for p in parts)
            continue
        kinds = [ord(d) in order for d in y]
        assert kinds == sorted(kinds), f"{c:#x}: a starter after a mark: encode.c does not expect it"
        # What is stripped and what is kept must follow from the parts alone.
        assert strip(chr(c)) == "".join(d for d in y if not flags[ord(d)] & MARK), hex(c)
        assert [order.get(ord(d), 0) for d in y if ord(d) in order] == \
            sorted(order[ord(d)] for d in y if ord(d) in order), hex(c)
    for c, y in lowered.items():
        assert len(y) == 1 or (c == 0x130 and y == "i\u0307"), hex(c)
    assert all(not flags[c] & (DROP | SPACE) for c in decomposed if not flags[c] & SPACE)
    assert all(flags[ord(d)] & (DROP | SPACE) == 0 for y in decomposed.values() for d in y
               if d != "\u2002" and d != "\u2003")


def rows(values, width, form="{}"):
    for i in range(0, len(values), width):
        yield "    " + ", ".join(form.format(v) for v in values[i:i + width]) + ","


def main():
    out = sys.argv[1]
    flags, decomposed, lowered = gather()
    order = combining_classes(decomposed)
    check(flags, decomposed, lowered, order)
    stored, records, index, cells = [], [], {}, []
    for c in range(LAST):
        if 0xD800 <= c < 0xE000:
            record = (0, 0, 0, 0, 0)
        else:
            at = length = 0
            if c in decomposed and not 0xAC00 <= c < 0xD7A4:
                length, at = len(decomposed[c]), len(stored)
                stored += [ord(d) for d in decomposed[c]]
            delta = ord(lowered[c][0]) - c if c in lowered else 0
            record = (flags[c], order.get(c, 0), length, at, delta)
        if record not in index:
            index[record] = len(records)
            records.append(record)
        cells.append(index[record])
    blocks, stage1, stage2 = {}, [], []
    for i in range(0, LAST, BLOCK):
        block = tuple(cells[i:i + BLOCK])
        if block not in blocks:
            blocks[block] = len(blocks)
            stage2 += block
        stage1.append(blocks[block])
    assert len(records) < 65536 and len(stored) < 65536
    with open(out, "w", encoding="ascii") as f:
        w = lambda *lines: f.write("\n".join(lines) + "\n")
        w(f"/* Generated by tools/make_unicode_tables.py from tokenizers {tokenizers.__version__}; do not edit.",
          " * What BERT's normaliser and pre-tokeniser do with each code point: see unicode.h. */",
          '#include "text/unicode.h"', "", "/* clang-format off */",
          f"const bcl_unicode_record bcl_unicode_records[{len(records)}] = {{")
        w(*rows(["{%d, %d, %d, %d, %d}" % r for r in records], 5))
        w("};", f"const uint32_t bcl_unicode_decompositions[{len(stored)}] = {{", *rows(stored, 12, "0x{:x}"), "};",
          f"const uint16_t bcl_unicode_blocks[{len(stage1)}] = {{", *rows(stage1, 24), "};",
          f"const uint16_t bcl_unicode_cells[{len(stage2)}] = {{", *rows(stage2, 20), "};")
    print(f"{len(records)} records, {len(stored)} decomposed, {len(blocks)} blocks, "
          f"{len(set(order.values()))} combining classes, {len(order)} combining marks")


main()
