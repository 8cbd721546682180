"""What the compare_* and bench_* tools share: where model, corpus and peers are, processes with their time and memory,
rounds of a peer that stays warm, the machine's description, samples, tables. Knows nothing of what is compared."""
import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(HERE)
FLAGS = "avx avx2 fma f16c avx512f avx512bw avx512_bf16 avx512_vnni avx_vnni amx_tile amx_bf16 asimd sve bf16".split()


class Failed(Exception):
    """A side that cannot be measured, in one line."""


def last_line(text, name):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else f"{name}: no message"


def find_corpus():
    """The folders of the UN corpus, found as tools/quickstart finds it."""
    script = f'. "{HERE}/common.sh"; find_corpus; [ -z "$corpus" ] || (cd "$corpus" && pwd)'
    done = subprocess.run(["bash", "-c", script, "compare"], capture_output=True, text=True)
    if done.returncode or not done.stdout.strip():
        raise Failed(last_line(done.stderr, "no UN corpus: set BERTCL_UN_NER to its folder, or give --data"))
    return [os.path.join(done.stdout.strip(), part) for part in ("tagged-training", "tagged-test")]


def find_model():
    done = subprocess.run([os.path.join(HERE, "fetch_model")], capture_output=True, text=True)
    if done.returncode:
        raise Failed(last_line(done.stderr, "fetch_model"))
    return done.stdout.strip().splitlines()[-1]


def find_python():
    """A Python that has the peers: this one, else that of tools/test --peers."""
    try:
        import importlib.util
        if all(importlib.util.find_spec(name) for name in ("torch", "transformers")):
            return sys.executable
    except ImportError:
        pass
    python = os.path.join(os.environ.get("BERTCL_PEERS", os.path.expanduser("~/.cache/bertcl-peers")), "bin", "python")
    if not os.path.exists(python):
        raise Failed(f"{python}: no Python with the peers; tools/test --peers makes it, or set BERTCL_PEERS")
    return python


def parse(doc, more=None):
    """The tools' common options and `more(parser)`; what was not given is found."""
    p = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", help="a pretrained BERT's folder; default: what tools/fetch_model prints")
    p.add_argument("--data", nargs="+", metavar="PATH", help="CoNLL files or folders; default: the UN corpus")
    p.add_argument("--bertcl", default=os.path.join(TOP, "build", "bertcl"), help="default: build/bertcl")
    p.add_argument("--device", help="bertcl's, as bertcl devices prints it")
    p.add_argument("--pairs", type=int, default=5, help="rounds of both sides in turn; default 5")
    p.add_argument("--json", metavar="FILE", help="write every figure there too")
    if more:
        more(p)
    a = p.parse_args()
    if a.pairs < 1:
        p.error("--pairs: expected at least 1")
    if not os.access(a.bertcl, os.X_OK):
        raise Failed(f"{a.bertcl}: no such program; build it, or give --bertcl")
    a.python = find_python()
    a.model = a.model or find_model()
    a.data = a.data or find_corpus()
    return a


def peer_environment():
    return dict(os.environ, HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error", TOKENIZERS_PARALLELISM="false",
                PYTHONDONTWRITEBYTECODE="1", PYTHONWARNINGS="ignore")


class Done:
    def __init__(self, out, seconds, rss_mb):
        self.out, self.seconds, self.rss_mb = out, seconds, rss_mb


def run(command, env=None, cores=None, keep=True):
    """One process from start to exit: output, wall time in s, peak resident memory in MiB. `cores` pins it."""
    pin = (lambda: os.sched_setaffinity(0, cores)) if cores else None
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        begin = time.perf_counter()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out if keep else subprocess.DEVNULL,
                                   stderr=err, env=env, preexec_fn=pin)
        _, code, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(code)
        out.seek(0), err.seek(0)
        if process.returncode:
            message = last_line(err.read().decode(errors="replace"), os.path.basename(command[0]))
            raise Failed(f"{message} (exit {process.returncode})")
        return Done(out.read().decode(), seconds, usage.ru_maxrss / 1024)


class Peer:
    """A script that warms up, prints a JSON line, and then answers every line of its input with another: what is timed is
    never its start. Between rounds it sleeps."""

    def __init__(self, command, cores=None, variables=None):
        self.name = os.path.basename(command[1])
        self.err = tempfile.TemporaryFile()
        pin = (lambda: os.sched_setaffinity(0, cores)) if cores else None
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.err,
                                        text=True, env=peer_environment() | (variables or {}), preexec_fn=pin)
        self.ready = self._answer()

    def _answer(self):
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        code = self.process.wait()
        self.err.seek(0)
        raise Failed(f"{last_line(self.err.read().decode(errors='replace'), self.name)} ({self.name}, exit {code})")

    def round(self):
        try:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # _answer says why it ended
        return self._answer()

    def __enter__(self):
        return self

    def __exit__(self, failure=None, *_):
        if failure:
            self.process.kill()
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()
        self.err.close()


