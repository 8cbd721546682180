"""Training with dropout: PyTorch in double precision, given bertcl's masks, has bertcl's losses and
gradients over ten steps of Adam. The masks are computed here from what docs/architecture.md says of
them (Philox4x32-10 by seed, step, site and the element's place in its sample) and put into every
dropout of transformers' BERT: embeddings, attention probabilities, both residuals, head.

Relative difference of each loss and relative L2 of each gradient at most 1e-5. As a check of the
check, each site's masks are once drawn from another site, which must be found. Prints one line."""

import os
import pathlib
import sys
import tempfile

import numpy as np
import torch
import transformers.models.bert.modeling_bert as bert
from safetensors.torch import load_file
from support.models import (encode, fresh_head, pad, random_data, random_model, read_data,
                            save_weights, tool, write_data)  # fmt: skip
from transformers import BertForTokenClassification

LIMIT, STEPS, WORD = 1e-5, 10, np.uint64(0xFFFFFFFF)
FIRST, SECOND, ATTENTION = 0, 1, 0x8000
failed, worst_loss, worst_gradient, compared = [], 0.0, 0.0, 0


def mix64(x):
    mask = (1 << 64) - 1
    x = (x + 0x9E3779B97F4A7C15) & mask
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & mask
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & mask
    return x ^ (x >> 31)


def philox(counter, key):
    """Philox4x32-10 (Salmon et al. 2011) of arrays of 32-bit words in 64-bit integers."""
    c, k = [np.asarray(x, dtype=np.uint64) for x in counter], [np.uint64(x) for x in key]
    for _ in range(10):
        a, b = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = [(b >> np.uint64(32)) ^ c[1] ^ k[0], b & WORD, (a >> np.uint64(32)) ^ c[3] ^ k[1], a & WORD]
        k = [(k[0] + np.uint64(0x9E3779B9)) & WORD, (k[1] + np.uint64(0xBB67AE85)) & WORD]
    return c


