#!/usr/bin/env python3
"""bertcl tokenize against transformers' BertTokenizerFast: ids, tokens, word ids and offsets.

    BERTCL=build/bertcl BERTCL_MODEL=DIR BERTCL_UN_NER=DIR tokenizer.py [--quick]

Compares the whole UN corpus, every Unicode code point and 200,000 random strings, over cased and
uncased vocabularies and every normaliser setting. --quick takes a sample of each. Exits 1 on
any difference. Speed is tools/compare_tokenizer's.
"""
import argparse
import glob
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import unicodedata

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"
try:
    import tokenizers
    import transformers
    from transformers import BertTokenizerFast
except ImportError:
    print("tokenizer: skipped, transformers is not installed")
    sys.exit(77)

transformers.logging.set_verbosity_error()
BERTCL, MODEL, CORPUS = (os.environ.get(k, "") for k in ("BERTCL", "BERTCL_MODEL", "BERTCL_UN_NER"))
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
failures = compared = 0


def corpus_sentences():
    for path in sorted(glob.glob(os.path.join(CORPUS, "*", "*.txt"))):
        words = []
        with open(path, encoding="utf-8", newline="\n") as f:
            for line in f:
                line = line.rstrip("\r\n")
                if line.strip():
                    words.append(line.split("\t")[0])
                elif words:
                    yield words
                    words = []
        if words:
            yield words


def folder(root, name, vocab, config=None, **files):
    path = os.path.join(root, name)
    os.makedirs(path)
    if vocab is not None:
        with open(os.path.join(path, "vocab.txt"), "w", encoding="utf-8", newline="\n") as f:
            f.write("".join(t + "\n" for t in vocab))
    if config is not None:
        files["tokenizer_config"] = config
    for key, value in files.items():
        with open(os.path.join(path, key + ".json"), "w", encoding="utf-8") as f:
            json.dump(value, f)
    return path


def differences(ours, e, pieces):
    """The names of the fields in which a line of ours differs from an Encoding.

    Encoding.tokens has an added token as it stood in the text ("  [mask]"); ours has the piece, as
    convert_ids_to_tokens has.
    """
    return [name for name, mine, theirs in (
        ("ids", ours["ids"], e.ids), ("tokens", ours["tokens"], [pieces[i] for i in e.ids]),
        ("word_ids", ours["word_ids"], e.word_ids),
        ("offsets", [tuple(o) for o in ours["offsets"]], list(e.offsets))) if mine != theirs]


def compare(what, path, items, words, max_length=None, batch=1000):
    """Runs both sides over the items, which are texts or lists of words."""
    global failures, compared
    tok = BertTokenizerFast.from_pretrained(path)
    pieces = {i: t for t, i in tok.get_vocab().items()}
    if not words:
        items = [t for t in items if "\n" not in t]  # a line each; words mode has the rest
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", newline="\n") as f:
        for item in items:
            f.write((json.dumps(item, ensure_ascii=random.random() < 0.5) if words else item) + "\n")
        f.flush()
        command = [BERTCL, "tokenize", "--model", path, f.name]
        command += ["--words"] * words + (["--max-length", str(max_length)] if max_length else [])
        run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8", bufsize=1 << 20)
        bad = 0
        for i in range(0, len(items), batch):
            part = items[i:i + batch]
            # An empty list would be taken for an empty batch of texts.
            encodings = [None] * len(part)
            full = [k for k, item in enumerate(part) if item or not words]
            if full:
                found = tok([part[k] for k in full], is_split_into_words=words,
                            truncation=max_length is not None, max_length=max_length)
                for k, e in zip(full, found.encodings):
                    encodings[k] = e
            for item, e in zip(part, encodings):
                line = run.stdout.readline()
                if not line:
                    sys.exit(f"tokenizer: {what}: bertcl ended early with {run.wait()}")
                ours = json.loads(line)
                compared += 1
                wrong = differences(ours, e, pieces) if e else [] if len(ours["ids"]) == 2 else ["ids"]
                if wrong:
                    bad += 1
                    if bad <= 3:
                        print(f"{what}: {item!r:.300}: {wrong}\n  bertcl {json.dumps(ours)[:600]}\n"
                              f"  peer   {e.tokens[:40]} {e.offsets[:40]} {e.word_ids[:40]}")
        if run.stdout.read() or run.wait():
            bad += 1
            print(f"{what}: more lines than inputs, or exit code {run.returncode}")
    failures += bad
    print(f"  {what}: {len(items)} compared, {bad} differ", file=sys.stderr, flush=True)


