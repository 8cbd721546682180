#!/usr/bin/env python3
"""transformers' pipeline("token-classification") over the lines of a file, for tools/compare_predict: prints a JSON line with the
seconds that the pipeline took once it was loaded and warm, and writes the entities of each line."""
import argparse, json, sys, time


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--model", required=True)
    p.add_argument("--aggregation", required=True)
    p.add_argument("--batch", type=int, required=True)
    p.add_argument("--threads", type=int, required=True)
    p.add_argument("--out", required=True)
    p.add_argument("text")
    a = p.parse_args()
    import torch
    from transformers import logging, pipeline
    logging.set_verbosity_error()
    torch.set_num_threads(a.threads)
    pipe = pipeline("token-classification", model=a.model, aggregation_strategy=a.aggregation, device="cpu")
    with open(a.text, encoding="utf-8", newline="\n") as f:
        lines = f.read().split("\n")[:-1]
    with torch.inference_mode():
        pipe(lines[:a.batch], batch_size=a.batch)
        begin = time.perf_counter()
        out = pipe(lines, batch_size=a.batch)
        seconds = time.perf_counter() - begin
    with open(a.out, "w") as f:
        for entities in out:
            f.write(json.dumps([{k: float(v) if k == "score" else v for k, v in e.items()} for e in entities]) + "\n")
    print(json.dumps({"seconds": seconds, "version": __import__("transformers").__version__, "torch": torch.__version__}))


main()
