#!/usr/bin/env python3
"""The other side of compare_pytorch: token classification in PyTorch and transformers, timed.

--padding fixed pads every sentence to 128, as the tutorial does; longest pads to the longest of the
batch; grouped also puts sentences of similar length together. Prints one JSON object: real word
pieces a second ([CLS] and [SEP] counted, padding not), the mean loss, the process's peak memory.
"""
import argparse
import json
import os
import random
import resource
import time

import torch
from transformers import AutoTokenizer, BertForTokenClassification

MAX_LENGTH = 128
STRAY = {"0", "I-", "I-I-MISC", "I-OR", "I-PRG", "VMISC"}


def read_sentences(paths):
    for path in paths:
        files = [os.path.join(path, f) for f in sorted(os.listdir(path))] if os.path.isdir(path) else [path]
        for name in files:
            words, tags = [], []
            with open(name, encoding="utf-8") as lines:
                for line in lines:
                    columns = line.rstrip("\n").split("\t")
                    if len(columns) > 1:
                        words.append(columns[0])
                        tags.append("O" if columns[1] in STRAY else columns[1])
                    elif words:
                        yield words, tags
                        words, tags = [], []
            if words:
                yield words, tags


def encode(tokenizer, sentences, labels):
    coded = tokenizer([w for w, _ in sentences], is_split_into_words=True, truncation=True, max_length=MAX_LENGTH)
    return [(ids, [-100 if w is None else labels[tags[w]] for w in coded.word_ids(i)])
            for i, (ids, (_, tags)) in enumerate(zip(coded["input_ids"], sentences))]


def collate(items, width):
    ids = torch.zeros(len(items), width, dtype=torch.long)
    mask, labels = torch.zeros_like(ids), torch.full_like(ids, -100)
    for row, (pieces, gold) in enumerate(items):
        n = len(pieces)
        ids[row, :n] = torch.tensor(pieces)
        labels[row, :n] = torch.tensor(gold)
        mask[row, :n] = 1
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def batches(samples, size, padding, seed):
    order = list(range(len(samples)))
    random.Random(seed).shuffle(order)
    if padding == "grouped":
        span = 50 * size
        order = [i for s in range(0, len(order), span)
                 for i in sorted(order[s:s + span], key=lambda i: -len(samples[i][0]))]
    chunks = [order[s:s + size] for s in range(0, len(order), size)]
    if padding == "grouped":
        random.Random(seed + 1).shuffle(chunks)
    for chunk in chunks:
        items = [samples[i] for i in chunk]
        yield items, MAX_LENGTH if padding == "fixed" else max(len(p) for p, _ in items)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", required=True)
    p.add_argument("--data", nargs="+", required=True)
    p.add_argument("--padding", choices=("fixed", "longest", "grouped"), default="fixed")
    p.add_argument("--batch", type=int, default=4)
    p.add_argument("--lr", type=float, default=1e-5)
    p.add_argument("--steps", type=int, default=30)
    p.add_argument("--bf16", action="store_true")
    p.add_argument("--compile", action="store_true")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--threads", type=int, default=os.cpu_count())
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)

    sentences = list(read_sentences(a.data))
    names = list(dict.fromkeys(t for _, tags in sentences for t in tags))
    samples = encode(AutoTokenizer.from_pretrained(a.model), sentences, {n: i for i, n in enumerate(names)})
    model = BertForTokenClassification.from_pretrained(a.model, num_labels=len(names), ignore_mismatched_sizes=True)
    model.train()
    run = torch.compile(model, dynamic=True) if a.compile else model
    optimizer = torch.optim.Adam(model.parameters(), lr=a.lr)
    untimed = 12 if a.compile else 2

    losses, tokens, start = [], 0, None
    for step, (items, width) in enumerate(batches(samples, a.batch, a.padding, a.seed)):
        if step == untimed + a.steps:
            break
        if step == untimed:
            start = time.perf_counter()
        batch = collate(items, width)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=a.bf16):
            loss = run(**batch).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        losses.append(loss.item())
        if step >= untimed:
            tokens += int(batch["attention_mask"].sum())
    seconds = time.perf_counter() - start
    print(json.dumps({"tokens_per_s": tokens / seconds, "loss": sum(losses) / len(losses),
                      "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                      "torch": torch.__version__}))


main()
