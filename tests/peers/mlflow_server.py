"""A real MLflow server on loopback: two runs of bertcl train --track mlflow read back by MLflow's own client, equal to the
runs' files; the server killed in the middle of a run, which goes on, and `runs sync` afterwards, twice; answers of 500 and
a server that hangs: nothing missing, nothing twice, no run stopped. Then a server that asks for a name and a password."""
import collections
import http.server
import json
import math
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from support.tracked import BERTCL, check, failures, tiny_training

try:
    import mlflow
    from mlflow.tracking import MlflowClient
except ImportError:
    print("skipped: no mlflow in this Python")
    sys.exit(77)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    def __init__(self, folder, *options, **env):
        self.folder, self.port, self.options = folder, free_port(), options
        # its job runners have sessions of their own, which would outlive it
        self.env = dict(os.environ, MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false", **env)
        self.uri = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{self.folder}/mlflow.db", "--artifacts-destination",
             self.folder + "/artifacts", "--host", "127.0.0.1", "--port", str(self.port), "--workers", "1", *self.options],
            env=self.env, stdout=open(self.folder + "/server.log", "a"), stderr=subprocess.STDOUT, start_new_session=True)
        for _ in range(300):
            try:
                urllib.request.urlopen(self.uri + "/health", timeout=2)
                return
            except OSError:
                time.sleep(0.5)
        raise RuntimeError("the MLflow server does not start: " + open(self.folder + "/server.log").read()[-2000:])

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def compare(server, run, name, status="FINISHED"):
    """The server's run against the folder's files."""
    client = MlflowClient(server.uri)
    state = json.load(open(run + "/mlflow.json"))
    there = client.get_run(state["run_id"])
    record = json.load(open(run + "/run.json"))
    for key, value in record["options"].items():
        if value is not None:
            text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
            got = there.data.params.get(key)
            same = got == text or (isinstance(value, (int, float)) and not isinstance(value, bool) and float(got) == value)
            check(same, f"{name}: parameter {key}: {got!r}, expected {text!r}")
    expected = collections.defaultdict(dict)
    for line in open(run + "/metrics.jsonl"):
        point = json.loads(line)
        for key, value in point.items():
            if key != "step":
                expected[key][point["step"]] = value
    n = 0
    for key, points in expected.items():
        history = client.get_metric_history(state["run_id"], key)
        got = {m.step: m.value for m in history}
        check(len(history) == len(got), f"{name}: {key}: {len(history) - len(got)} points twice")
        check(set(got) == set(points), f"{name}: {key}: {len(set(points) - set(got))} of {len(points)} points missing")
        check(all(got.get(s) == v for s, v in points.items()), f"{name}: {key}: other values")
        n += len(points)
    if os.path.exists(run + "/results.json"):
        results = json.load(open(run + "/results.json"))
        check(math.isclose(there.data.metrics.get("final.eval_loss", math.nan), results["eval"]["loss"]), f"{name}: final loss")
        model = {f.path for f in client.list_artifacts(state["run_id"], "model")}
        check("model/model.safetensors" in model and "model/config.json" in model, f"{name}: artifacts {model}")
        versions = client.search_model_versions(f"run_id = '{state['run_id']}'")
        check(len(versions) == 1, f"{name}: {len(versions)} registered versions")
        local = client.download_artifacts(state["run_id"], "model/model.safetensors")
        check(open(local, "rb").read() == open(run + "/model/model.safetensors", "rb").read(), f"{name}: other weights")
    check(there.info.status == status, f"{name}: status {there.info.status}")
    check(there.info.run_name == os.path.basename(run), f"{name}: run name {there.info.run_name}")
    found = client.search_runs([there.info.experiment_id], f"tags.`bertcl.id` = '{json.load(open(run + '/track.json'))['id']}'")
    check(len(found) == 1, f"{name}: {len(found)} runs at the server, expected one")
    return n


class Bad(http.server.BaseHTTPRequestHandler):
    hang = False

    def answer(self):
        if Bad.hang:
            time.sleep(600)
        self.send_response(500)
        self.end_headers()

    do_GET = do_POST = do_PUT = answer

    def log_message(self, *a):
        pass


