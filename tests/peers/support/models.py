"""Random BERT models with their own small vocabularies, random and real corpora, and what PyTorch
computes from them: shared by logits.py, gradients.py, losses.py and checkpoints.py."""

import json
import os
import pathlib
import random
import string
import subprocess
import sys

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, BertConfig, BertForTokenClassification
from transformers.utils import logging

logging.set_verbosity_error()
logging.disable_progress_bar()
torch.set_num_threads(int(os.environ.get("BERTCL_TEST_THREADS", "1")))
BERTCL = os.environ["BERTCL"]
TOOLS = pathlib.Path(BERTCL).parent / "tests"


def bertcl(*arguments, check=True):
    done = subprocess.run([BERTCL, *map(str, arguments)], capture_output=True, text=True)
    if check and done.returncode:
        sys.exit(f"bertcl {' '.join(map(str, arguments))}: exit {done.returncode}: {done.stderr}")
    return done


def tool(name, *arguments):
    done = subprocess.run([str(TOOLS / name), *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{name} {' '.join(map(str, arguments))}: {done.stderr}")
    return done.stdout


def write_vocabulary(folder, size, cased, positions, rng):
    """vocab.txt with letters, endings and random words; tokenizer_config.json."""
    letters = string.ascii_letters if cased else string.ascii_lowercase
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *string.digits, *".,-'é字"]
    pieces += ["##" + c for c in letters + string.digits]
    known = set(pieces)
    while len(pieces) < size:
        word = "".join(rng.choice(letters) for _ in range(rng.randrange(2, 6)))
        word = rng.choice(["", "##"]) + word
        if word not in known:
            known.add(word)
            pieces.append(word)
    (folder / "vocab.txt").write_text("".join(p + "\n" for p in pieces[:size]))
    special = {f"{k}_token": f"[{k.upper()}]" for k in ("pad", "unk", "cls", "sep", "mask")}
    settings = {"do_lower_case": not cased, "model_max_length": positions}
    (folder / "tokenizer_config.json").write_text(
        json.dumps({**settings, **special, "tokenizer_class": "BertTokenizer"})
    )


def random_model(folder, *, seed, hidden=64, heads=4, ff=128, layers=2, labels=5, vocabulary=600,
                 positions=128, cased=False, act="gelu", std=0.02, eps=1e-12):  # fmt: skip
    """A model with no parameter at its usual start, and its files but the weights, in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(seed)
    write_vocabulary(folder, vocabulary, cased, positions, rng)
    config = BertConfig(
        vocab_size=vocabulary, hidden_size=hidden, num_attention_heads=heads,
        intermediate_size=ff, num_hidden_layers=layers, max_position_embeddings=positions,
        hidden_act=act, layer_norm_eps=eps, id2label={i: f"I-{i}" for i in range(labels)},
        label2id={f"I-{i}": i for i in range(labels)}, architectures=["BertForTokenClassification"],
    )  # fmt: skip
    model = BertForTokenClassification(config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.normal_(0, std, generator=generator)
            if name.endswith("LayerNorm.weight"):
                p.add_(1)
    config.save_pretrained(folder)
    return model


def save_pickles(model, folder, form):
    """pytorch_model.bin by torch.save: whole, in shards with an index, or as strided views of one storage."""
    tensors = model.state_dict()
    if form == "views":
        storage = torch.cat([t.t().flatten() if t.dim() == 2 else t.flatten() for t in tensors.values()])
        at = 0
        for name, t in tensors.items():
            part = storage[at:at + t.numel()]
            tensors[name] = part.view(*t.shape[::-1]).t() if t.dim() == 2 else part.view(t.shape)
            at += t.numel()
    if form != "shards":
        torch.save(tensors, folder / "pytorch_model.bin")
        return
    names, index = list(tensors), {}
    for i in range(3):
        file = f"pytorch_model-{i + 1:05d}-of-00003.bin"
        torch.save({name: tensors[name] for name in names[i::3]}, folder / file)
        index.update(dict.fromkeys(names[i::3], file))
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))


def save_weights(model, folder, *, dtype=torch.float32, prefix=True, old_names=False, shards=False, pickles=None):
    """Writes the weights as `dtype`, and leaves the model with what was written. With `pickles` that is
    what transformers loads from them."""
    if pickles:
        save_pickles(model.to(dtype), folder, pickles)
        loaded = type(model).from_pretrained(folder, dtype=torch.float32)
        model.float().load_state_dict(loaded.state_dict())
        return
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(p.to(dtype))
    if shards:
        model.to(dtype).save_pretrained(folder, max_shard_size="60KB")
        model.float()
        return
    tensors = {}
    for name, t in model.state_dict().items():
        if not prefix:
            name = name.removeprefix("bert.")
        if old_names:
            name = name.replace("LayerNorm.weight", "LayerNorm.gamma")
            name = name.replace("LayerNorm.bias", "LayerNorm.beta")
        tensors[name] = t.to(dtype).contiguous()
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def random_data(path, labels, lengths, seed):
    """CoNLL sentences of `lengths` words, tags I-0, I-1, ...; returns (words, tags) of each."""
    rng = random.Random(seed)
    sentences = []
    for i, n in enumerate(lengths):
        words = ["".join(rng.choice(string.ascii_letters + "0123é字")
                         for _ in range(rng.choice([1, 1, 2, 3, 7]))) for _ in range(n)]  # fmt: skip
        sentences.append((words, [f"I-{rng.randrange(labels)}" for _ in range(n)]))
    write_data(path, sentences)
    return sentences


def write_data(path, sentences):
    with open(path, "w") as f:
        for words, tags in sentences:
            f.writelines(f"{w}\t{t}\n" for w, t in zip(words, tags))
            f.write("\n")


def read_data(path):
    sentences = []
    for block in pathlib.Path(path).read_text().split("\n\n"):
        rows = [line.split("\t") for line in block.split("\n") if line]
        if rows:
            sentences.append(([r[0] for r in rows], [r[1] for r in rows]))
    return sentences


def encode(folder, sentences, label2id, max_length):
    """ids and labels (all pieces) as transformers' tokenizer gives them."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    encoded = []
    for words, tags in sentences:
        e = tokenizer(words, is_split_into_words=True, truncation=True, max_length=max_length)
        labels = [-100 if w is None else label2id[tags[w]] for w in e.word_ids()]
        encoded.append((e["input_ids"], labels))
    return encoded


def pad(encoded):
    """A padded batch as PyTorch takes it: ids, mask, labels."""
    longest = max(len(ids) for ids, _ in encoded)
    ids = torch.zeros(len(encoded), longest, dtype=torch.long)
    mask, labels = torch.zeros_like(ids), torch.full_like(ids, -100)
    for i, (one, tags) in enumerate(encoded):
        ids[i, : len(one)] = torch.tensor(one)
        mask[i, : len(one)] = 1
        labels[i, : len(one)] = torch.tensor(tags)
    return ids, mask, labels


def fresh_head(real, folder, sentences):
    """The pretrained model in `real` with a new head for the sentences' tags, saved in `folder`."""
    tags = sorted({t for _, ts in sentences for t in ts})
    torch.manual_seed(0)
    model = BertForTokenClassification.from_pretrained(
        real, num_labels=len(tags), id2label=dict(enumerate(tags)),
        label2id={t: i for i, t in enumerate(tags)})  # fmt: skip
    model.save_pretrained(folder)
    for file in ("vocab.txt", "tokenizer_config.json", "tokenizer.json"):
        if pathlib.Path(real, file).exists():
            (folder / file).write_bytes(pathlib.Path(real, file).read_bytes())
    return model


@torch.no_grad()
def logits_of(model, encoded):
    """Per sentence (pieces, labels), in evaluation mode; sentences of one length together, so that
    nothing is padded."""
    model.eval()
    by_length, out = {}, [None] * len(encoded)
    for i, (ids, _) in enumerate(encoded):
        by_length.setdefault(len(ids), []).append(i)
    for group in by_length.values():
        logits = model(input_ids=torch.tensor([encoded[i][0] for i in group])).logits
        for i, one in zip(group, logits):
            out[i] = one
    return out


def worst_error(got, exact):
    """Largest |got - exact|; anything not finite or of another shape is infinitely wrong."""
    worst = 0.0
    if len(got) != len(exact):
        return float("inf")
    for a, b in zip(got, exact):
        if a.shape != b.shape or not torch.isfinite(a).all():
            return float("inf")
        worst = max(worst, (a.double() - b.double()).abs().max().item())
    return worst


def bertcl_logits(folder, data, out, *options):
    bertcl("eval", "--quiet", "--model", folder, "--data", data, "--logits", out, *options)
    tensors = load_file(out)
    return [tensors[f"logits.{i}"] for i in range(len(tensors))]
