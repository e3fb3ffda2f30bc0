// pgjdbc against tallyd: java PgJdbc SOCKET_PATH EVENTS_DIR
// Throws at the first thing that is not as it should be; the last line on success is "done".

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.StringWriter;
import java.math.BigDecimal;
import java.net.InetAddress;
import java.net.Socket;
import java.net.SocketAddress;
import java.net.SocketTimeoutException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Timestamp;
import java.sql.Types;
import java.time.LocalDateTime;
import java.util.Arrays;
import java.util.Objects;
import java.util.Properties;
import javax.net.SocketFactory;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;

public class PgJdbc {
	static final String TOTALS =
		"select action, sum(count) as total from counts group by action order by action";
	static final String MILLION = "with recursive n(i) as (select 1 union all "
		+ "select i + 1 from n where i < 1000000) select i, 'row ' || i as text from n";
	static final String ENDLESS = "with recursive n(i) as (select 1 union all "
		+ "select i + 1 from n) select count(*) from n";
	static String socket;
	static Path events;

	// The JDK knows Unix sockets as channels only; the driver wants a Socket.
	static class UnixSocket extends Socket {
		final SocketChannel channel;
		final String path;
		boolean isConnected;
		int timeout; // of a read, in milliseconds; 0: none

		UnixSocket(String path) throws IOException {
			this.path = path;
			channel = SocketChannel.open(StandardProtocolFamily.UNIX);
		}

		@Override public void connect(SocketAddress to, int timeout) throws IOException {
			channel.connect(UnixDomainSocketAddress.of(path));
			isConnected = true;
		}

		@Override public void connect(SocketAddress to) throws IOException { connect(to, 0); }
		@Override public boolean isConnected() { return isConnected; }
		@Override public boolean isClosed() { return !channel.isOpen(); }
		@Override public void close() throws IOException { channel.close(); }
		@Override public void setTcpNoDelay(boolean on) { }
		@Override public void setKeepAlive(boolean on) { }
		@Override public void setSoTimeout(int ms) { timeout = ms; }
		@Override public int getSoTimeout() { return timeout; }
		@Override public int getSendBufferSize() { return 8192; }
		@Override public void setReceiveBufferSize(int n) { }
		@Override public void setSendBufferSize(int n) { }

		void awaitBytes() throws IOException {
			channel.configureBlocking(false);
			try (Selector selector = Selector.open()) {
				channel.register(selector, SelectionKey.OP_READ);
				if (selector.select(timeout) == 0)
					throw new SocketTimeoutException();
			} finally {
				channel.configureBlocking(true);
			}
		}

		@Override public InputStream getInputStream() {
			return new InputStream() {
				@Override public int read() throws IOException {
					byte[] one = new byte[1];
					return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
				}
				@Override public int read(byte[] to, int from, int n) throws IOException {
					if (timeout > 0)
						awaitBytes();
					return channel.read(ByteBuffer.wrap(to, from, n));
				}
			};
		}

		@Override public OutputStream getOutputStream() {
			return new OutputStream() {
				@Override public void write(int b) throws IOException {
					write(new byte[] {(byte) b}, 0, 1);
				}
				@Override public void write(byte[] of, int from, int n) throws IOException {
					ByteBuffer bytes = ByteBuffer.wrap(of, from, n);
					while (bytes.hasRemaining())
						channel.write(bytes);
				}
			};
		}
	}

	public static class UnixSockets extends SocketFactory {
		final String path;

		public UnixSockets(String path) { this.path = path; }
		@Override public Socket createSocket() throws IOException { return new UnixSocket(path); }
		@Override public Socket createSocket(String h, int p) throws IOException { return createSocket(); }
		@Override public Socket createSocket(String h, int p, InetAddress a, int q) throws IOException {
			return createSocket();
		}
		@Override public Socket createSocket(InetAddress h, int p) throws IOException {
			return createSocket();
		}
		@Override public Socket createSocket(InetAddress h, int p, InetAddress a, int q) throws IOException {
			return createSocket();
		}
	}

