import com.sun.source.util.JavacTask;
import java.io.*;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.charset.*;
import java.util.*;
import javax.tools.*;

/**
 * Parses texts with javac (no attribution) until stdin ends.
 *
 * <p>Request: byte count (4 bytes, big endian), UTF-8 text. Answer: byte count, then lines: the text's length in
 * characters, and per error "start TAB code TAB message".
 */
public final class JavaOracle {
    private static final JavaCompiler COMPILER = ToolProvider.getSystemJavaCompiler();

    private static final class Source extends SimpleJavaFileObject {
        private final String text;

        Source(String text) {
            super(URI.create("string:///Text.java"), Kind.SOURCE);
            this.text = text;
        }

        @Override
        public CharSequence getCharContent(boolean ignoreEncodingErrors) {
            return text;
        }
    }

    private static String errors(StandardJavaFileManager files, byte[] bytes) throws IOException {
        String text;
        try {
            text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
        } catch (CharacterCodingException e) {
            return "0\n0\tunmappable\tunmappable character for encoding UTF8\n";
        }
        var found = new DiagnosticCollector<JavaFileObject>();
        var options = List.of("-proc:none", "-Xmaxerrs", "1000");
        var task = (JavacTask) COMPILER.getTask(null, files, found, options, null, List.of(new Source(text)));
        var out = new StringBuilder().append(text.length()).append('\n');
        try {
            task.parse();
        } catch (RuntimeException | StackOverflowError e) {
            return out.append("0\tcrash\t").append(e).append('\n').toString();
        }
        for (var d : found.getDiagnostics()) {
            if (d.getKind() != Diagnostic.Kind.ERROR) continue;
            String message = d.getMessage(Locale.ENGLISH).replaceAll("\\s+", " ");
            out.append(d.getPosition()).append('\t').append(d.getCode()).append('\t').append(message).append('\n');
        }
        return out.toString();
    }

    public static void main(String[] arguments) throws IOException {
        var in = new DataInputStream(new BufferedInputStream(System.in));
        var out = new DataOutputStream(new BufferedOutputStream(System.out));
        try (var files = COMPILER.getStandardFileManager(null, null, StandardCharsets.UTF_8)) {
            while (true) {
                byte[] text;
                try {
                    text = new byte[in.readInt()];
                } catch (EOFException end) {
                    return;
                }
                in.readFully(text);
                byte[] answer = errors(files, text).getBytes(StandardCharsets.UTF_8);
                out.writeInt(answer.length);
                out.write(answer);
                out.flush();
            }
        }
    }
}
