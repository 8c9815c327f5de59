// SPDX-License-Identifier: Apache-2.0
import jakarta.jms.BytesMessage;
import jakarta.jms.Connection;
import jakarta.jms.JMSException;
import jakarta.jms.Message;
import jakarta.jms.MessageConsumer;
import jakarta.jms.Session;
import jakarta.jms.TextMessage;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.qpid.jms.JmsConnectionFactory;

/** A worker on AMQP 1.0 with Qpid JMS. --queue is the address of the source: /queues/mail on RabbitMQ 4. */
public class WorkerJms {
    // Qpid JMS' own: an acknowledgement of this message alone, and its outcome.
    private static final int INDIVIDUAL_ACKNOWLEDGE = 101;
    private static final String OUTCOME = "JMS_AMQP_ACK_TYPE";
    private static final int ACCEPTED = 1;
    private static final int REJECTED = 2;
    private static final int MODIFIED_FAILED = 4;
    private static final long LOOK = 500; // milliseconds between two looks whether to stop

    private final Map<String, String> options = new HashMap<>(Map.of("queue", "mail", "prefetch", "1", "attempts", "5",
            "pause", "1", "timeout", "600", "count", "0"));
    private final CountDownLatch stop = new CountDownLatch(1);
    private List<String> command = List.of();
    private final Map<String, Integer> failed = new HashMap<>(); // attempts of those that failed here: for queues that count nothing
    private int handled;
    private boolean connected;

    private WorkerJms(String[] arguments) {
        options.put("url", System.getenv().getOrDefault("AMQP_URL", "amqp://guest:guest@127.0.0.1:5672"));
        int i = 0;
        for (; i + 1 < arguments.length && options.containsKey(arguments[i].replaceFirst("^--", "")); i += 2) {
            options.put(arguments[i].substring(2), arguments[i + 1]);
        }
        if (i < arguments.length && arguments[i].equals("--")) {
            i++;
        } else if (i < arguments.length && arguments[i].startsWith("-")) {
            throw new IllegalArgumentException("unknown option " + arguments[i]);
        }
        command = Arrays.asList(arguments).subList(i, arguments.length);
    }

    /** One line; no octet of a message reaches the terminal as a control character. */
    private static void say(String word, String name, String text) {
        String line = text == null ? name : name + ": " + text.substring(0, Math.min(text.length(), 300));
        System.err.println(word + " " + line.replaceAll("[\\p{C}\\u2028\\u2029]", "?"));
    }

    private int number(String option) {
        return Integer.parseInt(options.get(option));
    }

    /** The bytes of a data section: a content type such as application/json makes Qpid JMS give them as text. */
    private static String textOf(Message message) throws JMSException, Mail.Poison {
        if (message instanceof TextMessage text) {
            return text.getText();
        }
        if (message instanceof BytesMessage bytes) {
            return new String(bytes.getBody(byte[].class), StandardCharsets.UTF_8);
        }
        throw new Mail.Poison("no JSON of lsmtpd: no bytes");
    }

    /** Of the copy, or null. JMSMessageID adds "ID:" to an id that has no such prefix. */
    private static String idOf(Message message) throws JMSException {
        String copy = message.getStringProperty("_AMQ_DUPL_ID");
        String id = message.getJMSMessageID();
        return copy != null || id == null ? copy : id.replaceFirst("^ID:(AMQP_NO_PREFIX:)?", "");
    }

