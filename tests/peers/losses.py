"""Losses, rates and gradient norms of 20 steps of `bertcl train --dropout 0` against PyTorch in
double and in single precision: Adam, AdamW, weight decay, clipping, schedules, accumulation, label
smoothing, class weights (balanced ones against scikit-learn's). The relative difference of the loss may be 1e-5. Prints one line; exits non-zero beyond it."""

import copy
import json
import os
import pathlib
import sys
import tempfile

import numpy as np
import torch
from sklearn.utils.class_weight import compute_class_weight
from support.models import (bertcl, encode, fresh_head, pad, random_data, random_model, read_data,
                            save_weights, tool)  # fmt: skip
from transformers import (get_constant_schedule_with_warmup, get_cosine_schedule_with_warmup,
                          get_linear_schedule_with_warmup)  # fmt: skip

LIMIT, STEPS, EPOCHS = 1e-5, 20, 3
SMALL = dict(hidden=100, heads=4, ff=345, layers=2, labels=6)
# options of bertcl train; batch, accumulate and the like are read from them
CASES = [
    {"lr": 1e-5, "batch": 4},
    {"lr": 1e-3, "batch": 4, "clip": 0},
    {"lr": 1e-3, "batch": 5, "clip": 0.25, "seed": 7},
    {"lr": 1e-3, "batch": 3, "accumulate": 3, "schedule": "linear", "warmup": 0.1, "seed": 2},
    {"lr": 1e-3, "batch": 8, "schedule": "cosine", "warmup": 0.33, "optimizer": "adamw",
     "weight-decay": 0.1, "decay-all": True},
    {"lr": 5e-4, "batch": 4, "optimizer": "adam", "weight-decay": 0.05, "schedule": "linear",
     "decay-all": True},
    {"lr": 1e-3, "batch": 4, "optimizer": "adamw", "weight-decay": 0.5, "beta1": 0.8,
     "beta2": 0.99, "eps": 1e-6, "clip": 1, "schedule": "constant", "warmup": 0.2, "decay-all": True},
    # biases and LayerNorm without decay, as transformers' Trainer
    {"lr": 1e-3, "batch": 4, "optimizer": "adamw", "weight-decay": 0.3, "clip": 0.5},
    {"lr": 1e-3, "batch": 4, "optimizer": "adam", "weight-decay": 0.1, "clip": 0},
    {"lr": 1e-3, "batch": 4, "freeze": "embeddings", "clip": 0.25},
    {"lr": 1e-3, "batch": 3, "freeze": 1, "optimizer": "adamw", "weight-decay": 0.1,
     "accumulate": 2, "clip": 0.25},
    {"lr": 1e-3, "batch": 4, "freeze": 2, "clip": 0},
    {"lr": 1e-3, "batch": 4, "layer-decay": 0.5, "schedule": "linear", "warmup": 0.1, "clip": 0},
    {"lr": 1e-4, "batch": 4, "head-lr": 2e-3, "layer-decay": 0.8, "optimizer": "adamw",
     "weight-decay": 0.2, "schedule": "cosine"},
    {"lr": 1e-3, "batch": 4, "label-smoothing": 0.1, "clip": 0.25},
    {"lr": 1e-3, "batch": 4, "class-weights": "balanced", "clip": 0},
    {"lr": 1e-3, "batch": 3, "accumulate": 3, "label-smoothing": 0.2, "class-weights": "0.25,0,3",
     "schedule": "linear", "warmup": 0.1},
]  # fmt: skip
failed, worst, worst_single, worst_other = [], 0.0, 0.0, 0.0


def depth(name, layers):
    """0: the embeddings, then the layers, then the classifier."""
    if name.startswith("classifier"):
        return layers + 1
    return int(name.split(".")[3]) + 1 if ".layer." in name else 0


def groups(model, o):
    """Parameters with their rate and decay, one group each; frozen ones are left out."""
    layers, found = model.config.num_hidden_layers, []
    frozen = {None: -1, "embeddings": 0}.get(o.get("freeze"), o.get("freeze"))
    for name, p in model.named_parameters():
        at = depth(name, layers)
        if at <= frozen:
            p.requires_grad_(False)
            continue
        rate = o["lr"] * o.get("layer-decay", 1) ** (layers + 1 - at)
        if at > layers:
            rate = o.get("head-lr", o["lr"])
        decays = o.get("decay-all") or not (name.endswith("bias") or "LayerNorm" in name)
        found.append({"params": [p], "lr": rate,
                      "weight_decay": o.get("weight-decay", 0) if decays else 0})  # fmt: skip
    return found


def class_weights(o, model, encoded):
    """bertcl's option, and the weights of the labels. Numbers are of the first labels, others 1."""
    chosen, K = o.get("class-weights"), model.config.num_labels
    names = [model.config.id2label[k] for k in range(K)]
    if chosen == "balanced":
        y = [k for _, labels in encoded for k in labels if k >= 0]
        found = compute_class_weight("balanced", classes=np.unique(y), y=y)
        weights = dict(zip(np.unique(y).tolist(), found.tolist()))
        return chosen, [weights.get(k, 1.0) for k in range(K)]
    if chosen:
        numbers = [float(x) for x in chosen.split(",")]
        option = ",".join(f"{name}={x}" for name, x in zip(names, numbers))
        return option, numbers + [1.0] * (K - len(numbers))
    return None, None


