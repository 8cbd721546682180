#!/usr/bin/env python3
"""PyTorch beside bertcl on the same CUDA device: training and evaluation; or, with --gemm alone, cuBLAS' matrix products.

The split, the labels and the count of real tokens are those of tools/peer_train.py; without pandas where it is missing. Padding to the longest of the batch; --grouped: batches of similar length. Weights are loaded in fp32 whatever
the file holds. The last line printed is one JSON object.
"""
import argparse, itertools, json, os, random, sys, time
from collections import Counter
import torch
from transformers import BertConfig, BertForTokenClassification, BertTokenizerFast

BAD = {"I-PRG", "I-I-MISC", "I-OR", "VMISC", "I-", "0"}

def read(dirs):
    for d in dirs:
        for f in sorted(os.listdir(d)):
            with open(os.path.join(d, f), encoding="utf8") as fh:
                for blank, rows in itertools.groupby(fh.readlines(), lambda z: z == "\n"):
                    if not blank:
                        rows = [r.split("\t") for r in rows]
                        yield [r[0] for r in rows], ["O" if r[1].strip() in BAD else r[1].strip() for r in rows]

def split(sentences):
    try:
        import pandas as pd
        df = pd.DataFrame(sentences, columns=["tokens", "tags"]); train = df.sample(frac=0.8, random_state=200)
        test = df.drop(train.index)
        return list(zip(train.tokens, train.tags)), list(zip(test.tokens, test.tags))
    except ImportError:
        print("no pandas: another split, figures of quality are not comparable"); random.Random(200).shuffle(sentences)
        n = round(0.8 * len(sentences)); return sentences[:n], sentences[n:]

def products():
    """cuBLAS at the shapes of a layer's products (M tokens): TFLOP/s, forward X W' and weight gradient dY' X."""
    for dtype, tf32 in ((torch.float32, False), (torch.float32, True), (torch.bfloat16, False)):
        torch.backends.cuda.matmul.allow_tf32 = tf32
        for c in (384, 768):
            for m in (120, 1024, 4096):
                for n, k in ((3 * c, c), (c, c), (4 * c, c), (c, 4 * c)):
                    x, w, y = (torch.randn(s, device="cuda", dtype=dtype) for s in ((m, k), (n, k), (m, n)))
                    row = dict(dtype=str(dtype), tf32=tf32, M=m, N=n, K=k)
                    for name, f in (("NT", lambda: x @ w.T), ("NN", lambda: y @ w), ("TN", lambda: y.T @ x)):
                        for _ in range(5): f()
                        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2)); g = torch.cuda.CUDAGraph()
                        with torch.cuda.graph(g):
                            for _ in range(20): f()
                        g.replay(); best = 1e9
                        for _ in range(5): start.record(); g.replay(); end.record(); torch.cuda.synchronize(); best = min(best, start.elapsed_time(end))
                        row[name] = 2 * m * n * k * 20 / best / 1e9
                    print(json.dumps(row), flush=True)

