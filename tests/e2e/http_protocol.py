#!/usr/bin/env python3
"""HTTP: the routes, what is refused and how, peers that behave badly, and the page in a browser."""

import contextlib
import csv
import http.client
import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.parse

import browser
import harness
from harness import TOTALS

IS_LONG = "--long" in sys.argv
NUMBERS = ("with recursive t(i) as (select 1 union all select i + 1 from t limit %d) "
           "select i, 'a row of some length' as text from t")


def status_of(pid, field):
    """A number of /proc/PID/status."""
    with open("/proc/%d/status" % pid) as status:
        return next(int(line.split()[1]) for line in status if line.startswith(field + ":"))


class HttpCase(harness.Case):

    def setUp(self):
        super().setUp()
        self.port = harness.free_port()
        # A million rows take their time on a slow machine.
        self.http = self.daemon("--set", "http.listen=127.0.0.1:%d" % self.port,
                                "--set", "tallyd.query_timeout=10 minutes").start()

    def get(self, path, headers=None, method="GET", body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=harness.DEADLINE)
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        answer.text = answer.read().decode()
        connection.close()
        return answer

    def query(self, sql, form=None, **kwargs):
        params = {"sql": sql} if form is None else {"sql": sql, "format": form}
        return self.get("/query?" + urllib.parse.urlencode(params), **kwargs)

    def raw(self):
        peer = socket.create_connection(("127.0.0.1", self.port), timeout=harness.DEADLINE)
        self.addCleanup(peer.close)
        return peer

    def everything(self, peer):
        data = b""
        while True:
            piece = peer.recv(65536)
            if not piece:
                return data
            data += piece

    def exchange(self, text):
        peer = self.raw()
        peer.sendall(text if isinstance(text, bytes) else text.encode())
        return self.everything(peer)

    def n_sessions(self):
        return self.http.ask("select count(*) from sessions where protocol = 'http'")[0][0]


