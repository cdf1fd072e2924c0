"""A small server that answers `kubectl` as a Kubernetes API server documents that it does, for pods only, and starts the commands of
`exec` on this machine: no cluster. It prints the port that it listens on.

GET /-/state has all pods; POST /-/full {"full": true} makes every later pod one that no node has room for, and POST /-/quota
{"quota": true} refuses them. After POST /-/set {"quick": true} a pod runs at the first look at it.
"""

import base64
import hashlib
import http.server
import json
import os
import re
import struct
import subprocess
import threading
import urllib.parse

pods, switches, lock, environment = {}, {}, threading.Lock(), dict(os.environ)
POD = {"name": "pods", "singularName": "pod", "namespaced": True, "kind": "Pod", "verbs": ["create", "delete", "get", "list", "patch", "watch"]}
KIND = {"group": "", "version": "v1", "kind": "Pod"}
STATIC = {
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": [POD]},
    "/openapi/v3": {"paths": {"api/v1": {"serverRelativeURL": "/openapi/v3/api/v1"}}},
    "/openapi/v3/api/v1": {"openapi": "3.0.0", "paths": {"/api/v1/namespaces/{namespace}/pods/{name}": {
        "patch": {"parameters": [{"name": "fieldValidation", "in": "query"}], "x-kubernetes-group-version-kind": KIND}}}},
}


def failure(code, reason, message):
    return code, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": message, "code": code}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # An answer leaves at once: its second half would wait until the first is acknowledged, which takes 40 ms.

    def handle_one_request(self):
        # As http.server has it, but for the longest request: commands are in the URL, and API servers take 1 MiB of it.
        self.raw_requestline = self.rfile.readline(1 << 20)
        if not self.raw_requestline:
            self.close_connection = True
        elif self.parse_request():
            getattr(self, "do_" + self.command)()
            self.wfile.flush()

    def any(self):
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        url = urllib.parse.urlsplit(self.path)
        execution = re.fullmatch(r"/api/v1/namespaces/default/pods/([^/]*)/exec", url.path)
        # Commands are bytes, and go into the URL as such.
        query = urllib.parse.parse_qs(url.query, keep_blank_values=True, errors="surrogateescape")
        if execution:
            return self.execute(execution[1], query)
        with lock:
            status, body = self.answer(url.path, query, json.loads(raw) if raw else None)
        self.reply(status, body)

    do_GET = do_POST = do_DELETE = any

    def answer(self, path, query, body):
        if path in STATIC:
            return 200, STATIC[path]
        if path == "/-/state":
            return 200, list(pods.values())
        if path.startswith("/-/"):
            switches.update(body)
            return 200, {}
        one = re.fullmatch(r"/api/v1/namespaces/default/pods(?:/([^/]*))?", path)
        if not one:
            return failure(404, "NotFound", "the server could not find the requested resource")
        name = one[1]
        if self.command == "POST":
            name = body["metadata"]["name"]
            if switches.get("quota"):
                return failure(403, "Forbidden", f'pods "{name}" is forbidden: exceeded quota: small, requested: pods=1, used: pods=1, limited: pods=1')
            if name in pods:
                return failure(409, "AlreadyExists", f'pods "{name}" already exists')
            assert all(re.fullmatch(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", label) for label in body["metadata"]["labels"].values())
            body["metadata"].update(namespace="default", uid=name)
            body["status"], body["looks"] = {"phase": "Pending"}, 0
            pods[name] = body
            return 201, body
        if self.command == "GET" and name is None:
            wanted = dict(pair.split("=") for pair in query.get("labelSelector", [""])[0].split(",") if pair)
            names = query.get("fieldSelector", [""])[0]
            found = [p for p in pods.values() if wanted.items() <= p["metadata"]["labels"].items() and (not names or names == "metadata.name=" + p["metadata"]["name"])]
            return 200, {"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": found}
        if name not in pods:
            return failure(404, "NotFound", f'pods "{name}" not found')
        pod = pods[name]
        pod["looks"] += 1
        if self.command == "DELETE":
            return 200, pods.pop(name)
        if switches.get("full"):
            pod["status"] = {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes are available"}]}
        elif "none" in pod["spec"]["containers"][0]["image"]:
            waiting = {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}
            pod["status"] = {"phase": "Pending", "containerStatuses": [{"name": "main", "state": {"waiting": waiting}}]}
        elif pod["looks"] > (0 if switches.get("quick") else 1):
            pod["status"] = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}],
                             "containerStatuses": [{"name": "main", "state": {"running": {}}}]}
        return 200, pod

    def reply(self, status, body):
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def execute(self, name, query):
        """`exec` by the subprotocol v5.channel.k8s.io: messages whose first byte is the stream."""
        if name not in pods:
            return self.reply(*failure(404, "NotFound", f'pods "{name}" not found'))
        key = self.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.send_response(101)
        for header, value in {"upgrade": "websocket", "connection": "Upgrade", "sec-websocket-protocol": "v5.channel.k8s.io",
                              "sec-websocket-accept": base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()}.items():
            self.send_header(header, value)
        self.end_headers()
        self.wfile.flush()
        self.close_connection = True
        argv = [word.encode(errors="surrogateescape") for word in query["command"]]
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
        if "stdin" not in query:
            process.stdin.close()
        sending = threading.Lock()

        def send(opcode, data):
            head = bytes([0x80 | opcode]) + (bytes([len(data)]) if len(data) < 126 else bytes([126]) + struct.pack(">H", len(data)))
            with sending:
                self.wfile.write(head + data)
                self.wfile.flush()

        def pump(stream, channel):
            while chunk := os.read(stream.fileno(), 16384):
                send(2, bytes([channel]) + chunk)

        def receive():
            try:
                while True:
                    first, second = self.rfile.read(2)
                    length = second & 127
                    if length == 126:
                        length = struct.unpack(">H", self.rfile.read(2))[0]
                    elif length == 127:
                        length = struct.unpack(">Q", self.rfile.read(8))[0]
                    mask = self.rfile.read(4) if second & 128 else bytes(4)
                    data = bytes(b ^ mask[i % 4] for i, b in enumerate(self.rfile.read(length)))
                    if first & 15 == 8:
                        return
                    if first & 15 == 9:
                        send(10, data)
                    elif data[:2] == b"\xff\x00":
                        process.stdin.close()
                    elif data[:1] == b"\x00":
                        process.stdin.write(data[1:])
                        process.stdin.flush()
            except (OSError, ValueError):
                pass

        threading.Thread(target=receive, daemon=True).start()
        pumps = [threading.Thread(target=pump, args=pair) for pair in ((process.stdout, 1), (process.stderr, 2))]
        for one in pumps:
            one.start()
        for one in pumps:
            one.join()
        code = process.wait()
        code = 128 - code if code < 0 else code
        status = {"metadata": {}, "status": "Success"}
        if code:
            status = {"metadata": {}, "status": "Failure", "reason": "NonZeroExitCode", "message": f"command terminated with exit code {code}",
                      "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]}}
        send(2, b"\x03" + json.dumps(status).encode())
        send(8, struct.pack(">H", 1000))

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
