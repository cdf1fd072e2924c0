"""moto's EC2 over TLS, on a port of the system's choice, which is printed.   emulator.py CERTIFICATE KEY AUTHORIZED

Its machines can be entered: the file AUTHORIZED, which an ssh server on this machine reads, has the keys in the user data of those that
run, and of no others.
"""

import logging
import os
import re
import sys
import threading

from moto.ec2.models import ec2_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

CERTIFICATE, KEY, AUTHORIZED = sys.argv[1:]
logging.getLogger("werkzeug").setLevel(logging.ERROR)
application = DomainDispatcherApplication(create_backend_app)
lock = threading.Lock()


def admit():
    backends = ec2_backends["123456789012"].values()
    running = [one for backend in backends for one in backend.all_instances() if one.state == "running"]
    told = [one.user_data.decode() for one in running if one.user_data]
    keys = "".join(key + "\n" for text in told for key in re.findall(r"ssh-ed25519 [A-Za-z0-9+/=]+", text))
    with open(AUTHORIZED + ".new", "w") as draft:
        draft.write(keys)
    os.replace(AUTHORIZED + ".new", AUTHORIZED)


def admitting(environ, start):
    with lock:
        answer = list(application(environ, start))
        admit()
    return answer


class Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"  # Connections are kept.
    wbufsize = -1  # An answer leaves at once: its second half would wait until the first is acknowledged, which takes 40 ms.


server = make_server("127.0.0.1", 0, admitting, threaded=True, ssl_context=(CERTIFICATE, KEY), request_handler=Handler)
print(server.server_port, flush=True)
server.serve_forever()
