"""Gradients of every parameter against PyTorch in double precision, dropout off, padded there and
packed here, in one batch and accumulated over uneven ones: relative L2 at most 1e-5. Prints one
line; exits non-zero beyond the limit.

The gradient of an attention key's bias is exactly 0 (softmax does not see it): what rounding leaves
there is measured against the query's."""

import os
import pathlib
import sys
import tempfile

import torch
from safetensors.torch import load_file
from support.models import (encode, fresh_head, pad, random_data, random_model, read_data,
                            save_weights, tool, write_data)  # fmt: skip

LIMIT = 1e-5
CASES = [
    (dict(hidden=64, heads=4, ff=256, layers=1, labels=2), [5, 1, 12, 30], [[4], [1, 3]]),
    (dict(hidden=100, heads=4, ff=345, layers=3, labels=7, act="gelu_new"),
     [3, 9, 1, 40, 17, 2, 2, 25], [[8], [3, 4, 1]]),
    (dict(hidden=96, heads=6, ff=93, layers=2, labels=12, cased=True, std=0.1),
     [7, 60, 15, 16, 31, 1], [[6], [1, 1, 4]]),
    (dict(hidden=192, heads=12, ff=345, layers=6, labels=9), [20, 33, 8, 1, 64], [[5], [2, 3]]),
    (dict(hidden=64, heads=2, ff=128, layers=1, labels=5, positions=512), [400, 3, 509], [[3], [1, 2]]),
]  # fmt: skip
failed, worst, compared = [], 0.0, 0


def exact_gradients(model, encoded):
    model = model.double().eval()
    ids, mask, labels = pad(encoded)
    loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
    loss.backward()
    return loss.item(), {n: p.grad for n, p in model.named_parameters()}


def compare(title, folder, model, data, max_length, splits):
    global worst, compared
    encoded = encode(folder, read_data(data), model.config.label2id, max_length)
    exact_loss, exact = exact_gradients(model, encoded)
    for sizes in splits:
        out = folder / "gradients"
        loss = float(tool("peer_gradients", folder, data, out, max_length, *sizes))
        got = load_file(out)
        if set(got) != set(exact) or not abs(loss - exact_loss) <= 1e-6 * exact_loss:
            failed.append(f"{title}: loss {loss}, expected {exact_loss}, or other names")
        for name, want in exact.items():
            scale = exact[name.replace("key.bias", "query.bias")].norm().item()
            error = (got[name].double() - want).norm().item()
            relative = error / scale if scale else (0.0 if error == 0 else float("inf"))
            worst, compared = max(worst, relative), compared + 1
            if not relative <= LIMIT:
                failed.append(f"{title} {sizes} {name}: {relative:.3g}")


with tempfile.TemporaryDirectory() as name:
    tmp = pathlib.Path(name)
    for i, (shape, lengths, splits) in enumerate(CASES):
        folder = tmp / str(i)
        model = random_model(folder, seed=100 + i, **shape)
        save_weights(model, folder)
        random_data(folder / "data", shape["labels"], lengths, i)
        compare(f"case {i}", folder, model, folder / "data", shape.get("positions", 128), splits)
    real, corpus = os.environ.get("BERTCL_MODEL"), os.environ.get("BERTCL_UN_NER")
    if real and corpus:
        folder = tmp / "real"
        files = sorted(pathlib.Path(corpus, "tagged-training").iterdir())
        sentences = [s for s in read_data(files[0]) if len(s[0]) > 1][:24]
        model = fresh_head(real, folder, sentences)
        write_data(folder / "data", sentences)
        compare("MiniLM", folder, model, folder / "data", 128, [[24], [5, 16, 3]])
for line in failed[:20]:
    print(line, file=sys.stderr)
print(f"gradients: {compared} tensors{'' if real and corpus else ' (real model SKIPPED)'}, worst "
      f"relative L2 {worst:.3g}, {len(failed)} beyond {LIMIT}")  # fmt: skip
sys.exit(bool(failed))
