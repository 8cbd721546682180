"""What the comparisons with trackers share: the programs under test, a tiny model with data, and what failed."""
import os
import subprocess

BERTCL, BUILD, TESTS = (os.environ[k] for k in ("BERTCL", "BERTCL_BUILD", "BERTCL_TESTS"))
failures = []


def check(ok, text):
    if not ok:
        failures.append(text)
        print("FAILED", text)
    return ok


def tiny_training(folder, *options):
    """The command that trains a tiny model of `folder` on a speech, without where to and how long."""
    model, data = folder + "/model", folder + "/data"
    subprocess.run([BUILD + "/tests/make_tiny_model", model], check=True)
    with open(TESTS + "/../sample/speech 1.conll") as f, open(data, "w") as out:
        out.writelines(f.readlines()[:3000])
    return [BERTCL, "train", "--quiet", "--model", model, "--data", data, "--lr", "1e-3", "--batch", "2",
            "--save-every", "200", "--resume", *options]