    /** Does the work. Returns the outcome. */
    private int judge(Message message) throws JMSException, InterruptedException {
        int attempt = message.getIntProperty("JMSXDeliveryCount");
        String name = "(no id)";
        try {
            String id = idOf(message);
            name = id == null ? name : id;
            String body;
            try {
                body = textOf(message);
            } catch (JMSException error) { // text that is no UTF-8
                throw new Mail.Poison("no JSON of lsmtpd: " + error.getMessage());
            }
            Mail mail = Mail.parse(body, id);
            name = mail.id();
            attempt = Math.max(attempt, failed.getOrDefault(name, 0) + 1);
            failed.remove(name);
            if (command.isEmpty()) {
                mail.show();
            } else {
                mail.run(command, attempt, Double.parseDouble(options.get("timeout")));
            }
        } catch (Mail.Poison error) {
            say("rejected", name, error.getMessage());
            return REJECTED;
        } catch (Exception error) {
            boolean last = attempt >= number("attempts");
            say(last ? "rejected" : "failed", name, "attempt " + attempt + " of " + number("attempts") + ": " + error.getMessage());
            return last ? REJECTED : holdBeforeRetry(name, attempt);
        }
        say("done", name, null);
        return ACCEPTED;
    }

    private int holdBeforeRetry(String name, int attempt) throws InterruptedException {
        if (failed.size() >= 1000) {
            failed.clear();
        }
        failed.put(name, attempt);
        double pause = Double.parseDouble(options.get("pause")) * Math.pow(2, attempt - 1);
        stop.await((long) (Math.min(pause, 60) * 1000), TimeUnit.MILLISECONDS);
        return MODIFIED_FAILED;
    }

    private void handle(Message message) throws JMSException, InterruptedException {
        int outcome = judge(message);
        message.setIntProperty(OUTCOME, outcome);
        message.acknowledge();
        if (outcome == ACCEPTED && ++handled == number("count")) {
            stop.countDown();
        }
    }

    private void consume() throws Exception {
        URI url = new URI(options.get("url"));
        String[] login = url.getUserInfo() == null ? new String[0] : url.getUserInfo().split(":", 2);
        var factory = new JmsConnectionFactory(url.getScheme() + "://" + url.getHost() + ":"
                + (url.getPort() > 0 ? url.getPort() : url.getScheme().equals("amqps") ? 5671 : 5672)
                + "?amqp.idleTimeout=30000&jms.prefetchPolicy.all=" + number("prefetch"));
        try (Connection connection = login.length == 2 ? factory.createConnection(decoded(login[0]), decoded(login[1]))
                                                       : factory.createConnection()) {
            Session session = connection.createSession(INDIVIDUAL_ACKNOWLEDGE);
            MessageConsumer consumer = session.createConsumer(session.createQueue(options.get("queue")));
            connection.start();
            connected = true;
            say("connected", options.get("queue"), null);
            while (stop.getCount() > 0) {
                Message message = consumer.receive(LOOK);
                if (message != null && stop.getCount() > 0) {
                    handle(message);
                } else if (message == null) {
                    session.getTransacted(); // throws when the connection is lost, which receive() does not say
                }
            }
            consumer.close(); // gives back the messages that were prefetched
            session.close();
        }
    }

    private static String decoded(String text) {
        return java.net.URLDecoder.decode(text.replace("+", "%2B"), StandardCharsets.UTF_8);
    }

    private void run() throws InterruptedException {
        long pause = 1;
        while (stop.getCount() > 0) {
            try {
                connected = false;
                consume();
            } catch (Exception error) {
                pause = connected ? 1 : pause;
                say("no connection", error.getMessage() + "; again in " + pause + " s", null);
                stop.await(pause, TimeUnit.SECONDS);
                pause = Math.min(2 * pause, 30);
            }
        }
        say("ended", options.get("queue"), null);
    }

    public static void main(String[] arguments) throws InterruptedException {
        WorkerJms worker = new WorkerJms(arguments);
        Thread main = Thread.currentThread();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> { // the VM waits for it, and it for the message under way
            worker.stop.countDown();
            System.err.println("stopping");
            try {
                main.join();
            } catch (InterruptedException ignored) {
                Thread.currentThread().interrupt();
            }
        }));
        worker.run();
        Runtime.getRuntime().halt(0); // else a VM that SIGTERM ends has status 143
    }
}