ALPHABETS = [
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJ", "0123456789.,-'\"!?()[]{}#@$%&*+/\\<>=^_`|~", " \t\r\n\x0b\x0c",
    "àéîõüÀÉÎÕÜçñßœøÅẞİıŁΣςσΆάЙйЁё", "\u0300\u0301\u0302\u0308\u030a\u0316\u0323\u0327\u0345\u0334\u0338\u05b0\u0f71\u0f72",
    "\u0344\u0f73\u0f75\u0f81\u0341\u0374\u037e\u0387\u1fef\u2126\u212a\u212b\u2329\ufb1d\ufb2e",
    "가각힣뷁한글\u1100\u1161\u11a8\u302e\u302f", "中文字漢語\u3400\u9fff\uf900\u2f800\U0002f800\U00020000\U0002b920ひらカナ",
    "\x00\x01\x7f\x80\x85\x9f\xad\u200b\u200c\u200d\u200e\u2028\u2029\u2060\ufeff\ufffd\ufffe\uffff",
    "\u00a0\u1680\u2000\u2003\u202f\u205f\u3000", "\ue000\uf8ff\U000f0000\U0010ffff\u0378\u0530\U0001fffe\U000e0001",
    "\U0001d165\U0001d166\U0001d16d\U0001d15e\U0001d1bb\U00016ff0\U00016ff1\u1715\u1734\u1cf7\u07fd\u08d3\u0898\U00010f46\U0001e130"
    "\U0001e2ec\U00010efd\u1acf\u1abf\u0c3c\u0ebA\u180f\u1dfa\U0001133b\U00011d97\U0001145e",
    "😀👩\u200d👩🏽🇫🇷♥\ufe0f€£¥§°«»“”‘’–—…·", "अआकख्याहिंदीไทยกำลังعربي\u064b\u0651עברית\u05bc",
]
EVERYTHING = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def random_strings(count, seed, extra=()):
    r = random.Random(seed)
    marks = [c for c in EVERYTHING if ord(c) < 0x20000 and
             unicodedata.category(c) in ("Mn", "Mc", "Me", "Cn")][::3]
    strings = list(extra) + SPECIALS + ["[mask]", "[ SEP]", "[SEP", "##ing", "ing##", "unaffable", "New York"]
    for _ in range(count):
        kind, out = r.random(), []
        for _ in range(r.choice((0, 1, 2, 5, 10, 20, 40))):
            k = r.random()
            if kind < 0.1 and k < 0.5:
                out.append("".join(r.choice(r.choice(ALPHABETS[:4])) for _ in range(r.choice((95, 99, 100, 101, 105, 150)))))
            elif kind < 0.35 and k < 0.8:
                out.append(r.choice(r.choice((ALPHABETS[4], ALPHABETS[5], ALPHABETS[11], marks, ALPHABETS[0]))))
            elif k < 0.15:
                out.append(r.choice(strings))
            elif k < 0.2:
                out.append(chr(r.choice((r.randrange(0xD800), r.randrange(0xE000, 0x110000)))))
            elif k < 0.35:
                out.append(" ")
            else:
                out.append(r.choice(r.choice(ALPHABETS)))
        yield "".join(out)


def mark_pairs():
    """Every combining mark in front of and behind two marks of each class: the order that NFD gives
    them shows in the offsets of those that the peer does not strip."""
    marks = [c for c in EVERYTHING if unicodedata.combining(c)]
    classes = {}
    for c in marks + ["\U0001e000", "\u302e", "\U0001d165"]:
        classes.setdefault(unicodedata.combining(c), []).append(c)
    some = [c for members in classes.values() for c in {members[0], members[-1]}]
    return ["a" + w + "b" for x in marks for y in some for w in (x + y, y + x)]