def check_password(tmp, start, sync):
    """MLflow's own basic authentication: a wrong password is told and stops no run, the right one is taken."""
    folder = tmp + "/guarded"
    os.mkdir(folder)
    with open(folder + "/auth.ini", "w") as f:
        f.write(f"[mlflow]\ndefault_permission = READ\ndatabase_uri = sqlite:///{folder}/auth.db\nadmin_username = admin\n"
                "admin_password = a password: 2 parts\nauthorization_function = mlflow.server.auth:authenticate_request_basic_auth\n")
    server = Server(folder, "--app-name", "basic-auth", MLFLOW_AUTH_CONFIG_PATH=folder + "/auth.ini",
                    MLFLOW_FLASK_SERVER_SECRET_KEY="for this test alone")
    os.environ.update(MLFLOW_TRACKING_USERNAME="admin", MLFLOW_TRACKING_PASSWORD="a password: 2 parts")  # of MLflow's client
    for name, password in ("none", None), ("wrong", "another one"), ("right", os.environ["MLFLOW_TRACKING_PASSWORD"]):
        who = dict(MLFLOW_TRACKING_USERNAME="admin", MLFLOW_TRACKING_PASSWORD=password) if password else {}
        process = start("guarded-" + name, 300, server.uri, **who)
        _, err = process.communicate()
        check(process.returncode == 0, f"{name} password: exit {process.returncode}: {err}")
        if name == "right":  # the server takes its time to check each request
            check(not err or "sends the rest later" in err and "answered" not in err, f"right password: {err!r}")
            done = sync(tmp + "/guarded-right", MLFLOW_TRACKING_URI=server.uri, **who)
            check(done.returncode == 0, f"right password: sync: {done.stderr}")
            compare(server, tmp + "/guarded-right", "right password")
        else:
            check("401" in err and "runs sync" in err, f"{name} password: {err!r}")
    server.kill()


def main():
    with tempfile.TemporaryDirectory() as tmp:
        command = tiny_training(tmp, "--epochs", "1000", "--track", "mlflow", "--model-name", "tiny")
        server = Server(tmp)
        env = dict(os.environ, BERTCL_HOME=tmp + "/home", MLFLOW_TRACKING_URI=server.uri, MLFLOW_EXPERIMENT_NAME="bertcl test")

        def start(name, steps, uri=server.uri, **who):
            there = {k: v for k, v in env.items() if k not in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")}
            return subprocess.Popen([*command, "--out", f"{tmp}/{name}", "--max-steps", str(steps)], stdout=subprocess.PIPE,
                                    stderr=subprocess.PIPE, text=True, env=dict(there, MLFLOW_TRACKING_URI=uri, **who))

        def sync(*runs, **who):
            return subprocess.run([BERTCL, "runs", "sync", *runs], capture_output=True, text=True, env=dict(env, **who))

        # two runs at once
        runs = [start("one", 600), start("two", 600)]
        for run in runs:
            _, err = run.communicate()
            check(run.returncode == 0 and not err, f"train: exit {run.returncode}: {err}")
        n = sum(compare(server, f"{tmp}/{name}", name) for name in ("one", "two"))
        check(json.load(open(tmp + "/two/mlflow.json"))["model"] in ("1", "2"), "versions of the registered model")

        # the server is killed in the middle, and is back after the run
        process = start("cut", 6000)
        for _ in range(600):
            time.sleep(0.05)
            if os.path.exists(tmp + "/cut/mlflow.json") and json.load(open(tmp + "/cut/mlflow.json")).get("steps"):
                break
        server.kill()
        _, err = process.communicate()
        check(process.returncode == 0, f"train without a server: exit {process.returncode}")
        check("runs sync" in err, f"train without a server says: {err!r}")
        done = sync()
        check(done.returncode == 1 and "mlflow" in done.stderr.lower() or "127.0.0.1" in done.stderr, f"sync without a server: {done}")
        server.start()
        for i in range(2):
            done = sync()
            check(done.returncode == 0 and f"{1 - i} runs sent" in done.stdout, f"sync {i + 1}: {done.stdout}{done.stderr}")
            n_cut = compare(server, tmp + "/cut", f"after sync {i + 1}")

        # what was sent is forgotten: the server is asked
        os.remove(tmp + "/cut/mlflow.json")
        check(sync().returncode == 0, "sync of a run whose state is lost")
        compare(server, tmp + "/cut", "after the state was lost")

        # killed training, resumed
        for seconds in (1.5, 3, 2):
            process = start("killed", 2000)
            time.sleep(seconds)
            process.kill()
            process.communicate()
        sync()
        process = start("killed", 2000)
        process.communicate()
        check(process.returncode == 0, "train after kills")
        sync()
        compare(server, tmp + "/killed", "after kills")

        # 500, and a server that hangs
        bad = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Bad)
        threading.Thread(target=bad.serve_forever, daemon=True).start()
        for hang in (False, True):
            Bad.hang = hang
            process = start(f"bad{hang}", 300, uri=f"http://127.0.0.1:{bad.server_port}")
            _, err = process.communicate()
            check(process.returncode == 0, f"hang {hang}: exit {process.returncode}")
            check("runs sync" in err and ("500" in err or hang), f"hang {hang}: {err!r}")
            check(sync(f"{tmp}/bad{hang}").returncode == 0, "sync to another server")
            compare(server, f"{tmp}/bad{hang}", f"hang {hang}, synced")
        server.kill()
        check_password(tmp, start, sync)
        print(f"{n} points of two runs and {n_cut} of one whose server was killed, equal")
    return bool(failures)


sys.exit(main())