	static void same(Object got, Object want) {
		if (!Objects.deepEquals(got, want))
			throw new AssertionError("got " + got + ", want " + want);
	}

	interface Action { void run() throws SQLException; }

	static void failsWith(String state, Action action) throws SQLException {
		try {
			action.run();
		} catch (SQLException e) {
			same(e.getSQLState(), state);
			return;
		}
		throw new AssertionError("no error " + state);
	}

	static Connection connect(String... options) throws SQLException {
		Properties properties = new Properties();
		properties.setProperty("user", "tester");
		properties.setProperty("socketFactory", "PgJdbc$UnixSockets");
		properties.setProperty("socketFactoryArg", socket);
		for (int i = 0; i < options.length; i += 2)
			properties.setProperty(options[i], options[i + 1]);
		return DriverManager.getConnection("jdbc:postgresql://localhost/tally", properties);
	}

	static void publish() throws Exception {
		Path whole = events.resolve("java-" + System.nanoTime());
		Path part = events.resolve(whole.getFileName() + ".tmp");
		Files.writeString(part, "{\"time\":1469501107,\"action\":\"Open\"}\n"
			+ "{\"time\":1469501107,\"action\":\"Close\"}\n");
		Files.move(part, whole, StandardCopyOption.ATOMIC_MOVE);
		try (Connection other = connect(); Statement statement = other.createStatement()) {
			statement.execute("select process_all_available()");
		}
	}

	static long total(Connection connection) throws SQLException {
		try (Statement statement = connection.createStatement();
				ResultSet rows = statement.executeQuery(TOTALS)) {
			rows.next();
			same(rows.getString("action"), "Close");
			return rows.getLong("total");
		}
	}

	static void queries(Connection connection) throws SQLException {
		total(connection);
		try (PreparedStatement statement =
				connection.prepareStatement("select action, count from counts where count >= ? and action = ?")) {
			// More runs than the driver's prepareThreshold: unnamed first, named and binary later.
			for (int i = 0; i < 8; i++) {
				statement.setLong(1, 1);
				statement.setString(2, "Open");
				try (ResultSet rows = statement.executeQuery()) {
					same(rows.getMetaData().getColumnTypeName(2), "int8");
					same(rows.getMetaData().getColumnType(1), Types.VARCHAR);
					same(rows.next(), true);
					same(rows.getString(1), "Open");
					same(rows.next(), false);
				}
			}
		}
		try (Statement statement = connection.createStatement()) {
			same(statement.execute("select 1; select 2"), true);
			same(statement.getMoreResults(), true);
			try (ResultSet rows = statement.getResultSet()) {
				rows.next();
				same(rows.getInt(1), 2);
			}
		}
	}

	static void values(Connection connection) throws SQLException {
		LocalDateTime when = LocalDateTime.of(2016, 7, 26, 2, 0, 0, 1000);
		for (int i = 0; i < 8; i++)
			try (PreparedStatement statement = connection.prepareStatement(
					"select 9223372036854775807, -9223372036854775807 - 1, 0.1, 1e308 * 10, 'ä€😀', '', "
					+ "x'00ff', null, '2016-07-26 02:00:00.000001'::timestamp, ?::text, ?::float8, ?::bytea, "
					+ "?::int8, ?::text, ?::timestamp")) {
				statement.setString(1, "ä\n'\"\\");
				statement.setDouble(2, -1.5);
				statement.setBytes(3, new byte[] {0, 1, -1});
				statement.setLong(4, Long.MIN_VALUE);
				statement.setNull(5, Types.VARCHAR);
				statement.setObject(6, when);
				try (ResultSet row = statement.executeQuery()) {
					row.next();
					same(row.getLong(1), Long.MAX_VALUE);
					same(row.getLong(2), Long.MIN_VALUE);
					same(row.getDouble(3), 0.1);
					same(row.getDouble(4), Double.POSITIVE_INFINITY);
					same(row.getString(5), "ä€😀");
					same(row.getString(6), "");
					same(row.getBytes(7), new byte[] {0, -1});
					same(row.getObject(8), null);
					same(row.getObject(9, LocalDateTime.class), when);
					same(row.getString(10), "ä\n'\"\\");
					same(row.getDouble(11), -1.5);
					same(row.getBytes(12), new byte[] {0, 1, -1});
					same(row.getLong(13), Long.MIN_VALUE);
					same(row.getString(14), null);
					same(row.getObject(15, LocalDateTime.class), when);
				}
			}
	}