class Masks:
    """Factors, 0 or 1 / (1 - p), of one step; samples: the batch's sentence numbers."""

    def __init__(self, p, seed, step, samples):
        key = mix64(mix64(seed) ^ step)
        self.key, self.p, self.samples = (key & 0xFFFFFFFF, key >> 32), p, np.array(samples)

    def factors(self, site, rows, columns, heads=None):
        """(B, rows, columns), or (B, heads, rows, columns): an element's word is number
        column / 16 % 4 of counter (column / 64 * 16 + column % 16, row, sample, site | head)."""
        column = np.arange(columns)
        x = column // 64 * 16 + column % 16
        shape = (len(self.samples), heads or 1, rows, columns)
        sites = (site | np.arange(heads or 1))[None, :, None, None]
        counter = [np.broadcast_to(v, shape) for v in (
            x, np.arange(rows)[:, None], self.samples[:, None, None, None], sites)]  # fmt: skip
        words = np.stack(philox(counter, self.key))
        word = np.take_along_axis(words, np.broadcast_to(column // 16 % 4, shape)[None], 0)[0]
        threshold = np.uint64(int(np.float32(self.p).astype(np.float64) * 2**32))
        factor = np.where(word >= threshold, 1 / (1 - np.float64(np.float32(self.p))), 0.0)
        return torch.from_numpy(factor if heads else factor[:, 0])


class MaskedDropout(torch.nn.Module):
    def __init__(self, site, p):
        super().__init__()
        self.site, self.p, self.masks = site, p, None

    def forward(self, x):
        return x * self.masks.factors(self.site, x.shape[-2], x.shape[-1])


def masked_attention(module, query, key, value, attention_mask, scaling=None, dropout=0.0, **_):
    """transformers' eager_attention_forward with our masks."""
    scores = torch.matmul(query, key.transpose(2, 3)) * scaling
    if attention_mask is not None:
        scores = scores + attention_mask
    p = torch.softmax(scores, dim=-1)
    p = p * module.dropout.masks.factors(module.dropout.site, *p.shape[-2:], heads=p.shape[1])
    return torch.matmul(p, value).transpose(1, 2).contiguous(), p


def put_dropouts(model, p, wrong):
    """Replaces every dropout, `wrong` with the numbers of another site; returns all of them."""
    layers, found = len(model.bert.encoder.layer), []

    def put(owner, name, layer, place, kind):
        assert isinstance(getattr(owner, name), torch.nn.Dropout)
        site = MaskedDropout((layer << 16 | place) + (0x4000 if kind == wrong else 0), p)
        setattr(owner, name, site)
        found.append(site)

    put(model.bert.embeddings, "dropout", 0, FIRST, "embeddings")
    for i, layer in enumerate(model.bert.encoder.layer):
        put(layer.attention.self, "dropout", i + 1, ATTENTION, "attention")
        put(layer.attention.output, "dropout", i + 1, FIRST, "first residual")
        put(layer.output, "dropout", i + 1, SECOND, "second residual")
    put(model, "dropout", layers + 1, FIRST, "head")
    assert not any(isinstance(m, torch.nn.Dropout) for m in model.modules())
    return found


def peer(folder, encoded, batch, steps, p, seed, lr, wrong=None):
    """Loss and gradients of each step."""
    bert.ALL_ATTENTION_FUNCTIONS["masked"] = masked_attention
    model = BertForTokenClassification.from_pretrained(folder, attn_implementation="eager").double()
    model.config._attn_implementation = "masked"
    dropouts = put_dropouts(model.train(), p, wrong)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    for step in range(steps):
        samples = [(step * batch + i) % len(encoded) for i in range(batch)]
        for site in dropouts:
            site.masks = Masks(p, seed, step, samples)
        ids, mask, labels = pad([encoded[i] for i in samples])
        blocked = torch.where(mask[:, None, None, :] > 0, 0.0, -1e30).double()
        optimizer.zero_grad()
        loss = model(input_ids=ids, attention_mask=blocked, labels=labels).loss
        loss.backward()
        yield loss.item(), {n: x.grad.clone() for n, x in model.named_parameters()}, ids.unique()
        optimizer.step()


def differences(folder, data, encoded, batch, p, seed, lr, wrong=None):
    """Worst relative difference of the losses, and of the gradients."""
    global compared
    out = folder / "gradients"
    steps = STEPS if wrong is None else 1
    lines = tool("peer_gradients", "--train", folder, data, out, 512, batch, steps, p, seed, lr)
    worst, worst_norm = 0.0, 0.0
    peers = peer(folder, encoded, batch, steps, p, seed, lr, wrong)
    for step, (loss, want, words) in enumerate(peers):
        got = load_file(f"{out}-{step}")
        # rows of words that are not in the batch hold an earlier step's (cl/embedding.cl)
        rows = got["bert.embeddings.word_embeddings.weight"]
        got["bert.embeddings.word_embeddings.weight"] = torch.zeros_like(rows).index_copy(
            0, words, rows[words])
        assert set(got) == set(want)
        worst = max(worst, abs(float(lines.split()[step]) - loss) / loss)
        for name, one in want.items():
            # softmax does not see a key's bias: its gradient is 0 but for rounding
            scale = want[name.replace("key.bias", "query.bias")].norm().item()
            error = (got[name].double() - one).norm().item()
            relative = error / scale if scale else (0.0 if error == 0 else float("inf"))
            worst_norm, compared = max(worst_norm, relative), compared + 1
    return worst, worst_norm


def compare(title, folder, data, encoded, batch, p, seed, lr):
    global worst_loss, worst_gradient
    loss, gradient = differences(folder, data, encoded, batch, p, seed, lr)
    worst_loss, worst_gradient = max(worst_loss, loss), max(worst_gradient, gradient)
    if not (loss <= LIMIT and gradient <= LIMIT):
        failed.append(f"{title}: loss differs by {loss:.3g}, a gradient by {gradient:.3g}")


with tempfile.TemporaryDirectory() as name:
    tmp = pathlib.Path(name)
    shapes = [(dict(hidden=64, heads=4, ff=128, layers=2, labels=5, positions=512), 0.1, 3, 0),
              (dict(hidden=100, heads=4, ff=345, layers=3, labels=7, positions=512), 0.3, 2, 7),
              (dict(hidden=96, heads=2, ff=93, layers=1, labels=3, positions=512), 0.6, 5, 2**40)]  # fmt: skip
    for i, (shape, p, batch, seed) in enumerate(shapes):
        folder = tmp / str(i)
        model = random_model(folder, seed=i, std=0.1, **shape)
        save_weights(model, folder)
        lengths = [1 + (k * 37) % 100 for k in range(11)]
        random_data(folder / "data", shape["labels"], lengths, i)
        encoded = encode(folder, read_data(folder / "data"), model.config.label2id, 512)
        compare(f"case {i}", folder, folder / "data", encoded, batch, p, seed, 1e-4)
        for wrong in ("embeddings", "attention", "first residual", "second residual", "head"):
            if differences(folder, folder / "data", encoded, batch, p, seed, 1e-4, wrong)[1] < 1e-2:
                failed.append(f"case {i}: other masks at {wrong} were not noticed")
    real, corpus = os.environ.get("BERTCL_MODEL"), os.environ.get("BERTCL_UN_NER")
    if real and corpus:
        folder = tmp / "real"
        sentences = read_data(sorted(pathlib.Path(corpus, "tagged-training").iterdir())[0])[:40]
        model = fresh_head(real, folder, sentences)
        write_data(folder / "data", sentences)
        encoded = encode(folder, sentences, model.config.label2id, 512)
        compare("MiniLM", folder, folder / "data", encoded, 4, 0.1, 0, 2e-5)
for line in failed[:20]:
    print(line, file=sys.stderr)
print(f"dropout: {STEPS} steps of {len(shapes)} models{' and MiniLM' if real and corpus else ' (MiniLM SKIPPED)'}, "
      f"{compared} gradients: worst relative difference of a loss {worst_loss:.3g}, of a gradient "
      f"{worst_gradient:.3g}; {len(failed)} beyond the limits")  # fmt: skip
sys.exit(bool(failed))
