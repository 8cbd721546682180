#!/usr/bin/env bash
# Model folders that are damaged, absurd or hostile: eval and predict end with one line on stderr, soon, and without
# taking memory for what only a file's text asks for.
source "$(dirname "$0")/../cli/common.sh"
need_device
command -v python3 >/dev/null || { echo "skipped: no python3"; exit 77; }
"$BERTCL_BUILD/tests/make_tiny_model" "$tmp/model" || exit 1
python3 - "$BERTCL" "$tmp" <<'END' || failed=1
import json, os, pathlib, resource, shutil, struct, subprocess, sys

bertcl, tmp = sys.argv[1], pathlib.Path(sys.argv[2])
good = tmp / "model"
weights = (good / "model.safetensors").read_bytes()
size = struct.unpack("<Q", weights[:8])[0]
header, data = json.loads(weights[8:8 + size]), weights[8 + size:]
failed = []


def run(name, part, *patches):
    folder = tmp / "case"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(good, folder)
    for patch in patches:
        patch(folder)
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    done = subprocess.run([bertcl, "predict", "--quiet", "--model", folder], input=b"ab\n", capture_output=True, timeout=300)
    grown = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss - before  # KiB, of the largest so far
    err = done.stderr.decode(errors="replace")
    if done.returncode != 1 or done.stdout or err.count("\n") != 1 or part not in err:
        failed.append(f"{name}: exit {done.returncode}, expected 1 and {part!r}: {err[:300]}")
    if grown > 1500 << 10:
        failed.append(f"{name}: took {grown >> 10} MiB")


def replace(file, make):
    def patch(folder):
        (folder / file).unlink(missing_ok=True)
        make(folder / file)
    return patch


def text(file, content):
    return replace(file, lambda p: p.write_bytes(content if isinstance(content, bytes) else content.encode()))


def config(**changes):
    def patch(folder):
        values = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(values | changes))
    return patch


def sparse(size):
    def make(path):
        with open(path, "wb") as f:
            f.truncate(size)
    return make


def zero(path):
    os.symlink("/dev/zero", path)


# the first run sets what is usual
subprocess.run([bertcl, "predict", "--quiet", "--model", good], input=b"ab\n", capture_output=True, check=True)
for file in ("config.json", "vocab.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
    run(f"{file}: /dev/zero", f"{file}: not a regular file", replace(file, zero))
    run(f"{file}: a pipe", f"{file}: not a regular file", replace(file, os.mkfifo))
    run(f"{file}: 20 GB", f"{file}: found 20000000000 bytes, expected at most 67108864", replace(file, sparse(20 * 10**9)))
    run(f"{file}: a folder", f"{file}: not a regular file", replace(file, os.mkdir))
run("weights: /dev/zero", "not a regular file", replace("model.safetensors", zero))
run("weights: a pipe", "model.safetensors: ", replace("model.safetensors", os.mkfifo))
run("weights: 20 GB of nothing", "model.safetensors: ", replace("model.safetensors", sparse(20 * 10**9)))

# sizes that no tensor has
for key, value in [("vocab_size", 1 << 24), ("num_hidden_layers", 4096), ("max_position_embeddings", 1 << 24),
                   ("type_vocab_size", 1 << 24), ("intermediate_size", 1 << 20)]:
    run(f"{key} {value}", "asks for" if key != "num_hidden_layers" else "no tensor", config(**{key: value}))
run("intermediate_size 2^24", "at most 2147483647 fit", config(intermediate_size=1 << 24))
run("hidden_size 46000", "at most 2147483647 fit", config(hidden_size=46000, num_attention_heads=1))
run("all of it", "at most 2147483647 fit", config(hidden_size=32768, vocab_size=65535, num_hidden_layers=4096, intermediate_size=65535,
                                    max_position_embeddings=65535, num_attention_heads=1))
run("hidden_size 2^24", "2^31 - 1 elements in a matrix", config(hidden_size=1 << 24, num_attention_heads=1))
for value in (10**300, -1, 0, 1.5, "768", None, [], 1 << 40):
    run(f"hidden_size {value}", '"hidden_size"', config(hidden_size=value))
run("16385 labels", "expected 1 to 16384", config(id2label={str(i): f"L{i}" for i in range(16385)}, label2id={}))
run("nested", "config.json: byte", text("config.json", "[" * 1000000))
run("a number of a million digits", "config.json", text("config.json", '{"hidden_size": ' + "9" * 1000000 + "}"))

# heads that are not of tokens
run("a classifier of texts", "found BertForSequenceClassification, expected BertForTokenClassification",
    config(architectures=["BertForSequenceClassification"]))
without_head = {k: v for k, v in header.items() if not k.startswith("classifier.")}

def drop_head(folder):
    at, kept, parts = 0, {}, []
    for k, v in without_head.items():
        if k == "__metadata__":
            continue
        begin, stop = v["data_offsets"]
        kept[k] = v | {"data_offsets": [at, at + stop - begin]}
        parts.append(data[begin:stop])
        at += stop - begin
    raw = json.dumps(kept).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(raw)) + raw + b"".join(parts))

