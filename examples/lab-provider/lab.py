#!/usr/bin/env python3
"""A small lab: machines from a JSON file, booked over HTTP. Enough for a room with a few boards, and for the tests.

    lab.py MACHINES.json [PORT]
    lab.py MACHINES.json --simulate     for `runner plugin test lab.wasm --simulator '…'`

`LAB_TOKEN` in the environment is what clients must show. The file is a list of `{"name", "address", "port", "user", "kind"}`; all but
name and address may be left out. Bookings are kept in `bookings.json` beside it, written before they are answered. Prints the port
that it listens on. Simulating, it keeps its bookings where nobody looks, makes a token up, and says on one line what the plugin needs to find it.

    PUT    /bookings/NAME       {"holder", "kind"}: books a machine, once however often it is asked. 409: none is free
    GET    /bookings/NAME       the booking
    GET    /bookings?holder=X   {"bookings": [...]}
    DELETE /bookings/NAME       204, or 404 when there is none
"""

import json
import os
import secrets
import signal
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

MACHINES = Path(sys.argv[1])
SIMULATE = sys.argv[2:] == ["--simulate"]
SCRATCH = tempfile.TemporaryDirectory() if SIMULATE else None
BOOKINGS = Path(SCRATCH.name) / "bookings.json" if SIMULATE else MACHINES.with_name("bookings.json")
TOKEN = secrets.token_hex(16) if SIMULATE else os.environ["LAB_TOKEN"]
lock = threading.Lock()


def bookings():
    return json.loads(BOOKINGS.read_text()) if BOOKINGS.exists() else {}


def keep(booked):
    draft = BOOKINGS.with_suffix(".new")
    draft.write_text(json.dumps(booked))
    draft.replace(BOOKINGS)


def book(name, wish):
    with lock:
        booked = bookings()
        if name in booked:
            return 200, booked[name]
        taken = {booking["machine"]["name"] for booking in booked.values()}
        for machine in json.loads(MACHINES.read_text()):
            if machine["name"] not in taken and wish.get("kind") in (None, machine.get("kind")):
                booked[name] = {"name": name, "holder": wish.get("holder"), "machine": machine}
                keep(booked)
                return 201, booked[name]
        return 409, {"error": "no machine is free"}


def give_back(name):
    with lock:
        booked = bookings()
        if booked.pop(name, None) is None:
            return 404, {"error": "there is no such booking"}
        keep(booked)
        return 204, None


class Lab(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # An answer leaves at once: its second half would wait until the first is acknowledged, which takes 40 ms.

    def handle_any(self):
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length)
        if self.headers.get("authorization") != f"Bearer {TOKEN}":
            return self.answer(401, {"error": "show the lab's token"})
        url = urlsplit(self.path)
        kind, _, name = unquote(url.path).strip("/").partition("/")
        if kind != "bookings":
            return self.answer(404, {"error": "there are only bookings here"})
        if self.command == "PUT" and name:
            return self.answer(*book(name, json.loads(body or b"{}")))
        if self.command == "DELETE" and name:
            return self.answer(*give_back(name))
        with lock:
            booked = bookings()
        if not name:
            holder = parse_qs(url.query).get("holder", [None])[0]
            return self.answer(200, {"bookings": [b for b in booked.values() if holder in (None, b["holder"])]})
        if name in booked:
            return self.answer(200, booked[name])
        return self.answer(404, {"error": "there is no such booking"})

    do_GET = do_PUT = do_DELETE = handle_any

    def answer(self, status, body):
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        if status == 409:
            self.send_header("retry-after", "5")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0 if SIMULATE else int((sys.argv[2:] or [0])[0])), Lab)
    port = server.server_port
    if SIMULATE:
        addresses = [machine["address"] for machine in json.loads(MACHINES.read_text())]
        settings = {"url": f"http://127.0.0.1:{port}", "host": "127.0.0.1", "port": port, "machines": addresses}
        print(json.dumps({"settings": settings, "secrets": {"LAB_TOKEN": TOKEN}}), flush=True)
        # Its directory goes with it.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    else:
        print(port, flush=True)
    server.serve_forever()
