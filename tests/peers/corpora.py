#!/usr/bin/env python3
"""Public corpora as they are published (BERTCL_CORPORA, a folder of wnut17/, germeval2014/ and bc5cdr/), and two of them in
the layouts of CoNLL-2003 and CoNLL-U: a part of each is counted, trained on for two epochs with the weights of BERTCL_MODEL and
scored. Tags and words equal an own reading of the files; the entities of `eval`, those of the run itself and seqeval's on
the words of --predictions are the same to 1e-12. Prints a table."""
import collections, json, math, os, pathlib, subprocess, sys, tempfile, warnings
from seqeval.metrics import classification_report
from seqeval.scheme import IOBES

warnings.filterwarnings("ignore")
if not os.environ.get("BERTCL_CORPORA") or not os.environ.get("BERTCL_MODEL"):
    print("skipped: BERTCL_CORPORA and BERTCL_MODEL are not set")
    sys.exit(77)
BERTCL, MODEL = os.environ["BERTCL"], os.environ["BERTCL_MODEL"]
CORPORA = pathlib.Path(os.environ["BERTCL_CORPORA"])
SENTENCES = int(os.environ.get("BERTCL_PEER_SENTENCES", "600"))
AVERAGES = ("micro avg", "macro avg", "weighted avg")


def bertcl(*arguments):
    done = subprocess.run([BERTCL, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"bertcl {' '.join(map(str, arguments))}: exit {done.returncode}: {done.stderr}")
    return done.stdout


def blocks(path, count):
    """The first sentences, as lists of their lines, with the comments before them."""
    out, lines = [], []
    for line in [*path.read_text(encoding="utf-8").replace("\ufeff", "").split("\n"), ""]:
        if line.strip():
            lines.append(line)
        elif lines:
            out.append(lines)
            lines = []
    return out[:count]


def words_of(block, word, tag):
    """(word, tag) by columns; what begins as GermEval's comments or CoNLL-2003's document marks is none."""
    rows = [line.split("\t") if "\t" in line else line.split(" ") for line in block]
    return [(r[word], r[tag]) for r in rows if r[0] != "#" and r[0] != "-DOCSTART-"]


def conll2003(sentences):
    """word POS chunk tag by spaces, the marks of documents; POS and chunk are made up."""
    out = []
    for i, s in enumerate(sentences):
        if i % 50 == 0:
            out.append("-DOCSTART- -X- -X- O\n")
        out.append("".join(f"{w} NN {'B' if k == 0 else 'I'}-NP {t}\n" for k, (w, t) in enumerate(s)))
    return "\n".join(out)


def parts(folder):
    """name, train and test file, options, sentences of each"""
    sources = {
        "wnut17": ("wnut17/wnut17train.conll", "wnut17/emerging.test.annotated", 0, -1),
        "germeval2014": ("germeval2014/NER-de-dev.tsv", "germeval2014/NER-de-test-2000.tsv", 1, 2),
        "bc5cdr": ("bc5cdr/train-2500.tsv", "bc5cdr/test-1200.tsv", 0, -1),
    }
    read = {}
    for name, (train, test, word, tag) in sources.items():
        files = []
        for kind, source, count in (("train", train, SENTENCES), ("test", test, SENTENCES // 3)):
            chosen = blocks(CORPORA / source, count)
            path = folder / f"{name}-{kind}.tsv"
            path.write_text("\n\n".join("\n".join(b) for b in chosen) + "\n", encoding="utf-8")
            files.append((path, [words_of(b, word, tag) for b in chosen]))
        read[name] = files
    yield "BC5CDR, IOBES", *read["bc5cdr"], ()
    yield "GermEval 2014", *read["germeval2014"], ()
    files = []
    for (path, sentences) in read["bc5cdr"]:
        to = folder / f"conll2003-{path.stem}.txt"
        to.write_text(conll2003(sentences), encoding="utf-8")
        files.append((to, sentences))
    yield "CoNLL-2003's layout, of BC5CDR", *files, ()
    files = []
    for (path, sentences) in read["germeval2014"]:
        to = folder / f"{path.stem}.conllu"
        bertcl("data", "convert", path, "--to", "conllu", "--out", to)
        files.append((to, sentences))
    yield "CoNLL-U, of GermEval", *files, ()
    yield "WNUT17", *read["wnut17"], ()
    yield "GermEval 2014, columns named", *read["germeval2014"], ("--word-column", 2, "--tag-column", 3)


def same(a, b):
    if isinstance(b, dict):
        return isinstance(a, dict) and list(a) == list(b) and all(same(a[k], b[k]) for k in b)
    return math.isclose(a, b, rel_tol=1e-12, abs_tol=1e-12)


def entity_count(sentences):
    """By type, counted by hand: an entity begins at B- and S-, or at I- and E- behind another type or none."""
    counts = collections.Counter()
    for s in sentences:
        before, over = None, True
        for _, tag in s:
            prefix, _, kind = tag.partition("-")
            if tag != "O" and (prefix in "BS" or kind != before or over):
                counts[kind] += 1
            before, over = (None, True) if tag == "O" else (kind, prefix in "ES")
    return counts


def check(name, train, test, options, folder):
    wrong = []
    for path, sentences in (train, test):
        stats = json.loads(bertcl("data", "stats", path, *options, "--json"))
        tags = collections.Counter(t for s in sentences for _, t in s)
        if stats["sentences"] != len(sentences) or dict(tags) != stats["tags_raw"]:
            wrong.append(f"data stats of {path.name}")
    run = folder / "run"
    # so few steps find no entity where they are rare and the weights are of another language
    rare = [] if "BC5CDR" in name else ["--class-weights", "balanced"]
    bertcl("train", "--model", MODEL, "--data", train[0], "--test", test[0], *options, "--recipe", "good", "--epochs", 2,
           "--batch", 4, *rare, "--allow-unseen-tags", "--out", run, "--quiet")
    predictions = folder / "predictions.conll"
    got = json.loads(bertcl("eval", "--model", run / "model", "--data", test[0], *options, "--predictions", predictions,
                            "--json", "--quiet"))
    rows = [[tuple(line.split("\t")) for line in b] for b in blocks(predictions, 10**9)]
    if [[r[:2] for r in s] for s in rows] != test[1]:
        wrong.append("words and gold tags of --predictions")
    gold, found = [[t for _, t in s] for s in test[1]], [[r[2] for r in s] for s in rows]
    strict = {"mode": "strict", "scheme": IOBES} if got["scheme"].startswith("IOBES") else {}
    peer = classification_report(gold, found, output_dict=True, zero_division=0, **strict)
    if not same(got["entities"], peer):
        wrong.append(f"entities: {got['entities'].get('micro avg')}, seqeval {peer['micro avg']}")
    counts = entity_count(test[1])
    support = {k: v["support"] for k, v in got["entities"].items() if k not in AVERAGES}
    if {k: v for k, v in support.items() if v} != dict(counts):
        wrong.append(f"support {support}, counted {dict(counts)}")
    if not same(json.loads((run / "results.json").read_text())["eval"]["entities"], peer):
        wrong.append("results.json's entities")
    print(f"| {name} | {len(train[1])} / {len(test[1])} | {got.get('scheme')} | {sum(counts.values())} | "
          f"{peer['micro avg']['precision']:.4f} | {peer['micro avg']['recall']:.4f} | {peer['micro avg']['f1-score']:.4f} | "
          f"{got['accuracy']:.4f} |", flush=True)
    for w in wrong:
        print(f"{name}: {w}", file=sys.stderr)
    return len(wrong)


def main():
    bad = 0
    print("| corpus | sentences, train / test | scheme | entities | precision | recall | F1 | accuracy of pieces |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for i, (name, train, test, options) in enumerate(parts(pathlib.Path(folder))):
            own = pathlib.Path(folder) / str(i)
            own.mkdir()
            bad += check(name, train, test, options, own)
    print(f"corpora: {bad} differ")
    return bad != 0


sys.exit(main())
