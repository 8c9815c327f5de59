#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A number that rhea sends as a property cannot be read by a JMS client.
#
# Library:  rhea 3.0.5 (AMQP 1.0 for Node.js) and Apache Qpid JMS 2.6.1
# Expected: application_properties: {size: 1234} arrives as a property that a JMS program reads with
#           getLongProperty, or at least with getStringProperty, which JMS allows for each type.
# Happens:  rhea encodes a whole number that is not negative as uint or ulong, types that JMS does not
#           have. Qpid JMS throws MessageFormatException from getIntProperty, getLongProperty and
#           getStringProperty alike; only getObjectProperty gives the value. A negative number is
#           encoded as int and works, so the fault depends on the value. On the sending side
#           rhea.types.wrap_int() and wrap_long() avoid it.
# Seen:
#   size=1234: getLongProperty MessageFormatException, getStringProperty MessageFormatException, getObjectProperty UnsignedInteger
#   offset=-1: getLongProperty -1, getStringProperty -1, getObjectProperty Integer
#   wrapped=1234: getLongProperty 1234, getStringProperty 1234, getObjectProperty Long
#
# Exit: 0 as described, 1 the behaviour changed, 2 it could not be run. Loopback only.
# Needs Node.js, a JDK of version 17 or later, and Maven.
set -euo pipefail
unable() { echo "cannot be run here: $*" >&2; exit 2; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
echo '{"private": true}' > package.json
timeout 120 npm install --silent --no-audit --no-fund rhea@3.0.5 >/dev/null || unable "npm install failed"
cat > pom.xml <<'EOF'
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>org.example</groupId>
  <artifactId>finding</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.qpid</groupId>
      <artifactId>qpid-jms-client</artifactId>
      <version>2.6.1</version>
    </dependency>
  </dependencies>
</project>
EOF
timeout 500 mvn -q -B dependency:copy-dependencies -DoutputDirectory=lib >/dev/null 2>&1 || unable "mvn failed"
cat > Receive.java <<'EOF'
import jakarta.jms.*;
import org.apache.qpid.jms.JmsConnectionFactory;

public class Receive {
    interface Getter {
        Object get(String name) throws JMSException;
    }

    static String result(Getter getter, String name) {
        try {
            return String.valueOf(getter.get(name));
        } catch (Exception error) {
            return error.getClass().getSimpleName();
        }
    }

    public static void main(String[] arguments) throws Exception {
        try (Connection connection = new JmsConnectionFactory(arguments[0]).createConnection()) {
            connection.start();
            Session session = connection.createSession(false, Session.AUTO_ACKNOWLEDGE);
            Message message = session.createConsumer(session.createQueue("mail")).receive(10000);
            for (String name : new String[] {"size", "offset", "wrapped"}) {
                System.out.println(name + "=" + message.getObjectProperty(name)
                    + ": getLongProperty " + result(message::getLongProperty, name)
                    + ", getStringProperty " + result(message::getStringProperty, name)
                    + ", getObjectProperty " + message.getObjectProperty(name).getClass().getSimpleName());
            }
        }
    }
}
EOF
cat > send.js <<'EOF'
// Listens, gives one message to the receiver that attaches, and checks what that one prints.
const { execFile } = require('child_process');
const rhea = require('rhea');

const expected = `\
size=1234: getLongProperty MessageFormatException, getStringProperty MessageFormatException, getObjectProperty UnsignedInteger
offset=-1: getLongProperty -1, getStringProperty -1, getObjectProperty Integer
wrapped=1234: getLongProperty 1234, getStringProperty 1234, getObjectProperty Long
`;
rhea.on('sender_open', ({ sender }) => sender.set_source(sender.remote.attach.source));
rhea.once('sendable', ({ sender }) => sender.send({
  body: 'hello',
  application_properties: { size: 1234, offset: -1, wrapped: rhea.types.wrap_long(1234) },
}));
const server = rhea.listen({ host: '127.0.0.1', port: 0 });
server.on('listening', () => {
  const url = `amqp://127.0.0.1:${server.address().port}?jms.connectTimeout=10000`;
  execFile('java', ['-cp', 'lib/*', 'Receive.java', url], { timeout: 40000 }, (error, output) => {
    process.stdout.write(output);
    if (error) {
      console.error('cannot be run here:', error.message);
      process.exit(2);
    }
    if (output !== expected) {
      console.error('the behaviour has changed: the properties are read otherwise');
      process.exit(1);
    }
    process.exit(0);
  });
});
EOF
timeout 60 node send.js
