"""safetensors and config.json against Python's: random files both ways, the same damage refused,
shards as transformers saves them, our folder in from_pretrained, random configs, and the model of
BERTCL_MODEL written again. Prints one line; exits non-zero on any difference."""

import json
import os
import pathlib
import random
import struct
import subprocess
import sys
import tempfile

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForTokenClassification

TOOLS = pathlib.Path(os.environ["BERTCL"]).parent / "tests"
TOOL = str(TOOLS / "peer_safetensors_tool")
CONFIG_TOOL = str(TOOLS / "peer_config_tool")
FLOATS = [torch.float32, torch.float16, torch.bfloat16, torch.float64]
DTYPES = FLOATS + [
    torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool,
    torch.uint16, torch.uint32, torch.uint64, torch.complex64,
    torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz, torch.float8_e5m2fnuz,
    torch.float8_e8m0fnu,
]  # fmt: skip
NAMES = {
    torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.float64: "F64",
    torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8",
    torch.uint8: "U8", torch.bool: "BOOL", torch.uint16: "U16", torch.uint32: "U32",
    torch.uint64: "U64", torch.complex64: "C64", torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e5m2: "F8_E5M2", torch.float8_e4m3fnuz: "F8_E4M3FNUZ",
    torch.float8_e5m2fnuz: "F8_E5M2FNUZ", torch.float8_e8m0fnu: "F8_E8M0",
}  # fmt: skip
differences = []


def differ(what):
    differences.append(what)
    print(what, file=sys.stderr)


def fnv(data):
    h = 14695981039346656037
    for b in data:
        h = (h ^ b) * 1099511628211 & 0xFFFFFFFFFFFFFFFF
    return f"{h:016x}"


def raw(t):
    return t.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def tool(*arguments):
    return subprocess.run([TOOL, *map(str, arguments)], capture_output=True)


def random_tensors(rng):
    tensors = {}
    for _ in range(rng.randrange(8)):
        dtype = rng.choice(DTYPES)
        shape = [rng.choice([0, 1, 2, 3, 7]) for _ in range(rng.randrange(5))]
        size = torch.Size(shape).numel() * dtype.itemsize
        data = bytearray(rng.randbytes(size))
        if dtype == torch.bool:
            data = bytearray(b & 1 for b in data)
        t = torch.frombuffer(data, dtype=torch.uint8).clone() if size else torch.zeros(0).byte()
        name = "".join(rng.choice('ab.é"\\\n\t\x01字😀') for _ in range(rng.randrange(1, 9)))
        tensors[name] = t.view(dtype).reshape(shape)
    return tensors


def expected_line(name, t):
    floats = "0" * 16
    if t.dtype in FLOATS:
        floats = fnv(raw(t.to(torch.float32)))
    return [NAMES[t.dtype], str(list(t.shape)), str(len(raw(t))), fnv(raw(t)), floats]


def check_round_trip(folder, rng, number):
    tensors = random_tensors(rng)
    theirs, ours = folder / "theirs.safetensors", folder / "ours.safetensors"
    save_file(tensors, theirs, metadata={"format": "pt"})
    done = tool(theirs, ours)
    if done.returncode:
        return differ(f"file {number}: {done.stderr}")
    if theirs.read_bytes() != ours.read_bytes():
        differ(f"file {number}: our bytes are not theirs")
    back = load_file(ours)
    if sorted(back) != sorted(tensors) or any(raw(back[k]) != raw(tensors[k]) for k in tensors):
        differ(f"file {number}: Python reads other tensors from our file")
    for name, t in tensors.items():
        # A quiet NaN may carry any payload: compare the floats only where there is none.
        line = "\t".join([name] + expected_line(name, t))
        if t.dtype in FLOATS and t.isnan().any():
            line = line[:-16]
        if line.encode() not in done.stdout:
            differ(f"file {number}: {name!r}: expected {line!r}")


def python_refuses(path):
    try:
        with safe_open(path, "pt") as f:
            f.keys()
        return False
    except SafetensorError:
        return True


