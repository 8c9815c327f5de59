#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A memory BIO of OpenSSL keeps the memory of its largest content for ever.
#
# Library:  libcrypto of OpenSSL 3.0.22 (Debian 12)
# Expected: a server that runs TLS over BIO_s_mem reads the BIO empty after each burst. Then the BIO holds no
#           data and little memory; BIO_reset() gives back the rest.
# Happens:  the buffer never shrinks: after a burst of 60,000 octets that were all read, 80,004 octets stay
#           allocated, also after BIO_reset(), until BIO_free(). An idle connection costs what its
#           largest burst did.
# Seen:
#   empty BIO: 272 octets
#   60,000 octets written and read, 0 pending: 80276 octets
#   after BIO_reset: 80276 octets
#   after BIO_free: 0 octets
#
# Exit: 0 as described, 1 the behaviour changed, 2 it could not be run.
# Needs a C compiler.
set -euo pipefail
unable() { echo "cannot be run here: $*" >&2; exit 2; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
# A superseded version leaves the archive; then the release's present ones are tried.
packages=(libssl3=3.0.22-1~deb12u2 libssl-dev=3.0.22-1~deb12u2)
{ timeout 300 apt-get -q download "${packages[@]}" || timeout 300 apt-get -q download "${packages[@]%%=*}"; } \
    >/dev/null 2>&1 || unable "apt-get download failed"
for package in *.deb; do dpkg-deb -x "$package" root; done
cat > main.c <<'EOF'
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>

/* Counts what libcrypto has allocated: each block is preceded by its size. */
static size_t allocated;

static void *get(size_t size, const char *file, int line) {
    (void)file;
    (void)line;
    size_t *block = malloc(size + 16);
    if (!block)
        return NULL;
    *block = size;
    allocated += size;
    return (char *)block + 16;
}

static void put(void *pointer, const char *file, int line) {
    (void)file;
    (void)line;
    if (!pointer)
        return;
    size_t *block = (size_t *)(void *)((char *)pointer - 16);
    allocated -= *block;
    free(block);
}

static void *change(void *pointer, size_t size, const char *file, int line) {
    if (!pointer)
        return get(size, file, line);
    size_t *block = (size_t *)(void *)((char *)pointer - 16);
    size_t before = *block;
    block = realloc(block, size + 16);
    if (!block)
        return NULL;
    *block = size;
    allocated += size - before;
    return (char *)block + 16;
}

int main(void) {
    static char data[60000];
    if (!CRYPTO_set_mem_functions(get, change, put))
        return 2;
    BIO_free(BIO_new(BIO_s_mem())); /* what is allocated once */
    size_t none = allocated;
    BIO *bio = BIO_new(BIO_s_mem());
    size_t empty = allocated;
    if (BIO_write(bio, data, sizeof data) != sizeof data)
        return 2;
    while (BIO_read(bio, data, 16384) > 0) {
    }
    size_t after = allocated;
    printf("%s\n", OpenSSL_version(OPENSSL_VERSION));
    printf("empty BIO: %zu octets\n", empty - none);
    printf("60,000 octets written and read, %zu pending: %zu octets\n", BIO_ctrl_pending(bio), after - none);
    if (BIO_reset(bio) != 1)
        return 2;
    printf("after BIO_reset: %zu octets\n", allocated - none);
    int kept = after - empty >= 60000 && allocated - empty >= 60000;
    BIO_free(bio);
    printf("after BIO_free: %zu octets\n", allocated - none);
    return kept ? 0 : 1;
}
EOF
libraries=$(echo "$tmp"/root/usr/lib/*-linux-gnu)
cc -o main -I root/usr/include -I "root/usr/include/$(basename "$libraries")" main.c "$libraries/libcrypto.so.3" ||
    unable "the compiler failed"
status=0
LD_LIBRARY_PATH=$libraries timeout 20 ./main || status=$?
[ "$status" != 1 ] || { echo "the behaviour has changed: the memory is given back" >&2; exit 1; }
[ "$status" = 0 ] || unable "the program ended with $status"