def grouped(strings, seed):
    r, strings = random.Random(seed), list(strings)
    i = 0
    while i < len(strings):
        n = r.choice((0, 1, 3, 8, 30))
        yield strings[i:i + n]
        i += n


ADDED = [dict(content=c, lstrip=l, rstrip=r, single_word=s, normalized=n, special=p) for c, l, r, s, n, p in (
    ("<e1>", False, False, False, False, True), ("<e1>x", True, True, False, False, False),
    ("NewWord", False, False, True, True, False), ("Été", True, False, False, True, False),
    ("[MASK]", True, False, False, False, True), ("中x", False, True, True, True, False),
    ("ab", False, False, True, False, False), ("e\u0301 f", False, True, False, True, True))]
ADDED_TEXTS = [a["content"] for a in ADDED] + ["newword", "ete", "ÉTÉ", "é f", " 中x ", "<e1> ", "  <e1>x  "]


def folders(root):
    with open(os.path.join(MODEL, "vocab.txt"), encoding="utf-8") as f:
        uncased = f.read().split("\n")[:-1]
    words = sorted({w for s in corpus_sentences() for w in s if w.isalpha()})[::4]
    letters = sorted({c for a in ALPHABETS for c in a if not c.isspace() and c.isprintable()})
    cased = SPECIALS + list(dict.fromkeys(words + letters + ["##" + w[-3:] for w in words] + ["##" + c for c in letters]))
    cased = list(dict.fromkeys(cased))
    single = [c for c in EVERYTHING if ord(c) < 0x3100 or 0xA600 <= ord(c) < 0xABFF or 0x10000 <= ord(c) < 0x12000 or
              0x16000 < ord(c) < 0x17000 or 0x1D100 <= ord(c) < 0x1D200 or 0x1E000 <= ord(c) < 0x1F000]
    single = [c for c in single if not c.isspace() and c not in "\x00\x85"]
    chars = SPECIALS + single + ["##" + c for c in single]
    decoder = {str(i): a for i, a in enumerate(ADDED)}
    out = {"model": MODEL}
    for lower, strip, chinese in itertools.product((True, False), (True, False), (True, False)):
        out[f"lower={lower} strip={strip} cjk={chinese}"] = folder(
            root, f"v{lower}{strip}{chinese}", uncased if lower else cased,
            dict(do_lower_case=lower, strip_accents=strip, tokenize_chinese_chars=chinese))
    out["cased"] = folder(root, "cased", cased, dict(do_lower_case=False, model_max_length=512))
    out["chars"] = folder(root, "chars", chars, {})
    out["chars cased strip"] = folder(root, "chars2", chars, dict(do_lower_case=False, strip_accents=True))
    out["added"] = folder(root, "added", uncased, dict(added_tokens_decoder=decoder))
    out["added cased"] = folder(root, "added2", cased, dict(added_tokens_decoder=decoder, do_lower_case=False))
    out["split specials"] = folder(root, "split", uncased, dict(added_tokens_decoder=decoder, split_special_tokens=True))
    out["left"] = folder(root, "left", uncased, dict(truncation_side="left", added_tokens_decoder=decoder))
    return out, uncased