class Routes(HttpCase):

    def test_a_query_is_answered_in_each_form(self):
        self.http.write("a", '{"time":1469501107,"action":"Open"}\n'
                        '{"time":1469501107,"action":"a,\\"b\\""}\n')
        self.http.process_all()
        answer = self.query(TOTALS)
        self.assertEqual((answer.status, answer.getheader("Content-Type")),
                         (200, "application/json"))
        body = json.loads(answer.text)
        self.assertEqual(body["columns"], ["action", "total_count"])
        self.assertEqual(body["rows"], [["Open", 1], ['a,"b"', 1]])
        self.assertGreater(body["snapshot"], 0)
        answer = self.query(TOTALS, "csv")
        self.assertEqual(list(csv.reader(io.StringIO(answer.text))),
                         [["action", "total_count"], ["Open", "1"], ['a,"b"', "1"]])
        answer = self.query(TOTALS, "ndjson")
        self.assertEqual([json.loads(line)["action"] for line in answer.text.splitlines()],
                         ["Open", 'a,"b"'])
        answer = self.query(TOTALS, headers={"Accept": "text/csv"})
        self.assertIn("text/csv", answer.getheader("Content-Type"))

    def test_errors_say_what_is_wrong_and_nothing_is_changed(self):
        for sql, status, word in (
                ("selec", 400, "syntax error"), ("", 400, "no statement"),
                ("select 1; select 2", 400, "one statement"),
                ("delete from counts", 403, "read-only"),
                ("attach 'x' as y", 403, "read-only"),
                ("select stop('counts')", 403, "own user")):
            answer = self.query(sql)
            self.assertEqual(answer.status, status, sql)
            self.assertIn(word, json.loads(answer.text)["error"])
        self.assertEqual(self.query("select 1", "xml").status, 400)
        self.assertEqual(self.get("/query").status, 400)
        self.assertEqual(self.get("/nothing").status, 404)
        self.assertEqual(self.query("select 1 ; -- behind it\n").status, 200)

    def test_metrics_are_what_promtool_takes(self):
        self.http.write("a", '{"time":1,"action":"x"}\ngarbage\n')
        self.http.process_all()
        text = self.get("/metrics").text
        self.assertIn('tallyd_events_total{query="counts",source="events"} 1\n', text)
        self.assertIn('reason="bad_json"} 1\n', text)
        answer = self.get("/metrics", headers={"Accept": "application/openmetrics-text"})
        self.assertIn("application/openmetrics-text", answer.getheader("Content-Type"))
        self.assertTrue(answer.text.endswith("# EOF\n"))
        self.assertIn("# TYPE tallyd_events counter\n", answer.text)
        for name in ("events_total", "bytes_total", "rejects_total", "late_total", "files",
                     "files_behind", "lag_seconds", "newest_event_timestamp_seconds",
                     "trigger_seconds", "sessions", "resident_memory_bytes", "build_info",
                     "groups", "up"):
            self.assertRegex(text, r"(?m)^tallyd_%s(\{.*\})? [0-9.e+]+$" % name)
        self.assertIn('tallyd_newest_event_timestamp_seconds{query="counts"} 1\n', text)
        heads = re.findall(r"(?m)^# TYPE (\S+)", text)
        self.assertEqual(sorted(set(heads)), sorted(heads))
        if shutil.which("promtool") is None:
            self.skipTest("promtool is not installed")
        done = subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual((done.returncode, done.stdout), (0, ""))

    def samples(self, text):
        """Of /metrics, by their series, as Prometheus tells them apart: an empty label is none."""
        series = {}
        for line in text.splitlines():
            if line.startswith("#"):
                continue
            name, labels, value = re.fullmatch(r"(\w+)(?:{(.*)})? (\S+)", line).groups()
            pairs = re.findall(r'([^=",]+)="((?:[^"\\]|\\.)*)"(?:,|$)', labels or "")
            names = [label for label, _ in pairs]
            self.assertEqual(",".join('%s="%s"' % pair for pair in pairs), labels or "", line)
            self.assertEqual(len(set(names)), len(names), line)
            for label in names:
                self.assertRegex(label, r"^(?!__)[a-zA-Z_][a-zA-Z0-9_]*$", line)
            key = name, tuple(pair for pair in sorted(pairs) if pair[1] != "")
            self.assertNotIn(key, series, line)
            series[key] = value
        return series

    def test_metrics_have_no_series_twice_and_no_label(self):
        """Whatever the fields are called, and though no value and an empty one are two groups."""
        config = ("[http]\nlisten = 127.0.0.1:%d\n[source events]\npath = @EVENTS@\n[query q]\n"
                  "group_by = a AS query, b AS query_2, c AS __name__, d AS query-2, e AS query.2\n")
        self.port = harness.free_port()
        daemon = self.daemon(config=config % self.port).start()
        daemon.write("a", "".join('{"time":1%s}\n' % more for more in (
            '', ',"a":""', ',"a":"","b":""', ',"b":"","c":null', ',"c":"C"', ',"c":"C","d":"D"',
            ',"d":"D","a":"A","e":"E","b":"B"')))
        daemon.process_all()
        text = self.get("/metrics?totals").text
        series = self.samples(text)
        self.assertIn('tallyd_group_events{query="q",query_3="",query_2="",x_name__="",query_2_2="",'
                      'query_2_3=""} 4\n', text)
        self.assertIn('tallyd_group_events{query="q",query_3="A",query_2="B",x_name__="",'
                      'query_2_2="D",query_2_3="E"} 1\n', text)
        self.assertEqual(sum(int(value) for key, value in series.items()
                             if key[0] == "tallyd_group_events"), 7)
        if shutil.which("promtool") is not None:
            done = subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            self.assertEqual((done.returncode, done.stdout), (0, ""))

    def test_metrics_show_each_group_when_they_are_asked_to(self):
        config = ("[http]\nlisten = 127.0.0.1:%d\n[source events]\npath = @EVENTS@\n"
                  "[query a]\n[query b]\ngroup_by = action, who\n"
                  "[query c]\ngroup_by = who AS query\n")
        self.port = harness.free_port()
        daemon = self.daemon(config=config % self.port).start()
        self.assertNotIn("tallyd_group_events", self.get("/metrics?totals").text)
        daemon.write("a", '{"time":1,"action":"x\\n\\"","who":"y"}\n{"time":9999,"action":"z"}\n'
                     '{"time":5,"action":"z"}\n')
        daemon.process_all()
        self.assertNotIn("tallyd_group_events", self.get("/metrics").text)
        text = self.get("/metrics?totals=1").text
        self.assertEqual(text.count("# TYPE tallyd_group_events gauge\n"), 1)
        for line in ('{query="a",action="x\\n\\""} 1', '{query="a",action="z"} 2',
                     '{query="b",action="x\\n\\"",who="y"} 1', '{query="b",action="z",who=""} 2',
                     # A label stands once, or nothing of the answer is taken.
                     '{query="c",query_2=""} 2', '{query="c",query_2="y"} 1'):
            self.assertIn("tallyd_group_events%s\n" % line, text)

    @unittest.skipIf(shutil.which("prometheus") is None, "prometheus is not installed")
    def test_prometheus_scrapes_it_as_it_comes(self):
        self.http.write("a", '{"time":1,"action":"x"}\ngarbage\n')
        self.http.process_all()
        own, where = harness.free_port(), self.http.directory
        with open(os.path.join(where, "prometheus.yml"), "w") as out:
            out.write("global: {scrape_interval: 1s}\nscrape_configs:\n- job_name: tallyd\n"
                      "  static_configs: [{targets: ['127.0.0.1:%d']}]\n" % self.port)
        with open(os.path.join(where, "prometheus.log"), "w") as log:
            prometheus = subprocess.Popen(
                ["prometheus", "--config.file=%s/prometheus.yml" % where,
                 "--storage.tsdb.path=%s/prometheus" % where,
                 "--web.listen-address=127.0.0.1:%d" % own], stdout=log, stderr=log)
        self.addCleanup(prometheus.wait)
        self.addCleanup(prometheus.kill)

        def value(expression):
            url = "/api/v1/query?" + urllib.parse.urlencode({"query": expression})
            peer = http.client.HTTPConnection("127.0.0.1", own, timeout=harness.DEADLINE)
            try:
                peer.request("GET", url)
                result = json.loads(peer.getresponse().read())["data"]["result"]
            except (OSError, KeyError, ValueError, http.client.HTTPException):
                return None
            finally:
                peer.close()
            return result[0]["value"][1] if result else None
        # It asks for OpenMetrics first, and takes nothing that is not in form.
        harness.wait_until(lambda: value("tallyd_events_total") == "1", "it was scraped", 60)
        self.assertEqual(value("up"), "1")
        self.assertEqual(value("sum(tallyd_rejects_total)"), "1")

    def test_health_is_bad_when_a_query_has_failed(self):
        answer = self.get("/healthz")
        self.assertEqual((answer.status, answer.text), (200, "ok\n"))
        port = harness.free_port()
        failing = self.daemon("--set", "http.listen=127.0.0.1:%d" % port,
                              "--set", "events.on_malformed=fail").start()
        failing.write("a", "garbage\n")
        harness.wait_until(lambda: failing.ask("select state from queries") == [["FAILED"]],
                           "the query fails")
        self.port = port
        answer = self.get("/healthz")
        self.assertEqual(answer.status, 503)
        self.assertEqual(json.loads(answer.text)["state"], "FAILED")
        sentence = "error: query counts has failed: a, line 1: bad_json"
        harness.wait_until(lambda: failing.log().count(sentence) == 1, "the log says so")
        failing.stop()
        failing.start()
        harness.wait_until(lambda: "error: query counts has failed before this start" in
                           failing.log(), "so it does at a start")
        self.assertEqual(failing.log().count(sentence), 1)

    @unittest.skipUnless(os.geteuid() == 0, "becoming another user needs root")
    def test_who_comes_by_an_address_is_nobody_not_even_where_the_daemon_is(self):
        port = harness.free_port()
        directory = tempfile.mkdtemp(prefix="tallyd-e2e-")
        os.makedirs(os.path.join(directory, "events"))
        for path in (directory, os.path.join(directory, "events")):
            os.chown(path, 65534, 65534)
        daemon = self.daemon("--set", "http.listen=127.0.0.1:%d" % port, directory=directory,
                             under=["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"])
        shutil.copy(harness.TALLYD, os.path.join(directory, "tallyd"))
        command = daemon.command
        daemon.command = lambda *more: [os.path.join(directory, "tallyd")] + command(*more)[1:]
        daemon.start()
        self.port = port
        self.assertEqual(self.query("select stop('counts')").status, 403)

    def test_only_names_and_addresses_of_this_machine_are_hosts(self):
        for host, status in (("evil.example", 421), ("127.0.0.1.evil.example", 421),
                             ("localhost:%d" % self.port, 200), ("[::1]", 200),
                             ("192.0.2.7", 200), (socket.gethostname(), 200), ("", 421)):
            answer = self.exchange("GET /healthz HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n"
                                   % host)
            self.assertIn(b"HTTP/1.1 %d " % status, answer, host)
        self.assertIn(b" 400 ", self.exchange("GET / HTTP/1.1\r\n\r\n"))

    def test_other_methods_are_refused_and_head_has_no_body(self):
        answer = self.get("/query", method="POST", body="sql=select+1")
        self.assertEqual((answer.status, answer.getheader("Allow")), (405, "GET, HEAD"))
        for path in ("/", "/metrics", "/query?sql=select+1"):
            whole, head = self.get(path), self.get(path, method="HEAD")
            self.assertEqual((head.status, head.text), (200, ""))
            if path != "/metrics":
                self.assertEqual(head.getheader("Content-Length"),
                                 whole.getheader("Content-Length"))

    def test_it_is_closed_to_other_origins_and_to_frames(self):
        answer = self.get("/", headers={"Origin": "http://evil.example"})
        self.assertIsNone(answer.getheader("Access-Control-Allow-Origin"))
        self.assertEqual(answer.getheader("X-Frame-Options"), "DENY")
        self.assertIn("default-src 'none'", answer.getheader("Content-Security-Policy"))

    def test_an_address_that_is_not_to_be_had_ends_the_start_with_a_way_out(self):
        for address, said in (("127.0.0.1:%d" % self.port, "in use; name another port"),
                              ("192.0.2.1:9188", "not available; it is no address of this")):
            done = self.daemon("--set", "http.listen=" + address).run()
            self.assertEqual(done.returncode, 1)
            self.assertIn("http.listen: %s: address" % address, done.stderr)
            self.assertIn(said, done.stderr)

    def test_a_path_is_served_too(self):
        path = os.path.join(self.http.directory, "http.sock")
        daemon = self.daemon("--set", "http.listen=" + path).start()
        peer = harness.Client(path)
        peer.send("GET /healthz HTTP/1.1\r\nHost: any.name\r\nConnection: close\r\n\r\n")
        self.assertTrue(peer.all().endswith(b"ok\n"))
        self.assertEqual(daemon.stop(), 0)
        self.assertFalse(os.path.exists(path))


