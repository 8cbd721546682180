#!/usr/bin/env python3
"""bertcl's entity scores against seqeval's: random tag sequences, well-formed and malformed, in default mode and in every
strict scheme, text to the last character and JSON to 1e-12 relative. Where seqeval raises (no entity at all; a prefix
that the scheme does not know; prefixes of no scheme) bertcl's defined answer is checked instead and counted. Drives
build/tests/peer_entity_tool."""
import json, math, os, random, subprocess, sys, warnings
import seqeval.scheme
from seqeval.metrics import classification_report

warnings.filterwarnings("ignore")
BUILD = os.environ.get("BERTCL_BUILD") or os.path.dirname(os.environ["BERTCL"])
TOOL = os.path.join(BUILD, "tests", "peer_entity_tool")
SCHEMES = ["default", "auto", "IOB1", "IOB2", "IOE1", "IOE2", "IOBES", "BILOU"]
PREFIXES = {"default": "IOBES", "auto": "IOB", "IOB1": "IOB", "IOB2": "IOB", "IOE1": "IOE", "IOE2": "IOE",
            "IOBES": "IOBES", "BILOU": "IOBLU"}
TYPES = ["PER", "LOC", "ORG", "MISC", "ARGM-LOC", "é", "日本", "a type longer than the heading", "-x-", "x-", "micro avg", "_"]


def close(a, b):
    if isinstance(b, dict):
        return isinstance(a, dict) and list(a) == list(b) and all(close(a[k], b[k]) for k in b)
    return isinstance(a, (int, float)) and math.isclose(a, b, rel_tol=1e-12, abs_tol=0)


def well_formed(rng, scheme, types, n):
    """One sentence of whole entities."""
    out = []
    while len(out) < n:
        if rng.random() < .5:
            out.append("O")
            continue
        t, m = rng.choice(types), rng.choice([1, 1, 2, 3, 5])
        if scheme in ("IOBES", "BILOU"):
            s, e = ("S", "E") if scheme == "IOBES" else ("U", "L")
            p = [s] if m == 1 else ["B"] + ["I"] * (m - 2) + [e]
        elif scheme.startswith("IOE"):
            p = ["I"] * (m - 1) + [rng.choice("IE") if scheme == "IOE1" else "E"]
        else:
            p = [rng.choice("IB") if scheme in ("IOB1", "default") else "B"] + ["I"] * (m - 1)
        out += [f"{x}-{t}" for x in p]
    return out[:n] if rng.random() < .2 else out


def loose(rng, prefixes, types, n):
    return ["O" if rng.random() < .3 else rng.choice(prefixes) + rng.choice(["-"] * 9 + [""]) + rng.choice(types)
            for _ in range(n)]


def case(rng):
    scheme = rng.choice(SCHEMES)
    types = rng.sample(TYPES, rng.choice([1, 2, 4, 8])) if rng.random() < .9 else [f"T{i}" for i in range(rng.choice([9, 40]))]
    shape = rng.choice(SCHEMES[1:]) if scheme in ("default", "auto") else scheme
    prefixes = PREFIXES[shape if scheme != "default" or rng.random() < .5 else "default"]
    kind = rng.random()
    gold, pred = [], []
    for _ in range(rng.choice([1, 2, 10, 60])):
        n = rng.randint(1, 25)
        if kind < .05:
            g, p = ["O"] * n, rng.choice([["O"] * n, loose(rng, prefixes, types, n)])
        elif kind < .5:
            g = well_formed(rng, shape, types, n)
            p = [x if rng.random() < .8 else y for x, y in zip(g, loose(rng, prefixes, types, len(g)))]
        elif kind < .9:
            g, p = loose(rng, prefixes, types, n), loose(rng, prefixes, types, n)
        else:  # stray tags
            odd = prefixes + rng.choice(["V", "0", ".", "X", "éB", "S", "E"])
            g, p = loose(rng, odd, types + [""], n), loose(rng, odd, types, n)
        gold.append(g)
        pred.append(p)
    return scheme, gold, pred, rng.choice([4, 2, 0, 6, 14]), rng.choice([0, 0, 1])


def main():
    rng = random.Random(int(os.environ.get("BERTCL_SEED", "99")))
    count = int(os.environ.get("BERTCL_ENTITY_CASES", "2000"))
    cases = [case(rng) for _ in range(count)]
    text = "".join(f"{digits} {zero} {scheme}\n" + "\n".join("".join(f"{g}\t{p}\n" for g, p in zip(*s)) for s in zip(gold, pred)) +
                   "==\n" for scheme, gold, pred, digits, zero in cases)
    r = subprocess.run([TOOL], input=text.encode(), capture_output=True)
    answers = r.stdout.decode().split("\n====\n")
    if r.returncode or len(answers) != count + 1:
        print(f"peer_entity_tool: exit {r.returncode}, {len(answers) - 1} answers {r.stderr.decode()}", file=sys.stderr)
        return 1
    bad = raised = 0
    for number, ((scheme, gold, pred, digits, zero), answer) in enumerate(zip(cases, answers)):
        options = dict(zero_division=zero)
        if scheme != "default":
            options |= dict(mode="strict", scheme=None if scheme == "auto" else getattr(seqeval.scheme, scheme))
        try:
            facts = classification_report(gold, pred, output_dict=True, **options)
            expected = classification_report(gold, pred, digits=digits, **options)
            error = None
        except (ValueError, KeyError) as e:
            error = e
        status, _, rest = answer.partition("\n")
        got, _, tail = rest.partition("----\n")
        ok, invalid = status.startswith("ok "), int(status.split()[1]) if status.startswith("ok ") else 0
        if error is None:
            same = ok and invalid == 0 and got == expected and close(json.loads(tail), facts)
        else:
            raised += 1
            empty = ok and list(json.loads(tail)) == ["micro avg", "macro avg", "weighted avg"]
            same = ok and (invalid > 0 or empty or scheme == "auto")
        if not same:
            bad += 1
            if bad <= 3:
                print(f"case {number} {scheme} zero={zero}: {error!r}\n{status}\n{got}\nexpected:\n"
                      f"{expected if error is None else ''}\n{list(zip(gold, pred))[:3]}", file=sys.stderr)
    print(f"entities: {count} label sets against seqeval 1.2.2, {bad} differ; seqeval raised on {raised} of them")
    return bad != 0


sys.exit(main())
