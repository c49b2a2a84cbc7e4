import static java.util.concurrent.Executors.newCachedThreadPool;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import org.freeswitch.esl.client.transport.event.EslEvent;
import org.freeswitch.esl.client.transport.message.EslFrameDecoder;
import org.freeswitch.esl.client.transport.message.EslHeaders.Name;
import org.freeswitch.esl.client.transport.message.EslHeaders.Value;
import org.freeswitch.esl.client.transport.message.EslMessage;
import org.jboss.netty.bootstrap.ClientBootstrap;
import org.jboss.netty.channel.Channel;
import org.jboss.netty.channel.ChannelFuture;
import org.jboss.netty.channel.ChannelHandlerContext;
import org.jboss.netty.channel.ChannelStateEvent;
import org.jboss.netty.channel.Channels;
import org.jboss.netty.channel.ExceptionEvent;
import org.jboss.netty.channel.MessageEvent;
import org.jboss.netty.channel.SimpleChannelUpstreamHandler;
import org.jboss.netty.channel.socket.nio.NioClientSocketChannelFactory;
import org.jboss.netty.handler.codec.string.StringEncoder;

/**
 * Logs in to the Event Socket as one of the Site's event_socket.users. The client's own
 * {@code Client} can only say the password of the whole switch, and waits for ever for the answer
 * of a connection that has ended.
 */
final class User extends SimpleChannelUpstreamHandler implements AutoCloseable {
    private final ClientBootstrap sockets = new ClientBootstrap(
            new NioClientSocketChannelFactory(newCachedThreadPool(), newCachedThreadPool()));
    private final BlockingQueue<Optional<String>> answers = new LinkedBlockingQueue<>();
    private final BlockingQueue<Optional<EslEvent>> events = new LinkedBlockingQueue<>();
    private Channel freeswitch;
    private volatile Throwable wrong;

    /** The password comes from the environment, never as an argument. */
    void logIn(String name, int port) throws IOException, InterruptedException {
        // By true it takes headers that it does not know, such as the rights that a user has.
        sockets.setPipelineFactory(() -> Channels.pipeline(
                new StringEncoder(), new EslFrameDecoder(8192, true), this));
        ChannelFuture connected = sockets.connect(new InetSocketAddress("127.0.0.1", port)).await();
        if (!connected.isSuccess()) {
            throw new IOException("nobody listens on port " + port, connected.getCause());
        }
        freeswitch = connected.getChannel();
        String login = name + "@event_socket:" + System.getenv("ESL_PASSWORD");
        if (!say("userauth " + login).startsWith("+OK")) {
            throw new IOException("FreeSWITCH does not know " + name + " by this password");
        }
    }

    /** Say a command and wait for its answer. */
    String say(String command) throws IOException, InterruptedException {
        freeswitch.write(command + "\n\n");
        return orEnded(answers.take());
    }

    /** Wait for the next event. */
    EslEvent next() throws IOException, InterruptedException {
        return orEnded(events.take());
    }

    private <T> T orEnded(Optional<T> said) throws IOException {
        return said.orElseThrow(() -> new IOException("the connection has ended", wrong));
    }

    @Override
    public void messageReceived(ChannelHandlerContext context, MessageEvent message) {
        EslMessage said = (EslMessage) message.getMessage();
        switch (said.getContentType()) {
            case Value.TEXT_EVENT_PLAIN -> events.add(Optional.of(new EslEvent(said)));
            case Value.COMMAND_REPLY ->
                answers.add(Optional.of(said.getHeaderValue(Name.REPLY_TEXT)));
            default -> { } // It asks for the login, or says goodbye.
        }
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext context, ExceptionEvent event) {
        wrong = event.getCause();
        event.getChannel().close();
    }

    @Override
    public void channelClosed(ChannelHandlerContext context, ChannelStateEvent event) {
        answers.add(Optional.empty());
        events.add(Optional.empty());
    }

    @Override
    public void close() {
        if (freeswitch != null) {
            freeswitch.close().awaitUninterruptibly();
        }
        sockets.releaseExternalResources();
    }
}