run("no classifier", "the model has no token classifier, fine-tune it with bertcl train",
    config(architectures=["BertForMaskedLM"]), drop_head)

# headers
def with_header(changed, length=None):
    raw = json.dumps(changed).encode() if not isinstance(changed, bytes) else changed
    return text("model.safetensors", struct.pack("<Q", len(raw) if length is None else length) + raw + data)

run("a header of 2^63 bytes", "found a header of 9223372036854775808 bytes", with_header(header, 1 << 63))
run("a header of 2^64 - 1 bytes", "expected at most 100000000", with_header(header, 2**64 - 1))
run("a header longer than the file", "(cut off?)", with_header(header, 99999999))
run("a nested header", "levels of nesting", with_header(b'{"a":{"x":' + b"[" * 100000))
first = next(k for k in header if k != "__metadata__")
for shape in ([1 << 62, 4], [1 << 63], [-1], [2**64], [1] * 9, [1e3]):
    run(f"shape {shape}", "model.safetensors: ", with_header(header | {first: header[first] | {"shape": shape}}))
run("offsets beyond the file", "model.safetensors: ", with_header(header | {first: header[first] | {"data_offsets": [0, 2**63]}}))
many = {f"t{i}": {"dtype": "F32", "shape": [0], "data_offsets": [len(data), len(data)]} for i in range(300000)}
with_many = json.dumps({**many, **{k: v for k, v in header.items() if k != "bert.encoder.layer.0.attention.self.query.weight"}}).encode()
run("300,000 empty tensors, and a hole", "model.safetensors: ", text("model.safetensors", struct.pack("<Q", len(with_many)) + with_many + data))

# indices
for content, part in [("{}", "weight_map"), ('{"weight_map": {"a": "../../etc/passwd"}}', "without a folder"), ('{"weight_map": {"a": "b.bin"}}', "b.bin"),
                      ('{"weight_map": 7}', "weight_map"), ("[" * 100000, "byte")]:
    for name in ("model.safetensors.index.json", "pytorch_model.bin.index.json"):
        run(f"{name} {content[:40]}", part, replace("model.safetensors", lambda p: None), text(name, content))

# what other programs write
def renamed(change):
    return with_header({k if k == "__metadata__" else change(k): v for k, v in header.items()})

run("DataParallel", "no tensor bert.embeddings.word_embeddings.weight, but module.bert.embeddings.word_embeddings.weight: expected the names",
    renamed(lambda k: "module." + k))
run("a wrapper", "but model.encoder.embeddings.word_embeddings.weight: expected", renamed(lambda k: "model.encoder." + k.removeprefix("bert.")))
word = "bert.embeddings.word_embeddings.weight"
for dtype in ("I32", "U32"):
    run(f"weights of {dtype}", f'case: tensor "{word}": found {dtype}, expected F32, F16, BF16 or F64',
        with_header(header | {word: header[word] | {"dtype": dtype}}))
run("label names of another model", '"id2label" or "num_labels" says how many labels', config(id2label={"0": "O", "1": "B"}, label2id={"O": 0, "B": 1}))
shutil.rmtree(tmp / "case")
shutil.copytree(good, tmp / "case")
transitions = {"crf.transitions": {"dtype": "F32", "shape": [1], "data_offsets": [len(data), len(data) + 4]}}
raw = json.dumps(header | transitions).encode()
(tmp / "case" / "model.safetensors").write_bytes(struct.pack("<Q", len(raw)) + raw + data + bytes(4))
done = subprocess.run([bertcl, "predict", "--model", tmp / "case"], input=b"ab\n", capture_output=True)
if done.returncode or b"crf.transitions is not used: the model's labels were chosen by a CRF" not in done.stderr:
    failed.append(f"a CRF: exit {done.returncode}: {done.stderr}")

# what lies where a file was to be
pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 433\n"
for file in ("config.json", "vocab.txt", "tokenizer.json", "tokenizer_config.json", "model.safetensors"):
    run(f"{file}: a pointer", f"{file}: found a Git LFS pointer", text(file, pointer))
gone = replace("model.safetensors", lambda p: None)
for file in ("tf_model.h5", "adapter_model.safetensors"):
    run(file, f"found {file}, expected model.safetensors", gone, text(file, "x"))
run("another model", '"model_type": found "roberta", expected "bert": bertcl runs BERT alone', config(model_type="roberta"))
print("\n".join(failed), file=sys.stderr)
sys.exit(bool(failed))
END
exit $failed
