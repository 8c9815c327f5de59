#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Jakarta Mail doubles leading dots in BDAT chunks.
#
# Library:  Eclipse Angus Mail 2.0.3 (the reference implementation of Jakarta Mail 2.1)
# Expected: dot-stuffing belongs to DATA. A BDAT chunk is counted octets that the server takes as they
#           are (RFC 3030, section 2), so with mail.smtp.chunksize the text goes out unchanged.
# Happens:  the stream that stuffs dots for DATA is used for BDAT too, and the stuffed octets are
#           counted: each line that begins with "." reaches the mailbox with one dot more, and a
#           signature over the body no longer matches.
# Seen:
#   sent:     ['.first', 'second', '.third']
#   by DATA:  ['.first', 'second', '.third'] (after the server took the stuffed dots off)
#   by BDAT:  ['..first', 'second', '..third']
#
# Exit: 0 as described, 1 the behaviour changed, 2 it could not be run. Loopback only.
# Needs a JDK of version 11 or later, Maven and Python.
set -euo pipefail
unable() { echo "cannot be run here: $*" >&2; exit 2; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
for artifact in org.eclipse.angus:angus-mail:2.0.3 jakarta.mail:jakarta.mail-api:2.1.3 \
    jakarta.activation:jakarta.activation-api:2.1.3 org.eclipse.angus:angus-activation:2.0.2; do
    timeout 200 mvn -q -B dependency:copy "-Dartifact=$artifact" -DoutputDirectory="$tmp/lib" >/dev/null 2>&1 ||
        unable "Maven has no $artifact"
done
cat > Send.java <<'EOF'
import jakarta.mail.*;
import jakarta.mail.internet.*;
import java.util.Properties;

public class Send {
    public static void main(String[] arguments) throws Exception {
        Properties properties = new Properties();
        properties.put("mail.smtp.host", "127.0.0.1");
        properties.put("mail.smtp.port", arguments[0]);
        properties.put("mail.smtp.timeout", "10000");
        for (String chunk : new String[] {"-1", "4096"}) {
            properties.put("mail.smtp.chunksize", chunk);
            MimeMessage message = new MimeMessage(Session.getInstance(properties));
            message.setFrom("from@example.org");
            message.setRecipients(Message.RecipientType.TO, "to@example.org");
            message.setText(".first\r\nsecond\r\n.third\r\n");
            Transport.send(message);
        }
    }
}
EOF
timeout 90 python3 - <<'EOF'
import socketserver, subprocess, sys, threading

bodies = {}


def body(octets):
    return octets.split(b"\r\n\r\n", 1)[1].decode().splitlines()


class Server(socketserver.StreamRequestHandler):
    timeout = 20

    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def handle(self):
        chunks = b""
        self.say("220 mx.example.org ESMTP")
        for line in self.rfile:
            if line.startswith(b"EHLO"):
                self.say("250-mx.example.org\r\n250 CHUNKING")
            elif line.startswith(b"BDAT"):
                chunks += self.rfile.read(int(line.split()[1]))
                if line.rstrip().endswith(b"LAST"):
                    bodies["BDAT"] = body(chunks)
                self.say("250 2.0.0 ok")
            elif line.startswith(b"DATA"):
                self.say("354 go on")
                lines = []
                while (text := self.rfile.readline()) not in (b".\r\n", b""):
                    lines.append(text[1:] if text.startswith(b".") else text)
                bodies["DATA"] = body(b"".join(lines))
                self.say("250 2.0.0 ok")
            else:
                self.say("250 2.0.0 ok")


server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Server)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
subprocess.run(["java", "-cp", "lib/*", "Send.java", str(server.server_address[1])], check=True, timeout=80)
print("sent:    ", [".first", "second", ".third"])
print("by DATA: ", bodies["DATA"])
print("by BDAT: ", bodies["BDAT"])
if bodies["DATA"] != [".first", "second", ".third"]:
    sys.exit("the control failed: DATA did not bring the text that was sent")
if bodies["BDAT"] != ["..first", "second", "..third"]:
    sys.exit("the behaviour has changed: BDAT carries the text without further dots")
EOF
