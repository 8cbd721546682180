#!/usr/bin/env python3
"""`bertcl eval --gold --pred` against scikit-learn, seqeval and nervaluate: random label sets of 1 to 40 labels, well-formed and
malformed, every scheme; what is printed to the last character, the JSON to 1e-12 relative. Where seqeval raises, bertcl's
defined answer is checked instead and counted. nervaluate is compared where it is installed, and counted."""
import bisect, json, math, os, random, re, subprocess, sys, tempfile, warnings
import seqeval.metrics, seqeval.scheme
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import Entities
from sklearn.metrics import accuracy_score, classification_report, confusion_matrix
try:
    import nervaluate
except ImportError:
    nervaluate = None

warnings.filterwarnings("ignore")
BERTCL = os.environ["BERTCL"]
SCHEMES = ["default", "auto", "IOB1", "IOB2", "IOE1", "IOE2", "IOBES", "BILOU"]
PREFIXES = {"auto": "IOB", "IOB1": "IOB", "IOB2": "IOB", "IOE1": "IOE", "IOE2": "IOE", "IOBES": "IOBES", "BILOU": "IOBLU"}
TYPES = ["PER", "LOC", "ORG", "MISC", "ARGM-LOC", "é", "日本", "a-type-longer-than-the-heading", "-x-", "x-", "_", "%s", "<b>"]


def close(a, b):
    if isinstance(b, dict):
        return isinstance(a, dict) and list(a) == list(b) and all(close(a[k], b[k]) for k in b)
    if isinstance(b, float) and math.isnan(b):
        return a is None  # JSON has no NaN
    return isinstance(a, (int, float)) and math.isclose(a, b, rel_tol=1e-12, abs_tol=0)


def well_formed(rng, scheme, types, n):
    out = []
    while len(out) < n:
        if rng.random() < .4:
            out.append("O")
            continue
        t, m = rng.choice(types), rng.choice([1, 1, 2, 3, 5])
        if scheme in ("IOBES", "BILOU"):
            s, e = ("S", "E") if scheme == "IOBES" else ("U", "L")
            p = [s] if m == 1 else ["B"] + ["I"] * (m - 2) + [e]
        elif scheme.startswith("IOE"):
            p = ["I"] * (m - 1) + ["E"]
        else:
            p = ["B"] + ["I"] * (m - 1)
        out += [f"{x}-{t}" for x in p]
    return out[:n]


