# SPDX-License-Identifier: Apache-2.0
"""A certificate authority for one test session, made with openssl."""
import pathlib
import subprocess

STORE_PASSWORD = "for-the-tests"


def _openssl(*argv):
    subprocess.run(["openssl", *map(str, argv)], check=True, capture_output=True)


class Authority:
    """ca.pem, and NAME.pem, NAME.key, NAME.p12 for each certificate asked for."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.ca = self.folder / "ca.pem"
        self._key = self.folder / "ca.key"
        _openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj",
                 "/CN=lsmtpd test CA", "-keyout", self._key, "-out", self.ca)
        self.truststore = self.folder / "truststore.p12"
        subprocess.run(["keytool", "-importcert", "-noprompt", "-alias", "ca", "-file", self.ca,
                        "-keystore", self.truststore, "-storetype", "PKCS12", "-storepass",
                        STORE_PASSWORD], check=True, capture_output=True)

    def issue(self, name, common_name, alternative_names="DNS:localhost,IP:127.0.0.1"):
        """Returns (certificate, key, PKCS#12 store with STORE_PASSWORD)."""
        certificate, key, store = (self.folder / f"{name}.{end}" for end in ("pem", "key", "p12"))
        if not store.exists():
            request = self.folder / f"{name}.csr"
            extensions = self.folder / f"{name}.ext"
            extensions.write_text(f"subjectAltName={alternative_names}\n")
            _openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={common_name}",
                     "-keyout", key, "-out", request)
            _openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self._key,
                     "-CAcreateserial", "-days", "30", "-extfile", extensions, "-out", certificate)
            _openssl("pkcs12", "-export", "-in", certificate, "-inkey", key, "-certfile", self.ca,
                     "-name", name, "-passout", f"pass:{STORE_PASSWORD}", "-out", store)
        return certificate, key, store
