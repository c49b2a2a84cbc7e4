import org.freeswitch.esl.client.transport.event.EslEvent;

/**
 * Prints what happens to calls, and calls an extension and plays a sound to it.
 *
 * <pre>ESL_PASSWORD=… mvn -q compile exec:java -Dexec.mainClass=Listener -Dexec.args=1000</pre>
 *
 * The Site: {@code EventSocketUser("listener", events=[…], commands=["originate"])} with the EVENTS
 * below. The port is the second word, 8021 where it is left out.
 */
public final class Listener {
    private static final String EVENTS =
            "CHANNEL_CREATE CHANNEL_ANSWER CHANNEL_HANGUP BACKGROUND_JOB";

    public static void main(String[] words) throws Exception {
        if (words.length == 0 || !words[0].matches("[0-9]{2,15}")) {
            System.err.println("give the extension to be called, such as 1000");
            System.exit(2);
        }
        int port = words.length > 1 ? Integer.parseInt(words[1]) : 8021;
        try (User freeswitch = new User()) {
            freeswitch.logIn("listener", port);
            System.out.println(freeswitch.say("event plain " + EVENTS));
            String tone = "tone_stream://%(3000,0,620)";
            freeswitch.say("bgapi originate user/" + words[0] + " &playback(" + tone + ")");
            while (true) {
                show(freeswitch.next());
            }
        }
    }

    /** One line an event. */
    private static void show(EslEvent event) {
        String what = event.getEventHeaders().getOrDefault(
                "Caller-Destination-Number", String.join("\n", event.getEventBodyLines()));
        String cause = event.getEventHeaders().getOrDefault("Hangup-Cause", "");
        System.out.println(event.getEventName() + " " + what + " " + cause);
    }
}
