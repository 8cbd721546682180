#!/usr/bin/env python3
"""`bertcl eval --model` at piece and at word level, cut, uncut and in windows, against transformers, scikit-learn and seqeval: a tiny
random model on the sample corpus; reports and entities equal, loss within 1e-5. Windows are cut, run and joined here by
their rule alone: a piece is taken from the window in which it is farthest from an edge."""
import json, math, os, subprocess, sys, tempfile, warnings
import torch
from seqeval.metrics import classification_report as entity_report
from sklearn.metrics import classification_report
from transformers import AutoModelForTokenClassification, AutoTokenizer

warnings.filterwarnings("ignore")
BERTCL = os.environ["BERTCL"]
BUILD = os.environ.get("BERTCL_BUILD") or os.path.dirname(BERTCL)
SAMPLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "sample", "speech 2.conll")


def close(a, b):
    if isinstance(b, dict):
        return isinstance(a, dict) and list(a) == list(b) and all(close(a[k], b[k]) for k in b)
    return math.isclose(a, b, rel_tol=1e-12)


def read(path):
    out, s = [], []
    for line in open(path, encoding="utf-8"):
        columns = [x for x in line.split("\t") if x.strip()]
        if columns:
            s.append((columns[0], columns[-1].strip()))
        elif s:
            out.append(s)
            s = []
    return out + ([s] if s else [])


def windowed(model, ids, length, stride):
    """Logits (n,K) of all pieces but the specials."""
    n, room = len(ids) - 2, length - 2
    begins = [0]
    while begins[-1] + room < n:
        begins.append(min(begins[-1] + room - stride, n - room))
    out, best = [None] * n, [-1] * n
    for b in begins:
        end = min(b + room, n)
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([[ids[0], *ids[1 + b:1 + end], ids[-1]]])).logits[0, 1:-1]
        for i in range(b, end):
            distance = min(i - b if b else 10 ** 9, end - 1 - i if end < n else 10 ** 9)
            if distance > best[i]:
                best[i], out[i] = distance, logits[i - b]
    return torch.stack(out)


def check_windows(path, tokenizer, model, sentences, folder):
    labels, ids = model.config.id2label, model.config.label2id
    data, bad = os.path.join(folder, "windows.conll"), 0
    with open(data, "w", encoding="utf-8") as f:
        f.write("\n".join("".join(f"{w}\t{t}\n" for w, t in s) for s in sentences))
    for length, stride in ((64, 10), (40, 30), (24, 0), (9, 1)):
        pieces, words, losses, rows = ([], []), ([], []), [], []
        for s in sentences:
            e = tokenizer([w for w, _ in s], is_split_into_words=True)
            at = e.word_ids()[1:-1]
            logits = windowed(model, e["input_ids"], length, stride or (length - 2) // 4)
            target = torch.tensor([ids[s[w][1]] for w in at])
            losses += torch.nn.functional.cross_entropy(logits, target, reduction="none").tolist()
            top = [labels[k] for k in logits.argmax(-1).tolist()]
            found = {}
            for k, w in enumerate(at):
                found.setdefault(w, top[k])
            for side, gold, pred in ((pieces, [s[w][1] for w in at], top), (words, [t for _, t in s], [found.get(i, "O") for i in range(len(s))])):
                side[0].append(gold)
                side[1].append(pred)
        for level, (gold, pred) in (("piece", pieces), ("word", words)):
            out = subprocess.run([BERTCL, "eval", "--model", path, "--data", data, "--max-length", str(length), "--long", "window",
                                  *(["--stride", str(stride)] if stride else []), "--level", level, "--json", "--quiet"], capture_output=True)
            got = json.loads(out.stdout) if not out.returncode else {}
            if not (got and close(got["report"], classification_report(sum(gold, []), sum(pred, []), output_dict=True, zero_division=0)) and
                    close(got["entities"], entity_report(gold, pred, output_dict=True, zero_division=0)) and
                    got["words_cut"] == 0 and abs(got["loss"] - sum(losses) / len(losses)) < 1e-5):
                bad += 1
                print(f"windows of {length}, stride {stride}, {level}: {out.stderr.decode()} {got.get('loss')} {sum(losses) / len(losses)}", file=sys.stderr)
    print(f"eval_model: 8 evaluations of {len(sentences)} sentences in windows, {bad} differ")
    return bad


def main():
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model")
        subprocess.run([os.path.join(BUILD, "tests", "make_tiny_model"), path], check=True)
        tokenizer, model = AutoTokenizer.from_pretrained(path), AutoModelForTokenClassification.from_pretrained(path).eval()
        labels, ids = model.config.id2label, model.config.label2id
        sentences = [[(w, t if t in ids else "O") for w, t in s] for s in read(SAMPLE)]
        runs = 0
        for length in (64, 24, 9):
            pieces, words, losses = ([], []), ([], []), []
            for s in sentences:
                e = tokenizer([w for w, _ in s], is_split_into_words=True, truncation=True, max_length=length, return_tensors="pt")
                with torch.no_grad():
                    logits = model(**e).logits[0]
                at, top = e.word_ids(), logits.argmax(-1).tolist()
                found = {}
                for k, w in enumerate(at):
                    if w is not None:
                        found.setdefault(w, labels[top[k]])
                kept = [k for k, w in enumerate(at) if w is not None]
                target = torch.tensor([ids[s[at[k]][1]] for k in kept])
                losses += torch.nn.functional.cross_entropy(logits[kept], target, reduction="none").tolist()
                pieces[0].append([s[at[k]][1] for k in kept])
                pieces[1].append([labels[top[k]] for k in kept])
                words[0].append([t for _, t in s])
                words[1].append([found.get(i, "O") for i in range(len(s))])
            for level, (gold, pred) in (("piece", pieces), ("word", words)):
                out = subprocess.run([BERTCL, "eval", "--model", path, "--data", SAMPLE, "--map-preset", "un-ner", "--max-length",
                                      str(length), "--level", level, "--json", "--quiet"], capture_output=True)
                runs += 1
                got = json.loads(out.stdout) if not out.returncode else {}
                report = classification_report(sum(gold, []), sum(pred, []), output_dict=True, zero_division=0)
                ok = got and close(got["report"], report) and close(got["accuracy"], report["accuracy"]) and \
                    close(got["entities"], entity_report(gold, pred, output_dict=True, zero_division=0)) and \
                    abs(got["loss"] - sum(losses) / len(losses)) < 1e-5
                if not ok:
                    bad += 1
                    print(f"max_length {length}, {level}: {out.stderr.decode()} {got.get('accuracy')} {report['accuracy']}", file=sys.stderr)
        long = [sum(sentences[i:i + 12], []) for i in range(0, 60, 12)] + sentences[60:80]
        bad += check_windows(path, tokenizer, model, long, folder)
    print(f"eval_model: {runs} evaluations of {len(sentences)} sentences against transformers, {bad} differ")
    return bad != 0


sys.exit(main())
