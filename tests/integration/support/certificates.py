# SPDX-License-Identifier: Apache-2.0
"""Certificates of the daemon and of its clients, made with openssl."""
import hashlib
import pathlib
import ssl
import subprocess

NAME = "mx.test.example"


def openssl(*argv, input=None):
    return subprocess.run(["openssl", *map(str, argv)], check=True, capture_output=True, input=input).stdout


class Certificates:
    """ca.pem, and for each name asked for NAME.pem and NAME.key, signed by it."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.ca = self.folder / "ca.pem"
        self._key = self.folder / "ca.key"
        openssl("req", "-x509", *self._new_key("ec"), "-nodes", "-days", "30", "-subj", "/CN=lsmtpd test CA",
                "-keyout", self._key, "-out", self.ca)

    @staticmethod
    def _new_key(kind):
        if kind.startswith("rsa"):
            return ["-newkey", f"rsa:{kind.removeprefix('rsa') or 2048}"]
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]

    def issue(self, name="server", names=f"DNS:{NAME},DNS:localhost,IP:127.0.0.1", key="ec", days=20):
        """(certificate, key); made once for each name. days may be negative: expired."""
        certificate, private = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        if not certificate.exists():
            request = openssl("req", *self._new_key(key), "-nodes", "-subj", f"/CN={name}",
                              *(["-addext", f"subjectAltName={names}"] if names else []),
                              "-keyout", private)
            signed = ["-CA", self.ca, "-CAkey", self._key, "-CAcreateserial", "-copy_extensions", "copy",
                      "-days", days]
            certificate.write_bytes(openssl("x509", "-req", *signed, input=request))
        return certificate, private

    def self_signed(self, name="alone", names=f"DNS:{NAME}", days=20):
        certificate, private = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        if not certificate.exists():
            openssl("req", "-x509", *self._new_key("ec"), "-nodes", "-days", days, "-subj", f"/CN={name}",
                    "-addext", f"subjectAltName={names}", "-keyout", private, "-out", certificate)
        return certificate, private

    def trusting(self, certificate=None, version=None):
        """The context of a client that trusts the CA."""
        context = ssl.create_default_context(cafile=str(self.ca))
        context.check_hostname = False
        if version:
            context.minimum_version = context.maximum_version = version
        if certificate:
            context.load_cert_chain(*certificate)
        return context


def table(*pairs, **more):
    """[tls] of a configuration."""
    return {"certificates": [{"certificate": str(c), "key": str(k)} for c, k in pairs], **more}


def fingerprint(certificate):
    der = openssl("x509", "-in", certificate, "-outform", "DER")
    return hashlib.sha256(der).hexdigest()


def tlsa(certificate):
    key = openssl("x509", "-in", certificate, "-noout", "-pubkey")
    return hashlib.sha256(openssl("pkey", "-pubin", "-outform", "DER", input=key)).hexdigest()
