#!/usr/bin/env python3
"""bertcl predict against transformers' pipeline("token-classification"): every aggregation, on the sentences of the
corpus' test split joined as text, on the same as words, and on odd texts (random Unicode, quotes, special tokens, long
ones, malformed labels). Same entities, keys, words and offsets; scores within 1e-4. Offsets in bytes must cut the same
text. The model is BERTCL_MODEL's encoder with a seeded head of awkward labels (a trained one serves as well: a folder with
a classifier in BERTCL_TAGGER). BERTCL_PEER_SENTENCES limits the corpus."""
import copy, glob, json, os, random, shutil, subprocess, sys, tempfile
os.environ["HF_HUB_OFFLINE"] = "1"
import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer, BertConfig, BertForTokenClassification, logging, pipeline

logging.set_verbosity_error()
logging.disable_progress_bar()
torch.set_num_threads(int(os.environ.get("BERTCL_PEER_THREADS", "2")))
STRATEGIES = ["none", "simple", "first", "average", "max"]
LABELS = "O B-PER I-PER B-ORG I-ORG B-LOC I-LOC B-ARGM-LOC I-ARGM-LOC MISC B-O X-PER PER I- - é".split()


def make_model(folder):
    source = os.environ["BERTCL_MODEL"]
    torch.manual_seed(5)
    config = BertConfig.from_pretrained(source)
    config.id2label = dict(enumerate(LABELS))
    config.label2id = {l: i for i, l in enumerate(LABELS)}
    model = BertForTokenClassification.from_pretrained(source, config=config)
    torch.nn.init.normal_(model.classifier.weight, std=.6)
    with torch.no_grad():
        model.classifier.bias[0] += 1
    model.save_pretrained(folder)
    for name in "vocab.txt tokenizer.json tokenizer_config.json special_tokens_map.json".split():
        if os.path.exists(os.path.join(source, name)):
            shutil.copy(os.path.join(source, name), folder)


def sentences():
    root, words = os.environ["BERTCL_UN_NER"], []
    out = []
    for path in sorted(glob.glob(os.path.join(root, "tagged-test", "*"))):
        for line in open(path, encoding="utf-8-sig"):
            word = line.rstrip("\r\n").split("\t")[0].strip()
            if word:
                words.append(word)
            elif words:
                out.append(words)
                words = []
        if words:
            out.append(words)
            words = []
    return out[:int(os.environ.get("BERTCL_PEER_SENTENCES", "1000000"))]


def odd_texts(rng, pool):
    fixed = ["", " ", ".", "'s", "do not", "can't , won't ; it 's I 'm they 're we 've don 't", "a ' b ' c", "x . y ? z ! w , v",
             "[CLS] hi [SEP] there [UNK] you [MASK] [PAD]", "##ing un##able ## # #", "naïve café Ünïcode İstanbul ﬁne ①②",
             "日本語のテキスト 中文。", "e\u0301\u0301 a\u0300\u0316b", "\u200bzero\u200dwidth\ufeff", "🙂 emoji 👩‍👩‍👧 family", "A" * 120,
             "a\u00a0b\u3000c\tq", "don't do not n't 'm 's \" “q” ‘x’", "http://a.b/c?d=e&f=<g>", "ſ ß Ω Å ㎏ ﷺ", "한국어 각 각",
             "\u0085\u2028x\u2029y", "\x01\x02ab\x7fc"]
    words = [w for s in pool[:400] for w in s]
    for _ in range(150):
        n = rng.choice([1, 3, 8, 30])
        parts = []
        for _ in range(n):
            r = rng.random()
            if r < .5:
                parts.append(rng.choice(words))
            elif r < .8:
                parts.append("".join(chr(rng.choice([rng.randrange(32, 127), rng.randrange(0xa0, 0x600),
                                                     rng.randrange(0x600, 0xd7ff), rng.randrange(0xe000, 0x2ffff)]))
                                     for _ in range(rng.randrange(1, 8))))
            else:
                parts.append(rng.choice([".", ",", "'s", "n't", "do not", "?", "'", "##x", "[UNK]", "''", "``"]))
        fixed.append(rng.choice(["", " ", "  "]).join(parts).replace("\n", " ").replace("\r", " ").replace("\0", ""))
    fixed.append(" ".join(words[:900]))
    return fixed


def reference(pipe, inputs, words):
    out = []
    for x in inputs:
        extra = {"is_split_into_words": words} | ({"delimiter": " "} if words else {})
        with torch.no_grad():
            got = [pipe.forward(y) for y in pipe.preprocess(x, **extra)]
        from transformers.pipelines.token_classification import AggregationStrategy
        # postprocess shifts the offsets of words in place
        out.append([pipe.postprocess(copy.deepcopy(got), AggregationStrategy(s)) for s in STRATEGIES])
    return out


def ours(model, lines, strategy, *options):
    run = subprocess.run([os.environ["BERTCL"], "predict", "--model", model, "--aggregation", strategy, "--quiet",
                          "--byte-offsets", *options], input="".join(l + "\n" for l in lines).encode(), capture_output=True)
    if run.returncode:
        sys.exit(f"predict: {run.stderr.decode()}")
    return [json.loads(l) for l in run.stdout.decode().split("\n")[:-1]]


def compare(name, model, pipe, inputs, words=False):
    want = reference(pipe, inputs, words)
    lines = [json.dumps(x, ensure_ascii=False) for x in inputs] if words else inputs
    bad = total = close = 0
    worst = 0.0
    for k, strategy in enumerate(STRATEGIES):
        got = ours(model, lines, strategy, *(["--words"] if words else []))
        assert len(got) == len(inputs), (name, strategy, len(got), len(inputs))
        for x, g, w in zip(inputs, got, want):
            text = " ".join(x) if words else x
            problem = None if g["text"] == text else "text"
            raw = text.encode()
            for e in g["entities"]:
                b = raw[e.pop("start_byte"):e.pop("end_byte")].decode()
                if b != text[e["start"]:e["end"]]:
                    problem = "byte offsets"
            theirs = [dict(e) for e in w[k]]
            for e, f in zip(g["entities"], theirs):
                delta = abs(e.pop("score") - float(f.pop("score")))
                worst = max(worst, delta)
                if delta > 1e-4:
                    problem = "score"
            if [list(e.items()) for e in g["entities"]] != [list(e.items()) for e in theirs]:
                problem = "entities"
            total += len(theirs)
            if problem:
                bad += 1
                if bad <= 5:
                    print(f"{name} {strategy}: {problem}: {text!r}\n  bertcl {g['entities']}\n  pipeline {theirs}")
    print(f"{name}: {len(inputs)} texts, {total} entities, {bad} differences, scores within {worst:.1e}")
    return bad


def main():
    with tempfile.TemporaryDirectory() as folder:
        model = os.environ.get("BERTCL_TAGGER")
        if not model:
            model = folder
            make_model(folder)
        tokenizer = AutoTokenizer.from_pretrained(model)
        pipe = pipeline("token-classification", model=AutoModelForTokenClassification.from_pretrained(model).eval(), tokenizer=tokenizer, device="cpu")
        pool, rng = sentences(), random.Random(11)
        odd = odd_texts(rng, pool)
        bad = compare("odd texts", model, pipe, odd)
        bad += compare("words", model, pipe, pool[:300] + [[t, "", " x", t[:3]] for t in odd[5:60]], words=True)
        bad += compare("test split", model, pipe, [" ".join(s) for s in pool])
        if bad:
            sys.exit(f"{bad} differences")


main()
