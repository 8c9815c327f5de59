// SPDX-License-Identifier: Apache-2.0
import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.Strictness;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** One parsed message, and its work by a command. README.md describes it. */
record Mail(String id, String messageId, String contentId, String sender, List<String> recipients, byte[] content) {
    private static final int REFUSED = 65; // EX_DATAERR: the exit status of a command that will never take this mail
    private static final Gson GSON = new GsonBuilder().setStrictness(Strictness.STRICT).create();

    /** The message can never be handled. */
    static class Poison extends Exception {
        private static final long serialVersionUID = 1;

        Poison(String text) {
            super(text);
        }
    }

    /** id: of the copy, or null. */
    static Mail parse(String body, String id) throws Poison, NoSuchAlgorithmException {
        try {
            JsonObject json = GSON.fromJson(body, JsonObject.class);
            String messageId = json.get("message_id").getAsString();
            String sender = json.get("sender").getAsString();
            byte[] content = json.get("email_content").getAsString().getBytes(StandardCharsets.UTF_8);
            if (json.has("email_content_base64")) { // the exact bytes; email_content has U+FFFD where they are no UTF-8
                content = Base64.getDecoder().decode(json.get("email_content_base64").getAsString());
            }
            List<String> recipients = new ArrayList<>();
            for (JsonElement each : json.getAsJsonArray("recipients")) {
                recipients.add(each.getAsString().replaceFirst("^<", "").replaceFirst(">$", ""));
            }
            MessageDigest known = MessageDigest.getInstance("SHA-256");
            known.update((sender + '\0').getBytes(StandardCharsets.UTF_8));
            for (String each : recipients) {
                known.update((each + '\0').getBytes(StandardCharsets.UTF_8));
            }
            String contentId = json.has("content_id") ? json.get("content_id").getAsString()
                                                      : HexFormat.of().formatHex(known.digest(content));
            return new Mail(id == null ? messageId : id, messageId, contentId, sender, recipients, content);
        } catch (RuntimeException error) { // Gson's, of a missing key, of another type, of base64
            throw new Poison("no JSON of lsmtpd: " + error.getMessage());
        }
    }

    void show() {
        StringBuilder line = new StringBuilder(messageId).append(" <").append(sender).append('>');
        recipients.forEach(each -> line.append(" <").append(each).append('>'));
        System.out.println(line.append(' ').append(content.length));
    }

    void run(List<String> command, int attempt, double timeout) throws IOException, InterruptedException, Poison {
        ProcessBuilder builder = new ProcessBuilder(command);
        builder.redirectOutput(ProcessBuilder.Redirect.INHERIT).redirectError(ProcessBuilder.Redirect.INHERIT);
        var about = builder.environment();
        about.put("MAIL_ID", id);
        about.put("MAIL_MESSAGE_ID", messageId);
        about.put("MAIL_CONTENT_ID", contentId);
        about.put("MAIL_SENDER", sender);
        about.put("MAIL_RECIPIENTS", String.join("\n", recipients));
        about.put("MAIL_ATTEMPT", Integer.toString(attempt));
        Process process = builder.start();
        Thread writer = new Thread(() -> {
            try (var input = process.getOutputStream()) {
                input.write(content);
            } catch (IOException unread) {
                // A command need not read it.
            }
        });
        writer.setDaemon(true);
        writer.start();
        if (!process.waitFor((long) (timeout * 1000), TimeUnit.MILLISECONDS)) {
            process.destroyForcibly().waitFor();
            throw new IOException(command.get(0) + " ran out of its time");
        }
        if (process.exitValue() == REFUSED) {
            throw new Poison(command.get(0) + " refused it");
        }
        if (process.exitValue() != 0) {
            throw new IOException(command.get(0) + " ended with " + process.exitValue());
        }
    }
}
