# SPDX-License-Identifier: MIT
"""Answers each request with the same sum: server.py PORT, or gunicorn's server:application.

As a program it has a thread for each request, and says "ready" when it listens.
"""
import http.server
import sys

ANSWER = b"199990000"


def answer():
    return b"%d" % sum(range(20000))


def application(_environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [answer()]


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(answer())

    def log_message(self, *unused):
        pass


if __name__ == "__main__":
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
    print("ready", flush=True)
    server.serve_forever()