def stricter(header):
    """What the format's text forbids and the Rust reader takes: duplicate keys (the last one wins
    there) and white space before the header; and what a C string or bcl_tensor cannot hold."""
    if not header.startswith(b"{") or b"\\u0000" in header:
        return True
    found = []

    def pairs(items):
        keys = [k for k, _ in items]
        found.append(len(set(keys)) != len(keys))
        return dict(items)

    try:
        tensors = json.loads(header, object_pairs_hook=pairs)
    except ValueError:
        return False
    infos = [v for k, v in tensors.items() if k != "__metadata__"]
    return any(found) or any(
        isinstance(v, list)
        or isinstance(v.get("dtype"), dict)
        or len(v.get("shape", [])) > 8
        or max(v.get("shape", []), default=0) >= 2**63
        for v in infos
    )


def compare_damaged(path, data, counts):
    path.write_bytes(data)
    python, ours = python_refuses(path), tool(path).returncode
    if ours not in (0, 1):
        return differ(f"damaged file {data!r}: exit status {ours}")
    n = struct.unpack("<Q", data[:8])[0] if len(data) >= 8 else 0
    counts["refused" if python else "taken"] += 1
    if python == bool(ours):
        return
    if not python and stricter(data[8 : 8 + n]):
        counts["stricter"] += 1
    else:
        differ(f"damaged file {data!r}: Python refuses: {python}, we: {bool(ours)}")


def info(**changes):
    return {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]} | changes


def file(header, size=4):
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(header)) + header + bytes(size)


def damaged_files(rng, count):
    good = file({"a": info(), "__metadata__": {"format": "pt"}})
    yield from (good[:n] for n in range(len(good) + 1))
    yield good + b"x"
    for bad in [-1, 1.0, 1e2, "4", None, True, 2**53 + 1, 2**63, 2**64 - 1, 2**64, [4], {}]:
        yield file({"a": info(shape=[bad])})
        yield file({"a": info(shape=[0, bad], data_offsets=[0, 0])}, 0)
        yield file({"a": info(data_offsets=[0, bad])})
        yield file({"a": info(data_offsets=[bad, 4])})
        yield file({"a": info(shape=bad)})
        yield file({"a": info(dtype=bad)})
        yield file({"a": info(extra=bad)})
        yield file({"__metadata__": bad}, 0)
        yield file({"__metadata__": {"k": bad}}, 0)
        yield file({"a": bad})
    for name in [*NAMES.values(), "F4", "F6_E2M3", "F6_E3M2", "f32", "F33", "", "BF8"]:
        yield file({"a": info(dtype=name)})
        yield file({"a": info(dtype=name, shape=[8 * 3], data_offsets=[0, 18])}, 18)
    for offsets in [[0, 3], [4, 0], [1, 5], [0], [0, 4, 4], [], [0, 5]]:
        yield file({"a": info(data_offsets=offsets)}, 5)
        yield file({"a": info(data_offsets=offsets)})
    for second in [[4, 8], [3, 7], [5, 9], [0, 4], [2, 6]]:
        yield file({"a": info(), "b": info(data_offsets=second)}, 8)
    for depth in [1, 100, 124, 125, 126, 127, 128, 129, 1000]:
        value = b"[" * depth + b"]" * depth
        yield file(b'{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4],"x":%s}}' % value)
    for number in ["01", "-0", "+1", "1.", ".5", "1e", "1e5", "1E+5", "1e999", "-1e999", "1e-999",
                   "0e999999", "NaN", "Infinity", "0x1", "1_0", "-", "9" * 400]:  # fmt: skip
        tail = b'"x":%s}}' % number.encode()
        yield file(b'{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4],' + tail)
    for text in [rb"\u00e9", rb"\ud83d\ude00", rb"\ud83d", rb"\ude00", rb"\ud83d\u0041", rb"\u12g4",
                 rb"\x41", rb"\/", b"\n", b"\x7f", b"\x00", b"\xff", b"\xc0\x80", b"\xed\xa0\x80",
                 b"\xf4\x90\x80\x80", "é".encode(), rb"\u0000", rb"\U0041", b"\\"]:  # fmt: skip
        yield file(b'{"%s":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}' % text)
        yield file(b'{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4],"%s":"%s"}}' % (text, text))
    for text in ["{}", " {}", "{} ", "{}\t\r\n", "{}\f", "{}\0", "{},", "{}{}", "[]", "", "null", "\ufeff{}",
                 '{"__metadata__":{},"__metadata__":{}}', '{"__metadata__":null}', "{'a':1}", "{,}",
                 '{"__metadata__":{"a":"b",}}', '{"__metadata__":{"a":"b"}/**/}']:  # fmt: skip
        yield file(text.encode(), 0)
    tensors = {"a": info(), "é": info(dtype="F32", shape=[1, 2], data_offsets=[4, 12], x=[1.5, None])}
    seed = file({"__metadata__": {"format": "pt"}} | tensors, 12)
    for _ in range(count):
        data = bytearray(seed)
        for _ in range(rng.choice([1, 1, 1, 2, 3])):
            at = rng.randrange(len(data) - 12)
            kind = rng.randrange(4)
            if kind == 0:
                data[at] = rng.choice(b'{}[]",:\\0123456789-.eE tn\x00\x1f\x80\xff')
            elif kind == 1:
                data[at] ^= 1 << rng.randrange(8)
            elif at < 8:
                continue
            elif kind == 2:
                del data[at]
                data[0] = (data[0] - 1) % 256
            else:
                data.insert(at, rng.choice(b'{}[]",:\\0123456789-.eE tn'))
                data[0] = (data[0] + 1) % 256
        yield bytes(data)


