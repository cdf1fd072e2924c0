"""Small servers that answer as four clouds document that they do: no clouds, and no emulators. They keep what is made in memory,
and can be told to fail.

    cloud.py LINODE|GCE|OPENSTACK CERTIFICATE KEY [AUTHORIZED]     prints the port that it listens on (TLS), then serves

With AUTHORIZED its machines can be entered: that file, which an ssh server on this machine reads, has the keys of those that exist, and of
no others. Then nothing takes its time either: machines run, and are gone, at the first look.

Beside the cloud's own paths:
    POST /-/fail   {"method", "path" (a part of it), "status", "times", "body", "headers", "after"}: answer so instead.
                   `after` carries the request out first: the reply alone is lost. Status 0 closes the connection.
    POST /-/hide   {"times"}: so many listings show nothing, as where what was made is seen later.
    GET  /-/state  everything that exists, and the requests so far (`log`), with what those to make something said (`bodies`).
"""

import base64
import http.server
import json
import os
import re
import ssl
import sys
import threading
import urllib.parse

AUTHORIZED = sys.argv[4] if len(sys.argv) > 4 else None
SLOW = 0 if AUTHORIZED else 1  # Looks at a machine until something happened to it.
PAGE = 2  # Machines on a page, so that listings have several.


class Cloud:
    def __init__(self):
        self.machines, self.extra, self.log, self.bodies, self.fails, self.hidden, self.count = {}, {}, [], [], [], 0, 0

    def number(self):
        self.count += 1
        return self.count

    def admit(self):
        """Lets in who was named when a machine was made, while there is that machine."""
        if not AUTHORIZED:
            return
        living = [m for m in self.machines.values() if not {m.get("status"), m.get("OS-EXT-STS:task_state")} & {"deleting", "STOPPING"}]
        keys = "".join(key + "\n" for m in living for key in re.findall(r"ssh-ed25519 [A-Za-z0-9+/=]+", m["told"]))
        with open(AUTHORIZED + ".new", "w") as draft:
            draft.write(keys)
        os.replace(AUTHORIZED + ".new", AUTHORIZED)

    def listing(self, keep):
        if self.hidden > 0:
            self.hidden -= 1
            return []
        return [m for m in self.machines.values() if keep(m)]


