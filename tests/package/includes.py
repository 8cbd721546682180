"""The include graph of src/: prints what breaks a rule of docs/architecture.md and exits non-zero; else one line.

    includes.py TOP [BUILD]

- A folder includes folders below it only, in the order FOLDERS.
- internal.h stays inside its folder.
- No circle of headers, nor of files that include each other's header.
- No file of cli/ is longer than LINES: a command parses, calls the library and prints.
- A public header (include/bertcl/) includes public headers alone.
- With BUILD, a build tree, the same of calls, as the objects' symbols tell: none goes up, and none in a circle of files.

--check-rules runs the rules over made-up files that break each of them."""

import pathlib
import re
import subprocess
import sys

# from the top down; a folder of one line may not include another of the same line
FOLDERS = ["cli", "bench", "track", "dist", "train", "tag eval", "session", "tune hub", "data", "text", "model", "ops",
           "ocl", "util"]  # fmt: skip
RANK = {name: i for i, line in enumerate(FOLDERS) for name in line.split()}
LINES = {"cli": 350}
INCLUDE = re.compile(r'^\s*#\s*include\s*["<]([^">]+)[">]', re.M)


def read(top):
    """{path below src/ or "bertcl/NAME": included paths that are ours}"""
    graph = {}
    for root, prefix in ((top / "src", ""), (top / "include", "")):
        for path in sorted(root.rglob("*.[ch]")):
            name = prefix + path.relative_to(root).as_posix()
            graph[name] = INCLUDE.findall(path.read_text())
    return {name: [i for i in found if i in graph] for name, found in graph.items()}


def folder(name):
    return name.split("/")[0]


def is_private(header):
    return header.endswith("/internal.h")


def rules(graph):
    for name, found in graph.items():
        if not name.startswith("bertcl/") and folder(name) not in RANK:
            yield f"src/{folder(name)}: not in the order of folders (tests/package/includes.py)"
            continue
        for other in found:
            if name.startswith("bertcl/"):
                if not other.startswith("bertcl/"):
                    yield f"include/{name}: includes {other}, which is not public"
            elif other.startswith("bertcl/"):
                continue
            elif folder(name) != folder(other) and RANK[folder(other)] <= RANK[folder(name)]:
                yield f"src/{name}: includes {other}, which is not below it"
            elif folder(name) != folder(other) and is_private(other):
                yield f"src/{name}: includes {other}, which stays inside {folder(other)}/"
    yield from circles({n: f for n, f in graph.items() if n.endswith(".h")}, "headers")
    yield from circles(by_file(graph), "files")


def long_files(lines):
    """lines: {path below src/: how many it has}"""
    for name, count in lines.items():
        if count > LINES.get(folder(name), count):
            yield f"src/{name}: {count} lines, expected {LINES[folder(name)]} at most"


def by_file(graph):
    """a.c uses b.c where it includes b.h; headers without a file of their own (internal.h) say nothing of that."""
    files = {name[:-2]: found for name, found in graph.items() if name.endswith(".c")}
    return {me: sorted({i[:-2] for i in found if i[:-2] != me and i[:-2] in files}) for me, found in files.items()}


def circles(graph, what):
    state, told = {}, set()

    def visit(name, path):
        state[name] = 1
        for other in graph.get(name, []):
            if state.get(other) == 1:
                circle = path[path.index(other):] if other in path else [name]
                key = frozenset(circle)
                if key not in told:
                    told.add(key)
                    yield f"{what} in a circle: {' > '.join([*circle, other])}"
            elif other not in state and other in graph:
                yield from visit(other, [*path, other])
        state[name] = 2

    for name in graph:
        if name not in state:
            yield from visit(name, [name])


def calls(build):
    """{file: files that define what it leaves undefined}"""
    root = build / "CMakeFiles" / "bertcl_objects.dir" / "src"
    paths = sorted(root.rglob("*.c.o"))
    needs, home = {p.relative_to(root).as_posix()[: -len(".c.o")]: set() for p in paths}, {}
    if not paths:
        return {}
    listed = subprocess.run(["nm", "-A", *paths], capture_output=True, text=True, check=True).stdout
    for line in listed.splitlines():
        path, _, symbol = line.partition(".c.o:")
        name = pathlib.Path(path).relative_to(root).as_posix()
        kind, symbol = symbol.split()[-2:]
        if kind == "U":
            needs[name].add(symbol)
        elif kind in "TDBRC":
            home[symbol] = name
    return {n: sorted({home[s] for s in u if s in home and home[s] != n}) for n, u in needs.items()}


def call_rules(graph):
    for name, found in graph.items():
        for other in found:
            if folder(name) != folder(other) and RANK[folder(other)] <= RANK[folder(name)]:
                yield f"src/{name}.c: calls {other}.c, which is not below it"
    inside = {n: [o for o in found if o.rpartition("/")[0] == n.rpartition("/")[0]] for n, found in graph.items()}
    yield from circles(inside, "calls")


def check_rules():
    fine = {"ocl/ocl.h": ["util/util.h"], "util/util.h": ["bertcl/status.h"], "bertcl/status.h": [],
            "ocl/internal.h": ["ocl/ocl.h"], "ocl/a.c": ["ocl/internal.h"], "ops/ops.h": ["ocl/ocl.h"]}  # fmt: skip
    broken = {
        "not below it": {"ocl/b.c": ["ops/ops.h"]},
        "stays inside": {"ops/b.c": ["ocl/internal.h"]},
        "not public": {"bertcl/status.h": ["util/util.h"]},
        "headers in a circle": {"ocl/ocl.h": ["ocl/internal.h"]},
        "files in a circle": {"ops/x.c": ["ops/y.h"], "ops/y.c": ["ops/x.h"], "ops/x.h": [], "ops/y.h": []},
        "order of folders": {"attic/a.c": []},
    }
    assert not list(rules(fine)), list(rules(fine))
    for text, more in broken.items():
        assert any(text in line for line in rules({**fine, **more})), text
    assert any("not below" in line for line in call_rules({"util/a": ["ocl/b"], "ocl/b": []})), "calls up"
    assert any("circle" in line for line in call_rules({"hub/a": ["hub/b"], "hub/b": ["hub/a"]})), "calls in a circle"
    assert not list(long_files({"cli/a.c": 350, "text/b.c": 351})), "short files"
    assert any("351 lines" in line for line in long_files({"cli/a.c": 351})), "long files"
    assert list(rules({**fine, "tag/t.h": [], "eval/e.c": ["tag/t.h"]})), "folders of one line"


if "--check-rules" in sys.argv:
    check_rules()
    sys.exit()
top = pathlib.Path(sys.argv[1])
graph = read(top)
wrong = sorted(set(rules(graph)))
src = top / "src"
wrong += long_files({p.relative_to(src).as_posix(): p.read_text().count("\n") for p in sorted(src.rglob("*.[ch]"))})
if len(sys.argv) > 2:
    built = calls(pathlib.Path(sys.argv[2]))
    if not built:
        sys.exit(f"{sys.argv[2]}: no objects of the library")
    wrong += sorted(set(call_rules(built)))
print(*wrong, sep="\n", end="\n" if wrong else "")
print(f"{len(graph)} files, {sum(map(len, graph.values()))} includes, {len(wrong)} against the rules")
sys.exit(bool(wrong))