def check_shards(folder):
    labels = ["O", "B-é", "I"]
    config = BertConfig(
        hidden_size=8, num_attention_heads=2, num_hidden_layers=3, intermediate_size=16,
        vocab_size=99, id2label=dict(enumerate(labels)), label2id={l: i for i, l in enumerate(labels)},
    )  # fmt: skip
    model = BertForTokenClassification(config)
    model.save_pretrained(folder / "sharded", max_shard_size="5KB")
    shards = list((folder / "sharded").glob("*.safetensors"))
    if len(shards) < 2:
        differ("transformers did not shard")
    done = tool(folder / "sharded", folder / "whole.safetensors")
    if done.returncode:
        return differ(f"shards: {done.stderr}")
    state, back = model.state_dict(), load_file(folder / "whole.safetensors")
    if sorted(state) != sorted(back) or any(not torch.equal(state[k], back[k]) for k in state):
        differ("shards: other tensors")
    # Our config and our tensors, as transformers' own loader takes them.
    (folder / "ours").mkdir()
    (folder / "whole.safetensors").rename(folder / "ours" / "model.safetensors")
    subprocess.run([CONFIG_TOOL, folder / "sharded", folder / "ours"], check=True, capture_output=True)
    ours, loading = BertForTokenClassification.from_pretrained(
        folder / "ours", output_loading_info=True
    )
    if any(loading.get(k) for k in ("missing_keys", "unexpected_keys", "mismatched_keys")):
        differ(f"from_pretrained: {loading}")
    ids = torch.tensor([[1, 5, 98]])
    with torch.no_grad():
        if not torch.equal(model.eval()(ids).logits, ours.eval()(ids).logits):
            differ("from_pretrained: other logits")
    return len(shards)


