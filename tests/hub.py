"""A server on this machine that answers as Hugging Face does, as far as downloads need it."""

from __future__ import annotations

import hashlib
import json
import random
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Hub:
    """Serves `files`, name in its repository -> content, until the `with` block ends.

    Args:
        delay: seconds that it waits in the middle of an answer.
        breaks: share of the answers that end there.
    """

    def __init__(
        self, repository: str, files: dict[str, bytes], *, delay: float = 0.0, breaks: float = 0.0, port: int = 0
    ):
        self.repository, self.files = repository, files
        self.digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        self.sizes = {name: len(content) for name, content in files.items()}
        """As told, whatever they are."""
        self.sent = 0
        """Bytes of files."""
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def answer(self, content: bytes, status=200, **headers):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    half = len(content) // 2
                    self.wfile.write(content[:half])
                    time.sleep(delay)
                    if random.random() < breaks:
                        self.close_connection = True
                    else:
                        self.wfile.write(content[half:])

            def answer_json(self, value):
                self.answer(json.dumps(value).encode(), Content_Type="application/json")

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                names = [name for name in hub.files if name in body.replace("%2F", "/")]
                self.answer_json([hub.entry(name) for name in names])

            def do_GET(self):
                name = self.path.split("/resolve/main/")[-1]
                if "/tree/" in self.path:
                    return self.answer_json([hub.entry(name) for name in hub.files])
                if "/api/" in self.path:
                    return self.answer_json({"id": hub.repository, "sha": "0" * 40, "siblings": []})
                if name not in hub.files:
                    return self.answer(b"", 404, X_Error_Code="EntryNotFound")
                content = hub.files[name]
                first, _, last = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
                part = content[int(first) : int(last) + 1 if last else None]
                hub.sent += len(part)
                span = f"bytes {first}-{int(first) + len(part) - 1}/{len(content)}"
                self.answer(part, 206, Content_Range=span, ETag=f'"{hub.digests[name]}"', X_Repo_Commit="0" * 40)

            do_HEAD = do_GET

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def entry(self, name: str) -> dict:
        size = self.sizes[name]
        lfs = {"oid": self.digests[name], "size": size, "pointerSize": 134}
        return {"type": "file", "path": name, "size": size, "oid": "0" * 40, "lfs": lfs}

    def __enter__(self) -> Hub:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
