/**
 * Connects two extensions: the first one's phone rings, then, when it is answered, the second's.
 *
 * <pre>
 * ESL_PASSWORD=… mvn -q compile exec:java -Dexec.mainClass=ClickToCall -Dexec.args="1000 1001"
 * </pre>
 *
 * The Site: {@code EventSocketUser("click-to-call", events=["BACKGROUND_JOB"],
 * commands=["originate"])}. The port is the third word, 8021 where it is left out.
 */
public final class ClickToCall {
    public static void main(String[] words) throws Exception {
        // What comes from a web page goes no further unless it is a number.
        if (!String.join(" ", words).matches("[0-9]{2,15} [0-9]{2,15}( [0-9]{1,5})?")) {
            System.err.println("give an extension and another, such as 1000 1001");
            System.exit(2);
        }
        int port = words.length > 2 ? Integer.parseInt(words[2]) : 8021;
        String said;
        try (User freeswitch = new User()) {
            freeswitch.logIn("click-to-call", port);
            freeswitch.say("event plain BACKGROUND_JOB");
            // The dialplan of extensions leads on, so the callee's own settings hold.
            freeswitch.say("bgapi originate {origination_caller_id_number=" + words[1] + "}user/"
                    + words[0] + " " + words[1] + " XML default");
            said = String.join("\n", freeswitch.next().getEventBodyLines());
        }
        System.out.println(said);
        System.exit(said.startsWith("+OK") ? 0 : 1);
    }
}
