"""Checkpoints both ways: what bertcl train saves loads in transformers without a missing or an
unexpected tensor and gives the same logits to 1e-4, tokenizer and labels included; transformers'
own saves, with and without prefix, with gamma and beta, in F16 and BF16, in shards, with a pooler,
load in bertcl with the same logits. Prints one line; exits non-zero on any difference."""

import os
import pathlib
import sys
import tempfile

import torch
from safetensors.torch import load_file, save_file
from support.models import (bertcl, bertcl_logits, encode, logits_of, random_data, random_model,
                            read_data, save_weights, worst_error)  # fmt: skip
from transformers import AutoModelForTokenClassification, AutoTokenizer, BertModel

LIMIT = 1e-4
failed, worst, compared = [], 0.0, 0


def judge(title, got, want):
    global worst, compared
    error = worst_error(got, want)
    worst, compared = max(worst, error), compared + 1
    if not error <= LIMIT:
        failed.append(f"{title}: logits differ by {error:.3g}")


def trained(title, model, data, tmp, *options):
    """bertcl train, then transformers on RUN/model and bertcl on transformers' save of that."""
    run = tmp / f"run-{title}"
    bertcl("train", "--quiet", "--model", model, "--data", *data, "--out", run, "--max-steps", 6,
           "--lr", 3e-4, *options)  # fmt: skip
    folder, test = run / "model", run / "test.conll"
    peer, info = AutoModelForTokenClassification.from_pretrained(folder, output_loading_info=True)
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if info.get(kind):
            failed.append(f"{title}: {kind} {sorted(map(str, info[kind]))[:3]}")
    for file in ("config.json", "vocab.txt", "tokenizer.json", "tokenizer_config.json",
                 "special_tokens_map.json", "model.safetensors"):  # fmt: skip
        if not (folder / file).exists():
            failed.append(f"{title}: no {file}")
    sentences = read_data(test)
    if {t for _, ts in sentences for t in ts} - set(peer.config.label2id):
        failed.append(f"{title}: labels {peer.config.label2id}")
    encoded = encode(folder, sentences, peer.config.label2id, 64)
    want = logits_of(peer, encoded)
    judge(title, bertcl_logits(folder, test, tmp / "l", "--max-length", 64), want)
    again = tmp / f"{title}-again"
    peer.save_pretrained(again)
    AutoTokenizer.from_pretrained(folder).save_pretrained(again)
    judge(f"{title} again", bertcl_logits(again, test, tmp / "l", "--max-length", 64), want)


def forms(tmp):
    shape = dict(hidden=72, heads=4, ff=99, layers=2, labels=5)
    combinations = [
        dict(dtype=dtype, prefix=prefix, old_names=old)
        for dtype in (torch.float32, torch.float16, torch.bfloat16)
        for prefix in (True, False)
        for old in (True, False)
    ] + [dict(dtype=dtype, shards=True) for dtype in (torch.float32, torch.float16, torch.bfloat16)]
    for i, form in enumerate(combinations):
        folder = tmp / f"form-{i}"
        model = random_model(folder, seed=i, **shape)
        save_weights(model, folder, **form)
        if i == 0:  # tensors that a token classifier does not have
            more = load_file(folder / "model.safetensors")
            more["bert.pooler.dense.weight"] = torch.zeros(72, 72)
            more["bert.embeddings.position_ids"] = torch.arange(128)[None]
            save_file(more, folder / "model.safetensors", metadata={"format": "pt"})
        random_data(folder / "data", 5, [1, 9, 30, 4], i)
        encoded = encode(folder, read_data(folder / "data"), model.config.label2id, 128)
        judge(str(form), bertcl_logits(folder, folder / "data", tmp / "l"), logits_of(model, encoded))


with tempfile.TemporaryDirectory() as name:
    tmp = pathlib.Path(name)
    forms(tmp)
    base = random_model(tmp / "base", seed=9, hidden=60, heads=3, ff=77, layers=2, cased=True)
    save_weights(base, tmp / "base")
    random_data(tmp / "data", 7, [1 + i % 19 for i in range(60)], 9)  # seven tags, the model has five
    trained("new-head", tmp / "base", [tmp / "data"], tmp)
    random_data(tmp / "data5", 5, [1 + i % 19 for i in range(60)], 9)
    trained("kept-head", tmp / "base", [tmp / "data5"], tmp)
    (tmp / "encoder").mkdir()
    for file in ("vocab.txt", "tokenizer_config.json"):
        (tmp / "encoder" / file).write_bytes((tmp / "base" / file).read_bytes())
    BertModel.from_pretrained(tmp / "base").save_pretrained(tmp / "encoder")  # no prefix, a pooler
    trained("encoder", tmp / "encoder", [tmp / "data"], tmp, "--label-pieces", "first")
    real, corpus = os.environ.get("BERTCL_MODEL"), os.environ.get("BERTCL_UN_NER")
    if real and corpus:
        file = sorted(pathlib.Path(corpus, "tagged-test").iterdir())[0]
        trained("MiniLM", real, [file], tmp)
for line in failed[:20]:
    print(line, file=sys.stderr)
print(f"checkpoints: {compared} models{'' if real and corpus else ' (real model SKIPPED)'}, logits "
      f"differ by at most {worst:.3g}; {len(failed)} differences")  # fmt: skip
sys.exit(bool(failed))
