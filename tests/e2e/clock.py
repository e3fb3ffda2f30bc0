#!/usr/bin/env python3
"""Time makes no difference to counts: a wall clock that is set forward and back while files
arrive, files dated in the past and the future, time zones and locales."""

import glob
import os
import shutil
import signal
import sys

import harness

FAKETIME = (glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1") + [None])[0]
DAY_NS = 86400 * 10 ** 9


class Clock(harness.Case):

    def skip_without(self):
        if FAKETIME is None:
            self.skipTest("libfaketime is not installed")
        if harness.SANITIZED or os.environ.get("TALLYD_UNDER"):
            self.skipTest("libfaketime goes with no sanitizer and nothing else around it")

    def faked(self, *options, monotonic=False, **kwargs):
        """A daemon whose clock self.set_clock() sets while it runs."""
        daemon = self.daemon(*options, **kwargs)
        self.clock = os.path.join(daemon.directory, "clock")
        self.set_clock("+0")
        daemon.env.update(LD_PRELOAD=FAKETIME, FAKETIME_TIMESTAMP_FILE=self.clock,
                          FAKETIME_NO_CACHE="1", NO_FAKE_STAT="1",
                          FAKETIME_DONT_FAKE_MONOTONIC="0" if monotonic else "1")
        return daemon

    def set_clock(self, offset):
        with open(self.clock + ".new", "w") as out:
            out.write(offset)
        os.rename(self.clock + ".new", self.clock)

    def check_steps(self, daemon, steps, deadline=harness.DEADLINE):
        """Files that arrive between the steps are all counted, soon."""
        files = harness.made_stream(seed=61, n_files=2 * len(steps), n_lines=100)
        daemon.start()
        for number, step in enumerate(steps):
            daemon.write("a%d" % number, files[2 * number])
            self.set_clock(step)
            daemon.write("b%d" % number, files[2 * number + 1])
            expected = harness.recount(files[:2 * number + 2])
            harness.wait_until(lambda: harness.counts_of(daemon) == expected,
                               "all is counted after a step to " + step, deadline)
        self.assertEqual(daemon.stop(), 0)
        self.set_clock("-400d")
        daemon.start()
        daemon.process_all()
        self.assertEqual(harness.counts_of(daemon), harness.recount(files))

    STEPS = ["+1d", "+0", "-1d", "+30d", "-3650d", "+3600s", "-3600s", "+0"]

    def test_a_clock_set_forward_and_back_changes_no_count(self):
        self.skip_without()
        self.check_steps(self.faked(), self.STEPS)

    def test_nor_with_triggers_at_its_multiples(self):
        self.skip_without()
        self.check_steps(self.faked("--set", "events.trigger=100 milliseconds"), self.STEPS)

    def test_nor_where_the_monotonic_clock_jumps_too(self):
        """As in a virtual machine that was restored; back is nothing that a monotonic clock does."""
        self.skip_without()
        self.check_steps(self.faked(monotonic=True), ["+1d", "+2d", "+30d"])

    def test_polling_goes_on_when_the_clock_is_set_back(self):
        self.skip_without()
        if shutil.which("strace") is None:
            self.skipTest("strace is not installed")
        daemon = self.faked("--set", "events.poll_interval=100 milliseconds")
        # No notices: what is new is found by looking alone. The preload is for tallyd, not strace.
        under = ["strace", "-D", "-f", "-o", "/dev/null", "-e", "trace=inotify_init1",
                 "-e", "inject=inotify_init1:error=EMFILE", "-E", "LD_PRELOAD=" + FAKETIME]
        del daemon.env["LD_PRELOAD"]
        daemon.under = under
        files = harness.made_stream(seed=62, n_files=6, n_lines=100)
        daemon.start()
        for number, step in enumerate(["+0", "-1d", "-30d", "+1d", "-1d", "+0"]):
            self.set_clock(step)
            daemon.write("a%d" % number, files[number])
            harness.wait_until(lambda: harness.counts_of(daemon) == harness.recount(files[:number + 1]),
                               "it is found after a step to " + step)
        daemon.wait_logged("the wall clock was set back")

    def test_what_waits_for_a_retry_does_not_wait_for_the_old_time(self):
        self.skip_without()
        daemon = self.faked("--set", "events.clean_source=archive", "--set", "events.recursive=yes")
        archive = os.path.join(daemon.directory, "archive")
        os.mkdir(archive)
        daemon.options += ["--set", "events.archive_dir=" + archive]
        with open(os.path.join(archive, "day"), "w"):
            pass  # where a directory ought to be
        os.mkdir(os.path.join(daemon.events, "day"))
        daemon.start()
        daemon.write("day/a", harness.made_stream(seed=63, n_files=1, n_lines=10)[0])
        harness.wait_until(lambda: "day" in daemon.log(), "it cannot be archived")
        self.set_clock("-10d")
        os.unlink(os.path.join(archive, "day"))
        harness.wait_until(lambda: os.path.exists(os.path.join(archive, "day", "a")),
                           "it is archived when it is tried again")

    def test_stopped_for_a_while_it_catches_up(self):
        """As on a machine that slept: everything that came meanwhile is found, and told."""
        daemon = self.daemon().start()
        files = harness.made_stream(seed=65, n_files=60, n_lines=50)
        for number, text in enumerate(files[:20]):
            daemon.write("f%d" % number, text)
        daemon.process.send_signal(signal.SIGSTOP)
        for number, text in enumerate(files[20:], 20):
            daemon.write("f%d" % number, text)
            if number % 2:
                os.rename(os.path.join(daemon.events, "f%d" % number),
                          os.path.join(daemon.events, "g%d" % number))
        waiting = daemon.frames()
        waiting.request("select process_all_available()")
        daemon.process.send_signal(signal.SIGCONT)
        self.assertIn("ok", waiting.answer()[1])
        self.assertEqual(harness.counts_of(daemon), harness.recount(files))

    def test_times_of_files_change_nothing_but_their_order(self):
        times = [0, 1, 10 ** 9, 4 * 10 ** 18, 1469501107 * 10 ** 9, 2 ** 31 * 10 ** 9,
                 -3 * DAY_NS, 5 * 10 ** 18]
        files = harness.made_stream(seed=64, n_files=2 * len(times), n_lines=100)
        daemon = self.daemon("--set", "events.max_files_per_trigger=1").start()
        for number, mtime in enumerate(times):
            daemon.write("a%d" % number, files[number], mtime=mtime)
        daemon.process_all()
        self.assertEqual(harness.counts_of(daemon), harness.recount(files[:len(times)]))
        # Dated back or forward when they have been read already, moved in with an old date, grown.
        for number, mtime in enumerate(reversed(times)):
            os.utime(os.path.join(daemon.events, "a%d" % number), ns=(mtime, mtime))
            daemon.write("b%d" % number, files[len(times) + number], mtime=mtime)
        daemon.process_all()
        self.assertEqual(harness.counts_of(daemon), harness.recount(files))
        daemon.stop(signal.SIGKILL)
        for number, mtime in enumerate(times):
            os.utime(os.path.join(daemon.events, "b%d" % number), ns=(mtime, mtime))
        daemon.start()
        daemon.process_all()
        self.assertEqual(harness.counts_of(daemon), harness.recount(files))

    def test_zone_and_locale_change_nothing(self):
        """Over New York's hour that comes twice, in places with other commas and letters."""
        fall_back = 1478408400  # 2016-11-06 05:00 UTC
        text = "".join('{"time":%d,"action":"Ii"}\n' % (fall_back + n * 600) for n in range(-30, 30))
        text += "".join('{"time":"2016-11-06T0%d:30:00%s","action":"I.5"}\n' % (hour, zone)
                        for hour in range(4) for zone in ("", "Z", "-04:00", "-05:00"))
        answers = set()
        for zone, locale in (("UTC", "C"), ("America/New_York", "de_DE.UTF-8"),
                             ("Australia/Lord_Howe", "tr_TR.UTF-8"), (":/nonsense", "xx_XX")):
            daemon = self.daemon(env={"TZ": zone, "LC_ALL": locale, "LANG": locale}).start()
            daemon.write("a", text)
            daemon.process_all()
            answers.add(daemon.text("select * from counts order by 1, 2;\n"
                                    "select date_format(window.end, 'MMM-dd HH:mm'), count, 1.5 "
                                    "from counts order by 1, 2;\n"))
            # The other zone over the same state.
            self.assertEqual(daemon.stop(), 0)
            daemon.env["TZ"] = "Asia/Kathmandu"
            daemon.start()
            daemon.process_all()
            self.assertEqual(daemon.ask("select sum(count) from counts"), [[60 + 16]])
        self.assertEqual(len(answers), 1)


if __name__ == "__main__":
    if "--long" in sys.argv:
        sys.argv.remove("--long")
    harness.main()
