# SPDX-License-Identifier: Apache-2.0
"""The application that filter_http asks: an HTTP server on 127.0.0.1 whose answers a test chooses."""
import http.server
import json
import socket
import ssl
import threading


class Application:
    """decide(question) -> a dict for a 200, a status, or bytes to be sent as they are; None: no answer until
    the end. `seen` has each question, `headers` those of the last one."""

    def __init__(self, decide, certificate=None, client_ca=None, port=0):
        self.seen, self.headers, self.connections = [], {}, 0
        self.ended = threading.Event()
        self._open = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                outer.connections += 1
                outer._open.append(self.connection)

            def do_POST(self):
                question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.seen.append(question)
                outer.headers = dict(self.headers)
                self.give(decide(question))

            def give(self, answer):
                if answer is None:
                    outer.ended.wait(60)
                    self.close_connection = True
                elif isinstance(answer, bytes):
                    self.wfile.write(answer)
                    self.close_connection = True
                else:
                    status, body = (200, json.dumps(answer).encode()) if isinstance(answer, dict) else (answer, b"")
                    self.send_response(status)
                    if status != 204:
                        self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):  # the other side is gone
                pass

        self._server = Server(("127.0.0.1", port), Handler)
        self.port = self._server.server_port
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            if client_ca:
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(client_ca)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{self.port}/ask"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def end(self):
        if self.ended.is_set():
            return
        self.ended.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        for connection in self._open:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:  # it is closed
                pass
