#!/usr/bin/env python3
"""JSON frames: requests and answers as lines, cancels, subscriptions."""

import json
import select
import time

import harness
from harness import TOTALS

ENDLESS = ("with recursive n(i) as (select 1 union all select i+1 from n) "
           "select count(*) from n where i < 0")
ONE = '{"time":1469501107,"action":"Open"}\n'


class Requests(harness.Case):

    def setUp(self):
        super().setUp()
        self.d = self.daemon().start()
        self.d.write("a", ONE)
        self.d.process_all()
        self.f = self.d.frames()

    def test_an_answer_is_columns_rows_and_one_end(self):
        self.f.request("select action, count, 0.1 as r from counts")
        columns = self.f.frame()
        self.assertEqual(columns["columns"], ["action", "count", "r"])
        self.assertEqual(columns["types"][:2], ["TEXT", "INTEGER"])
        self.assertEqual(self.f.line(), '{"id":1,"rows":[["Open",1,0.10000000000000001]]}')
        end = self.f.frame()
        self.assertEqual((end["id"], end["ok"], end["count"]), (1, True, 1))
        self.assertGreater(end["snapshot"], 0)
        self.assertIn("ms", end)

    def test_values_come_back_as_they_were_sent(self):
        values = [9223372036854775807, -9223372036854775808, 123456789012345678, 0.5, -1e300, None,
                  "ä\u0000b\n\"", {"blob": "AP8Q"}, {"real": "Infinity"}, {"real": "-Infinity"}]
        self.f.send('{"id":1,"sql":"select %s","params":%s}\n' %
                    (",".join("?" * len(values)), json.dumps(values)))
        rows, _ = self.f.answer()
        self.assertEqual(rows, [values])
        self.f.next_id = 2
        self.assertEqual(self.f.ask("select ?, typeof(?)", [True, 1.0]), [[1, "real"]])
        self.assertEqual(self.f.ask("select typeof(?)", [2**63]), [["real"]])

    def test_what_is_no_request_is_told_and_the_session_goes_on(self):
        for line, part in (
                ("{nonsense}", "not valid JSON"), ('{"id":1}', "a request is"),
                ('{"sql":"select 1"}', "needs an id"), ('{"id":[],"sql":"x"}', "an id is"),
                ('{"id":2,"sql":"select 1","params":7}', "params is an array"),
                ('{"id":2,"sql":"select ?","params":[[1]]}', "cannot be an array"),
                ('{"id":2,"sql":"select ?","params":[{"blob":"x"}]}', "no base64"),
                ('{"id":2,"sql":"select ?","params":[]}', "1 parameter, but 0 values were"),
                ('{"id":2,"sql":"select 1; select 2"}', "one statement"),
                ('{"id":2,"sql":"select 1\\u0000"}', "a NUL byte"),
                ('{"id":01,"sql":"select 1"}', "not valid JSON")):
            self.f.send(line + "\n")
            end = self.f.frame()
            while "error" not in end:
                end = self.f.frame()
            self.assertIn(part, end["error"]["message"], line)
        self.f.next_id = 3
        self.assertEqual(self.f.ask("select 1"), [[1]])

    def test_an_error_has_code_message_and_offset(self):
        self.f.request("select nowhere from counts")
        self.assertEqual(self.f.frame(), {"id": 1, "error": {
            "code": 1, "message": "no such column: nowhere", "offset": 7}})

    def test_columns_before_an_error_say_that_the_statement_was_prepared(self):
        self.f.request("select abs(?1) as a", [-2**63])
        self.assertEqual(self.f.frame()["columns"], ["a"])
        self.assertEqual(self.f.frame(), {"id": 1, "error": {"code": 1, "message": "integer overflow"}})

    def test_a_trigger_is_one_statement_which_the_guard_refuses(self):
        for sql in ("create temp trigger t after insert on counts begin select 1; end",
                    "CREATE TRIGGER t AFTER DELETE ON counts BEGIN SELECT 1; SELECT 2; END;",
                    "explain create temporary trigger t before update on counts begin select 1; end"):
            self.f.request(sql)
            self.assertRegex(self.f.answer()[1]["error"]["message"], "^tallyd is read-only: ", sql)
        self.f.request("create temp table trigger_free(a); select 1")
        self.assertEqual(self.f.answer()[1]["error"]["message"], "one statement a request")

    def test_requests_in_flight_are_answered_in_their_order(self):
        for number in range(200):
            self.f.request("select %d" % number)
        for number in range(200):
            rows, end = self.f.answer()
            self.assertEqual((rows, end["id"]), ([[number]], number + 1))

    def test_a_cancel_overtakes(self):
        self.f.request(ENDLESS)
        self.f.request("select 1")
        waiting = self.f.request(ENDLESS)
        self.f.send('{"cancel":%d}\n' % waiting)
        self.assertEqual(self.f.frame(), {"id": waiting, "error": {
            "code": 9, "message": "interrupted"}})
        started = time.monotonic()
        self.f.send('{"cancel":1}\n{"cancel":99}\n')
        rows, end = self.f.answer()
        self.assertEqual((end["id"], end["error"]["code"]), (1, 9))
        # Its own timeout is thirty seconds.
        self.assertLess(time.monotonic() - started, 15)
        rows, end = self.f.answer()
        self.assertEqual((end["id"], rows), (2, [[1]]))

    def test_text_and_frames_share_a_connection(self):
        client = self.d.client()
        client.send('select 1;\n{"id":"x","sql":"select 2"}\nselect 3;\n')
        client.done()
        lines = client.all().decode().splitlines()
        self.assertEqual((lines[0], lines[-1]), ("1", "3"))
        self.assertEqual(json.loads(lines[2]), {"id": "x", "rows": [[2]]})

    def test_a_half_close_lets_all_answers_out(self):
        for _ in range(50):
            self.f.request("select count(*) from (with recursive n(i) as (select 1 union all "
                           "select i+1 from n where i<20000) select * from n)")
        self.f.done()
        for _ in range(50):
            self.assertEqual(self.f.answer()[0], [[20000]])
        self.assertIsNone(self.f.frame())

    def test_rows_beyond_a_page_come_in_several_frames(self):
        asked = self.f.request("with recursive n(i) as (select 1 union all select i+1 from n where "
                               "i<100000) select i from n")
        frames, rows = 0, []
        while True:
            frame = self.f.frame()
            self.assertEqual(frame["id"], asked)
            frames += "rows" in frame
            rows += frame.get("rows", [])
            if "ok" in frame:
                break
        self.assertGreater(frames, 3)
        self.assertEqual(rows, [[i] for i in range(1, 100001)])
        self.assertEqual(frame["count"], 100000)


