# SPDX-License-Identifier: Apache-2.0
"""Apache ActiveMQ Artemis."""
import json
import subprocess

from proton import Message, symbol
from proton.reactor import LinkOption

from . import amqp
from .brokers import CACHE, Broker, Unavailable
from .tls import STORE_PASSWORD

VERSION, NEW_VERSION = "2.31.2", "2.56.0"


class TemporaryQueue(LinkOption):
    def apply(self, link):
        link.source.dynamic = True
        link.source.capabilities.put_object(symbol("temporary-queue"))


class Artemis(Broker):
    """Addresses that begin with block., fail. or page. are full at 1 MiB and then follow that policy."""

    name = "artemis"
    version = VERSION
    detects_duplicates = True

    def prepare(self):
        home = CACHE / f"artemis-{self.version}"
        if not home.is_dir():
            raise Unavailable(f"no Artemis in {home}: run contrib/dev brokers get all")
        self.reserve("port", "tls_port")
        self._instance = self.folder / "instance"
        made = subprocess.run(
            [home / "bin" / "artemis", "create", self._instance, "--user", self.user, "--password",
             self.password, "--require-login", "--host", self.host, "--no-web",
             "--no-amqp-acceptor", "--no-hornetq-acceptor", "--no-mqtt-acceptor",
             "--no-stomp-acceptor", "--default-port", str(self.port), "--queues", "mail:anycast",
             "--nio", "--no-autotune", "--java-memory", "1G", "--silent"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if made.returncode:
            raise Unavailable(f"artemis create failed: {made.stdout}{made.stderr}")
        config = self._instance / "etc" / "broker.xml"
        text = config.read_text()
        tls = (f"tcp://{self.host}:{self.tls_port}?protocols=AMQP;sslEnabled=true;"
               f"keyStorePath={self.store};keyStoreType=PKCS12;keyStorePassword={STORE_PASSWORD};"
               f"trustStorePath={self.authority.truststore};trustStoreType=PKCS12;"
               f"trustStorePassword={STORE_PASSWORD};wantClientAuth=true;"
               "saslMechanisms=PLAIN,EXTERNAL")
        text = text.replace("</acceptors>", f'<acceptor name="tls">{tls}</acceptor></acceptors>', 1)
        full = "".join(
            f'<address-setting match="{word}.#"><max-size-bytes>1048576</max-size-bytes>'
            f"<address-full-policy>{policy}</address-full-policy></address-setting>"
            for word, policy in (("block", "BLOCK"), ("fail", "FAIL"), ("page", "PAGE")))
        text = text.replace("</address-settings>", f"{full}</address-settings>", 1)
        config.write_text(text)
        self._log_in_by_certificate()

    def _log_in_by_certificate(self):
        """A domain of its own for connections that bring one: common name -> user -> role."""
        etc = self._instance / "etc"
        (etc / "cert-users.properties").write_text(f"{self.user}=CN={self.user}\n")
        (etc / "cert-roles.properties").write_text(f"amq={self.user}\n")
        module = "org.apache.activemq.artemis.spi.core.security.jaas.TextFileCertificateLoginModule"
        with open(etc / "login.config", "a") as login:
            login.write(f'\ncertificates {{ {module} required\n'
                        '  org.apache.activemq.jaas.textfiledn.user="cert-users.properties"\n'
                        '  org.apache.activemq.jaas.textfiledn.role="cert-roles.properties"; };\n')
        bootstrap = etc / "bootstrap.xml"
        text = bootstrap.read_text()
        changed = text.replace('<jaas-security domain="activemq"',
                               '<jaas-security certificate-domain="certificates" domain="activemq"')
        assert changed != text, f"no security domain in {bootstrap}"
        bootstrap.write_text(changed)

    def command(self):
        return [self._instance / "bin" / "artemis", "run"], {}

    def _manage(self, resource, body, **properties):
        connection = amqp.connect(self)
        try:
            reply = connection.create_receiver(None, dynamic=True, options=TemporaryQueue())
            connection.create_sender("activemq.management").send(Message(
                body=json.dumps(body), reply_to=reply.link.remote_source.address,
                properties={"_AMQ_ResourceName": resource, **properties}))
            answer = reply.receive(timeout=10)
            reply.accept()
        finally:
            connection.close()
        result = json.loads(answer.body)
        succeeded = (answer.properties or {}).get("_AMQ_OperationSucceeded")
        return (result[0] if result else None) if succeeded else None

    def create_queue(self, queue, **arguments):
        self._manage("broker", [queue, "ANYCAST", queue, None, True, -1, False, True],
                     _AMQ_OperationName="createQueue")

    def depth(self, queue):
        return self._manage(f"queue.{queue}", [], _AMQ_Attribute="messageCount") or 0

    def purge(self, queue):
        self._manage(f"queue.{queue}", [], _AMQ_OperationName="removeAllMessages")


class NewArtemis(Artemis):
    name = "artemis_new"
    version = NEW_VERSION