	static Object echo(Connection connection, String kind, Object sent) throws SQLException {
		try (PreparedStatement statement = connection.prepareStatement("select ?::" + kind)) {
			if (sent == null)
				statement.setNull(1, Types.OTHER);
			else
				statement.setObject(1, sent);
			try (ResultSet row = statement.executeQuery()) {
				row.next();
				return row.getObject(1);
			}
		}
	}

	static void types(Connection connection) throws SQLException {
		for (int i = 0; i < 8; i++) {
			same(echo(connection, "int2", (short) -32768), -32768L);
			same(echo(connection, "int4", Integer.MAX_VALUE), (long) Integer.MAX_VALUE);
			same(echo(connection, "float4", 1.5f), 1.5);
			same(echo(connection, "float8", Double.NEGATIVE_INFINITY), Double.NEGATIVE_INFINITY);
			same(echo(connection, "numeric", new BigDecimal("12.25")), 12.25);
			same(echo(connection, "varchar", "ä"), "ä");
			same(echo(connection, "bool", true), true);
			same(echo(connection, "bool", false), false);
			for (String kind : new String[] {"int2", "int8", "float8", "numeric", "text", "bytea", "bool", "timestamp"})
				same(echo(connection, kind, null), null);
			try (Statement statement = connection.createStatement(); ResultSet row = statement.executeQuery(
					"select 1 = 1, not true, null::bool, count > 0 from counts limit 1")) {
				same(row.getMetaData().getColumnTypeName(1), "bool");
				row.next();
				same(row.getObject(1), true);
				same(row.getObject(2), false);
				same(row.getObject(3), null);
				same(row.getBoolean(4), true);
			}
			try (PreparedStatement statement = connection.prepareStatement(
					"select count(*) from counts where action = any(?) and count = any(?)")) {
				statement.setArray(1, connection.createArrayOf("text", new String[] {"Open", "a \"b\", \\", null}));
				statement.setArray(2, connection.createArrayOf("int8", new Long[] {1L, 2L, 3L, 4L, 5L, 6L}));
				try (ResultSet row = statement.executeQuery()) {
					row.next();
					same(row.getLong(1), 1L);
				}
			}
		}
	}

	static void copyAndWarnings(Connection connection) throws Exception {
		StringWriter out = new StringWriter();
		connection.unwrap(PGConnection.class).getCopyAPI().copyOut(
			"copy (select action, 'a,b' as \"x,y\", null from counts order by action limit 1) to stdout (format csv, header)", out);
		same(out.toString(), "action,\"x,y\",null\nClose,\"a,b\",\n");
		try (Statement statement = connection.createStatement()) {
			statement.execute("rollback");
			same(statement.getWarnings().getMessage().contains("no transaction in progress"), true);
		}
	}

	static void failures(Connection connection) throws SQLException {
		String[][] wrong = {{"selekt", "42601"}, {"select * from nowhere", "42P01"},
			{"select absent from counts", "42703"}, {"select nofunction()", "42883"},
			{"delete from counts", "42501"}};
		for (String[] each : wrong)
			try (Statement statement = connection.createStatement()) {
				failsWith(each[1], () -> statement.execute(each[0]));
				statement.execute("select 1");
			}
		try (PreparedStatement statement = connection.prepareStatement("select ?::int8")) {
			statement.setObject(1, "x", Types.OTHER);
			failsWith("22P02", statement::executeQuery);
		}
	}