def busy_seconds(peers):
    """CPU time spent since boot: by the whole machine, and by this process, what it waited for, and `peers`."""
    tick = os.sysconf("SC_CLK_TCK")
    with open("/proc/stat", encoding="utf-8") as f:
        user, nice, system, _, _, irq, softirq, steal = map(int, f.readline().split()[1:9])
    own = sum(os.times()[:4])
    for peer in peers:
        with open(f"/proc/{peer.process.pid}/stat", encoding="utf-8") as f:
            own += sum(map(int, f.read().rsplit(")", 1)[1].split()[11:13])) / tick
    return (user + nice + system + irq + softirq + steal) / tick, own


class Quiet:
    """Measures how busy others kept the machine in the meantime, as a share of all cores: above a few per cent a ratio
    says little, as engines with fixed shares of work for each thread lose more by it."""

    def __init__(self, peers):
        self.peers = peers

    def __enter__(self):
        self.begin, (self.all, self.own) = time.perf_counter(), busy_seconds(self.peers)
        return self

    def __exit__(self, failure=None, *_):
        if not failure:
            everyone, own = busy_seconds(self.peers)
            spent = time.perf_counter() - self.begin
            self.others = max(0.0, (everyone - self.all - own + self.own) / spent / os.cpu_count())


def quiet_note(shares):
    worst = max(shares)
    if worst > .05:
        print(f"\nOther processes took up to {worst:.0%} of the cores meanwhile: measure again on a quiet machine.")


def spread(values):
    return {"median": statistics.median(values), "lowest": min(values), "highest": max(values)}


def spread_text(s, digits=2):
    return f"{s['median']:.{digits}f} ({s['lowest']:.{digits}f}-{s['highest']:.{digits}f})"


def _first(path, prefix):
    with open(path, encoding="utf-8") as f:
        return next((line.split(":" if ":" in line else "=", 1)[1].strip().strip('"') for line in f
                     if line.startswith(prefix)), "")


def machine(a, packages):
    """What a figure means nothing without."""
    flags = set((_first("/proc/cpuinfo", "flags") or _first("/proc/cpuinfo", "Features")).split())
    devices = json.loads(run([a.bertcl, "devices", "--json"]).out)
    device = next((d for d in devices if d["available"] and (not a.device or d["id"] == a.device)), {})
    code = ("import sys, json, importlib.metadata as m\nout = {'python': sys.version.split()[0]}\n"
            "for name in sys.argv[1:]:\n try: out[name] = m.version(name)\n except m.PackageNotFoundError: pass\n"
            "print(json.dumps(out))")
    commit = subprocess.run(["git", "-C", TOP, "describe", "--always", "--dirty"], capture_output=True, text=True)
    return {"cpu": _first("/proc/cpuinfo", "model name") or platform.machine(), "cores": os.cpu_count(),
            "flags": [f for f in FLAGS if f in flags],
            "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
            "system": _first("/etc/os-release", "PRETTY_NAME"), "kernel": platform.release(),
            "device": {k: device.get(k) for k in ("id", "name", "driver", "version")},
            "bertcl": commit.stdout.strip(), "versions": json.loads(run([a.python, "-c", code, *packages]).out),
            "date": time.strftime("%Y-%m-%d")}


def machine_text(m):
    versions = ", ".join(f"{name} {version}" for name, version in m["versions"].items())
    return (f"{m['cpu']}, {m['cores']} cores ({' '.join(m['flags'])}), {m['memory_gib']} GiB, {m['system']}, Linux "
            f"{m['kernel']}; {m['device']['id']}: {m['device']['name']}, {m['device']['driver']}; bertcl {m['bertcl']}; "
            f"{versions}; {m['date']}")


def asked_text(value, found, at_least):
    if not value:
        return "–"
    return f"{value:g} {'met' if (found >= value if at_least else found <= value) else 'MISSED'}"


def table(head, rows):
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")


def note(text):
    print(text, file=sys.stderr, flush=True)


def write(a, tool, rows, described):
    if a.json:
        with open(a.json, "w", encoding="utf-8") as f:
            json.dump({"tool": tool, "machine": described, "rows": rows}, f, indent=1)
            f.write("\n")


def main(tool, body):
    """Runs body(); a failure is one line."""
    try:
        sys.exit(body())
    except Failed as e:
        sys.exit(f"{tool}: {e}")
    except KeyboardInterrupt:
        sys.exit(130)


def quantile(sorted_, q):
    at = q * (len(sorted_) - 1)
    i = int(at)
    return sorted_[i] + (at - i) * (sorted_[min(i + 1, len(sorted_) - 1)] - sorted_[i])


def seconds_of(samples, repeats=1, **more):
    """Seconds of a repetition, as the JSON of a row of bertcl bench has them, see src/bench/times.c."""
    s, third = sorted(samples), max(1, len(samples) // 3)
    drift = quantile(sorted(samples[-third:]), .5) / quantile(sorted(samples[:third]), .5)
    return {"median": quantile(s, .5), "q1": quantile(s, .25), "q3": quantile(s, .75), "least": s[0], "repeats": repeats, **more,
            "samples": samples, "last_by_first_third": drift}
