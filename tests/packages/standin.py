# SPDX-License-Identifier: Apache-2.0
"""A stand-in for the package lsmtpd 1.8.0-1 of LSMTPD: the same files, unit and steps of the maintainer scripts, and a small
daemon in Python in the place of the one in Rust."""
import subprocess

CONTROL = """\
Package: lsmtpd
Version: 1.8.0-1
Section: base
Priority: optional
Architecture: amd64
Depends: debconf, python3, python3-pika
Maintainer: nobody <nobody@example.org>
Description: stand-in for LSMTPD
"""

UNIT = """\
[Unit]
Description=LSMTPD stand-in
After=network.target

[Service]
Type=simple
EnvironmentFile=/etc/default/lsmtpd
ExecStart=/usr/bin/lsmtpd
StandardOutput=append:/var/log/lsmtpd.log
StandardError=append:/var/log/lsmtpd.log
Restart=on-failure
User=root
Group=root
LimitNOFILE=4096

[Install]
WantedBy=multi-user.target
"""

SHELL = "#!/bin/sh\nset -e\n"

# Its own writes the file from debconf's answers, at each configuration; then it enables the unit and does not start it.
POSTINST = SHELL + """\
. /usr/share/debconf/confmodule
db_get lsmtpd/bind_port || true
umask 077
printf 'RUST_LOG=lsmtpd=INFO\\nBIND_ADDRESS=0.0.0.0\\nBIND_PORT=%s\\n' "$RET" >/etc/default/lsmtpd
chmod 0600 /etc/default/lsmtpd
systemctl daemon-reload || true
systemctl enable lsmtpd.service >/dev/null 2>&1 || true
db_stop || true
exit 0
"""

PRERM = SHELL + """\
echo PURGE | debconf-communicate lsmtpd
systemctl stop lsmtpd.service >/dev/null 2>&1 || true
systemctl disable lsmtpd.service >/dev/null 2>&1 || true
exit 0
"""

TEMPLATES = """\
Template: lsmtpd/bind_port
Type: string
Default: 25
Description: Bind port
 Where the daemon listens.
"""

DAEMON = '''\
#!/usr/bin/python3
"""One mail a connection; to the broker, or into TEMP_EMAIL_DIR."""
import json, os, pathlib, socketserver, urllib.parse, uuid
import pika

E = os.environ

def publish(body):
    unquote = urllib.parse.unquote
    connection = pika.BlockingConnection(pika.ConnectionParameters(
        E["AMQP_HOST"], int(E["AMQP_PORT"]), unquote(E["AMQP_VHOST"]),
        pika.PlainCredentials(unquote(E["AMQP_USERNAME"]), unquote(E["AMQP_PASSWORD"]))))
    connection.channel().basic_publish(E.get("AMQP_EXCHANGE", ""), E["AMQP_ROUTING_KEY"], body)
    connection.close()

class Session(socketserver.StreamRequestHandler):
    def handle(self):
        say = lambda text: self.wfile.write(text.encode() + b"\\r\\n")
        say("220 " + E["SERVER_NAME"])
        mail = {"timestamp": "2026-11-22T01:38:39.271215996+00:00", "message_id": str(uuid.uuid4()), "recipients": []}
        for line in self.rfile:
            word = line.decode().strip()
            if word[:4].upper() in ("HELO", "EHLO"):
                mail["client_address"] = word[5:]
            elif word[:4].upper() == "MAIL":
                mail["sender"] = word.split("<")[1].split(">")[0]
            elif word[:4].upper() == "RCPT":
                mail["recipients"].append("<" + word.split("<")[1].split(">")[0] + ">")
            elif word.upper() == "DATA":
                say("354 go on")
                content = b""
                while (line := self.rfile.readline()) != b".\\r\\n":
                    content += line
                body = json.dumps({**mail, "email_content": content.decode()})
                if E.get("AMQP_HOST"):
                    publish(body)
                else:
                    folder = pathlib.Path(E["TEMP_EMAIL_DIR"])
                    folder.mkdir(parents=True, exist_ok=True)
                    (folder / (mail["message_id"] + ".json")).write_text(body)
                say("250 Ok: queued as " + mail["message_id"])
                return
            say("250 OK")

class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True

Server((E["BIND_ADDRESS"], int(E["BIND_PORT"])), Session).serve_forever()
'''


def write(path, text, mode=0o644):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def make(folder):
    """Builds the package in the folder, and returns its file."""
    tree = folder / "lsmtpd-1.8"
    write(tree / "DEBIAN/control", CONTROL)
    write(tree / "DEBIAN/templates", TEMPLATES)
    write(tree / "DEBIAN/postinst", POSTINST, 0o755)
    write(tree / "DEBIAN/prerm", PRERM, 0o755)
    write(tree / "DEBIAN/postrm", SHELL + "[ \"$1\" != purge ] || rm -f /etc/default/lsmtpd\n", 0o755)
    write(tree / "lib/systemd/system/lsmtpd.service", UNIT)
    write(tree / "usr/bin/lsmtpd", DAEMON, 0o755)
    for path in [tree, *tree.rglob("*")]:
        if path.is_dir():
            path.chmod(0o755)
    file = folder / "lsmtpd_1.8.0-1_amd64.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", tree, file], check=True, stdout=subprocess.DEVNULL)
    return file