class Connections(HttpCase):

    HEALTH = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"

    def test_one_connection_takes_many_requests(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=harness.DEADLINE)
        for number in range(50):
            connection.request("GET", "/query?sql=select+%d" % number)
            self.assertEqual(json.loads(connection.getresponse().read())["rows"], [[number]])
        self.assertEqual(self.n_sessions(), 1)
        connection.close()

    def test_requests_ahead_of_their_answers_are_answered_in_order(self):
        # More than is read ahead, and more in the answers than a socket holds.
        n = 3000
        text = "".join("GET /query?sql=select+%d,hex(zeroblob(2000)) HTTP/1.1\r\n"
                       "Host: localhost\r\n\r\n" % i for i in range(n))
        peer = self.raw()
        text += "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        sender = threading.Thread(target=lambda: peer.sendall(text.encode()))
        sender.start()
        answer = self.everything(peer)
        sender.join()
        self.assertEqual(answer.count(b"HTTP/1.1 200 OK"), n + 1)
        places = [answer.index(b'"rows":[[%d,' % i) for i in range(n)]
        self.assertEqual(places, sorted(places))

    def test_requests_in_one_write_let_others_through(self):
        flood = b"".join(b"GET /query?sql=select+1/*%d*/ HTTP/1.1\r\nHost: localhost\r\n\r\n" % i
                         for i in range(20000))
        client = self.http.client()

        def ask(go):
            client.send("select group_concat(query) from sessions;\n")
            go()
            return client.line()

        def lets_through():
            floods = [(self.raw(), flood) for _ in range(5)]
            reached = harness.reached_before(self.http, floods, ask)
            for peer, _ in floods:
                peer.close()
            # A turn is a millisecond, where the machine has nothing else to do.
            return reached < 1500
        harness.wait_until(lets_through, "a turn for the other")

    def test_a_head_byte_by_byte_is_a_head(self):
        peer = self.raw()
        for byte in self.HEALTH.encode():
            peer.sendall(bytes([byte]))
        self.assertIn(b"200 OK", peer.recv(65536))

    def test_a_head_that_never_ends_and_a_silent_peer_have_ten_seconds(self):
        begun = time.monotonic()
        slow = [self.raw() for _ in range(20)]
        silent = self.raw()
        for peer in slow:
            peer.sendall(b"GET / HTTP/1.1\r\n")
        while time.monotonic() < begun + 8:
            for number, peer in enumerate(slow):
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    peer.sendall(b"X-%d: 1\r\n" % number)
            time.sleep(0.5)
        n_sessions = self.n_sessions()
        # Unless the test itself was held up for so long.
        if time.monotonic() < begun + 10:
            self.assertEqual(n_sessions, 21)
        for peer in slow:
            answer = self.everything(peer)
            self.assertTrue(answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n"), answer)
            self.assertIn(b"Connection: close\r\n", answer)
        self.assertEqual(self.everything(silent), b"")
        harness.wait_until(lambda: self.n_sessions() == 0, "all are gone")

    @unittest.skipUnless(IS_LONG, "a minute of waiting: --long")
    def test_a_connection_that_is_kept_alive_for_nothing_is_closed(self):
        peer = self.raw()
        peer.sendall(self.HEALTH.encode())
        self.assertIn(b"200 OK", peer.recv(65536))
        peer.settimeout(90)
        begun = time.monotonic()
        self.assertEqual(self.everything(peer), b"")
        self.assertGreater(time.monotonic() - begun, 50)

    def test_a_half_sent_head_disturbs_nobody(self):
        peer = self.raw()
        peer.sendall(b"GET /metr")
        self.assertEqual(self.get("/healthz").status, 200)
        peer.shutdown(socket.SHUT_WR)
        self.assertEqual(self.everything(peer), b"")
        harness.wait_until(lambda: self.n_sessions() == 0, "the session is gone")

    def test_a_head_without_end_is_refused(self):
        peer = self.raw()
        try:
            peer.sendall(b"GET / HTTP/1.1\r\nX: " + b"a" * (1 << 20))
        except (BrokenPipeError, ConnectionResetError):
            pass
        self.assertIn(b"HTTP/1.1 431 ", peer.recv(65536))
        self.assertEqual(self.get("/healthz").status, 200)

    def test_an_old_client_gets_no_chunks(self):
        sql = urllib.parse.quote(NUMBERS % 50000)
        answer = self.exchange("GET /query?format=csv&sql=%s HTTP/1.0\r\n"
                               "Host: localhost\r\nConnection: keep-alive\r\n\r\n" % sql)
        head, body = answer.split(b"\r\n\r\n", 1)
        self.assertNotIn(b"Transfer-Encoding", head)
        self.assertIn(b"Connection: close", head)
        self.assertEqual(len(body.splitlines()), 50001)
        self.assertTrue(body.endswith(b"50000,a row of some length\r\n"))

    def test_an_error_within_an_answer_is_no_whole_answer(self):
        sql = urllib.parse.quote(
            "with recursive t(i) as (select 1 union all select i + 1 from t limit 200000) "
            "select case when i = 190000 then abs(-9223372036854775807 - 1) else i end from t")
        answer = b""
        try:
            answer = self.exchange("GET /query?format=csv&sql=%s HTTP/1.1\r\n"
                                   "Host: localhost\r\nConnection: close\r\n\r\n" % sql)
        except ConnectionResetError:
            pass
        self.assertFalse(answer.endswith(b"0\r\n\r\n"))

    def test_a_slow_reader_of_a_million_rows_costs_no_memory(self):
        peer = self.raw()
        sql = urllib.parse.quote(NUMBERS % 1000000)
        self.get("/healthz")
        before = status_of(self.http.process.pid, "VmRSS")
        peer.sendall(("GET /query?format=csv&sql=%s HTTP/1.1\r\nHost: localhost\r\n"
                      "Connection: close\r\n\r\n" % sql).encode())
        data, most = bytearray(), 0
        while True:
            piece = peer.recv(1 << 20)
            if not piece:
                break
            if len(data) // (1 << 22) != (len(data) + len(piece)) // (1 << 22):
                time.sleep(0.05)
                most = max(most, status_of(self.http.process.pid, "VmRSS"))
            data += piece
        self.assertTrue(data.endswith(b"0\r\n\r\n"))
        self.assertIn(b"\r\n1000000,a row of some length\r\n", data[-300:])
        self.assertGreater(len(data), 25000000)
        if not harness.SANITIZED and not os.environ.get("TALLYD_UNDER"):
            self.assertLess(most - before, 4096)

    def test_who_goes_away_takes_the_statement_with_it(self):
        peer = self.raw()
        sql = urllib.parse.quote("with recursive t(i) as (select 1 union all select i + 1 from t) "
                                 "select count(*) from t")
        peer.sendall(("GET /query?sql=%s HTTP/1.1\r\nHost: localhost\r\n\r\n" % sql).encode())
        harness.wait_until(lambda: self.http.ask(
            "select state from sessions where protocol = 'http'") == [["running"]], "it runs")
        peer.close()
        harness.wait_until(lambda: self.n_sessions() == 0, "the session is gone")


@unittest.skipIf(browser.program() is None, "chromium is not installed")
class Page(HttpCase):

    def setUp(self):
        super().setUp()
        self.browser = browser.Browser()
        self.addCleanup(self.browser.close)

    def until(self, expression, what):
        return harness.wait_until(lambda: self.browser.value(expression), what)

    def test_the_chart_is_drawn_and_moves_when_files_arrive(self):
        files = harness.made_stream(seed=4, n_files=4)
        self.http.write("a", files[0] + "\n<b>no event</b>\n")
        for dark in (False, True):
            self.browser.open("http://127.0.0.1:%d/" % self.port, dark=dark)
            self.until("document.querySelectorAll('#chart path').length === 2", "two lines")
            colours = self.browser.value("getComputedStyle(document.body).backgroundColor + "
                                         "getComputedStyle(document.body).color")
            if os.environ.get("SCREENSHOTS"):
                self.browser.screenshot(os.path.join(os.environ["SCREENSHOTS"],
                                                     "dark.png" if dark else "light.png"))
            self.assertEqual(dark, colours.startswith("rgb(20,"), colours)
        self.assertIn("<b>no event</b>", self.http.ask("select text from rejects")[0][0])
        path = "document.querySelector('#chart path').getAttribute('d')"
        before = self.browser.value(path)
        self.http.write("b", "\n".join(files[1:]))
        self.until("%s !== %s" % (path, json.dumps(before)), "the line moved")
        self.until("document.getElementById('cards').textContent.includes('8,000')", "the total")
        self.until(r"/2016-07-\d\d \d\d:\d\d:\d\dnewest event/.test(document.getElementById('cards').textContent)",
                   "the newest event, with its year: it is not this one")
        total = self.http.totals()["Open"]
        self.until("document.getElementById('totals').textContent.includes('%s')"
                   % format(total, ","), "the group's total")
        self.assertEqual(self.browser.complaints, [])

    def test_where_nothing_comes_the_lag_grows_and_the_rate_is_nothing(self):
        begun = time.time()
        self.http.write("a", '{"time":%d,"action":"Open"}\n' % begun)
        self.browser.open("http://127.0.0.1:%d/" % self.port)
        card = ("[...document.querySelectorAll('#cards div')]"
                ".find(e => e.lastChild.textContent === '%s')?.firstChild.textContent")
        lag = card % "behind the clock"
        self.until("(%s ?? '–') !== '–'" % lag, "the lag")
        before = self.browser.value(lag)
        self.until("%s !== '%s'" % (lag, before), "the lag grows")
        # It is the event's, not its window's.
        self.assertLess(int(before.split()[0]), time.time() - begun + 60)
        self.until("%s === '0'" % (card % "events a second"), "nothing came")

    def test_it_works_with_the_keyboard(self):
        self.http.write("a", harness.made_stream(seed=4, n_files=1)[0])
        self.browser.open("http://127.0.0.1:%d/" % self.port)
        self.until("document.querySelectorAll('#chart path').length === 2", "two lines")
        self.browser.key("Tab")
        self.browser.key("Tab")
        self.browser.key("ArrowLeft")
        self.until(r"/^2016-07-26 \d\d:00 +(Open|Close) \d+ +(Open|Close) \d+$/"
                   ".test(document.getElementById('readout').textContent)", "the values")

    def test_the_pointer_shows_the_values_below_it_and_nothing_comes_from_elsewhere(self):
        self.http.write("a", '{"time":1469501107,"action":"Open"}\n' * 7 +
                        '{"time":1469508307,"action":"Open"}\n' * 3)
        self.browser.open("http://127.0.0.1:%d/" % self.port)
        self.until("document.querySelectorAll('#chart path').length === 1", "a line")
        readout = "document.getElementById('readout').textContent"
        self.browser.hover("#chart", 0.1)
        self.until(readout + " === '2016-07-26 02:00   Open 7'", "the first window")
        self.browser.hover("#chart", 0.95)
        self.until(readout + " === '2016-07-26 04:00   Open 3'", "the last window")
        self.browser.hover("#totals", 0.5)
        self.until(readout + ".includes('Hover')", "no window")
        asked = self.browser.value("performance.getEntriesByType('resource').map(e => e.name)")
        self.assertTrue(asked)
        self.assertEqual([url for url in asked
                          if not url.startswith("http://127.0.0.1:%d/" % self.port)], [])

    def test_windows_far_apart_are_drawn_as_they_are(self):
        # Neighbours, a gap of hours, and a clock that stood at 1970.
        times = [1469501107, 1469504707, 1469519107, 1469605507, 7]
        self.http.write("a", "".join('{"time":%d,"action":"Open"}\n' % at for at in times))
        self.browser.open("http://127.0.0.1:%d/" % self.port, width=375)
        self.until("document.querySelectorAll('#chart path').length === 1", "a line")
        line = self.browser.value("document.querySelector('#chart path').getAttribute('d')")
        points = [tuple(map(float, point.split())) for point in line[1:].split("L")]
        ground = max(y for _, y in points)
        # Between the second and the third, and the third and the fourth, it lies on the ground.
        self.assertEqual([y == ground for _, y in points],
                         [False, False, True, True, False, True, True, False])
        self.assertEqual(points, sorted(points, key=lambda point: point[0]))
        self.assertIn("older (1)", self.browser.value(
            "document.getElementById('readout').textContent"))
        labels = self.browser.value(
            "[...document.querySelectorAll('#chart text')].map(t => t.getBoundingClientRect())"
            ".filter((b, i, all) => b.y > all[0].y).map(b => [b.left, b.right])")
        labels = [pair for pair in labels if pair[0] > labels[0][0]]
        for one, other in zip(labels, labels[1:]):
            self.assertLess(one[1], other[0], labels)
        self.assertLessEqual(self.browser.value("document.documentElement.scrollWidth"), 375)

    def test_many_groups_are_eight_lines_and_the_others(self):
        self.http.write("a", "\n".join('{"time":%d,"action":"a%d"}' % (1469501107 + i, i % 40)
                                       for i in range(4000)))
        self.http.write("b", '{"time":1469501107}\n{"time":1469501107,"action":"<i>\'\\""}\n' * 200)
        self.browser.open("http://127.0.0.1:%d/" % self.port)
        self.until("document.querySelectorAll('#chart path').length === 9", "nine lines")
        legend = self.browser.value("document.getElementById('legend').textContent")
        self.assertIn("<i>'\"", legend)
        self.assertTrue(legend.endswith("others"), legend)
        self.assertEqual(self.browser.complaints, [])

    def ask(self, sql):
        """Typed into the page, and run by the keyboard; returns what is said below it."""
        self.browser.value("document.getElementById('said').textContent = '';"
                           "document.getElementById('sql').focus();"
                           "document.getElementById('sql').select()")
        self.browser.call("Input.insertText", text=sql)
        for kind in ("rawKeyDown", "keyUp"):
            self.browser.call("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter",
                              windowsVirtualKeyCode=13, modifiers=2)
        return self.until("document.getElementById('said').textContent", "an answer to " + sql)

    def test_it_answers_what_is_asked_in_it(self):
        self.http.write("a", '{"time":1469501107,"action":"<i>Open"}\n' * 7)
        self.http.process_all()
        self.browser.open("http://127.0.0.1:%d/" % self.port)
        answer = "document.getElementById('answer').innerText"
        self.until("document.getElementById('sql').value === "
                   "'select * from counts order by window_start desc, action limit 20'", "a proposal")
        self.assertRegex(self.ask("select action, count, null as n, 9007199254740993 as big, "
                                  "x'00' as blob from counts"), r"^1 row, snapshot \d+, [\d.]+ ms$")
        self.assertEqual(self.browser.value(answer).split("\n")[-1].split("\t"),
                         ["<i>Open", "7", "NULL", "9007199254740993", '{"blob":"AA=="}'])
        self.assertIn("syntax error", self.ask("selec"))
        self.assertEqual(self.browser.value(answer), "")
        self.assertIn("read-only", self.ask("delete from counts"))
        self.assertRegex(self.ask("select 1 where 0"), "^0 rows")
        # A long answer is begun, shown in part, and its statement ended.
        self.assertRegex(self.ask(NUMBERS % 5000000),
                         r"^the first 500 of more than [\d,]+ rows, [\d.,]+ ms$")
        running = "select 1 from sessions where protocol = 'http' and query like '%limit 5000000%'"
        harness.wait_until(lambda: self.http.ask(running) == [], "the statement has ended")
        self.assertEqual([each for each in self.browser.complaints
                          if "status of 4" not in str(each)], [])

    def test_what_was_asked_is_kept_in_the_address_and_asked_again_as_the_stream_moves(self):
        self.http.write("a", '{"time":1469501107,"action":"Open"}\n')
        self.http.process_all()
        self.browser.open("http://127.0.0.1:%d/" % self.port)
        self.until("document.querySelectorAll('#chart path').length === 1", "a line")
        self.ask("select sum(count) as n from counts")
        self.browser.call("Page.reload")
        shown = "document.querySelector('#answer td')?.textContent"
        self.until("%s === '1'" % shown, "the answer after a reload")
        self.browser.value("document.getElementById('live').click()")
        self.http.write("b", '{"time":1469501107,"action":"Close"}\n')
        self.until("%s === '2'" % shown, "the answer has moved")

    def test_it_says_so_when_the_daemon_is_gone(self):
        self.browser.open("http://127.0.0.1:%d/" % self.port)
        self.until("document.getElementById('state').textContent.includes('ACTIVE')", "the state")
        self.http.stop()
        self.until("document.getElementById('state').textContent.includes('no answer')",
                   "the page says so")


if __name__ == "__main__":
    if IS_LONG:
        sys.argv.remove("--long")
    harness.main()
