#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Node's resolver and Nodemailer together deliver mail for a null MX to localhost.
#
# Library:  Node.js dns.resolveMx (c-ares); seen with Node.js 20.20.2 and c-ares 1.34.6; the node on PATH is
#           what is run. Nodemailer 10.6.0
# Expected: "MX 0 ." says that a domain takes no mail (RFC 7505). The resolver gives the root as "." or leaves
#           the record out, and a transport to it fails.
# Happens:  c-ares writes the root as an empty string, so resolveMx gives {"exchange":"","priority":0}.
#           Nodemailer takes an empty host for one that was not set and uses localhost: the mail goes
#           to the server on the sending machine. Compare the exchange with "" before it is used.
# Seen:
#   resolveMx: [{"exchange":"","priority":0}]
#   the server on localhost got: RCPT TO:<to@nomail.example.org>
#   sendMail: 250 2.0.0 stored
#
# Exit: 0 as described, 1 the behaviour changed, 2 it could not be run. Loopback only.
set -euo pipefail
unable() { echo "cannot be run here: $*" >&2; exit 2; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
echo '{"private": true}' > package.json
timeout 120 npm install --silent --no-audit --no-fund nodemailer@10.6.0 >/dev/null || unable "npm install failed"
cat > main.js <<'EOF'
const dgram = require('dgram');
const dns = require('dns').promises;
const net = require('net');
const { once } = require('events');
const nodemailer = require('nodemailer');

// Answers each question with the one record "MX 0 .".
function answer(query) {
  let end = 12;
  while (query[end]) end += query[end] + 1;
  end += 5;
  const header = Buffer.from([query[0], query[1], 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
  const record = Buffer.from([0xc0, 12, 0, 15, 0, 1, 0, 0, 0, 0, 0, 3, 0, 0, 0]);
  return Buffer.concat([header, query.subarray(12, end), record]);
}

(async () => {
  const nameserver = dgram.createSocket('udp4');
  nameserver.on('message', (query, from) => nameserver.send(answer(query), from.port, from.address));
  nameserver.bind(0, '127.0.0.1');
  await once(nameserver, 'listening');
  const resolver = new dns.Resolver({ timeout: 5000, tries: 1 });
  resolver.setServers([`127.0.0.1:${nameserver.address().port}`]);
  const exchanges = await resolver.resolveMx('nomail.example.org');
  console.log('Node.js', process.version, 'c-ares', process.versions.ares);
  console.log('resolveMx:', JSON.stringify(exchanges));

  let recipient;
  const server = net.createServer((peer) => {
    peer.on('error', () => {});
    peer.write('220 mx.example.org ESMTP\r\n');
    let data = false;
    let rest = '';
    peer.on('data', (octets) => {
      const lines = (rest + octets).split('\r\n');
      rest = lines.pop();
      for (const line of lines) {
        if (data && line !== '.') continue;
        if (line.startsWith('RCPT')) recipient = line;
        if (line === '.') peer.write('250 2.0.0 stored\r\n');
        else peer.write(line === 'DATA' ? '354 go on\r\n' : '250 2.0.0 ok\r\n');
        data = line === 'DATA';
      }
    });
  });
  server.listen(0, 'localhost');
  await once(server, 'listening');
  const transport = nodemailer.createTransport({
    host: exchanges[0].exchange, port: server.address().port, secure: false,
    connectionTimeout: 5000, greetingTimeout: 5000, socketTimeout: 5000,
  });
  let result;
  try {
    const mail = { from: 'from@example.org', to: 'to@nomail.example.org', text: 'hello' };
    result = (await transport.sendMail(mail)).response;
  } catch (error) {
    result = error.message;
  }
  console.log('the server on localhost got:', recipient);
  console.log('sendMail:', result);
  if (exchanges[0].exchange !== '' || result !== '250 2.0.0 stored') {
    console.error('the behaviour has changed: a null MX does not lead to localhost');
    process.exit(1);
  }
  process.exit(0);
})();
EOF
timeout 60 node main.js
