#!/usr/bin/env python3
"""The other sides of compare_pytorch's evaluation: one engine over batches of sentences of similar length, timed.

--engine pytorch, onnxruntime or openvino; the last two take --onnx FILE, which peer_prepare.py writes, and import nothing
of PyTorch. One untimed pass over all batches warms up; then each line of standard input is answered with a timed pass:
real word pieces a second ([CLS] and [SEP] counted, padding not), and the process's peak memory so far. JSON lines."""
import argparse
import json
import os
import resource
import sys
import time

import numpy as np
from tokenizers import Tokenizer

from peer_data import read_sentences


def make_batches(a):
    tokenizer = Tokenizer.from_file(os.path.join(a.model, "tokenizer.json"))
    tokenizer.enable_truncation(128)
    tokenizer.no_padding()
    words = [w for w, _ in read_sentences(a.data)]
    coded = sorted((e.ids for e in tokenizer.encode_batch(words, is_pretokenized=True)), key=len)
    for start in range(0, len(coded), a.batch):
        part = coded[start:start + a.batch]
        ids = np.zeros((len(part), len(part[-1])), np.int64)
        mask = np.zeros_like(ids)
        for row, pieces in enumerate(part):
            ids[row, :len(pieces)] = pieces
            mask[row, :len(pieces)] = 1
        yield ids, mask


def pytorch(a):
    import torch
    from transformers import BertForTokenClassification
    torch.set_num_threads(a.threads)
    model = BertForTokenClassification.from_pretrained(a.model).eval()

    def forward(ids, mask):
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=a.bf16):
            return model(input_ids=torch.from_numpy(ids), attention_mask=torch.from_numpy(mask)).logits
    return forward


def onnxruntime(a):
    import onnxruntime as ort
    if a.bf16:
        raise SystemExit("onnxruntime has no bf16 on CPUs")
    options = ort.SessionOptions()
    options.intra_op_num_threads = a.threads
    session = ort.InferenceSession(a.onnx, options, providers=["CPUExecutionProvider"])
    return lambda ids, mask: session.run(None, {"ids": ids, "mask": mask})


def openvino(a):
    import openvino as ov
    request = ov.Core().compile_model(a.onnx, "CPU", {
        "INFERENCE_PRECISION_HINT": "bf16" if a.bf16 else "f32",
        "INFERENCE_NUM_THREADS": a.threads}).create_infer_request()
    return lambda ids, mask: request.infer({"ids": ids, "mask": mask})


ENGINES = {"pytorch": pytorch, "onnxruntime": onnxruntime, "openvino": openvino}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--engine", choices=ENGINES, required=True)
    p.add_argument("--model", required=True)
    p.add_argument("--data", nargs="+", required=True)
    p.add_argument("--onnx")
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--bf16", action="store_true")
    p.add_argument("--threads", type=int, default=os.cpu_count())
    a = p.parse_args()
    batches = list(make_batches(a))
    forward = ENGINES[a.engine](a)
    for ids, mask in batches:
        forward(ids, mask)
    tokens = sum(int(mask.sum()) for _, mask in batches)
    print(json.dumps({"tokens": tokens}), flush=True)
    for _ in sys.stdin:
        begin = time.perf_counter()
        for ids, mask in batches:
            forward(ids, mask)
        seconds = time.perf_counter() - begin
        print(json.dumps({"tokens_per_s": tokens / seconds, "seconds": seconds,
                          "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}), flush=True)


main()
