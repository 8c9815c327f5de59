# SPDX-License-Identifier: Apache-2.0
"""The servers of `bench --tls`: each with TLS from the first octet, and options.certificate, options.key."""
import shutil

from support.certificates import table

from . import haraka, lsmtpd, postfix


class Null(lsmtpd.Null):
    name = "lsmtpd-tls"
    what = "output_null, one worker, inside TLS"
    tls = True
    handshakes = "400MiB"  # so that limits.tls_memory is no limit of the load

    def more(self):
        return {"listener": [{"name": "mx", "address": "127.0.0.1:0", "chain": "default", "tls": "implicit"}],
                "limits": {"tls_memory": self.handshakes},
                "tls": table((self.options.certificate, self.options.key))}


class Postfix(postfix.Postfix):
    name = "postfix-tls"
    what = "the hold queue, inside TLS"
    tls = True

    def more(self):
        for path in (self.options.certificate, self.options.key):
            shutil.copy(path, self.folder / "config")
        return (f"smtpd_tls_wrappermode = yes\nsmtpd_tls_security_level = encrypt\n"
                f"smtpd_tls_cert_file = {self.folder}/config/{self.options.certificate.name}\n"
                f"smtpd_tls_key_file = {self.folder}/config/{self.options.key.name}\n")


class Haraka(haraka.Discard):
    name = "haraka-tls"
    what = "queue/discard, inside TLS"
    tls = True
    plugins = "tls\n"

    def prepare(self):
        super().prepare()
        (self.folder / "config/smtp.ini").write_text(f"listen={self.address}\nsmtps_port={self.port}\n")
        shutil.copy(self.options.certificate, self.folder / "config/tls_cert.pem")
        shutil.copy(self.options.key, self.folder / "config/tls_key.pem")
