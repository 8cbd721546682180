"""TensorBoard's own reader on what bertcl train --track tensorboard writes: every value of metrics.jsonl, once, as a
float32, and every histogram of histograms.jsonl, in one file, also after kills at random moments and --resume; the
options as text; a torn record at the end."""
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

import numpy as np
from support.tracked import check, failures, tiny_training

try:
    from tensorboard.backend.event_processing import event_file_loader
    from tensorboard.util import tensor_util
except ImportError:
    print("skipped: no tensorboard in this Python")
    sys.exit(77)

def f32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def tag(key):
    return "eval/" + key[5:] if key.startswith("eval_") else "train/" + key


def read_files(run):
    """{(tag, step): [values]} of scalars, the same of histograms, and the texts"""
    scalars, histograms, texts = {}, {}, {}
    files = glob.glob(run + "/tensorboard/*")
    check(len(files) == 1, f"{run}: {len(files)} event files, expected one")
    for path in files:
        for event in event_file_loader.EventFileLoader(path).Load():
            for value in event.summary.value:
                if value.metadata.plugin_data.plugin_name == "text":
                    texts[value.tag] = tensor_util.make_ndarray(value.tensor)[0].decode()
                elif value.metadata.plugin_data.plugin_name == "histograms":  # (bucket, (left, right, count))
                    histograms.setdefault((value.tag, event.step), []).append(tensor_util.make_ndarray(value.tensor))
                else:  # the loader turns simple values into tensors
                    x = float(tensor_util.make_ndarray(value.tensor)) if value.HasField("tensor") else value.simple_value
                    scalars.setdefault((value.tag, event.step), []).append(x)
    return scalars, histograms, texts


def compare_histograms(run, name, found):
    """Every bucket of every tensor; their squares make the gradient norm of the step."""
    norms = {p["step"]: p["grad_norm"] for p in map(json.loads, open(run + "/metrics.jsonl")) if "grad_norm" in p}
    lines = list(map(json.loads, open(run + "/histograms.jsonl")))
    steps = [line["step"] for line in lines]
    check(steps == list(range(500, max(norms) + 1, 500)), f"{name}: histograms of steps {steps}")
    expected = {("gradients/" + key, line["step"]): h for line in lines for key, h in line["gradients"].items()}
    check(set(found) == set(expected), f"{name}: histograms: {len(set(found) ^ set(expected))} are missing or too many")
    check(all(len(v) == 1 for v in found.values()), f"{name}: histograms are written more than once")
    for key, h in expected.items():
        table = found.get(key, [np.zeros((0, 3))])[0]
        # in fp32; TensorBoard's first and last bucket end at the least and the greatest value
        limits = h["limits"][:-1]
        there = np.array([[h["least"], *limits], [*limits, h["greatest"]], h["counts"]], np.float32).T
        same = table.shape == there.shape and np.array_equal(table, there)
        check(same, f"{name}: {key}: another histogram")
    for line in lines:
        norm = sum(h["squares"] for h in line["gradients"].values()) ** 0.5
        check(abs(norm / norms[line["step"]] - 1) < 1e-4, f"{name}: step {line['step']}: norm {norm}, expected {norms[line['step']]}")
    return len(expected)


def compare(run, name):
    scalars, histograms, texts = read_files(run)
    n = compare_histograms(run, name, histograms)
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
    return f"{len(expected)} values and {n} histograms"


def main():
    with tempfile.TemporaryDirectory() as tmp:
        command = tiny_training(tmp, "--epochs", "100", "--max-steps", "3000", "--track", "tensorboard", "--histograms", "500")
        env = dict(os.environ, BERTCL_HOME=tmp + "/home")

        def train(run):
            return subprocess.Popen([*command, "--out", run], stdout=subprocess.DEVNULL, env=env)

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
        for file in ("metrics.jsonl", "histograms.jsonl"):
            check(open(f"{tmp}/whole/{file}").read() == open(f"{tmp}/killed/{file}").read(), file + " after kills")
        with open(path, "r+b") as f:  # a record that was not written to its end
            f.truncate(os.path.getsize(path) - 7)
        os.remove(tmp + "/killed/results.json")
        check(train(tmp + "/killed").wait() == 0, "train after a torn record")
        compare(tmp + "/killed", "after a torn record")
        print(f"{n} of a run equal, also after {kills} kills and a torn record")
    return bool(failures)


sys.exit(main())
