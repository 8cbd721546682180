#!/usr/bin/env python3
"""The Rust tokenizers' side of compare_tokenizer: encode_batch_fast over the lines of a file, timed, on as many threads as
RAYON_NUM_THREADS says. Each line of standard input is answered with a pass. All output is JSON lines."""
import json
import os
import resource
import sys
import time

from tokenizers import Tokenizer


def main():
    model, path = sys.argv[1:]
    tokenizer = Tokenizer.from_file(os.path.join(model, "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    with open(path, encoding="utf-8", newline="\n") as f:
        lines = f.read().split("\n")[:-1]
    tokenizer.encode_batch_fast(lines[:10000])
    print(json.dumps({"lines": len(lines)}), flush=True)
    for _ in sys.stdin:
        begin, count = time.perf_counter(), 0
        for i in range(0, len(lines), 10000):
            count += len(tokenizer.encode_batch_fast(lines[i:i + 10000]))
        seconds = time.perf_counter() - begin
        print(json.dumps({"lines": count, "seconds": seconds,
                          "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}), flush=True)


main()
