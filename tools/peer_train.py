#!/usr/bin/env python3
"""PyTorch's side of compare_pytorch: the tutorial's training steps, timed.

--data FILE is the sentences of all steps, --batch a step, in order. --padding fixed pads every sentence to 128, as the
tutorial does; longest pads to the longest of the batch. One untimed pass over all steps warms up (and compiles every
shape), and gives the loss: it is what a fresh run would do. Then each line of standard input is answered with a timed
pass over all steps but the first two: real word pieces a second ([CLS] and [SEP] counted, padding not), and the
process's peak memory so far. All output is JSON lines."""
import argparse
import json
import os
import resource
import sys
import time

import torch
from transformers import AutoTokenizer, BertForTokenClassification

from peer_data import read_sentences

MAX_LENGTH = 128
UNTIMED = 2


def encode(tokenizer, sentences, labels):
    coded = tokenizer([w for w, _ in sentences], is_split_into_words=True, truncation=True, max_length=MAX_LENGTH)
    return [(ids, [-100 if w is None else labels[tags[w]] for w in coded.word_ids(i)])
            for i, (ids, (_, tags)) in enumerate(zip(coded["input_ids"], sentences))]


def collate(items, padding):
    width = MAX_LENGTH if padding == "fixed" else max(len(pieces) for pieces, _ in items)
    ids = torch.zeros(len(items), width, dtype=torch.long)
    mask, labels = torch.zeros_like(ids), torch.full_like(ids, -100)
    for row, (pieces, gold) in enumerate(items):
        n = len(pieces)
        ids[row, :n] = torch.tensor(pieces)
        labels[row, :n] = torch.tensor(gold)
        mask[row, :n] = 1
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", required=True)
    p.add_argument("--data", required=True)
    p.add_argument("--padding", choices=("fixed", "longest"), default="fixed")
    p.add_argument("--batch", type=int, default=4)
    p.add_argument("--lr", type=float, default=1e-5)
    p.add_argument("--bf16", action="store_true")
    p.add_argument("--compile", action="store_true")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--threads", type=int, default=os.cpu_count())
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)

    model = BertForTokenClassification.from_pretrained(a.model)
    samples = encode(AutoTokenizer.from_pretrained(a.model), list(read_sentences([a.data])), model.config.label2id)
    steps = [samples[i:i + a.batch] for i in range(0, len(samples), a.batch)]
    model.train()
    run = torch.compile(model, dynamic=True) if a.compile else model
    optimizer = torch.optim.Adam(model.parameters(), lr=a.lr)

    def train(items):
        batch = collate(items, a.padding)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=a.bf16):
            loss = run(**batch).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    counted = [sum(label >= 0 for _, labels in items for label in labels) for items in steps]
    loss = sum(train(items) * n for items, n in zip(steps, counted)) / sum(counted)
    print(json.dumps({"loss": loss, "steps": len(steps), "tokens": sum(len(ids) for ids, _ in samples)}), flush=True)
    tokens = sum(len(ids) for items in steps[UNTIMED:] for ids, _ in items)
    for _ in sys.stdin:
        begin = time.perf_counter()
        for items in steps[UNTIMED:]:
            train(items)
        seconds = time.perf_counter() - begin
        print(json.dumps({"tokens_per_s": tokens / seconds, "seconds": seconds,
                          "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}), flush=True)


main()
