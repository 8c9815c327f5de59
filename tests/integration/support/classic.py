# SPDX-License-Identifier: Apache-2.0
"""Apache ActiveMQ Classic."""
from proton import Message

from . import amqp
from .artemis import TemporaryQueue
from .brokers import CACHE, Broker, Unavailable
from .tls import STORE_PASSWORD

VERSION = "5.18.3"

CONFIGURATION = """\
<beans xmlns="http://www.springframework.org/schema/beans" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
       xsi:schemaLocation="http://www.springframework.org/schema/beans http://www.springframework.org/schema/beans/spring-beans.xsd
                           http://activemq.apache.org/schema/core http://activemq.apache.org/schema/core/activemq-core.xsd">
  <broker xmlns="http://activemq.apache.org/schema/core" brokerName="lsmtpd" dataDirectory="{data}" useJmx="false"
          schedulePeriodForDestinationPurge="0">
    <destinationPolicy><policyMap><policyEntries>
      <policyEntry queue=">" useCache="false" queuePrefetch="1"/>
    </policyEntries></policyMap></destinationPolicy>
    <persistenceAdapter><kahaDB directory="{data}/kahadb" journalDiskSyncStrategy="ALWAYS"/></persistenceAdapter>
    <plugins>
      <simpleAuthenticationPlugin anonymousAccessAllowed="false"><users>
        <authenticationUser username="{user}" password="{password}" groups="users"/>
      </users></simpleAuthenticationPlugin>
      <statisticsBrokerPlugin/>
    </plugins>
    <sslContext><sslContext keyStore="{store}" keyStorePassword="{store_password}" keyStoreType="PKCS12"
      trustStore="{truststore}" trustStorePassword="{store_password}" trustStoreType="PKCS12"/></sslContext>
    <systemUsage><systemUsage sendFailIfNoSpace="true">
      <memoryUsage><memoryUsage limit="256 mb"/></memoryUsage>
      <storeUsage><storeUsage limit="2 gb"/></storeUsage>
      <tempUsage><tempUsage limit="1 gb"/></tempUsage>
    </systemUsage></systemUsage>
    <transportConnectors>
      <transportConnector name="amqp" uri="amqp://{host}:{port}?wireFormat.maxFrameSize=104857600"/>
      <transportConnector name="amqps" uri="amqp+ssl://{host}:{tls_port}?wantClientAuth=true"/>
    </transportConnectors>
  </broker>
</beans>
"""


class Classic(Broker):
    name = "classic"

    def prepare(self):
        self._home = CACHE / f"activemq-{VERSION}"
        if not self._home.is_dir():
            raise Unavailable(f"no ActiveMQ Classic in {self._home}: run contrib/dev brokers get all")
        self.reserve("port", "tls_port")
        (self.folder / "activemq.xml").write_text(CONFIGURATION.format(
            data=self.folder / "data", user=self.user, password=self.password, host=self.host, port=self.port,
            tls_port=self.tls_port, store=self.store, truststore=self.authority.truststore, store_password=STORE_PASSWORD))

    def command(self):
        return ["java", "-Xmx1G", f"-Dactivemq.home={self._home}", f"-Dactivemq.base={self.folder}",
                f"-Djava.io.tmpdir={self.folder}", "--add-opens=java.base/java.lang=ALL-UNNAMED",
                "-jar", self._home / "bin/activemq.jar", "start", f"xbean:file:{self.folder}/activemq.xml"], {}

    def create_queue(self, queue, **arguments):
        """It makes queues when they are used."""

    def depth(self, queue):
        """By the statistics plugin, which answers about each queue that a request names."""
        connection = amqp.connect(self)
        try:
            connection.create_sender(queue)  # makes it: about one that is not there nothing is answered
            reply = connection.create_receiver(None, dynamic=True, options=TemporaryQueue())
            connection.create_sender(f"ActiveMQ.Statistics.Destination.{queue}").send(
                Message(reply_to=reply.link.remote_source.address))
            answer = reply.receive(timeout=10)
            reply.accept()
        finally:
            connection.close()
        return int(answer.body.get("size", 0))

    def purge(self, queue):
        if self.depth(queue):
            self.receive(queue, self.depth(queue))
