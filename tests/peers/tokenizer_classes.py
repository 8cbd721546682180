"""Which tokenizer a folder asks for: made-up folders of every class that bertcl takes, with classes named in
tokenizer_config.json, in config.json or nowhere, against AutoTokenizer: ids equal, or refused where they would not be.
Prints one line; exits non-zero on a difference."""

import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import AutoTokenizer

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = SPECIALS + "the ana Ana lives Lives in ulm Ulm ni nin nino niño NI , . - é e".split() + [
    f"##{c}" for c in "abcdefghijklmnopqrstuvwxyzéñABC"] + list("abcdefghijklmnopqrstuvwxyzñABCDEFGHIJKLM東京")
TEXTS = ["Ana lives in Ulm", "el Niño, the ana-LIVES", "東京 in 京", "[CLS] ana [SEP] [MASK] <x> <Y>the<x>", "ABCDEFGHIJ abcdefghij " + "a" * 150,
         "Ünïcödé ÀÉ", "", "  <x>  ", "ent Ent ENT [UNK]", "a" * 100 + " " + "b" * 101, "zz q Q"]  # fmt: skip
OWN = [None, "BertTokenizer", "BertTokenizerFast", "ElectraTokenizer", "ElectraTokenizerFast", "MobileBertTokenizer", "SqueezeBertTokenizerFast", "DistilBertTokenizer"]
GENERIC = ["PreTrainedTokenizerFast", "TokenizersBackend", "NobodysTokenizerFast"]
FOREIGN = ["BertJapaneseTokenizer", "KoBertTokenizer", "KoBERTTokenizer", "BigBirdTokenizer", "BigBirdTokenizerFast", "RobertaTokenizerFast",
           "RobertaTokenizer", "AlbertTokenizer", "XLMRobertaTokenizerFast", "CamembertTokenizer", "T5Tokenizer", "DebertaV2TokenizerFast"]  # fmt: skip


def backend(rng, folder):
    t = Tokenizer(models.WordPiece({w: i for i, w in enumerate(dict.fromkeys(WORDS))}, unk_token="[UNK]",
                                   max_input_chars_per_word=rng.choice([100, 100, 5, 14, 300])))  # fmt: skip
    t.normalizer = normalizers.BertNormalizer(
        lowercase=rng.random() < 0.5, strip_accents=rng.choice([None, True, False]), handle_chinese_chars=rng.random() < 0.7)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.decoder = decoders.WordPiece()
    if rng.random() < 0.5:
        t.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    else:
        t.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    if rng.random() < 0.8:
        t.add_special_tokens(SPECIALS)
    if rng.random() < 0.4:
        t.add_tokens(["<x>", "ent"])
    t.save(str(folder / "tokenizer.json"))


def make(rng, folder, kinds):
    folder.mkdir()
    name, where = rng.choice(kinds), rng.choice(["tokenizer", "config", "both"])
    config, model = {}, {"model_type": "bert", "architectures": ["BertForTokenClassification"]}
    if name and where != "config":
        config["tokenizer_class"] = name
    if name and where != "tokenizer":
        model["tokenizer_class"] = name
    if rng.random() < 0.6:
        config["do_lower_case"] = rng.random() < 0.5
    if rng.random() < 0.3:
        config["strip_accents"] = rng.random() < 0.5
    if rng.random() < 0.5:
        config |= {f"{s[1:-1].lower()}_token": s for s in SPECIALS}
    if rng.random() < 0.3:
        config["added_tokens_decoder"] = {
            str(i): {"content": s, "special": True, "normalized": False} for i, s in enumerate(SPECIALS)}
        if rng.random() < 0.5:
            config["added_tokens_decoder"][str(len(dict.fromkeys(WORDS)))] = {"content": "<Y>", "normalized": rng.random() < 0.5, "lstrip": True}
    if rng.random() < 0.2:
        config["additional_special_tokens"] = ["<Y>"]
    if rng.random() < 0.3:
        (folder / "special_tokens_map.json").write_text(json.dumps({f"{s[1:-1].lower()}_token": s for s in SPECIALS}))
    has_json = rng.random() < 0.8
    if has_json:
        backend(rng, folder)
    if not has_json or rng.random() < 0.6:
        (folder / "vocab.txt").write_text("\n".join(dict.fromkeys(WORDS)) + "\n")
    if config or rng.random() < 0.5:
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "config.json").write_text(json.dumps(model))
    return name, has_json


def ours(folder):
    text = "".join(t + "\n" for t in TEXTS)
    done = subprocess.run([os.environ["BERTCL"], "tokenize", "--model", str(folder)], input=text.encode(), capture_output=True)
    if done.returncode:
        return done.stderr.decode().strip()
    return [json.loads(line)["ids"] for line in done.stdout.decode().splitlines()]


rng = random.Random(int(os.environ.get("BERTCL_PEER_SEED", 5)))
failed, equal, refused = [], 0, 0
with tempfile.TemporaryDirectory() as root:
    for i in range(int(os.environ.get("BERTCL_PEER_FOLDERS", 300))):
        folder = pathlib.Path(root) / str(i)
        kinds = FOREIGN if i % 10 == 0 else GENERIC if i % 2 else OWN
        name, has_json = make(rng, folder, kinds)
        got = ours(folder)
        if name in FOREIGN or (name in GENERIC and not has_json):
            refused += 1
            if isinstance(got, list) or name not in got:
                failed.append((name, "not refused", got))
            continue
        want = [AutoTokenizer.from_pretrained(folder)(t)["input_ids"] for t in TEXTS]
        equal += got == want
        if got != want:
            print(name, {p.name: p.read_text()[:1500] for p in folder.iterdir() if p.name != "vocab.txt"}, file=sys.stderr)
            for t, a, b in zip(TEXTS, got, want):
                if a != b:
                    print(repr(t), a, b, file=sys.stderr)
            failed.append((name, "differs", got if isinstance(got, str) else ""))
            if len(failed) > 2: break
print(f"tokenizer classes: {equal} folders equal to AutoTokenizer's, {refused} refused" + (f"; FAILED: {failed}" if failed else ""))
sys.exit(bool(failed))
