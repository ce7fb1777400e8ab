/*
 * Pages in memory behind Jetty 9.4 and TLS 1.3, not replicated: what tools/bench-front compares `pages` with. It checks nothing and
 * keeps nothing but the bytes and their type.
 *
 *   java -cp JARS JettyPages.java PORT KEYSTORE    a PKCS#12 file with the password `bench`; prints `ready`
 */
import java.io.IOException;
import java.util.concurrent.ConcurrentHashMap;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import org.eclipse.jetty.server.HttpConfiguration;
import org.eclipse.jetty.server.HttpConnectionFactory;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.server.SslConnectionFactory;
import org.eclipse.jetty.server.handler.AbstractHandler;
import org.eclipse.jetty.util.ssl.SslContextFactory;

public class JettyPages extends AbstractHandler {
    record Page(String type, byte[] bytes) {}

    private final ConcurrentHashMap<String, Page> pages = new ConcurrentHashMap<>();

    @Override
    public void handle(String target, Request base, HttpServletRequest request, HttpServletResponse response) throws IOException {
        base.setHandled(true);
        if (request.getMethod().equals("PUT")) {
            Page before = pages.put(target, new Page(request.getContentType(), request.getInputStream().readAllBytes()));
            response.setStatus(before == null ? 201 : 204);
            return;
        }
        Page page = pages.get(target);
        if (page == null) {
            response.setStatus(404);
            return;
        }
        response.setContentType(page.type());
        response.setContentLength(page.bytes().length);
        response.getOutputStream().write(page.bytes());
    }

    public static void main(String[] words) throws Exception {
        Server server = new Server();
        SslContextFactory.Server tls = new SslContextFactory.Server();
        tls.setKeyStorePath(words[1]);
        tls.setKeyStoreType("PKCS12");
        tls.setKeyStorePassword("bench");
        tls.setIncludeProtocols("TLSv1.3");
        ServerConnector connector =
            new ServerConnector(server, new SslConnectionFactory(tls, "http/1.1"), new HttpConnectionFactory(new HttpConfiguration()));
        connector.setHost("127.0.0.1");
        connector.setPort(Integer.parseInt(words[0]));
        server.addConnector(connector);
        server.setHandler(new JettyPages());
        server.start();
        System.out.println("ready");
    }
}