class Subscriptions(harness.Case):

    def setUp(self):
        super().setUp()
        self.d = self.daemon().start()

    def apply(self, table, changes):
        for change in changes:
            if change[0] == "delete":
                self.assertEqual(table.pop(change[1]), change[2])
            else:
                self.assertEqual(change[0] == "update", change[1] in table)
                table[change[1]] = change[2]

    def test_rows_come_first_and_then_what_changed(self):
        self.d.write("a", ONE)
        self.d.process_all()
        f = self.d.frames()
        f.request("SUBSCRIBE " + TOTALS)
        self.assertEqual(f.frame()["columns"], ["action", "total_count"])
        self.assertEqual(f.frame()["rows"], [["Open", 1]])
        first = f.frame()
        self.assertEqual(first["changes"], [])
        self.d.write("b", ONE + '{"time":1469501107,"action":"Close"}')
        frame = f.frame()
        self.assertEqual(frame["changes"], [["insert", "Close", 1], ["update", "Open", 2]])
        self.assertGreater(frame["snapshot"], first["snapshot"])

    def test_other_requests_go_on_beside_it_and_a_cancel_ends_it(self):
        f = self.d.frames()
        f.request("SUBSCRIBE " + TOTALS)
        while "changes" not in f.frame():
            pass
        self.assertEqual(f.ask("select 1"), [[1]])
        f.send('{"cancel":1}\n')
        self.assertEqual(f.frame()["error"]["code"], 9)
        self.d.write("a", ONE)
        self.d.process_all()
        self.assertEqual(f.ask("select 2"), [[2]])

    def test_only_what_selects_is_subscribed_to(self):
        f = self.d.frames()
        for sql in ("begin", "create temp table t(a)", "explain select 1", "pragma table_list"):
            f.request("SUBSCRIBE " + sql)
            self.assertEqual(f.frame()["error"]["message"], "a subscription is SUBSCRIBE SELECT ...")
        for sql in ("values (1)", "with n(i) as (select 1) select i from n", "/* one */ select 1"):
            f.request("subscribe " + sql)
            self.assertEqual((f.frame()["id"], f.frame()["rows"]), (f.next_id - 1, [[1]]))
            f.frame()
        self.assertEqual(self.d.ask("select count(*) from sessions where state like '%transaction'"),
                         [[0]])

    def test_a_bad_subscription_ends_with_its_error(self):
        f = self.d.frames()
        f.request("subscribe select nonsense")
        error = f.frame()["error"]
        self.assertEqual((error["message"], error["offset"]), ("no such column: nonsense", 17))

    def test_a_slow_reader_gets_the_latest_state_and_not_a_queue(self):
        f = self.d.frames()
        f.request("SUBSCRIBE select action, sum(count) as n, hex(zeroblob(50000)) as pad "
                  "from counts group by action")
        while "changes" not in f.frame():
            pass
        for number in range(60):
            self.d.write("f%d" % number, ONE)
            self.d.process_all()
        table, n_frames = {}, 0
        while table.get("Open") != 60:
            frame = f.frame()
            n_frames += 1
            for change in frame["changes"]:
                self.assertIn(change[0], ("insert", "update"))
                self.assertGreater(change[2], table.get(change[1], 0))
                table[change[1]] = change[2]
        # 100 kB each: the socket holds a few, the rest was never made.
        self.assertLess(n_frames, 40)

    SLOW = ("(with recursive n(i) as (select 1 union all select i+1 from n where i<300000) "
            "select count(*) from n)")

    def subscribe(self, sql):
        f = self.d.frames()
        f.request("SUBSCRIBE " + sql)
        while "changes" not in f.frame():
            pass
        return f

    def test_it_takes_turns_with_statements_in_plain_text(self):
        f = self.subscribe("select %s, sum(count) as c from counts" % self.SLOW)
        for number in range(5):
            f.send("select 'text', %s;\n" % self.SLOW)
            self.d.write("f%d" % number, ONE)
            self.d.process_all()
        n_texts, counted = 0, 0
        while n_texts < 5 or counted < 5:
            line = f.line()
            if line.startswith("{"):
                counted = json.loads(line)["changes"][-1][2]
            else:
                self.assertEqual(line, "text|300000")
                n_texts += 1

    def test_what_a_transaction_in_plain_text_held_back_comes_behind_it(self):
        f = self.subscribe(TOTALS)
        f.send("begin;\nselect count(*) from counts;\n")
        self.assertEqual(f.line(), "0")
        self.d.write("a", ONE)
        self.d.process_all()
        f.send("select count(*) from counts;\ncommit;\n")
        self.assertEqual(f.line(), "0")
        self.assertEqual(f.frame()["changes"], [["insert", "Open", 1]])

    def test_who_goes_leaves_nothing_behind_though_nothing_changes(self):
        for how in ("close", "half"):
            for _ in range(10):
                f = self.subscribe(TOTALS)
                if how == "half":
                    f.done()
                f.close()
            harness.wait_until(lambda: self.d.ask("select count(*) from sessions") == [[1]],
                               "their sessions are gone")

    def test_many_rows_that_are_alike_hold_nobody_up(self):
        f = self.subscribe("with recursive n(i) as (select 1 union all select i+1 from n where "
                           "i<200000) select i + (select count(*) from counts) as i from n")
        self.d.write("a", ONE)
        self.d.process_all()
        self.assertEqual(self.d.ask("select 1"), [[1]])
        self.assertEqual(f.frame()["changes"], [["update", 200001]])

    ROWS = ("with recursive n(i) as (select 1 union all select i+1 from n where i<200000) "
            "select i, 'a text of some length' as t from n")

    def test_the_first_rows_are_told_page_by_page_as_they_are_taken(self):
        """What the peer did not take was not made yet: a cancel ends it there."""
        f = self.d.frames()
        f.request("subscribe " + self.ROWS)
        rows = f.frame()["columns"] and f.frame()["rows"]
        f.send('{"cancel":1}\n')
        frame = f.frame()
        while "rows" in frame:
            rows += frame["rows"]
            frame = f.frame()
        self.assertEqual((frame["id"], frame["error"]["code"]), (1, 9))
        self.assertEqual([row[0] for row in rows], list(range(1, len(rows) + 1)))
        self.assertLess(len(rows), 100000)
        self.assertEqual(f.ask("select 2"), [[2]])

    def test_what_was_asked_behind_a_subscription_comes_behind_its_first_rows(self):
        f = self.d.frames()
        f.request("subscribe " + self.ROWS)
        f.request("select 'behind'")
        f.send("select 'text';\n")
        rows, frame = [], f.frame()
        while "changes" not in frame:
            self.assertEqual(frame["id"], 1)
            rows += frame.get("rows", [])
            frame = f.frame()
        self.assertEqual(len(rows), 200000)
        self.assertEqual(f.answer()[0], [["behind"]])
        self.assertEqual(f.line(), "text")

    def test_a_session_can_have_a_hundred(self):
        f = self.d.frames()
        for _ in range(101):
            f.request("SUBSCRIBE select count(*) as n from counts")
        error = {}
        while "error" not in error:
            error = f.frame()
        self.assertEqual((error["id"], error["error"]["message"]), (
            101, "a session can have 100 subscriptions; cancel one of them first"))
        # The others' first rows may still be on their way.
        f.send('{"cancel":7}\n')
        frame = f.frame()
        while "error" not in frame:
            frame = f.frame()
        self.assertEqual((frame["id"], frame["error"]["code"]), (7, 9))
        again = f.request("SUBSCRIBE select 'again'")
        while frame["id"] != again:
            frame = f.frame()
            self.assertNotIn("error", frame)

    def test_all_of_them_are_looked_at_however_often_there_is_something_new(self):
        f = self.d.frames()
        for _ in range(3):
            f.request("SUBSCRIBE select %s as slow, sum(count) as c from counts" %
                      self.SLOW.replace("300000", "100000"))
        seen = {1: 0, 2: 0, 3: 0}

        def all_were():
            # There is something new before each of them is done.
            self.d.write("f%d" % sum(seen.values()), ONE)
            while f.socket in select.select([f.socket], [], [], 0)[0]:
                frame = f.frame()
                seen[frame["id"]] += bool(frame.get("changes"))
            return min(seen.values()) > 1
        harness.wait_until(all_were, "each is looked at")

    def test_changes_add_up_to_the_table(self):
        f = self.d.frames()
        f.request("SUBSCRIBE select action || window_start as k, count from counts")
        table = {}
        files = harness.made_stream(seed=4, n_files=20, n_lines=200)
        for number, text in enumerate(files):
            self.d.write("f%d" % number, text)
        expected = {action + harness.stamp(start): count
                    for (action, start), count in harness.recount(files).items()}
        while table != expected:
            frame = f.frame()
            self.apply(table, frame.get("changes", []))
            for key, count in frame.get("rows", []):
                table[key] = count


if __name__ == "__main__":
    harness.main()
