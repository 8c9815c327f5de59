#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Closing a libuv pipe server removes the socket at its path, also when another server made it.
#
# Library:  libuv 1.44.2 (Debian 12)
# Expected: a server takes over a UNIX socket without a gap: it moves the old path away, binds its own socket at
#           the path, and the old server closes. The new socket stays, for it is not the old server's.
# Happens:  uv_close() on the old handle unlinks the path that was given to uv_pipe_bind(), whatever is
#           there by then. The new server goes on listening, but its path is gone and nobody can reach it.
# Seen:
#   new socket at the path before the old server closes: yes
#   new socket at the path after: no
#   the old socket, under the name it was moved to: still there
#
# Exit: 0 as described, 1 the behaviour changed, 2 it could not be run.
# Needs a C compiler.
set -euo pipefail
unable() { echo "cannot be run here: $*" >&2; exit 2; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
# A superseded version leaves the archive; then the release's present ones are tried.
packages=(libuv1=1.44.2-1+deb12u1 libuv1-dev=1.44.2-1+deb12u1)
{ timeout 300 apt-get -q download "${packages[@]}" || timeout 300 apt-get -q download "${packages[@]%%=*}"; } \
    >/dev/null 2>&1 || unable "apt-get download failed"
for package in *.deb; do dpkg-deb -x "$package" root; done
cat > main.c <<'EOF'
#include <stdio.h>
#include <unistd.h>
#include <uv.h>

static void refuse(uv_stream_t *server, int status) {
    (void)server;
    (void)status;
}

static int serve(uv_pipe_t *server) {
    return uv_pipe_init(uv_default_loop(), server, 0) || uv_pipe_bind(server, "mail.sock") ||
           uv_listen((uv_stream_t *)server, 8, refuse);
}

static const char *there(const char *path) {
    return access(path, F_OK) == 0 ? "yes" : "no";
}

int main(void) {
    uv_pipe_t old_server, new_server;
    printf("libuv %s\n", uv_version_string());
    if (serve(&old_server) || rename("mail.sock", "old.sock") || serve(&new_server))
        return 2;
    printf("new socket at the path before the old server closes: %s\n", there("mail.sock"));
    uv_close((uv_handle_t *)&old_server, NULL);
    uv_run(uv_default_loop(), UV_RUN_NOWAIT);
    printf("new socket at the path after: %s\n", there("mail.sock"));
    printf("the old socket, under the name it was moved to: %s\n",
           access("old.sock", F_OK) == 0 ? "still there" : "gone");
    return access("mail.sock", F_OK) == 0 || access("old.sock", F_OK) != 0;
}
EOF
libraries=$(echo "$tmp"/root/usr/lib/*-linux-gnu)
cc -o main -I root/usr/include main.c "$libraries/libuv.so.1" || unable "the compiler failed"
status=0
LD_LIBRARY_PATH=$libraries timeout 20 ./main || status=$?
[ "$status" != 1 ] || { echo "the behaviour has changed: the new server's socket stays" >&2; exit 1; }
[ "$status" = 0 ] || unable "the program ended with $status"
