"""A stand-in for the Hub's API: answers the requests of `vqaudio space` from memory and records them."""

import base64
import json
import re
import threading
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class StandIn(ThreadingHTTPServer):
    """Attributes: `asked`, (method, path) of every request; `spaces`, the files of each Space by path; `settings` of each.

    `refusal`, if set, is (status, message) of every answer.
    """

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked, self.spaces, self.settings, self.blobs, self.refusal = [], {}, {}, {}, None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def answer(self, body, status: int = 200) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def content(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def handle_one(self):
        self.server.asked.append((self.command, self.path.partition("?")[0]))
        content = self.content()
        if self.headers.get("Authorization") != "Bearer hf_stand_in" and not self.path.startswith("/blobs/"):
            return self.answer({"error": "Invalid credentials"}, 401)
        if self.server.refusal:
            status, message = self.server.refusal
            return self.answer({"error": message}, status)
        for method, pattern, answer in ROUTES:
            found = re.fullmatch(pattern, self.path.partition("?")[0])
            if found and method == self.command:
                return answer(self, content, *found.groups())
        return self.answer({"error": f"the stand-in knows no {self.command} {self.path}"}, 404)

    do_GET = do_POST = do_PUT = do_HEAD = handle_one


def whoami(handler, content):
    handler.answer({"type": "user", "name": "me", "auth": {"type": "access_token"}})


def validate(handler, content):
    assert "---" in json.loads(content)["content"]
    handler.answer({"warnings": []})


def create(handler, content):
    wanted = json.loads(content)
    repo_id = f"{wanted['organization']}/{wanted['name']}"
    if repo_id in handler.server.spaces:
        return handler.answer({"error": "You already created this space repo", "url": url(handler, repo_id)}, 409)
    handler.server.spaces[repo_id] = {"README.md": b"", ".gitattributes": b""}
    handler.server.settings[repo_id] = wanted
    return handler.answer({"url": url(handler, repo_id)})


def url(handler, repo_id: str) -> str:
    return f"{handler.server.address}/spaces/{repo_id}"


def hardware(handler, content, repo_id):
    handler.server.settings[repo_id]["hardware"] = json.loads(content)["flavor"]
    handler.answer({"stage": "BUILDING", "hardware": {"requested": json.loads(content)["flavor"]}})


def info(handler, content, repo_id):
    files = [{"rfilename": path} for path in handler.server.spaces[repo_id]]
    handler.answer({"id": repo_id, "sha": "0" * 40, "siblings": files, "tags": [], "private": False})


def tree(handler, content, repo_id):
    files = handler.server.spaces[repo_id].items()
    handler.answer([{"type": "file", "path": path, "size": len(data), "oid": "0" * 40} for path, data in files])


def preupload(handler, content, repo_id):
    """Binary files go to LFS, as on the Hub."""
    modes = []
    for file in json.loads(content)["files"]:
        binary = b"\0" in base64.b64decode(file["sample"])
        modes.append({"path": file["path"], "uploadMode": "lfs" if binary else "regular", "shouldIgnore": False})
    handler.answer({"files": modes})


def batch(handler, content, repo_id):
    objects = []
    for wanted in json.loads(content)["objects"]:
        href = f"{handler.server.address}/blobs/{wanted['oid']}"
        objects.append(wanted | {"actions": {"upload": {"href": href, "header": {}}}})
    handler.answer({"transfer": "basic", "objects": objects})


def blob(handler, content, oid):
    assert sha256(content).hexdigest() == oid
    handler.server.blobs[oid] = content
    handler.answer({})


def commit(handler, content, repo_id):
    files = handler.server.spaces[repo_id]
    for line in map(json.loads, content.decode().splitlines()):
        value = line["value"]
        if line["key"] == "file":
            files[value["path"]] = base64.b64decode(value["content"])
        elif line["key"] == "lfsFile":
            files[value["path"]] = handler.server.blobs[value["oid"]]
        elif line["key"] == "deletedFile":
            del files[value["path"]]
    handler.answer({"commitUrl": f"{url(handler, repo_id)}/commit/1", "commitOid": "1" * 40, "success": True})


SPACE = r"/api/spaces/([^/]+/[^/]+)"
ROUTES = [
    ("GET", "/api/whoami-v2", whoami), ("POST", "/api/validate-yaml", validate), ("POST", "/api/repos/create", create),
    ("POST", f"{SPACE}/hardware", hardware), ("GET", f"{SPACE}(?:/revision/main)?", info),
    ("GET", f"{SPACE}/tree/(?:main|0+)", tree), ("POST", f"{SPACE}/preupload/main", preupload),
    ("POST", f"{SPACE}/commit/main", commit), ("POST", r"/spaces/([^/]+/[^/]+)\.git/info/lfs/objects/batch", batch),
    ("PUT", r"/blobs/(\w+)", blob),
]  # fmt: skip


@contextmanager
def hub_stand_in():
    """Serve the stand-in in a thread."""
    with StandIn() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
