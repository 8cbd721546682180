#!/usr/bin/env python3
"""The other side of compare_startup: what a user of transformers waits for to label one sentence in a new process."""
import sys

import torch
from transformers import AutoTokenizer, BertForTokenClassification

model, *words = sys.argv[1:]
tokenizer = AutoTokenizer.from_pretrained(model)
network = BertForTokenClassification.from_pretrained(model).eval()
with torch.no_grad():
    best = network(**tokenizer([words], is_split_into_words=True, return_tensors="pt")).logits.argmax(-1)[0]
print([network.config.id2label[i] for i in best.tolist()])