def case(rng):
    scheme = rng.choice(SCHEMES)
    shape = rng.choice(SCHEMES[2:]) if scheme in ("default", "auto") else scheme
    prefixes = PREFIXES[shape]
    k = rng.randint(1, 40)
    types = rng.sample(TYPES, min(len(TYPES), max(1, k // len(prefixes)))) + [f"T{i}" for i in range(max(0, k // 2 - len(TYPES)))]
    pool = (["O"] + [f"{p}-{t}" for t in types for p in prefixes if p != "O"])[:k] or ["O"]
    kind = rng.random()
    weights = [rng.random() ** rng.choice([0, 1, 4]) for _ in pool]
    gold, pred = [], []
    for _ in range(rng.choice([1, 2, 10, 60])):
        n = rng.randint(1, 25)
        if kind < .05:
            g, p = ["O"] * n, rng.choice([["O"] * n, rng.choices(pool, weights, k=n)])
        elif kind < .55:
            g = well_formed(rng, shape, types, n)
            p = [x if rng.random() < .85 else y for x, y in zip(g, rng.choices(pool, weights, k=n))]
        elif kind < .6:  # long entities: nervaluate asks for 1 % of overlap
            g = ["B-" + types[0]] + ["I-" + types[0]] * rng.randint(90, 260)
            p = [x if rng.random() < .98 else "O" for x in g]
        elif kind < .92:
            g, p = rng.choices(pool, weights, k=n), rng.choices(pool, weights, k=n)
        else:  # stray tags
            odd = pool + [x + y for x in ["V", "0", ".", "X-", "éB-", "S-", "E-", "b-", "I", "B"] for y in types[:2]]
            g, p = rng.choices(odd, k=n), rng.choices(odd, k=n)
        gold.append(g)
        pred.append(p)
    return scheme, gold, pred, rng.choice([None, 4, 2, 0, 6, 14]), rng.choice(["0", "0", "1", "nan"]), rng.random() < .3


ODD_WORDS = ["#", "##ing", "a\u00a0b", "\u200b", "👩\u200d👩\u200d👧", "مرحبا", "e\u0301\u0316", "x" * 5000, "<script>", '"', "\\", "-", "\u2028", "&amp;",
             "日本語", "|", "%s", "-DOCSTART", "\x01", "\ufeff", "'"]


def words(gold, rng, odd_words):
    """A sentence's words, the same in both files; every fourth set has odd ones."""
    odd = rng.random() < .25
    return [[rng.choice(odd_words) if odd and rng.random() < .5 else f"w{i}.{k}" for k in range(len(s))] for i, s in enumerate(gold)]


def write(path, sentences, tokens, rng, extra):
    """TABs or spaces, LF or CRLF, with or without a byte order mark, blank lines of every kind."""
    end = rng.choice(["\n", "\n", "\r\n"])
    gap = rng.choice(["\t", "\t", " ", "  "])
    encoding, lead = rng.choice(["utf-8", "utf-8", "utf-8-sig"]), rng.choice(["", "", end, " " + end + end])
    if not lead and tokens and tokens[0] and tokens[0][0].startswith("\ufeff"):
        encoding = "utf-8-sig"  # at a file's very start the first such character is the mark, not a word's
    with open(path, "w", encoding=encoding, newline="") as f:
        f.write(lead)
        for s, w in zip(sentences, tokens):
            for token, tag in zip(w, s):
                f.write(token + gap + (("x" + gap) * extra) + tag + rng.choice(["", "", "", "" if gap == " " else gap, " "]) + end)
            f.write(rng.choice([end, end, end, " " + gap + end, end + end]))
        if sentences and rng.random() < .2:
            f.write("-DOCSTART- -X- O O" + end)


def spans(gold, scheme):
    if scheme == "default":  # as seqeval's report: all sentences in one, an O behind each; malformed tags may begin in another
        out, ends = [[] for _ in gold], []
        for s in gold:
            ends.append((ends[-1] if ends else 0) + len(s) + 1)
        for t, a, b in get_entities(gold):
            out[bisect.bisect_right(ends, b)].append(dict(label=t, start=a, end=b))
        return out
    return [[dict(label=e.tag, start=e.start, end=e.end - 1) for e in s] for s in
            Entities(gold, getattr(seqeval.scheme, scheme), False).entities]


def check_matches(got, gold, pred, scheme):
    types = sorted({e["label"] for s in gold + pred for e in s})
    ev = nervaluate.Evaluator(gold, pred, tags=types, loader="dict").evaluate()
    pairs = [(got["overall"], ev["overall"])] + [(got["entities"][t], ev["entities"][t]) for t in types]
    if list(got["entities"]) != types:
        return False
    keys = dict(correct="correct", incorrect="incorrect", partial="partial", missing="missed", spurious="spurious",
                precision="precision", recall="recall", f1="f1", possible="possible", actual="actual")
    return all(close(mine[w][a], getattr(theirs[w], b)) for mine, theirs in pairs for w in theirs for a, b in keys.items())


def main():
    rng = random.Random(int(os.environ.get("BERTCL_SEED", "2024")))
    count = int(os.environ.get("BERTCL_SCORING_CASES", "2000"))
    bad = raised = matched = 0
    folder = tempfile.mkdtemp()
    files = [os.path.join(folder, x) for x in ("gold file", "pred")]
    for number in range(count):
        scheme, gold, pred, digits, zero, explicit = case(rng)
        # Of tags that are of no scheme bertcl asks whether they are tags, and takes "# NAME" for a comment.
        stray = any(t != "O" and not re.match("[BIESLU]-.", t) for side in (gold, pred) for s in side for t in s)
        tokens = words(gold, rng, ODD_WORDS if not stray else [w for w in ODD_WORDS if w[0] != "#"])
        write(files[0], gold, tokens, rng, rng.choice([0, 2]))
        write(files[1], pred, tokens, rng, rng.choice([0, 1]))
        command = [BERTCL, "eval", "--gold", files[0], "--pred", files[1], "--zero-division", zero, "--quiet"]
        if stray:
            command += ["--format", "conll"]
        if scheme != "default":
            command += ["--mode", "strict"] + ([] if scheme == "auto" else ["--scheme", scheme])
        elif explicit:
            command += ["--mode", "default", "--scheme", "IOB2"]
        z = float(zero)
        z = int(z) if z == z else z
        g, p = sum(gold, []), sum(pred, [])
        options = dict(zero_division=z)
        if scheme != "default":
            options |= dict(mode="strict", scheme=None if scheme == "auto" else getattr(seqeval.scheme, scheme))
        shown = {} if digits is None else dict(digits=digits)
        problem = None
        text = subprocess.run(command + ([] if digits is None else ["--digits", str(digits)]), capture_output=True)
        raw = subprocess.run(command + ["--json"], capture_output=True)
        if text.returncode or raw.returncode or text.stderr or raw.stderr:
            problem = f"exit {text.returncode} {raw.returncode} {text.stderr} {raw.stderr}"
        else:
            out, got = text.stdout.decode(), json.loads(raw.stdout)
            labels = sorted(set(g) | set(p))
            expected = classification_report(g, p, zero_division=z, **shown) + "\n"
            try:
                facts = seqeval.metrics.classification_report(gold, pred, output_dict=True, **options)
                expected += seqeval.metrics.classification_report(gold, pred, **shown, **options) + "\n"
                error = None
            except (ValueError, KeyError) as e:
                error, raised = e, raised + 1
            if error is None and out != expected or not out.startswith(expected):
                problem = f"text:\n{out}\nexpected:\n{expected}"
            elif not close(got["report"], classification_report(g, p, output_dict=True, zero_division=z)) or \
                    not close(got["accuracy"], accuracy_score(g, p)):
                problem = "report"
            elif error is None and not close(got["entities"], facts):
                problem = f"entities {got['entities']} expected {facts}"
            elif error is not None and not (got["counts"]["unknown_tags"] or not got["counts"]["entities"]["gold"] or
                                            scheme == "auto"):
                problem = f"seqeval: {error!r}"
            elif got["confusion"] != dict(labels=labels, matrix=confusion_matrix(g, p, labels=labels).tolist()):
                problem = "confusion"
            elif got["mode"] != ("default" if scheme == "default" else "strict") or \
                    (scheme == "default") != (got["scheme"] is None):
                problem = "mode or scheme"
            elif got["counts"]["sentences"] != len(gold) or got["counts"]["tokens"] != len(g):
                problem = "counts"
            elif error is None and nervaluate:
                a, b = spans(gold, got["scheme"] or "default"), spans(pred, got["scheme"] or "default")
                matched += 1
                if (any(a) or any(b)) and not check_matches(got["matches"], a, b, scheme):
                    problem = f"matches {got['matches']}"
        if problem:
            bad += 1
            if bad <= 3:
                print(f"case {number} {command}: {problem[:2000]}\n{str(list(zip(gold, pred))[:2])[:2000]}", file=sys.stderr)
    for f in files:
        os.remove(f)
    os.rmdir(folder)
    print(f"scoring: {count} label sets through bertcl eval against scikit-learn and seqeval, {bad} differ; seqeval raised on "
          f"{raised}; {matched} against nervaluate" + ("" if nervaluate else " (not installed)"))
    return bad != 0


sys.exit(main())
