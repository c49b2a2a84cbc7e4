import static java.util.concurrent.Executors.newCachedThreadPool;

import java.net.InetSocketAddress;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import org.freeswitch.esl.client.outbound.AbstractOutboundClientHandler;
import org.freeswitch.esl.client.outbound.AbstractOutboundPipelineFactory;
import org.freeswitch.esl.client.transport.SendMsg;
import org.freeswitch.esl.client.transport.event.EslEvent;
import org.jboss.netty.bootstrap.ServerBootstrap;
import org.jboss.netty.channel.Channel;
import org.jboss.netty.channel.ChannelHandlerContext;
import org.jboss.netty.channel.ChannelStateEvent;
import org.jboss.netty.channel.socket.nio.NioServerSocketChannelFactory;

/**
 * An IVR outside FreeSWITCH: 1 connects the caller with an extension, anything else repeats.
 *
 * <pre>mvn -q compile exec:java -Dexec.mainClass=Ivr -Dexec.args=1001</pre>
 *
 * The Site: {@code Application("ivr", 8084, number=6300, otherwise=extension(1000))}. Neither
 * {@code full} nor a password: the connection steers this one call and nothing else. The port is
 * the second word, 8084 where it is left out.
 */
public final class Ivr extends AbstractOutboundClientHandler {
    private static final String PROMPT = "tone_stream://%(400,100,880);loops=6";

    private final String extension;
    private final BlockingQueue<String> pressed = new LinkedBlockingQueue<>();
    private volatile Thread serving;

    private Ivr(String extension) {
        this.extension = extension;
    }

    public static void main(String[] words) {
        String extension = words.length > 0 ? words[0] : "1001";
        int port = words.length > 1 ? Integer.parseInt(words[1]) : 8084;
        // The client's own SocketClient would listen on every address of the host.
        ServerBootstrap server = new ServerBootstrap(
                new NioServerSocketChannelFactory(newCachedThreadPool(), newCachedThreadPool()));
        server.setPipelineFactory(new AbstractOutboundPipelineFactory() {
            @Override
            protected AbstractOutboundClientHandler makeHandler() {
                return new Ivr(extension);
            }
        });
        server.bind(new InetSocketAddress("127.0.0.1", port));
        System.out.println("waiting for calls");
    }

    @Override
    protected void handleConnectResponse(ChannelHandlerContext context, EslEvent call) {
        serving = Thread.currentThread();
        Channel freeswitch = context.getChannel();
        sendSyncSingleLineCommand(freeswitch, "myevents");
        System.out.println(call.getEventHeaders().get("Caller-Caller-ID-Number") + " calls");
        execute(freeswitch, "answer", "");
        execute(freeswitch, "playback", PROMPT);
        try {
            String digit;
            while (!(digit = pressed.take()).equals("1")) {
                System.out.println(digit + " was pressed");
                execute(freeswitch, "playback", PROMPT);
            }
            System.out.println(digit + " was pressed");
            execute(freeswitch, "break", "");
            execute(freeswitch, "transfer", extension + " XML default");
        } catch (InterruptedException ended) {
            System.out.println("the caller has hung up");
        }
    }

    private void execute(Channel freeswitch, String application, String argument) {
        SendMsg message = new SendMsg();
        message.addCallCommand("execute");
        message.addExecuteAppName(application);
        message.addExecuteAppArg(argument);
        sendSyncMultiLineCommand(freeswitch, message.getMsgLines());
    }

    @Override
    protected void handleEslEvent(ChannelHandlerContext context, EslEvent event) {
        if (event.getEventName().equals("DTMF")) {
            pressed.add(event.getEventHeaders().get("DTMF-Digit"));
        }
    }

    @Override
    public void channelClosed(ChannelHandlerContext context, ChannelStateEvent event) {
        // Else the client waits for ever for what a connection that has ended no longer brings.
        if (serving != null) {
            serving.interrupt();
        }
    }
}
