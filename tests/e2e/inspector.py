# SPDX-License-Identifier: LGPL-2.1-or-later
"""The inspector of a client, as programs ask it."""

import http.client
import json
import time

from daemons import PATIENCE


class Inspector:
    def __init__(self, client):
        self.url = client.wait_event("inspector")["url"]
        self.port = int(self.url.rpartition(":")[2])

    def ask(self, method, path, body=None, headers=None):
        """Status, headers and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def get(self, path):
        status, _, body = self.ask("GET", path)
        assert status == 200, body
        return json.loads(body)

    def post(self, path, body):
        status, _, answer = self.ask("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        return status, json.loads(answer)

    def body(self, number, side="response", query=""):
        return self.ask("GET", f"/api/requests/{number}/{side}/body{query}")[2]

    def requests(self, query=""):
        return self.get(f"/api/requests{query}")["requests"]

    def wait_done(self, number):
        """Request NUMBER once it is done."""
        deadline = time.monotonic() + PATIENCE
        while not (request := self.get(f"/api/requests/{number}"))["done"]:
            assert time.monotonic() < deadline, request
            time.sleep(0.02)
        return request


def start(place, service, *arguments, protocol="http"):
    client = place.client(place.server(), str(service.port), "--inspect=127.0.0.1:0", *arguments)
    return client, client.tunnel(protocol), Inspector(client)
