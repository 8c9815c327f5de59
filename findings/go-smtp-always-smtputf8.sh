#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Go's net/smtp asks for SMTPUTF8 on every message.
#
# Library:  Go's net/smtp; seen with go1.26.8. The go on PATH is what is run.
# Expected: SMTPUTF8 is for envelopes with non-ASCII addresses and for headers in UTF-8 (RFC 6531,
#           section 3.4); a message in plain ASCII is sent without it.
# Happens:  Client.Mail, and so SendMail, adds SMTPUTF8 (and BODY=8BITMIME) whenever the server offers
#           them. There is no option against it. A relay that keeps the parameter must bounce the plain
#           ASCII message where the next server does not know SMTPUTF8, and an archive that records
#           the parameter calls all mail from Go programs internationalized.
# Seen:
#   MAIL FROM:<from@example.org> BODY=8BITMIME SMTPUTF8
#
# Exit: 0 as described, 1 the behaviour changed, 2 it could not be run. Loopback only.
set -euo pipefail
unable() { echo "cannot be run here: $*" >&2; exit 2; }
command -v go >/dev/null || unable "no go"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
cat > main.go <<'EOF'
package main

import (
	"bufio"
	"fmt"
	"net"
	"net/smtp"
	"os"
	"strings"
	"time"
)

// serve speaks SMTP with one client and returns its MAIL command.
func serve(listener net.Listener, mail chan<- string) {
	peer, err := listener.Accept()
	if err != nil {
		return
	}
	peer.SetDeadline(time.Now().Add(10 * time.Second))
	lines := bufio.NewScanner(peer)
	fmt.Fprint(peer, "220 mx.example.org ESMTP\r\n")
	for data := false; lines.Scan(); {
		line := lines.Text()
		switch {
		case data && line != ".":
			continue
		case strings.HasPrefix(line, "EHLO"):
			fmt.Fprint(peer, "250-mx.example.org\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n")
			continue
		case line == "DATA":
			data = true
			fmt.Fprint(peer, "354 go on\r\n")
			continue
		case strings.HasPrefix(line, "MAIL"):
			mail <- line
		}
		data = false
		fmt.Fprint(peer, "250 2.0.0 ok\r\n")
	}
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	mail := make(chan string, 1)
	go serve(listener, mail)
	// QUIT gets 250 and not 221 here; the error that SendMail returns for that does not matter.
	smtp.SendMail(listener.Addr().String(), nil, "from@example.org", []string{"to@example.org"},
		[]byte("Subject: plain ASCII\r\n\r\nhello\r\n"))
	seen := <-mail
	fmt.Println(seen)
	if seen != "MAIL FROM:<from@example.org> BODY=8BITMIME SMTPUTF8" {
		fmt.Fprintln(os.Stderr, "the behaviour has changed: SMTPUTF8 is no longer asked for")
		os.Exit(1)
	}
}
EOF
go version
timeout 200 go build -o send main.go || unable "go build failed"
timeout 30 ./send
