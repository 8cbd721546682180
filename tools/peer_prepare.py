#!/usr/bin/env python3
"""What both sides of compare_pytorch start from, so that they differ in nothing but themselves.

--out DIR/model gets the model with a head for the corpus' tags (with --base, bert-base's shape with random weights);
--pool FILE the sentences of --steps batches, in order; with --grouped each batch has sentences of similar length, sorted
within spans of 50 batches as Trainer's group_by_length does. --onnx FILE gets the model for other engines.
Prints one JSON object."""
import argparse
import json
import os
import random

import torch
from transformers import AutoTokenizer, BertConfig, BertForTokenClassification

from peer_data import read_sentences

MAX_LENGTH = 128


def make_model(a, tokenizer, names):
    torch.manual_seed(0)
    labels = dict(num_labels=len(names), id2label=dict(enumerate(names)), label2id={n: i for i, n in enumerate(names)})
    if a.base:
        model = BertForTokenClassification(BertConfig(vocab_size=len(tokenizer), **labels))
    else:
        model = BertForTokenClassification.from_pretrained(a.model, ignore_mismatched_sizes=True, **labels)
    model.save_pretrained(a.out)
    tokenizer.save_pretrained(a.out)
    return model


def choose(a, sentences, lengths):
    """The sentences of the batches, batch behind batch."""
    draw = random.Random(0)
    order = list(range(len(sentences)))
    draw.shuffle(order)
    if a.grouped:
        span = 50 * a.batch
        order = [i for s in range(0, len(order), span) for i in sorted(order[s:s + span], key=lambda i: -lengths[i])]
    batches = [order[s:s + a.batch] for s in range(0, len(order) - a.batch + 1, a.batch)]
    if a.grouped:
        draw.shuffle(batches)
    if len(batches) < a.steps:
        raise SystemExit(f"{len(sentences)} sentences are {len(batches)} batches of {a.batch}, expected {a.steps}")
    return [sentences[i] for batch in batches[:a.steps] for i in batch]


class Logits(torch.nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, ids, mask):
        return self.inner(input_ids=ids, attention_mask=mask).logits


def export(model, path):
    ids = torch.randint(1000, 2000, (4, 20))
    axes = {0: "batch", 1: "length"}
    torch.onnx.export(Logits(model.eval()), (ids, torch.ones_like(ids)), path, input_names=["ids", "mask"],
                      output_names=["logits"], dynamic_axes={"ids": axes, "mask": axes, "logits": axes}, dynamo=False)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", required=True)
    p.add_argument("--data", nargs="+", required=True)
    p.add_argument("--out", required=True)
    p.add_argument("--base", action="store_true")
    p.add_argument("--pool")
    p.add_argument("--batch", type=int, default=4)
    p.add_argument("--steps", type=int, default=0)
    p.add_argument("--grouped", action="store_true")
    p.add_argument("--onnx")
    a = p.parse_args()
    tokenizer = AutoTokenizer.from_pretrained(a.model)
    sentences = list(read_sentences(a.data))
    names = list(dict.fromkeys(t for _, tags in sentences for t in tags))
    if not os.path.exists(os.path.join(a.out, "config.json")):
        model = make_model(a, tokenizer, names)
        if a.onnx:
            export(model, a.onnx)
    if a.pool:
        coded = tokenizer([w for w, _ in sentences], is_split_into_words=True, truncation=True, max_length=MAX_LENGTH)
        with open(a.pool, "w", encoding="utf-8", newline="\n") as f:
            for words, tags in choose(a, sentences, [len(ids) for ids in coded["input_ids"]]):
                f.write("".join(f"{word}\t{tag}\n" for word, tag in zip(words, tags)) + "\n")
    c = BertConfig.from_pretrained(a.out)
    # Multiplications and additions of the matrix products of one token's forward pass; attention's are left out.
    encoder = c.num_hidden_layers * (4 * c.hidden_size**2 + 2 * c.hidden_size * c.intermediate_size)
    print(json.dumps({"forward_flop_per_token": 2 * (encoder + c.hidden_size * len(names))}))


main()
