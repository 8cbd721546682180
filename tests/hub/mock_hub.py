#!/usr/bin/env python3
"""A hub on loopback for tests/hub/full_hub.sh: mock_hub.py FOLDER LOG PORTS. Serves FOLDER as acme/tiny (and what the names
below say) the way the hub does: HEAD and GET of /ORG/NAME/resolve/REVISION/FILE with X-Repo-Commit, small files with git's
ETag, large ones by a redirect to another host with X-Linked-ETag and X-Linked-Size, ranges, 401, 404 with X-Error-Code.
Standard library only. LOG has one line a request: host, method, path, Range, Authorization."""
import hashlib, http.server, os, sys, threading
folder, log, ports = sys.argv[1:4]
COMMIT = "0123456789abcdef0123456789abcdef01234567"
OTHER = "fedcba9876543210fedcba9876543210fedcba98"
lock = threading.Lock()
asked = {}  # GETs of a model's large files


def etag(data, large):
    return hashlib.sha256(data).hexdigest() if large else hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *a):
        pass

    def note(self):
        with lock, open(log, "a") as f:
            f.write(f"{self.server.role} {self.command} {self.path} {self.headers.get('Range')} {self.headers.get('Authorization')}\n")

    def answer(self, code, body=b"", **headers):
        self.send_response(code)
        for k, v in headers.items():
            self.send_header(k.replace("_", "-"), v)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def error(self, code, name, **more):
        self.answer(code, b"<html>an error page</html>", X_Error_Code=name, **more)

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        self.note()
        (self.hub if self.server.role == "hub" else self.store)()

    def hub(self):
        parts = self.path.split("/")
        if len(parts) == 5 and parts[2] == "resolve":  # an old model, which has an organisation now
            return self.answer(307, Location=f"/acme{self.path}")
        if len(parts) < 6 or parts[3] != "resolve":
            return self.error(404, "RepoNotFound")
        org, name, revision, file = parts[1], parts[2], parts[4], parts[5]
        if org == "old":  # a renamed model
            return self.answer(307, Location=f"/acme/{name}/resolve/{revision}/{file}")
        if name == "private" and self.headers.get("Authorization") != "Bearer secret":
            return self.error(401, "RepoNotFound")
        if name == "gated":
            return self.error(403, "GatedRepo")
        if name == "busy":
            return self.error(503, "")
        if name == "nohub":
            return self.answer(200, b"hello")
        if org != "acme" or name == "missing":
            return self.error(401 if not self.headers.get("Authorization") else 404, "RepoNotFound")
        if revision not in ("main", COMMIT, "v1", OTHER, "refs%2Fpr%2F1"):
            return self.error(404, "RevisionNotFound")
        commit = OTHER if revision in ("v1", OTHER) else COMMIT
        path = os.path.join(folder, file)
        if name == "pickle" and file.startswith("model.safetensors") or not os.path.exists(path):
            return self.error(404, "EntryNotFound", X_Repo_Commit=commit)
        data = open(path, "rb").read()
        large = file.endswith((".safetensors", ".bin"))
        if large:
            return self.answer(302, X_Repo_Commit=commit, X_Linked_ETag=f'"{etag(data, True)}"', X_Linked_Size=str(len(data)),
                               ETag='"another"', Location=f"http://127.0.0.1:{store.server_port}/{name}/{file}?signature=1")
        self.answer(200, data, X_Repo_Commit=commit, ETag=f'W/"{etag(data, False)}"' if file == "vocab.txt" else f'"{etag(data, False)}"')

    def store(self):
        name, file = self.path.split("?")[0].split("/")[1:3]
        data = open(os.path.join(folder, file), "rb").read()
        wanted, begin = self.headers.get("Range"), 0
        if name == "corrupt":
            data = data[:-1] + bytes([data[-1] ^ 1])
        if name == "short":  # complete by its own account
            return self.answer(200, data[:1000])
        if wanted and name != "norange":
            begin = int(wanted[6:].rstrip("-"))
            if begin >= len(data):
                return self.answer(416, Content_Range=f"bytes */{len(data)}")
        part = data[begin:]
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        if self.command == "HEAD":
            return
        with lock:
            asked[name] = asked.get(name, 0) + 1
            breaks = name in ("broken", "norange") and asked[name] < 3 or name == "dead"
        if breaks:  # the line breaks in the middle
            self.wfile.write(part[:len(part) // 3] if name != "dead" else part[:100])
            self.close_connection = True
            self.wfile.flush()
            self.connection.close()
            return
        self.wfile.write(part)


def serve(role):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.role = role
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


hub, store = serve("hub"), serve("store")
with open(ports + ".new", "w") as f:
    f.write(f"{hub.server_port} {store.server_port}\n")
os.rename(ports + ".new", ports)
sys.stdin.read()