def peer_steps(model, encoded, o, dtype):
    """loss, rate and gradient norm of each step, in bertcl train's order of sentences."""
    model = copy.deepcopy(model).to(dtype).eval()
    kind = torch.optim.AdamW if o.get("optimizer") == "adamw" else torch.optim.Adam
    optimizer = kind(groups(model, o), lr=o["lr"], eps=o.get("eps", 1e-8),
                     betas=(o.get("beta1", 0.9), o.get("beta2", 0.999)))  # fmt: skip
    factor = optimizer.param_groups[-1]["lr"] / o["lr"]  # the last is the classifier's
    n, take = len(encoded), o["batch"] * o.get("accumulate", 1)
    per_epoch = -(-n // take)
    total = min(STEPS, per_epoch * EPOCHS)
    rise = -(-o.get("warmup", 0) * total // 1)
    schedule = {"linear": get_linear_schedule_with_warmup, "cosine": get_cosine_schedule_with_warmup}
    if o.get("schedule") in schedule:
        rates = schedule[o["schedule"]](optimizer, int(rise), total)
    else:
        rates = get_constant_schedule_with_warmup(optimizer, int(rise))
    orders = [
        [int(i) for i in line.split()]
        for line in tool("peer_gradients", "--order", o.get("seed", 0), n, EPOCHS).splitlines()
    ]
    clip, steps = o.get("clip", 10), []
    weights = class_weights(o, model, encoded)[1]
    loss_of = torch.nn.CrossEntropyLoss(weight=weights and torch.tensor(weights, dtype=dtype),
                                        label_smoothing=o.get("label-smoothing", 0.0))  # fmt: skip
    for step in range(total):
        at = step % per_epoch * take
        chosen = orders[step // per_epoch][at : at + take]
        ids, mask, labels = pad([encoded[i] for i in chosen])
        optimizer.zero_grad()
        logits = model(input_ids=ids, attention_mask=mask).logits
        loss = loss_of(logits.flatten(0, 1), labels.flatten())
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), clip or float("inf"))
        steps.append((loss.item(), rates.get_last_lr()[-1] / factor, norm.item()))
        optimizer.step()
        rates.step()
    return steps


def differ(got, want):
    return abs(got - want) / abs(want) if want else (0.0 if got == 0 else float("inf"))


def compare(title, folder, model, data, o, max_length):
    global worst, worst_single, worst_other
    run = folder / f"run-{title}"
    encoded = encode(folder, read_data(data), model.config.label2id, max_length)
    given = dict(o)
    if "class-weights" in o:
        given["class-weights"] = class_weights(o, model, encoded)[0]
    options = [x for k, v in given.items() for x in ((f"--{k}",) if v is True else (f"--{k}", v))]
    bertcl("train", "--quiet", "--model", folder, "--data", data, "--test", data, "--out", run,
           "--dropout", 0, "--epochs", EPOCHS, "--max-steps", STEPS, "--max-length", max_length,
           *options)  # fmt: skip
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    got = [(m["loss"], m["lr"], m["grad_norm"]) for m in lines if "loss" in m]
    exact = peer_steps(model, encoded, o, torch.float64)
    single = peer_steps(model, encoded, o, torch.float32)
    if len(got) != len(exact):
        failed.append(f"{title}: {len(got)} steps, expected {len(exact)}")
    for i, (a, b, c) in enumerate(zip(got, exact, single)):
        loss, own = differ(a[0], b[0]), differ(c[0], b[0])
        rate, norm = differ(a[1], b[1]), differ(a[2], b[2])
        worst, worst_single = max(worst, loss), max(worst_single, own)
        worst_other = max(worst_other, norm)
        if not (loss <= LIMIT and rate <= 1e-8 and norm <= 1e-4):
            failed.append(f"{title} step {i + 1}: loss {a[0]} {b[0]}, PyTorch fp32 {c[0]}; "
                          f"rate {a[1]} {b[1]}; norm {a[2]} {b[2]}")  # fmt: skip


with tempfile.TemporaryDirectory() as name:
    tmp = pathlib.Path(name)
    model = random_model(tmp / "small", seed=1, **SMALL)
    save_weights(model, tmp / "small")
    lengths = [1 + (i * 7) % 23 for i in range(41)]
    random_data(tmp / "data", SMALL["labels"], lengths, 3)
    for i, o in enumerate(CASES):
        compare(str(i), tmp / "small", model, tmp / "data", o, 64)
    real, corpus = os.environ.get("BERTCL_MODEL"), os.environ.get("BERTCL_UN_NER")
    if real and corpus:
        folder, data = tmp / "real", sorted(pathlib.Path(corpus, "tagged-training").iterdir())[0]
        model = fresh_head(real, folder, read_data(data))
        compare("MiniLM", folder, model, data, {"lr": 1e-5, "batch": 4}, 128)
for line in failed[:20]:
    print(line, file=sys.stderr)
print(f"losses: {len(CASES)} recipes{' and MiniLM' if real and corpus else ' (MiniLM SKIPPED)'}, "
      f"{STEPS} steps: worst relative difference {worst:.3g} (PyTorch fp32 {worst_single:.3g}), "
      f"gradient norm {worst_other:.3g}; {len(failed)} beyond the limits")  # fmt: skip
sys.exit(bool(failed))
