"""`bertcl eval --logits` against transformers in double precision, dropout off: the test split of
the UN corpus with the model of BERTCL_MODEL after a few steps of bertcl train, and random models of
many shapes, spreads and ways of saving. The error may be 1e-4 on the real model, and everywhere
four times PyTorch's own in fp32, plus 1e-5. Prints one line; exits non-zero beyond a limit."""

import copy
import os
import pathlib
import sys
import tempfile

import torch
from support.models import (bertcl, bertcl_logits, encode, logits_of, random_data, random_model,
                            read_data, save_weights, worst_error)  # fmt: skip
from transformers import AutoModelForTokenClassification

LONG = [510, 509, 400, 1, 2, 30]
MIXED = [1, 2, 3, 7, 15, 16, 17, 31, 33, 60, 93, 5, 5, 40]
CASES = [
    ("64x1", dict(hidden=64, heads=4, ff=256, layers=1, labels=2), {}, MIXED),
    ("100 of 4 heads, 345", dict(hidden=100, heads=4, ff=345, layers=3, labels=7), {}, MIXED),
    ("wide spread", dict(hidden=128, heads=2, ff=511, layers=4, labels=9, std=0.5), {}, MIXED),
    ("far wider spread", dict(hidden=96, heads=6, ff=200, layers=2, labels=3, std=2.0), {}, MIXED),
    ("12 layers, cased, no prefix",
     dict(hidden=192, heads=12, ff=345, layers=12, labels=40, cased=True), dict(prefix=False), MIXED),
    ("768, 512 pieces, gelu_new",
     dict(hidden=768, heads=12, ff=3072, layers=2, labels=9, positions=512, act="gelu_new"), {}, LONG),
    ("384, 512 pieces",
     dict(hidden=384, heads=12, ff=1537, layers=2, labels=5, positions=512, std=0.1), {}, LONG),
    ("gamma and beta", dict(hidden=80, heads=5, ff=77, layers=2, labels=4, std=0.2),
     dict(old_names=True), MIXED),
    ("F16, gelu_new", dict(hidden=160, heads=8, ff=300, layers=2, labels=6, act="gelu_new", std=0.3),
     dict(dtype=torch.float16, prefix=False, old_names=True), MIXED),
    ("BF16", dict(hidden=112, heads=7, ff=93, layers=3, labels=11, std=0.1),
     dict(dtype=torch.bfloat16), MIXED),
    ("shards", dict(hidden=100, heads=1, ff=64, layers=2, labels=12, std=0.1), dict(shards=True), MIXED),
    ("pickle", dict(hidden=96, heads=3, ff=100, layers=2, labels=5, std=0.2), dict(pickles="whole"), MIXED),
    ("pickle, F16", dict(hidden=96, heads=3, ff=100, layers=2, labels=5, std=0.2),
     dict(pickles="whole", dtype=torch.float16), MIXED),
    ("pickles in shards", dict(hidden=60, heads=3, ff=61, layers=3, labels=4, std=0.2), dict(pickles="shards"), MIXED),
    ("pickle of views", dict(hidden=64, heads=4, ff=33, layers=2, labels=3, std=0.2), dict(pickles="views"), MIXED),
    ("heads of 1 and 93", dict(hidden=93, heads=93, ff=7, layers=1, labels=2, std=0.3), {}, MIXED),
]  # fmt: skip
failed = []


def judge(name, model, got, encoded, limit=None):
    """The error of `got` and PyTorch's own, both against double."""
    exact = logits_of(copy.deepcopy(model).double(), encoded)
    own = worst_error(logits_of(model, encoded), exact)
    error = worst_error(got, exact)
    if not error <= 4 * own + 1e-5 or (limit and not error <= limit):
        failed.append(name)
    print(f"{name}: {error:.3g}, PyTorch {own:.3g}", file=sys.stderr)
    return error, own


def real(tmp):
    model, corpus = os.environ.get("BERTCL_MODEL"), os.environ.get("BERTCL_UN_NER")
    if not model or not corpus:
        return None
    run = tmp / "run"
    folders = [pathlib.Path(corpus) / "tagged-training", pathlib.Path(corpus) / "tagged-test"]
    bertcl("train", "--quiet", "--model", model, "--data", *folders, "--out", run,
           "--max-steps", 12, "--batch", 16, "--lr", 2e-4)  # fmt: skip
    peer = AutoModelForTokenClassification.from_pretrained(run / "model")
    sentences = read_data(run / "test.conll")
    encoded = encode(run / "model", sentences, peer.config.label2id, 128)
    got = bertcl_logits(run / "model", run / "test.conll", tmp / "l", "--max-length", 128)
    return len(sentences), *judge("MiniLM", peer, got, encoded, limit=1e-4)


with tempfile.TemporaryDirectory() as name:
    tmp = pathlib.Path(name)
    worst = 0
    found = real(tmp)
    for i, (title, shape, form, lengths) in enumerate(CASES):
        folder = tmp / str(i)
        model = random_model(folder, seed=i, **shape)
        save_weights(model, folder, **form)
        sentences = random_data(folder / "data", shape["labels"], lengths, i)
        encoded = encode(folder, sentences, model.config.label2id, model.config.max_position_embeddings)
        got = bertcl_logits(folder, folder / "data", tmp / "l")
        error, own = judge(title, model, got, encoded)
        worst = max(worst, error / (4 * own + 1e-5))
if found:
    print(f"logits: {found[0]} sentences of the corpus, largest error {found[1]:.3g} "
          f"(PyTorch fp32 {found[2]:.3g}); ", end="")  # fmt: skip
else:
    print("logits: real model SKIPPED (BERTCL_MODEL, BERTCL_UN_NER); ", end="")
print(f"{len(CASES)} random models, at most {worst:.2f} of the limit"
      + (f"; BEYOND: {failed}" if failed else ""))  # fmt: skip
sys.exit(bool(failed))
