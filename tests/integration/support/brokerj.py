# SPDX-License-Identifier: Apache-2.0
"""Apache Qpid Broker-J."""
import json
import urllib.error

from .brokers import CACHE, Broker, Unavailable
from .http import request
from .tls import STORE_PASSWORD

VERSION = "9.2.0"


class BrokerJ(Broker):
    name = "broker-j"

    def prepare(self):
        self._home = CACHE / f"broker-j-{VERSION}"
        if not self._home.is_dir():
            raise Unavailable(f"no Broker-J in {self._home}: run contrib/dev brokers get")
        self.reserve("port", "tls_port", "external_port", "http_port")
        (self.folder / "initial.json").write_text(json.dumps(self._configuration(), indent=1))

    def _configuration(self):
        aliases = [{"name": each, "type": each}
                   for each in ("nameAlias", "defaultAlias", "hostnameAlias")]
        # An alias name is unique in the whole broker, so each TLS port has its own.
        tls_aliases, external_aliases = (
            [{"name": f"{prefix}-{each['name']}", "type": each["type"]} for each in aliases]
            for prefix in ("tls", "external"))
        port = {"bindingAddress": self.host, "authenticationProvider": "plain"}
        host = {"type": "BDB", "nodeAutoCreationPolicies": [
            {"pattern": "auto[.].*|mail", "createdOnPublish": "true", "createdOnConsume": "true",
             "nodeType": "queue", "attributes": {}}]}
        return {
            "name": "lsmtpd-tests", "modelVersion": "9.0",
            "authenticationproviders": [{"name": "plain", "type": "Plain", "secureOnlyMechanisms": [],
                                         "users": [{"name": self.user, "type": "managed",
                                                    "password": self.password}]},
                                        {"name": "certificates", "type": "External"}],
            "keystores": [{"name": "own", "type": "FileKeyStore", "keyStoreType": "PKCS12",
                           "storeUrl": f"file://{self.store}", "password": STORE_PASSWORD}],
            "truststores": [{"name": "ca", "type": "FileTrustStore", "trustStoreType": "PKCS12",
                             "storeUrl": f"file://{self.authority.truststore}",
                             "password": STORE_PASSWORD}],
            "brokerloggers": [{"name": "stdout", "type": "Console", "brokerloginclusionrules": [
                {"name": "Root", "type": "NameAndLevel", "level": "WARN", "loggerName": "ROOT"},
                {"name": "Qpid", "type": "NameAndLevel", "level": "INFO",
                 "loggerName": "org.apache.qpid.*"},
                {"name": "Operational", "type": "NameAndLevel", "level": "INFO",
                 "loggerName": "qpid.message.*"}]}],
            "ports": [
                {"name": "amqp", "port": self.port, "protocols": ["AMQP_1_0"],
                 "virtualhostaliases": aliases, **port},
                {"name": "amqps", "port": self.tls_port, "protocols": ["AMQP_1_0"],
                 "transports": ["SSL"], "keyStore": "own", "trustStores": ["ca"],
                 "wantClientAuth": True, "virtualhostaliases": tls_aliases, **port},
                {**port, "name": "external", "port": self.external_port, "protocols": ["AMQP_1_0"],
                 "transports": ["SSL"], "keyStore": "own", "trustStores": ["ca"],
                 "needClientAuth": True, "virtualhostaliases": external_aliases,
                 "authenticationProvider": "certificates"},
                {"name": "http", "port": self.http_port, "protocols": ["HTTP"], **port}],
            "virtualhostnodes": [{"name": "default", "type": "BDB", "defaultVirtualHostNode": "true",
                                  "virtualHostInitialConfiguration": json.dumps(host)}],
            "plugins": [{"type": "MANAGEMENT-HTTP", "name": "httpManagement",
                         "httpBasicAuthenticationEnabled": True}],
        }

    def command(self):
        return ([self._home / "bin" / "qpid-server", "-icp", self.folder / "initial.json"],
                {"QPID_WORK": str(self.folder / "work"),
                 "QPID_JAVA_MEM": "-Xmx768m -XX:MaxDirectMemorySize=768m"})

    @property
    def external_url(self):
        return f"amqps://localhost:{self.external_port}"

    def _rest(self, method, path, body=None):
        return request(method, f"http://{self.host}:{self.http_port}/api/latest/{path}", body,
                       self.user, self.password)

    def ready(self):
        if not super().ready():
            return False
        try:
            return self._rest("GET", "virtualhost/default/default")["state"] == "ACTIVE"
        except (OSError, ValueError):
            return False

    def create_queue(self, queue, **arguments):
        self._rest("PUT", f"queue/default/default/{queue}", {"durable": True, **arguments})

    def depth(self, queue):
        try:
            got = self._rest("GET", f"queue/default/default/{queue}/getStatistics"
                                    "?statistics=%5B%22queueDepthMessages%22%5D")
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return 0
            raise
        return got["queueDepthMessages"]

    def purge(self, queue):
        self._rest("POST", f"queue/default/default/{queue}/clearQueue", {})
