"""TensorBoard's own reader on what bertcl train --track tensorboard writes: every value of metrics.jsonl, once, as a
float32, in one file, also after kills at random moments and --resume; the options as text; a torn record at the end."""
import glob
import json
import os
import random
import signal
import struct
import subprocess
import sys
import tempfile
import time

try:
    from tensorboard.backend.event_processing import event_file_loader
    from tensorboard.util import tensor_util
except ImportError:
    print("skipped: no tensorboard in this Python")
    sys.exit(77)

bertcl, build, tests = (os.environ[k] for k in ("BERTCL", "BERTCL_BUILD", "BERTCL_TESTS"))
failed = 0


def check(ok, text):
    global failed
    if not ok:
        failed = 1
        print("FAILED", text)


def f32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def tag(key):
    return "eval/" + key[5:] if key.startswith("eval_") else "train/" + key


def read_files(run):
    """{(tag, step): [values]} of scalars, and the texts"""
    scalars, texts = {}, {}
    files = glob.glob(run + "/tensorboard/*")
    check(len(files) == 1, f"{run}: {len(files)} event files, expected one")
    for path in files:
        for event in event_file_loader.EventFileLoader(path).Load():
            for value in event.summary.value:
                if value.metadata.plugin_data.plugin_name == "text":
                    texts[value.tag] = tensor_util.make_ndarray(value.tensor)[0].decode()
                else:  # the loader turns simple values into tensors
                    x = float(tensor_util.make_ndarray(value.tensor)) if value.HasField("tensor") else value.simple_value
                    scalars.setdefault((value.tag, event.step), []).append(x)
    return scalars, texts


def compare(run, name):
    scalars, texts = read_files(run)
    expected = {}
    for line in open(run + "/metrics.jsonl"):
        point = json.loads(line)
        for key, value in point.items():
            if key != "step":
                expected[tag(key), point["step"]] = f32(value)
    twice = [k for k, v in scalars.items() if len(v) > 1]
    check(not twice, f"{name}: written more than once: {twice[:3]}")
    check(set(scalars) == set(expected), f"{name}: {len(set(expected) - set(scalars))} values are missing, "
          f"{len(set(scalars) - set(expected))} too many")
    wrong = [k for k in expected if k in scalars and scalars[k][0] != expected[k]]
    check(not wrong, f"{name}: other values: {wrong[:3]}")
    check("`0.001`" in texts.get("options", ""), f"{name}: the options' text is {texts}")
    return len(expected)


def main():
    with tempfile.TemporaryDirectory() as tmp:
        model, data = tmp + "/model", tmp + "/data"
        subprocess.run([build + "/tests/make_tiny_model", model], check=True)
        with open(tests + "/../sample/speech 1.conll") as f, open(data, "w") as out:
            out.writelines(f.readlines()[:3000])
        env = dict(os.environ, BERTCL_HOME=tmp + "/home")

        def train(run, *more):
            return subprocess.Popen([bertcl, "train", "--quiet", "--model", model, "--data", data, "--out", run, "--lr", "1e-3",
                                     "--batch", "2", "--epochs", "100", "--max-steps", "3000", "--save-every", "200", "--track",
                                     "tensorboard", "--resume", *more], stdout=subprocess.DEVNULL, env=env)

        check(train(tmp + "/whole").wait() == 0, "train")
        n = compare(tmp + "/whole", "whole")
        draw, kills = random.Random(1), 0
        for _ in range(200):
            process = train(tmp + "/killed")
            time.sleep(draw.uniform(0.3, 2.5))
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                kills += 1
            if process.wait() == 0:
                break
        compare(tmp + "/killed", f"after {kills} kills")
        path = glob.glob(tmp + "/killed/tensorboard/*")[0]
        check(open(tmp + "/whole/metrics.jsonl").read() == open(tmp + "/killed/metrics.jsonl").read(), "metrics after kills")
        with open(path, "r+b") as f:  # a record that was not written to its end
            f.truncate(os.path.getsize(path) - 7)
        os.remove(tmp + "/killed/results.json")
        check(train(tmp + "/killed").wait() == 0, "train after a torn record")
        compare(tmp + "/killed", "after a torn record")
        print(f"{n} values of a run equal, also after {kills} kills and a torn record")
    return failed


sys.exit(main())
