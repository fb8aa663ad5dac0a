#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Answers pgrokd's webhook: who may log in, and what they may do. A place to start from; the standard library
is all it needs.

    pgrokd.conf:  auth: { method = "webhook";
                          webhook: { url = "https://auth.example.com/pgrok"; secret_file = "/etc/pgrok/secret"; }; };

    python3 webhook-receiver.py --users users.json --secret-file secret [--listen 127.0.0.1:9000]
                                [--certificate fullchain.pem --key privkey.pem]

Without a certificate it speaks plain HTTP, which pgrokd accepts from this machine only: then put the two on one
machine, or nginx in front of it. users.json is read for each question:

    { "alice": { "token_sha256": "2bb80d53...", "policy": { "subdomains": ["alice", "a-*"], "max_tunnels": 4 } },
      "bob":   { "token_sha256": "d9298a10...", "disabled": "Your account is closed; write to help@example.com" } }

    token=$(openssl rand -hex 32); printf '%s' "$token" | sha256sum

The policy's members are the keys of the token file. A question is

    POST  X-Pgrok-Signature: t=UNIX,v1=HEX     HEX is HMAC-SHA256(secret, "UNIX." + body)
    {"version": 1, "event": "login",           or "tunnel" (with "user" and "tunnel"), "logout" (with "user")
     "token": "...", "client": {"id": ..., "address": ..., "os": ..., "arch": ..., "version": ...}}

and the answer {"allow": true, "user": "alice", "policy": {...}} or {"allow": false, "reason": "..."}."""

import argparse
import hashlib
import hmac
import http.server
import json
import ssl
import sys
import time

BODY_BYTES_MAX = 1024 * 1024
AGE_SECONDS_MAX = 300
IDLE_SECONDS = 120


def signature_is_right(header, secret, body, now):
    """The body comes from who has the secret, and is not an old one said again."""
    fields = dict(field.partition("=")[::2] for field in header.split(","))
    sent, age = fields.get("t", ""), None
    if len(sent) < 20 and sent.isascii() and sent.isdigit():
        age = abs(now - int(sent))
    right = hmac.new(secret, sent.encode() + b"." + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(right.encode(), fields.get("v1", "").encode()) and age is not None and \
        age <= AGE_SECONDS_MAX


def deny(reason):
    return {"allow": False, "reason": reason}


def decide(question, users):
    """The answer to a question. This is what you will want to change."""
    event = question["event"]
    if event == "login":
        presented = hashlib.sha256(question["token"].encode()).hexdigest()
        for name, user in users.items():
            if hmac.compare_digest(presented, user["token_sha256"]):
                if "disabled" in user:
                    return deny(user["disabled"])
                return {"allow": True, "user": name, "policy": user.get("policy", {})}
        return deny("This token is not known here")
    if event == "tunnel":
        user = users.get(question["user"])
        if user is None or "disabled" in user:
            return deny("Your account is closed")
        return {"allow": True}
    return {"allow": True}  # logout: there is nothing to decide


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # pgrokd keeps its connections
    timeout = IDLE_SECONDS

    def do_POST(self):
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > BODY_BYTES_MAX:
            self.close_connection = True
            return self.answer(413, deny("The question is too long"))
        body = self.rfile.read(int(length))
        if self.server.secret and not signature_is_right(self.headers.get("X-Pgrok-Signature", ""),
                                                         self.server.secret, body, int(time.time())):
            return self.answer(403, deny("The signature is wrong"))
        try:
            with open(self.server.users_file, encoding="utf-8") as f:
                users = json.load(f)
            question = json.loads(body)
            answer = decide(question, users)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as fault:
            print(f"A question can't be answered: {fault!r}", file=sys.stderr, flush=True)
            return self.answer(500, deny("The question can't be answered"))
        print(f"{question['event']} of client {question['client'].get('id')} from "
              f"{question['client'].get('address')}: {'yes' if answer['allow'] else 'no'}", flush=True)
        return self.answer(200, answer)

    def answer(self, status, answer):
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments):
        """What is worth a line is printed above; tokens never are."""


class Receiver(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address, users_file, secret):
        super().__init__(address, Handler)
        self.users_file = users_file
        self.secret = secret


def main():
    parser = argparse.ArgumentParser(description="Answers pgrokd's webhook.")
    parser.add_argument("--listen", default="127.0.0.1:9000", metavar="ADDRESS:PORT")
    parser.add_argument("--users", required=True, metavar="FILE", help="JSON: who may log in")
    parser.add_argument("--secret-file", metavar="FILE", help="the same word as pgrokd's secret_file")
    parser.add_argument("--certificate", metavar="FILE", help="PEM: speak https")
    parser.add_argument("--key", metavar="FILE")
    options = parser.parse_args()

    secret = b""
    if options.secret_file:
        with open(options.secret_file, "rb") as f:
            secret = f.read().strip()
    host, _, port = options.listen.rpartition(":")
    receiver = Receiver((host, int(port)), options.users, secret)
    scheme = "http"
    if options.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.certificate, options.key)
        receiver.socket = context.wrap_socket(receiver.socket, server_side=True, do_handshake_on_connect=False)
        scheme = "https"
    print(f"Listening on {scheme}://{host}:{receiver.server_address[1]}/", flush=True)
    try:
        receiver.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
