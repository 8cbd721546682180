#!/usr/bin/env python3
"""The cache of models by name, against huggingface_hub itself: what its client downloads from a hub on loopback (tests/hub/mock_hub.py)
bertcl finds offline, and what bertcl downloads its client finds offline, by branch and by commit; the same folders, links and
blobs both ways."""
import json, os, subprocess, sys, tempfile, time
BERTCL, TESTS = os.environ["BERTCL"], os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
BUILD = os.environ.get("BERTCL_BUILD") or os.path.dirname(BERTCL)
FILES = ["config.json", "model.safetensors", "tokenizer_config.json", "vocab.txt"]
COMMIT = "0123456789abcdef0123456789abcdef01234567"
CLIENT = """import json, sys
from huggingface_hub import hf_hub_download, snapshot_download
name, revision, local = sys.argv[1], sys.argv[2] or None, sys.argv[3] == "local"
paths = [hf_hub_download(name, f, revision=revision, local_files_only=local) for f in sys.argv[4:]]
print(json.dumps(paths + ([snapshot_download(name, revision=revision, local_files_only=True)] if local else [])))"""


def tree(root):
    """Files with their links' targets; locks and the client's own notes left out."""
    out = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            at = os.path.relpath(path, root)
            if ".locks" in at or ".no_exist" in at or os.path.basename(at) == "CACHEDIR.TAG":
                continue
            out[at] = "-> " + os.readlink(path) if os.path.islink(path) else open(path, "rb").read()
    return out


def main():
    bad = 0
    with tempfile.TemporaryDirectory() as tmp:
        source = os.path.join(tmp, "source")
        subprocess.run([os.path.join(BUILD, "tests", "make_tiny_model"), source], check=True)
        ports = os.path.join(tmp, "ports")
        server = subprocess.Popen([sys.executable, os.path.join(TESTS, "hub", "mock_hub.py"), source, os.path.join(tmp, "log"), ports],
                                  stdin=subprocess.PIPE)
        while not os.path.exists(ports):
            time.sleep(.05)
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING", "TRANSFORMERS_OFFLINE", "XDG_CACHE"))}
        clean |= {"HF_ENDPOINT": f"http://127.0.0.1:{open(ports).read().split()[0]}", "HF_HUB_DISABLE_XET": "1",
                  "HF_HUB_DISABLE_TELEMETRY": "1", "no_proxy": "127.0.0.1"}
        offline = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "1"}

        def client(name, revision, local, env):
            r = subprocess.run([sys.executable, "-c", CLIENT, name, revision, "local" if local else "", *FILES], env=env,
                               capture_output=True, text=True)
            return json.loads(r.stdout.splitlines()[-1]) if not r.returncode else r.stderr[-600:]

        def bertcl(model, env):
            r = subprocess.run([BERTCL, "tokenize", "--model", model], input=b"ab\n", env=env, capture_output=True)
            return r.stdout.startswith(b'{"ids":[2,5,42,3]') or r.stderr.decode()

        def expect(what, ok):
            nonlocal bad
            if ok is not True:
                bad += 1
                print(f"{what}: {ok}", file=sys.stderr)

        runs = 0
        for where in ("HF_HOME", "HF_HUB_CACHE"):
            for revision in ("", "main", "v1", COMMIT, "refs/pr/1"):
                model, trees = "acme/tiny" + ("@" + revision if revision else ""), []
                for maker in ("client", "bertcl"):
                    root = os.path.join(tmp, f"{where}-{revision.replace('/', '_')}-{maker}")
                    hub = os.path.join(root, "hub") if where == "HF_HOME" else root
                    env, name = clean | {where: root}, f"{where} {model} by {maker}"
                    runs += 1
                    if maker == "client":
                        got = client("acme/tiny", revision, False, env)
                        expect(name, isinstance(got, list) or got)
                    else:
                        expect(name, bertcl(model, env))
                    expect(name + ", bertcl offline", bertcl(model, env | offline))
                    got = client("acme/tiny", revision, True, env | offline)
                    expect(name + ", client offline", isinstance(got, list) and all(
                        os.path.dirname(p) == got[-1] and open(p, "rb").read() == open(os.path.join(source, f), "rb").read()
                        for p, f in zip(got, FILES)) or str(got))
                    trees.append(tree(os.path.join(hub, "models--acme--tiny")))
                if trees[0] != trees[1]:
                    a, b = trees
                    expect(f"{where} {model}: trees", str({k: (a.get(k, "-")[:60], b.get(k, "-")[:60])
                                                          for k in sorted(a | b) if a.get(k) != b.get(k)}))
        server.stdin.close()
        server.wait()
    print(f"hub: {runs} caches made and read by huggingface_hub and bertcl, {bad} differences")
    return bad != 0


sys.exit(main())
