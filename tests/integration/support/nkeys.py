# SPDX-License-Identifier: Apache-2.0
"""An operator, an account with JetStream, and a user of NATS, as `nsc` makes them: keys (NKeys) by openssl, and JWTs that
each signs for the next."""
import base64
import hashlib
import json
import tempfile
import time

from .certificates import openssl

OPERATOR, ACCOUNT, USER, SEED = 14 << 3, 0, 20 << 3, 18 << 3
UNLIMITED = {"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": True, "conn": -1, "leaf": -1,
             "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1}


def _crc16(data):
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xffff
    return crc


def _text(data):
    return base64.b32encode(data + _crc16(data).to_bytes(2, "little")).decode().rstrip("=")


def _url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Key:
    def __init__(self, kind):
        self._pem = openssl("genpkey", "-algorithm", "ed25519")
        secret = openssl("pkey", "-outform", "DER", input=self._pem)[-32:]
        public = openssl("pkey", "-pubout", "-outform", "DER", input=self._pem)[-32:]
        self.public = _text(bytes([kind]) + public)
        self.seed = _text(bytes([SEED | kind >> 5, (kind & 31) << 3]) + secret)

    def sign(self, data):
        with tempfile.NamedTemporaryFile() as key, tempfile.NamedTemporaryFile() as content:
            key.write(self._pem)
            key.flush()
            content.write(data)
            content.flush()
            return openssl("pkeyutl", "-sign", "-rawin", "-inkey", key.name, "-in", content.name)

    def jwt(self, subject, name, **claims):
        body = {"iat": int(time.time()), "iss": self.public, "name": name, "sub": subject.public,
                "nats": {**claims, "version": 2}}
        body["jti"] = base64.b32encode(hashlib.sha256(json.dumps(body).encode()).digest()).decode().rstrip("=")
        signed = _url(b'{"typ":"JWT","alg":"ed25519-nkey"}') + "." + _url(json.dumps(body).encode())
        return signed + "." + _url(self.sign(signed.encode()))


class Operator:
    """`config` is for the server, `credentials` a file for a client, login(nonce) the members of CONNECT."""

    def __init__(self, folder):
        operator, system, account, self._user = Key(OPERATOR), Key(ACCOUNT), Key(ACCOUNT), Key(USER)
        accounts = {each.public: operator.jwt(each, name, type="account", limits=limits)
                    for each, name, limits in ((account, "mail", UNLIMITED),
                                               (system, "SYS", {**UNLIMITED, "disk_storage": 0, "mem_storage": 0}))}
        preload = "\n".join(f'{public}: "{jwt}"' for public, jwt in accounts.items())
        self.config = (f'operator: "{operator.jwt(operator, "operator", type="operator")}"\nsystem_account: {system.public}\n'
                       f"resolver: MEMORY\nresolver_preload: {{\n{preload}\n}}\n")
        self._jwt = account.jwt(self._user, "lsmtpd", type="user", subs=-1, data=-1, payload=-1, pub={}, sub={})
        self.credentials = folder / "lsmtpd.creds"
        self.credentials.write_text(f"-----BEGIN NATS USER JWT-----\n{self._jwt}\n------END NATS USER JWT------\n\n"
                                    f"-----BEGIN USER NKEY SEED-----\n{self._user.seed}\n------END USER NKEY SEED------\n")
        self.credentials.chmod(0o600)

    def login(self, nonce):
        return {"jwt": self._jwt, "sig": _url(self._user.sign(nonce.encode()))}