def configurations(root, uncased):
    """Folders whose files disagree or are incomplete: which one wins, and what save() must keep."""
    with open(os.path.join(MODEL, "tokenizer.json"), encoding="utf-8") as f:
        full = json.load(f)
    with open(os.path.join(MODEL, "tokenizer_config.json"), encoding="utf-8") as f:
        config = json.load(f)
    odd = json.loads(json.dumps(full))
    odd["normalizer"] = dict(type="BertNormalizer", clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    odd["model"]["max_input_chars_per_word"] = 5
    odd["added_tokens"].append(dict(id=30522, **ADDED[2]))
    odd["truncation"]["direction"] = "Left"
    stm = dict(mask_token=dict(content="[MASK]", lstrip=True, rstrip=False, normalized=True, single_word=False), cls_token="[unused1]")
    made = [
        ("vocab.txt only", uncased, None, {}),
        ("tokenizer.json only", None, None, dict(tokenizer=odd)),
        ("both disagree", ["a", "b"], config, dict(tokenizer=odd)),
        ("cased config", uncased, dict(do_lower_case=False), dict(tokenizer=odd)),
        ("special map", uncased, dict(cls_token="[unused5]", additional_special_tokens=["<e1>", "<e2>"]), dict(special_tokens_map=stm)),
        ("special map extra", uncased, {}, dict(special_tokens_map=dict(additional_special_tokens=["<x>", "<y>"]))),
        ("decoder wins", uncased, dict(added_tokens_decoder={"5": ADDED[3]}, mask_token="[unused7]", foo_token="<foo>"), dict(special_tokens_map=stm)),
        ("added_tokens.json", uncased, config, dict(added_tokens={"<n1>": 30522, "NewWord": 30523, "[MASK]": 103})),
        ("no mask in vocabulary", [t for t in uncased if t not in ("[MASK]", "[CLS]")], {}, {}),
        ("blanks in vocab.txt", SPECIALS + ["a", " b", "c \u3000", "##d", "", "e\r", "hello"], {}, {}),
    ]
    return {name: folder(root, "c" + str(i), vocab, c, **files) for i, (name, vocab, c, files) in enumerate(made)}


def equality(quick):
    sentences = list(corpus_sentences())
    if not sentences:
        print("  the UN corpus is missing: skipped", file=sys.stderr)
    with tempfile.TemporaryDirectory() as root:
        table, uncased = folders(root)
        part = 20 if quick else 1
        for name in ("model", "cased"):
            for length in (None, 128, 16):
                compare(f"corpus, words, {name}, {length}", table[name], sentences[::part], True, length)
                compare(f"corpus, text, {name}, {length}", table[name], [" ".join(s) for s in sentences[::part]], False, length)
        points = EVERYTHING[::50] if quick else EVERYTHING
        pairs = [w for c in points for w in (c, "a" + c + "b")]
        packed = [pairs[i:i + 500] for i in range(0, len(pairs), 500)]
        for name in table:
            if name not in ("left", "split specials"):
                compare(f"code points, words, {name}", table[name], packed, True, batch=20)
        pairs_of_marks = mark_pairs()[::50 if quick else 1]
        for name in ("model", "chars"):
            compare(f"pairs of marks, words, {name}", table[name],
                    [pairs_of_marks[i:i + 200] for i in range(0, len(pairs_of_marks), 200)], True, batch=50)
        for name in ("model", "cased"):
            compare(f"code points, text, {name}", table[name], pairs, False, batch=5000)
        count = 2000 if quick else 200000
        for i, (name, path) in enumerate(table.items()):
            n = count if name in ("model", "cased", "chars", "added") else count // 4
            strings = list(random_strings(n, i, ADDED_TEXTS if "added" in name or name in ("left", "split specials") else ()))
            compare(f"random, text, {name}", path, strings, False)
            compare(f"random, words, {name}", path, list(grouped(strings, i)), True)
            compare(f"random, text, {name}, 7", path, strings[:n // 4], False, 7)
            compare(f"random, words, {name}, 12", path, list(grouped(strings[:n // 4], i + 1)), True, 12)
        strings = list(random_strings(count // 50, 99, ADDED_TEXTS + ["<e2>", "<x>", "<y>", "<foo>", "<n1>", "hello"]))
        for name, path in configurations(root, uncased).items():
            compare(f"files: {name}", path, strings, False)
            compare(f"files: {name}, 9", path, strings, False, 9)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    if not BERTCL or not os.path.isdir(MODEL):
        print("tokenizer: skipped, BERTCL or BERTCL_MODEL is not set")
        sys.exit(77)
    equality(args.quick)
    print(f"tokenizer: {compared} compared with transformers {transformers.__version__}, tokenizers "
          f"{tokenizers.__version__}: {failures} differ")
    sys.exit(1 if failures or not compared else 0)


main()
