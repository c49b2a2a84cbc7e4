import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import java.net.URLDecoder;
import java.util.HashMap;
import java.util.Map;

import static java.nio.charset.StandardCharsets.UTF_8;

/**
 * Prints what happens to calls, calls an extension and plays a tone to it. Java 17, without a
 * library:
 *
 * <pre>ESL_PASSWORD=… java Listener.java 1000</pre>
 *
 * The Site: {@code EventSocketUser("listener", events=[…], commands=["originate"])} with the EVENTS
 * below. The port is the second word, 8021 where it is left out.
 */
public final class Listener implements AutoCloseable {
    private static final String EVENTS =
            "CHANNEL_CREATE CHANNEL_ANSWER CHANNEL_HANGUP BACKGROUND_JOB";

    /** What FreeSWITCH says: headers, and a body where they give its length. */
    private record Message(Map<String, String> headers, String body) {
        String get(String name) {
            return headers.getOrDefault(name, "");
        }
    }

    private final Socket socket;
    private final InputStream in;
    private final OutputStream out;

    private Listener(int port) throws IOException {
        socket = new Socket("127.0.0.1", port);
        in = new BufferedInputStream(socket.getInputStream());
        out = socket.getOutputStream();
    }

    public static void main(String[] words) throws IOException {
        if (words.length == 0 || !words[0].matches("[0-9]{2,15}")) {
            System.err.println("give the extension to be called, such as 1000");
            System.exit(2);
        }
        int port = words.length > 1 ? Integer.parseInt(words[1]) : 8021;
        try (Listener freeswitch = new Listener(port)) {
            freeswitch.logIn("listener", System.getenv("ESL_PASSWORD"));
            System.out.println(freeswitch.answer("event plain " + EVENTS));
            String tone = "tone_stream://%(3000,0,620)";
            freeswitch.answer("bgapi originate user/" + words[0] + " &playback(" + tone + ")");
            while (true) {
                freeswitch.show(freeswitch.next());
            }
        }
    }

    private void logIn(String user, String password) throws IOException {
        next(); // It asks for the login.
        String said = answer("userauth " + user + "@event_socket:" + password);
        if (!said.startsWith("+OK")) {
            throw new IOException("FreeSWITCH does not know " + user + " by this password");
        }
    }

    /** Say a command and wait for its answer; what happens in between is shown. */
    private String answer(String command) throws IOException {
        out.write((command + "\n\n").getBytes(UTF_8));
        out.flush();
        Message said;
        while (!(said = next()).get("Content-Type").equals("command/reply")) {
            show(said);
        }
        return said.get("Reply-Text");
    }

    /** One line an event. */
    private void show(Message said) {
        if (!said.get("Content-Type").equals("text/event-plain")) {
            return;
        }
        String[] parts = said.body().split("\n\n", 2);
        Map<String, String> event = headers(parts[0]);
        String number = event.get("Caller-Destination-Number");
        System.out.println(event.get("Event-Name") + " " + (number != null ? number : parts[1].strip())
                + " " + event.getOrDefault("Hangup-Cause", ""));
    }

    private Message next() throws IOException {
        ByteArrayOutputStream head = new ByteArrayOutputStream();
        for (int last = 0, sign; ; last = sign) {
            if ((sign = in.read()) < 0) {
                throw new EOFException("FreeSWITCH has closed the connection");
            }
            if (sign == '\n' && last == '\n') {
                break;
            }
            head.write(sign);
        }
        Map<String, String> headers = headers(head.toString(UTF_8));
        int length = Integer.parseInt(headers.getOrDefault("Content-Length", "0"));
        return new Message(headers, new String(in.readNBytes(length), UTF_8));
    }

    private static Map<String, String> headers(String text) {
        Map<String, String> found = new HashMap<>();
        for (String line : text.split("\n")) {
            int colon = line.indexOf(": ");
            if (colon > 0) {
                // FreeSWITCH writes a plus as it is.
                String value = line.substring(colon + 2).replace("+", "%2B");
                found.put(line.substring(0, colon), URLDecoder.decode(value, UTF_8));
            }
        }
        return found;
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }
}
