#!/usr/bin/env python3
"""bertcl's classification report and confusion matrix against scikit-learn's: random label sets, the text to the last
character, the JSON to 1e-12 relative. Drives build/tests/peer_report_tool, found beside the program (BERTCL_BUILD)."""
import json, math, os, random, subprocess, sys, warnings
import sklearn
from sklearn.metrics import classification_report, confusion_matrix

warnings.filterwarnings("ignore")
BUILD = os.environ.get("BERTCL_BUILD") or os.path.dirname(os.environ["BERTCL"])
TOOL = os.path.join(BUILD, "tests", "peer_report_tool")
NAMES = ["O", "I-PER", "I-ORG", "I-LOC", "I-MISC", "B-PER", "0", "1", "10", "2", "I-", "é", "É", "日本語", "𝒳", "𐐀-tag", "ﬀ",
         "a label much longer than any heading", "Ä" * 20, "accuracy", "macro avg", "weighted avg", "micro avg", "e\u0301",
         "-", ".5", "nan", "%s", "{}", "support", "x y"]


def close(a, b):
    if isinstance(b, dict):
        return isinstance(a, dict) and list(a) == list(b) and all(close(a[k], b[k]) for k in b)
    if isinstance(b, float) and math.isnan(b):
        return a is None  # JSON has no NaN
    return isinstance(a, (int, float)) and math.isclose(a, b, rel_tol=1e-12, abs_tol=0)


def labels(rng, k):
    pool = NAMES + [f"{p}-{w}" for p in "BIES" for w in ("ARGM-LOC", "Ware", "LOC", "org")] + [f"L{i}" for i in range(200)]
    return rng.sample(pool, k)


def case(rng):
    k = rng.choice([1, 1, 2, 3, 5, 8, 9, 16, 17, 40, rng.randint(1, 40), rng.randint(130, 220)])
    names = labels(rng, k)
    n = rng.choice([1, 2, 10, rng.randint(1, 100), rng.randint(1, 3000)])
    weights = [rng.random() ** rng.choice([0, 1, 4]) for _ in names]
    kind = rng.randrange(6)
    gold = rng.choices(names, weights, k=n)
    if kind == 0:
        pred = rng.choices(names, weights, k=n)
    elif kind == 1:
        pred = [rng.choice(names)] * n
    elif kind == 2:
        gold, pred = [names[0]] * n, rng.choices(names, k=n)
    elif kind == 3:
        never = rng.choice(names)
        pred = [g if g != never and rng.random() < .9 else rng.choice(names) for g in gold]
        pred = [p if p != never else names[0] for p in pred]
    elif kind == 4:
        pred = list(gold)
    else:
        half = max(1, len(names) // 2)
        gold, pred = rng.choices(names[:half], k=n), rng.choices(names[half:] or names, k=n)
    return gold, pred, rng.choice([4, 4, 2, 0, 1, 3, 6, 10, 15, 20]), rng.choice([0, 0, 0, 1, math.nan])


def main():
    rng = random.Random(int(os.environ.get("BERTCL_SEED", "4711")))
    cases, bad = int(os.environ.get("BERTCL_REPORT_CASES", "2000")), 0
    for number in range(cases):
        gold, pred, digits, zero = case(rng)
        text = f"{digits} {zero}\n" + "".join(f"{g}\t{p}\n" for g, p in zip(gold, pred))
        r = subprocess.run([TOOL], input=text.encode(), capture_output=True)
        expected = classification_report(gold, pred, digits=digits, zero_division=zero)
        facts = classification_report(gold, pred, output_dict=True, zero_division=zero)
        names = sorted(set(gold) | set(pred))
        got, _, tail = r.stdout.decode().partition("----\n")
        problem = None
        if r.returncode:
            problem = r.stderr.decode()
        elif got != expected:
            problem = f"text:\n{got}\nexpected:\n{expected}"
        else:
            parsed = json.loads(tail)
            if not close(parsed["report"], facts):
                problem = f"JSON: {parsed['report']} expected {facts}"
            elif parsed["labels"] != names or parsed["matrix"] != confusion_matrix(gold, pred, labels=names).tolist():
                problem = "confusion matrix"
        if problem:
            bad += 1
            if bad <= 3:
                print(f"case {number}: {problem}", file=sys.stderr)
    empty = subprocess.run([TOOL], input=b"4 0\n", capture_output=True)
    if empty.returncode != 1 or b"no label" not in empty.stderr:
        bad += 1
        print("an empty input is not refused", file=sys.stderr)
    print(f"report: {cases} label sets against scikit-learn {sklearn.__version__}, {bad} differ")
    return bad != 0


sys.exit(main())