def main():
    if "--gemm" in sys.argv: return products()
    p = argparse.ArgumentParser()
    p.add_argument("--data", nargs="+", required=True); p.add_argument("--model", required=True)
    p.add_argument("--device", default="cuda"); p.add_argument("--base", action="store_true", help="bert-base's shape, random weights")
    p.add_argument("--batch", type=int, default=32); p.add_argument("--eval-batch", type=int, default=128)
    p.add_argument("--lr", type=float, default=2e-4); p.add_argument("--linear", action="store_true")
    p.add_argument("--epochs", type=int, default=1); p.add_argument("--steps", type=int, default=0)
    p.add_argument("--grouped", action="store_true"); p.add_argument("--bf16", action="store_true")
    p.add_argument("--tf32", action="store_true"); p.add_argument("--compile", action="store_true"); p.add_argument("--seed", type=int, default=0)
    a = p.parse_args(); torch.manual_seed(a.seed); dev = torch.device(a.device); cuda = dev.type == "cuda"
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = a.tf32
    sync = torch.cuda.synchronize if cuda else (lambda: None)
    sentences = list(read(a.data)); tag = {t: i for i, t in enumerate(Counter(t for _, s in sentences for t in s))}; names = list(tag)
    train, test = split(sentences); tok = BertTokenizerFast.from_pretrained(a.model)
    def encode(d):
        e = tok([list(x) for x, _ in d], truncation=True, is_split_into_words=True, max_length=128)
        return [(e["input_ids"][i], [-100 if w is None else tag[d[i][1][w]] for w in e.word_ids(i)]) for i in range(len(d))]
    def batch(items):
        m = max(len(x) for x, _ in items); ids = torch.zeros(len(items), m, dtype=torch.long); mask = torch.zeros_like(ids); lab = torch.full_like(ids, -100)
        for r, (x, y) in enumerate(items):
            ids[r, :len(x)] = torch.tensor(x); mask[r, :len(x)] = 1; lab[r, :len(x)] = torch.tensor(y)
        n = int(mask.sum()); 
        if cuda: ids, mask, lab = (t.pin_memory().to(dev, non_blocking=True) for t in (ids, mask, lab))
        return ids, mask, lab, n
    tr, te = encode(train), encode(test)
    if a.base: model = BertForTokenClassification(BertConfig(num_labels=len(names)))
    else: model = BertForTokenClassification.from_pretrained(a.model, num_labels=len(names), ignore_mismatched_sizes=True, dtype=torch.float32)
    model = model.to(dev, torch.float32); run = torch.compile(model, dynamic=True) if a.compile else model
    opt = torch.optim.Adam(model.parameters(), lr=a.lr, **({"fused": True} if cuda else {}))
    gen = torch.Generator().manual_seed(a.seed + 1); total = a.epochs * -(-len(tr) // a.batch); step = 0
    out = dict(device=torch.cuda.get_device_name() if cuda else "cpu", torch=torch.__version__, batch=a.batch, grouped=a.grouped, bf16=a.bf16, tf32=a.tf32, compiled=a.compile, base=a.base)
    tokens = 0; t0 = None; losses = []; warm = 12
    for epoch in range(a.epochs):
        model.train(); order = torch.randperm(len(tr), generator=gen).tolist()
        if a.grouped:
            mega = 50 * a.batch; order = [i for s in range(0, len(order), mega) for i in sorted(order[s:s + mega], key=lambda i: -len(tr[i][0]))]
        for s in range(0, len(order), a.batch):
            ids, mask, lab, n = batch([tr[i] for i in order[s:s + a.batch]])
            if step == warm: sync(); t0 = time.time(); tokens = 0
            tokens += n
            if a.linear:
                for g in opt.param_groups: g["lr"] = a.lr * min((step + 1) / (0.1 * total), 1 - step / total)
            with torch.autocast(dev.type, dtype=torch.bfloat16, enabled=a.bf16):
                loss = run(input_ids=ids, attention_mask=mask, labels=lab).loss
            opt.zero_grad(); loss.backward(); opt.step(); losses.append(loss.detach()); step += 1
            if a.steps and step >= a.steps: break
        if a.steps and step >= a.steps: break
    sync(); dt = time.time() - t0 if t0 else float("nan")
    out.update(steps=step, train_loss=float(torch.stack(losses[-50:]).mean()), train_s=dt, train_tokens_per_s=tokens / dt)
    model.eval(); te.sort(key=lambda x: len(x[0])); hits = torch.zeros((), device=dev); labelled = torch.zeros((), device=dev); pairs = []
    with torch.no_grad():
        for rounds in range(2):  # the first warms up
            sync(); t0 = time.time(); tokens = 0; pairs = []
            for s in range(0, len(te), a.eval_batch):
                ids, mask, lab, n = batch(te[s:s + a.eval_batch]); tokens += n
                with torch.autocast(dev.type, dtype=torch.bfloat16, enabled=a.bf16): logits = run(input_ids=ids, attention_mask=mask).logits
                m = lab != -100; pairs.append((logits.argmax(-1)[m], lab[m]))
            sync(); out["eval_tokens_per_s"] = tokens / (time.time() - t0)
    pred, gold = torch.cat([x for x, _ in pairs]).cpu(), torch.cat([y for _, y in pairs]).cpu()
    f1 = []
    for k in range(len(names)):
        tp = int(((pred == k) & (gold == k)).sum()); d = int((pred == k).sum()) + int((gold == k).sum()); f1.append(2 * tp / d if d else 0.0)
    out.update(accuracy=float((pred == gold).float().mean()), macro_f1=sum(f1) / len(f1), f1=dict(zip(names, f1)))
    if cuda: out["peak_memory_mb"] = torch.cuda.max_memory_allocated() / 2**20
    print(json.dumps(out))

main()