class Linode(Cloud):
    """https://techdocs.akamai.com/linode-api/reference/api, version 4."""

    def handle(self, method, path, query, body, headers):
        if headers.get("authorization") != "Bearer sesame":
            return 401, {"errors": [{"reason": "Invalid Token"}]}
        one = re.fullmatch(r"/v4/linode/instances/(\d+)", path)
        if path == "/v4/linode/instances" and method == "POST":
            if body["image"] == "linode/none":
                return 400, {"errors": [{"field": "image", "reason": "image is not valid"}]}
            if any(m["label"] == body["label"] for m in self.machines.values()):
                return 400, {"errors": [{"field": "label", "reason": "Label must be unique among your linodes"}]}
            assert len(body["root_pass"]) >= 11 and all(3 <= len(tag) <= 50 for tag in body["tags"])
            id = self.number()
            machine = {"id": id, "label": body["label"], "tags": body["tags"], "status": "provisioning", "keys": body["authorized_keys"], "told": json.dumps(body["authorized_keys"]),
                       "ipv4": ["127.0.0.1"], "created": "a", "updated": "a", "looks": 0}
            self.machines[id] = machine
            return 200, machine
        if path == "/v4/linode/instances" and method == "GET":
            tags = {one["tags"] for one in json.loads(headers.get("x-filter", "{}")).get("+and", [])}
            found = self.listing(lambda m: tags <= set(m["tags"]))
            number = int(query["page"])
            return 200, {"data": found[(number - 1) * PAGE:number * PAGE], "page": number, "pages": max(1, -(-len(found) // PAGE)), "results": len(found)}
        if one and int(one[1]) in self.machines:
            machine = self.machines[int(one[1])]
            machine["looks"] += 1
            if method == "DELETE":
                machine["status"], machine["looks"] = "deleting", 0
                return 200, {}
            if machine["status"] == "deleting" and machine["looks"] > SLOW:
                del self.machines[int(one[1])]
                return 404, {"errors": [{"reason": "Not found"}]}
            if machine["status"] == "provisioning" and machine["looks"] > SLOW:
                machine["status"] = "running"
            return 200, machine
        return 404, {"errors": [{"reason": "Not found"}]}


class Gce(Cloud):
    """https://cloud.google.com/compute/docs/reference/rest/v1, and RFC 7523 for the token."""

    def handle(self, method, path, query, body, headers):
        if path == "/token":
            # The signature is the host's to get right, and tried there.
            header, claims, _ = query["assertion"].split(".")
            return 200, {"access_token": "ya29.sesame", "expires_in": 3599, "token_type": "Bearer"}
        if headers.get("authorization") != "Bearer ya29.sesame":
            return 401, {"error": {"code": 401, "message": "Request had invalid authentication credentials."}}
        path = path.removeprefix("/compute/v1")
        zone = "/projects/p/zones/z-1-b"
        if path.startswith("/projects/debian-cloud/global/images/"):
            if path.endswith("/family/debian-12"):
                return 200, {"name": "debian-12-v1", "selfLink": "https://compute.googleapis.com" + path}
            return 404, {"error": {"code": 404, "message": "The resource was not found"}}
        if path == zone + "/instances" and method == "POST":
            assert re.fullmatch(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", body["name"]) and re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", query["requestId"])
            if body["name"] in self.machines:
                return 409, {"error": {"code": 409, "message": "The resource already exists"}}
            name = f"operation-{self.number()}"
            self.extra[name] = {"name": name, "status": "RUNNING" if SLOW else "DONE"}
            if "full" in body["machineType"]:
                self.extra[name]["error"] = {"errors": [{"code": "ZONE_RESOURCE_POOL_EXHAUSTED", "message": "The zone does not have enough resources."}]}
            else:
                self.machines[body["name"]] = {
                    "name": body["name"], "labels": body["labels"], "status": "PROVISIONING", "looks": 0, "metadata": body["metadata"], "told": json.dumps(body["metadata"]),
                    "networkInterfaces": [{"networkIP": "10.0.0.7", "accessConfigs": [{"natIP": "127.0.0.1"}]}]}
            return 200, self.extra[name]
        if path == zone + "/instances":
            wanted = dict(re.findall(r'\(labels\.([a-z-]+) = "([^"]*)"\)', query["filter"]))
            assert wanted
            found = self.listing(lambda m: wanted.items() <= m["labels"].items())
            start = int(query.get("pageToken", 0))
            answer = {"items": found[start:start + PAGE]}
            if start + PAGE < len(found):
                answer["nextPageToken"] = str(start + PAGE)
            return 200, answer if answer["items"] else {}
        operation = re.fullmatch(zone + "/operations/(.*)", path)
        if operation:
            found = dict(self.extra[operation[1]])
            self.extra[operation[1]]["status"] = "DONE"
            return 200, found
        one = re.fullmatch(zone + "/instances/([^/]*)(/getGuestAttributes)?", path)
        if one and one[1] in self.machines:
            machine = self.machines[one[1]]
            machine["looks"] += 1
            if one[2]:
                if machine["looks"] < 4 * SLOW:
                    return 404, {"error": {"code": 404, "message": "The resource 'hostkeys/' of type 'Guest Attribute' was not found."}}
                key = self.extra.get("host-key", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDUcXXnqb6MewFSdc1NRID6wMy03e211mIbCAvlBuuUf").split()
                return 200, {"queryValue": {"items": [{"namespace": "hostkeys", "key": key[0], "value": key[1]}]}}
            if method == "DELETE":
                machine["status"], machine["looks"] = "STOPPING", 0
                return 200, {"name": "operation-0", "status": "RUNNING"}
            if machine["status"] == "STOPPING" and machine["looks"] > SLOW:
                del self.machines[one[1]]
                return 404, {"error": {"code": 404, "message": "not found"}}
            if machine["status"] == "PROVISIONING" and machine["looks"] > SLOW:
                machine["status"] = "RUNNING"
            return 200, machine
        return 404, {"error": {"code": 404, "message": "The resource was not found"}}


class Openstack(Cloud):
    """https://docs.openstack.org/api-ref: identity v3, compute 2.52, image v2, network v2.0."""

    FLAVOR, IMAGE, NETWORK, OUTSIDE = ("0" * 31 + n for n in "1234")

    def handle(self, method, path, query, body, headers):
        here = f"https://localhost:{self.port}"
        if path == "/v3/auth/tokens":
            who = body["auth"]["identity"]
            user = {"name": "me", "domain": {"name": "Default"}, "password": "sesame"}
            if who.get("application_credential") != {"id": "me", "secret": "sesame"} and who.get("password") != {"user": user}:
                return 401, {"error": {"code": 401, "message": "The request you have made requires authentication."}}
            return 201, {"token": {"expires_at": "2099-01-01T00:00:00.000000Z"}}, {"x-subject-token": "gAAAA-token"}
        if headers.get("x-auth-token") != "gAAAA-token":
            return 401, {"error": {"code": 401, "message": "The request you have made requires authentication."}}
        if path == "/v3/auth/catalog":
            services = {"compute": "/nova/v2.1", "image": "/glance", "network": "/neutron"}
            return 200, {"catalog": [{"type": kind, "endpoints": [
                {"interface": "internal", "region_id": "one", "url": "https://internal.invalid"},
                {"interface": "public", "region_id": "one", "url": here + where}]} for kind, where in services.items()]}
        if path.startswith("/nova/"):
            assert headers["openstack-api-version"] == "compute 2.52"
        if path == "/nova/v2.1/flavors":
            return 200, {"flavors": [{"id": self.FLAVOR, "name": "m1.small"}]}
        if path == "/glance/v2/images":
            return 200, {"images": [{"id": self.IMAGE}] if query["name"] == "debian" else []}
        if path == "/neutron/v2.0/networks":
            return 200, {"networks": [{"id": self.OUTSIDE}] if query["name"] == "outside" else []}
        if path == "/neutron/v2.0/ports":
            return 200, {"ports": [{"id": "port-of-" + query["device_id"]}]}
        if path == "/neutron/v2.0/floatingips" and method == "POST":
            id = f"address-{self.number()}"
            self.extra[id] = dict(body["floatingip"], id=id, floating_ip_address="127.0.0.1")
            return 201, {"floatingip": self.extra[id]}
        if path == "/neutron/v2.0/floatingips":
            return 200, {"floatingips": [one for one in self.extra.values() if one["description"] == query["description"]]}
        if path.startswith("/neutron/v2.0/floatingips/"):
            return (204, None) if self.extra.pop(path.rsplit("/", 1)[1], None) else (404, None)
        if path == "/nova/v2.1/servers" and method == "POST":
            server = body["server"]
            assert all(len(tag) <= 60 and "," not in tag and "/" not in tag for tag in server["tags"]) and server["networks"] == "auto"
            id = f"{self.number():032x}"
            status = "ERROR" if server.get("availability_zone") == "full" else "BUILD"
            self.machines[id] = {"id": id, "status": status, "tags": server["tags"], "metadata": server["metadata"], "looks": 0, "addresses": {}, "told": base64.b64decode(server["user_data"]).decode(),
                                 "fault": {"message": "No valid host was found. There are not enough hosts available."} if status == "ERROR" else None}
            return 202, {"server": {"id": id}}
        if path == "/nova/v2.1/servers/detail":
            tags = set(query["tags"].split(","))
            found = self.listing(lambda m: tags <= set(m["tags"]))
            ids = [m["id"] for m in found]
            start = ids.index(query["marker"]) + 1 if "marker" in query else 0
            answer = {"servers": found[start:start + PAGE]}
            if start + PAGE < len(found):
                answer["servers_links"] = [{"rel": "next", "href": "…"}]
            return 200, answer
        one = re.fullmatch(r"/nova/v2\.1/servers/([0-9a-f]{32})", path)
        if one and one[1] in self.machines:
            machine = self.machines[one[1]]
            machine["looks"] += 1
            if method == "DELETE":
                machine["status"], machine["looks"], machine["OS-EXT-STS:task_state"] = "ACTIVE", 0, "deleting"
                return 204, None
            if machine.get("OS-EXT-STS:task_state") == "deleting" and machine["looks"] > SLOW:
                del self.machines[one[1]]
                return 404, {"itemNotFound": {"code": 404, "message": "Instance could not be found."}}
            if machine["status"] == "BUILD" and machine["looks"] > SLOW:
                machine["status"] = "ACTIVE"
                machine["addresses"] = {"inside": [{"addr": "10.0.0.7", "version": 4, "OS-EXT-IPS:type": "fixed"}]}
            return 200, {"server": machine}
        return 404, {"itemNotFound": {"code": 404, "message": "The resource could not be found."}}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # An answer leaves at once: its second half would wait until the first is acknowledged, which takes 40 ms.

    def any(self):
        length = int(self.headers.get("content-length") or 0)
        raw = self.rfile.read(length)
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        if "form-urlencoded" in (self.headers.get("content-type") or ""):
            query.update(urllib.parse.parse_qsl(raw.decode()))
            body = None
        else:
            body = json.loads(raw) if raw else None
        with lock:
            answer = self.answer(url.path, query, body)
            cloud.admit()
        if answer[0] == 0:
            self.close_connection = True
            return
        self.reply(*answer)

    def answer(self, path, query, body):
        if path == "/-/state":
            return 200, {"machines": list(cloud.machines.values()), "extra": list(cloud.extra.values()), "log": cloud.log, "bodies": cloud.bodies}
        if path == "/-/hide":
            cloud.hidden = body["times"]
            return 200, {}
        if path == "/-/fail":
            cloud.fails.append(body)
            return 200, {}
        if path == "/-/set":
            cloud.extra.update(body)
            return 200, {}
        cloud.log.append(f"{self.command} {path}")
        if body:
            cloud.bodies.append({"method": self.command, "path": path, "body": body})
        for fail in cloud.fails:
            if fail["times"] > 0 and fail["method"] == self.command and fail["path"] in path:
                fail["times"] -= 1
                if fail.get("after"):
                    cloud.handle(self.command, path, query, body, {k.lower(): v for k, v in self.headers.items()})
                return fail["status"], fail.get("body"), fail.get("headers", {})
        return cloud.handle(self.command, path, query, body, {k.lower(): v for k, v in self.headers.items()})

    do_GET = do_POST = do_DELETE = any

    def reply(self, status, body=None, headers={}):
        raw = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**headers, "content-type": "application/json", "content-length": str(len(raw))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_):
        pass


lock = threading.Lock()
cloud = {"LINODE": Linode, "GCE": Gce, "OPENSTACK": Openstack}[sys.argv[1]]()
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2], sys.argv[3])
server.socket = context.wrap_socket(server.socket, server_side=True)
cloud.port = server.server_address[1]
print(cloud.port, flush=True)
server.serve_forever()
