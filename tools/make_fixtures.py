#!/usr/bin/env python3
"""Makes tests/fixtures/NAME/: tiny BERTs and what PyTorch computes from them in double precision, dropout off, for
tests/model/test_fixtures.c. Run it with the Python of tests/peers/requirements.txt:

    python tools/make_fixtures.py [FOLDER]        default: tests/fixtures

config.json and model.safetensors are a model as transformers saves it. expected.safetensors holds a batch (ids, labels,
lengths: sentences end to end), its logits and loss, every gradient as grad.NAME, the loss of each of ten steps of Adam
(step_losses, before the step's update) and the weights after them as after.NAME. Everything is seeded; the versions are in
the file's metadata."""

import pathlib
import sys

import torch
import transformers
from safetensors.torch import save_file
from transformers import BertConfig, BertForTokenClassification
from transformers.utils import logging

STEPS, LR = 10, 1e-3
# name: options of BertConfig, lengths of the sentences
CASES = {
    "gelu": (dict(hidden_size=16, num_attention_heads=2, num_hidden_layers=2, intermediate_size=24, vocab_size=48,
                  max_position_embeddings=24, num_labels=5), [7, 1, 24, 2, 13]),
    "gelu_new": (dict(hidden_size=20, num_attention_heads=4, num_hidden_layers=1, intermediate_size=33, vocab_size=41,
                      max_position_embeddings=31, num_labels=3, hidden_act="gelu_new", layer_norm_eps=1e-5),
                 [31, 9, 3]),
}  # fmt: skip


def make_model(seed, options):
    """No parameter is at its usual start, and none is so small that rounding would show."""
    torch.manual_seed(seed)
    model = BertForTokenClassification(BertConfig(pad_token_id=0, **options)).eval()
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.normal_(1.0 if name.endswith("LayerNorm.weight") else 0.0, 0.2)
    return model


def make_batch(seed, config, lengths):
    """Token 0 is padding and occurs in no sentence; some of the others never occur; every fourth label is ignored."""
    generator = torch.Generator().manual_seed(seed)
    total = sum(lengths)
    ids = torch.randint(1, config.vocab_size * 3 // 4, (total,), generator=generator)
    labels = torch.randint(0, config.num_labels, (total,), generator=generator)
    labels[::4] = -100
    return ids, labels


def padded(x, lengths, value):
    parts = torch.split(x, lengths)
    return torch.nn.utils.rnn.pad_sequence(parts, batch_first=True, padding_value=value)


def run(model, ids, labels, lengths):
    mask = padded(torch.ones_like(ids), lengths, 0)
    return model(input_ids=padded(ids, lengths, 0), attention_mask=mask, labels=padded(labels, lengths, -100)), mask


def make(folder, seed, options, lengths):
    folder.mkdir(parents=True, exist_ok=True)
    model = make_model(seed, options)
    model.save_pretrained(folder)
    model = model.double()
    ids, labels = make_batch(seed + 1, model.config, lengths)
    out, mask = run(model, ids, labels, lengths)
    out.loss.backward()
    tensors = {"ids": ids.int(), "labels": labels.int(), "lengths": torch.tensor(lengths).int(),
               "logits": out.logits[mask.bool()], "loss": out.loss.reshape(1)}  # fmt: skip
    tensors |= {f"grad.{n}": p.grad.clone() for n, p in model.named_parameters()}
    optimizer, losses = torch.optim.Adam(model.parameters(), lr=LR), []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = run(model, ids, labels, lengths)[0].loss
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    tensors["step_losses"] = torch.stack(losses)
    tensors |= {f"after.{n}": p for n, p in model.named_parameters()}
    tensors = {n: (t if t.dtype == torch.int32 else t.detach().float()).contiguous() for n, t in tensors.items()}
    # one key: the order of several changes from call to call
    made = (f"tools/make_fixtures.py, seed {seed}, torch {torch.__version__}, transformers {transformers.__version__}, "
            f"Adam with lr {LR}, betas 0.9 and 0.999, eps 1e-8")  # fmt: skip
    save_file(tensors, folder / "expected.safetensors", {"made": made})
    for file in folder.iterdir():
        file.chmod(0o644)


top = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent / "tests" / "fixtures")
torch.set_num_threads(1)
logging.disable_progress_bar()
for i, (name, (options, lengths)) in enumerate(CASES.items()):
    make(top / name, 20 + i, options, lengths)
    print(name, sum(f.stat().st_size for f in (top / name).iterdir()), "bytes")