	static void snapshot(Connection connection) throws Exception {
		connection.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
		connection.setReadOnly(true);
		connection.setAutoCommit(false);
		long before = total(connection);
		publish();
		same(total(connection), before);
		connection.commit();
		same(total(connection), before + 1);
		try (Statement statement = connection.createStatement()) {
			failsWith("42P01", () -> statement.execute("select * from nowhere"));
			failsWith("25P02", () -> statement.execute("select 1"));
		}
		connection.rollback();
		connection.setAutoCommit(true);
		connection.setReadOnly(false);
	}

	static void cancel(Connection connection) throws Exception {
		try (Statement statement = connection.createStatement()) {
			Thread other = new Thread(() -> {
				try {
					Thread.sleep(100);
					statement.cancel();
				} catch (Exception e) {
					throw new AssertionError(e);
				}
			});
			other.start();
			failsWith("57014", () -> statement.executeQuery(ENDLESS));
			other.join();
			statement.execute("set statement_timeout = 100");
			failsWith("57014", () -> statement.executeQuery(ENDLESS));
			statement.execute("reset statement_timeout");
		}
	}

	static void manyRows(Connection connection) throws SQLException {
		connection.setAutoCommit(false);
		try (Statement statement = connection.createStatement()) {
			statement.setFetchSize(5000);
			long n = 0;
			String last = "";
			try (ResultSet rows = statement.executeQuery(MILLION)) {
				while (rows.next()) {
					n += 1;
					last = rows.getString(2);
				}
			}
			same(n, 1000000L);
			same(last, "row 1000000");
		}
		connection.commit();
	}

	static void listen(Connection connection) throws Exception {
		try (Statement statement = connection.createStatement()) {
			statement.execute("listen counts");
			publish();
			PGNotification[] told = null;
			for (int i = 0; i < 1000 && (told == null || told.length == 0); i++) {
				statement.execute("select 1");
				told = connection.unwrap(PGConnection.class).getNotifications();
			}
			same(told[0].getName(), "counts");
			same(told[0].getParameter().matches("[0-9]+"), true);
		}
	}

	static void catalog(Connection connection) throws SQLException {
		try (ResultSet tables = connection.getMetaData().getTables(null, null, "counts", null)) {
			same(tables.next(), true);
			same(tables.getString("TABLE_TYPE"), "TABLE");
		}
		try (ResultSet columns = connection.getMetaData().getColumns(null, null, "counts", null)) {
			columns.next();
			same(columns.getString("COLUMN_NAME"), "action");
			same(columns.getString("TYPE_NAME"), "text");
		}
	}

	public static void main(String[] arguments) throws Exception {
		socket = arguments[0];
		events = Path.of(arguments[1]);
		for (String mode : new String[] {"extended", "extendedForPrepared", "extendedCacheEverything", "simple"})
			try (Connection connection = connect("preferQueryMode", mode)) {
				if (mode.equals("extended"))
					System.out.println(connection.getMetaData().getDriverName() + " "
						+ connection.getMetaData().getDriverVersion() + ", Java "
						+ System.getProperty("java.version"));
				queries(connection);
				values(connection);
				types(connection);
				failures(connection);
				snapshot(connection);
				System.out.println("ok " + mode);
			}
		try (Connection connection = connect()) {
			cancel(connection);
			listen(connection);
			copyAndWarnings(connection);
			System.out.println("ok cancel, LISTEN, COPY, a warning");
			manyRows(connection);
			System.out.println("ok a million rows");
		}
		try (Connection connection = connect()) {
			catalog(connection);
			System.out.println("ok getTables, getColumns");
		}
		System.out.println("done");
	}
}