def random_config(rng):
    heads = rng.randrange(1, 5)
    rate = lambda: rng.choice([0, 0.1, round(rng.random() * 0.9, 4), rng.random() * 0.9])
    names = [f"{rng.choice('BI')}-é{i}\"" for i in range(rng.randrange(1, 30))]
    ids = list(range(len(names)))
    rng.shuffle(ids)
    every = {
        "hidden_size": heads * rng.randrange(1, 9),
        "num_attention_heads": heads,
        "num_hidden_layers": rng.randrange(1, 9),
        "intermediate_size": rng.randrange(1, 99),
        "vocab_size": rng.randrange(100, 999),
        "max_position_embeddings": rng.randrange(1, 999),
        "type_vocab_size": rng.randrange(1, 5),
        "hidden_act": rng.choice(["gelu", "gelu_new", "gelu_fast", "gelu_pytorch_tanh"]),
        "hidden_dropout_prob": rate(),
        "attention_probs_dropout_prob": rate(),
        "classifier_dropout": rng.choice([None, rate()]),
        "initializer_range": rng.random(),
        "layer_norm_eps": 10 ** -rng.uniform(5, 13),
        "pad_token_id": rng.choice([None, 0, 7]),
        "id2label": rng.choice([None, {str(i): names[i] for i in ids}]),
        "label2id": rng.choice([None, {names[i]: i for i in ids}]),
        "num_labels": rng.randrange(1, 9),
        "torch_dtype": "float32",
        "unknown_key": {"x": [1, None, "é"]},
    }
    every = {k: v for k, v in every.items() if rng.random() < 0.7}
    if "hidden_size" in every or "num_attention_heads" in every:
        every |= {"hidden_size": heads * 8, "num_attention_heads": heads}
    if every.get("id2label"):
        every.pop("num_labels", None)
    return {"model_type": "bert"} | every


def check_config(folder, rng, number):
    source, copy = folder / "config_in", folder / "config_out"
    source.mkdir(exist_ok=True)
    copy.mkdir(exist_ok=True)
    text = random_config(rng)
    (source / "config.json").write_text(json.dumps(text, ensure_ascii=rng.random() < 0.5))
    done = subprocess.run([CONFIG_TOOL, source, copy], capture_output=True)
    if done.returncode:
        return differ(f"config {number}: {done.stderr}")
    theirs, back = BertConfig.from_pretrained(source), BertConfig.from_pretrained(copy)
    for key, ours in json.loads(done.stdout).items():
        value = "gelu" != theirs.hidden_act if key == "tanh" else getattr(theirs, key)
        if value is None:
            value = -1 if key == "pad_token_id" else theirs.hidden_dropout_prob
        if ours != value:
            differ(f"config {number}: {key}: {ours}, transformers has {value}")
    a, b = theirs.to_dict(), back.to_dict()
    written_anew = ("architectures", "dtype", "position_embedding_type", "_name_or_path")
    for d in (a, b):
        for key in written_anew:
            d.pop(key, None)
    # Where the file has no label2id beside id2label, ours has the right one.
    if text.get("id2label") and not text.get("label2id"):
        a["label2id"] = {v: k for k, v in a["id2label"].items()}
    if a != b:
        other = [(k, a.get(k), b.get(k)) for k in a | b if a.get(k) != b.get(k)]
        differ(f"config {number}: written back: {other}")


def check_real_model(folder):
    model = os.environ.get("BERTCL_MODEL")
    if not model or not (pathlib.Path(model) / "model.safetensors").exists():
        return "SKIPPED (no BERTCL_MODEL)"
    done = tool(model, folder / "real.safetensors")
    theirs = (pathlib.Path(model) / "model.safetensors").read_bytes()
    if done.returncode or (folder / "real.safetensors").read_bytes() != theirs:
        differ(f"{model}: written with other bytes: {done.stderr}")
    return f"{len(done.stdout.splitlines())} tensors"


def main():
    rng = random.Random(20240607)
    files = int(os.environ.get("BERTCL_PEER_FILES", "150"))
    mutants = int(os.environ.get("BERTCL_PEER_MUTANTS", "4000"))
    counts = {"refused": 0, "taken": 0, "stricter": 0}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for i in range(files):
            check_round_trip(folder, rng, i)
        for data in damaged_files(rng, mutants):
            compare_damaged(folder / "damaged", data, counts)
        shards = check_shards(folder)
        real = check_real_model(folder)
        for i in range(files):
            check_config(folder, rng, i)
    if not all(counts.values()):
        differ(f"a kind of file never came up: {counts}")
    print(
        f"safetensors: {files} files both ways, {counts['refused']} damaged ones refused by both "
        f"sides, {counts['taken'] - counts['stricter']} taken by both, {counts['stricter']} by "
        f"Python alone (the format forbids them), {shards} shards, {files} configs, real model: {real}: {len(differences)} differences"
    )
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
