#!/usr/bin/env python3
"""bertcl data prepare against pandas' DataFrame.sample: random sizes, fractions and seeds, and the UN corpus if it is
there (BERTCL_UN_NER). Reader, split and writer are compared row by row; on the corpus also with the tutorial's reader."""
import itertools, json, os, random, subprocess, sys, tempfile
import pandas as pd

BERTCL = os.environ["BERTCL"]
BAD = {"I-PRG", "I-I-MISC", "I-OR", "VMISC", "I-", "0"}


def read(path):
    with open(path, encoding="utf8") as f:
        for blank, rows in itertools.groupby(f.readlines(), lambda z: z == "\n"):
            if not blank:
                rows = [r.split("\t") for r in rows]
                yield [r[0] for r in rows], [r[1].strip() for r in rows]


def sample(frame, frac, seed):
    train = frame.sample(frac=frac, random_state=seed)
    return train, frame.drop(train.index)


def prepared(folder, name):
    path = os.path.join(folder, name)
    return list(read(path)) if os.path.exists(path) else []


def prepare(out, paths, frac, seed, *more):
    r = subprocess.run([BERTCL, "data", "prepare", *paths, "--out", out, "--split", repr(frac), "--split-seed", str(seed),
                        *more], capture_output=True, text=True)
    return r.returncode, r.stderr


def rows(frame):
    return list(frame.itertuples(index=False, name=None))


def main():
    rng = random.Random(20240607)
    cases = bad = 0
    with tempfile.TemporaryDirectory() as tmp:
        for case in range(int(os.environ.get("BERTCL_SPLIT_CASES", "150"))):
            n = rng.choice([1, 2, 3, 5, 10, 25, rng.randint(1, 300), rng.randint(1, 5000)])
            frac = rng.choice([0.8, 0.5, 0.25, 0.9, 1.0, rng.random(), round(rng.random(), 2), (rng.randrange(n) + .5) / n])
            seed = rng.choice([0, 1, 200, 2**32 - 1, 2**31, rng.randrange(2**32)])
            data, out = os.path.join(tmp, "data.conll"), os.path.join(tmp, f"out{case}")
            with open(data, "w") as f:
                f.writelines(f"w{i}\tT{i % 7}\n\n" for i in range(n))
            frame = pd.DataFrame([([f"w{i}"], [f"T{i % 7}"]) for i in range(n)], columns=["tokens", "tags"])
            train, test = sample(frame, frac, seed)
            code, message = prepare(out, [data], frac, seed)
            cases += 1
            if len(train) == 0:
                same = code == 2 and not os.path.exists(out)
            else:
                same = code == 0 and prepared(out, "train.conll") == rows(train) and \
                    prepared(out, "test.conll") == rows(test)
            if not same:
                bad += 1
                print(f"n={n} frac={frac!r} seed={seed}: differs ({code} {message.strip()})", file=sys.stderr)
        corpus = os.environ.get("BERTCL_UN_NER")
        if corpus:
            folders = [os.path.join(corpus, d) for d in ("tagged-training", "tagged-test")]
            files = [os.path.join(d, f) for d in folders for f in sorted(os.listdir(d))]
            frame = pd.DataFrame([s for f in files for s in read(f)], columns=["tokens", "tags"])
            raw = {}
            for tags in frame["tags"]:
                for t in tags:
                    raw[t] = raw.get(t, 0) + 1
            frame["tags"] = frame["tags"].apply(lambda s: ["O" if t in BAD else t for t in s])
            labels = list(dict.fromkeys(t for s in frame["tags"] for t in s))
            for frac, seed in ((0.8, 200), (0.7, 4294967295), (0.123, 42)):
                out = os.path.join(tmp, f"un{seed}")
                train, test = sample(frame, frac, seed)
                code, message = prepare(out, folders, frac, seed, "--map-preset", "un-ner")
                cases += 1
                facts = json.load(open(os.path.join(out, "prepare.json"))) if code == 0 else {}
                if code or prepared(out, "train.conll") != rows(train) or prepared(out, "test.conll") != rows(test) or \
                        facts["tags_raw"] != raw or facts["labels"] != labels or \
                        open(os.path.join(out, "labels.txt")).read().split() != labels:
                    bad += 1
                    print(f"UN corpus {frac} {seed}: differs {message.strip()}", file=sys.stderr)
    where = "with the UN corpus" if corpus else "UN corpus SKIPPED: BERTCL_UN_NER is not set"
    print(f"split: {cases} cases against pandas {pd.__version__}, {bad} differ; {where}")
    return bad != 0


sys.exit(main())
