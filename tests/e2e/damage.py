#!/usr/bin/env python3
"""The checkpoint as it may be found: damaged in every way, of another format, in the wrong place.

Never a silent zero and never a crash loop: either the counts are made again from files that are
all there, or the daemon refuses with 78, which its unit does not restart, and says what to do.
"""

import os
import random
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import unittest

import harness

MASK = (1 << 64) - 1
PRIMES = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63,
          0x27D4EB2F165667C5)


def rotate(x, bits):
    return (x << bits | x >> (64 - bits)) & MASK


def lane_of(lane, data):
    return rotate((lane + int.from_bytes(data, "little") * PRIMES[1]) & MASK, 31) * PRIMES[0] & MASK


def xxh64(data, seed):
    """Of at least 32 bytes, a multiple of 8."""
    lanes = [seed + PRIMES[0] + PRIMES[1], seed + PRIMES[1], seed, seed - PRIMES[0]]
    n_stripes = len(data) // 32 * 32
    for at in range(0, n_stripes, 32):
        lanes = [lane_of(lane & MASK, data[at + 8 * i:at + 8 * i + 8]) for i, lane in enumerate(lanes)]
    found = sum(rotate(lane, bits) for lane, bits in zip(lanes, (1, 7, 12, 18))) & MASK
    for lane in lanes:
        found = ((found ^ lane_of(0, lane.to_bytes(8, "little"))) * PRIMES[0] + PRIMES[3]) & MASK
    found = found + len(data) & MASK
    for at in range(n_stripes, len(data), 8):
        found = rotate(found ^ lane_of(0, data[at:at + 8]), 27) * PRIMES[0] + PRIMES[3] & MASK
    found = (found ^ found >> 33) * PRIMES[1] & MASK
    found = (found ^ found >> 29) * PRIMES[2] & MASK
    return found ^ found >> 32


def sum_pages(path):
    """Gives each page the sum that tallyd would have written."""
    with open(path, "r+b") as file:
        data = file.read()
        size = int.from_bytes(data[16:18], "big")
        summed = size - data[20]
        for number in range(len(data) // size):
            page = data[number * size:number * size + summed]
            file.seek(number * size + summed)
            file.write(xxh64(page, number + 1).to_bytes(8, "little"))


def change(path, *statements):
    """Changes the file as a program with other tables would have written it."""
    db = sqlite3.connect(path, isolation_level=None)
    db.create_collation("TS", lambda one, other: (one > other) - (one < other))
    db.execute("pragma journal_mode=delete")
    for statement in statements:
        db.execute(statement)
    db.execute("pragma journal_mode=wal")
    db.close()
    sum_pages(path)


def truncate(size):
    def damage(path):
        os.truncate(path, size if size >= 0 else os.path.getsize(path) + size)
    return damage


def write(data):
    def damage(path):
        with open(path, "wb") as out:
            out.write(data)
    return damage


def zero(path):
    with open(path, "r+b") as out:
        out.write(bytes(os.path.getsize(path)))


def zero_page(path):
    with open(path, "r+b") as out:
        out.seek(os.path.getsize(path) // 8192 * 4096)
        out.write(bytes(4096))


def flip(seed):
    def damage(path):
        source = random.Random(seed)
        at, bit = source.randrange(os.path.getsize(path)), 1 << source.randrange(8)
        with open(path, "r+b") as out:
            out.seek(at)
            byte = out.read(1)[0] ^ bit
            out.seek(at)
            out.write(bytes([byte]))
    return damage


def foreign(path):
    os.unlink(path)
    db = sqlite3.connect(path)
    db.execute("create table counts(action, window_start, count)")
    db.execute("insert into counts values ('Open', 'then', 1000000)")
    db.commit()
    db.close()


KINDS = [("empty", truncate(0)), ("of 100 bytes", truncate(100)), ("of half a page", truncate(-2048)),
         ("short of a page", truncate(-4096)), ("zeros", zero), ("with a page of zeros", zero_page),
         ("text", write(b"not a database\n" * 1000)), ("foreign", foreign)] + \
        [("flipped %d" % seed, flip(seed)) for seed in range(6)]


class State(harness.Case):

    def counted(self, *options, n_files=4):
        """A daemon that has counted some files and ended."""
        self.files = harness.made_stream(seed=71, n_files=n_files, n_lines=200)
        daemon = self.daemon(*options).start()
        for number, text in enumerate(self.files):
            daemon.write("f%d" % number, text)
        daemon.process_all()
        self.assertEqual(daemon.stop(), 0)
        return daemon

    def path(self, daemon):
        return os.path.join(daemon.state, "checkpoint")

    def refused(self, daemon, *sentences):
        """With 78, and the same again: nothing has changed by it."""
        before = sorted(os.listdir(daemon.state))
        for _ in range(2):
            for more in ([], ["--available-now", "--sql", "select sum(count) from counts"]):
                done = daemon.run(*more)
                self.assertEqual((done.returncode, done.stdout), (78, ""), done.stderr)
                for sentence in sentences:
                    self.assertIn(sentence, done.stderr)
        self.assertEqual(sorted(os.listdir(daemon.state)), before)

    def exact(self, daemon, files):
        daemon.process_all()
        self.assertEqual(harness.counts_of(daemon), harness.recount(files))


class Damage(State):

    def test_the_unit_does_not_restart_what_only_a_person_can_mend(self):
        with open(os.path.join(harness.TREE, "systemd", "tallyd.service.in")) as unit:
            self.assertRegex(unit.read(), r"(?m)^RestartPreventExitStatus=.*\b78\b")

    def test_while_all_files_are_there_everything_is_counted_anew(self):
        daemon = self.counted()
        good = daemon.state + ".good"
        shutil.copytree(daemon.state, good)
        for kind, damage in KINDS:
            with self.subTest(kind):
                daemon.stop(signal.SIGKILL)
                shutil.rmtree(daemon.state)
                shutil.copytree(good, daemon.state)
                open(daemon.log_path, "w").close()
                damage(self.path(daemon))
                with open(self.path(daemon), "rb") as file:
                    found = file.read()
                daemon.start()
                self.exact(daemon, self.files)
                daemon.wait_logged(re.compile(" warning: .* everything is counted anew"))
                self.assertEqual(daemon.ask("select message from queries"),
                                 [["Waiting for data to arrive (counted anew since the checkpoint was damaged)"]])
                aside = [name for name in os.listdir(daemon.state)
                         if re.fullmatch(r"checkpoint\.damaged-\d{8}T\d{6}Z", name)]
                self.assertEqual(len(aside), 1)
                with open(os.path.join(daemon.state, aside[0]), "rb") as file:
                    self.assertEqual(file.read(), found)
                self.assertEqual(daemon.stop(), 0)
                daemon.start()
                self.exact(daemon, self.files)
                self.assertEqual(daemon.stop(), 0)

    def test_cut_at_any_page_beside_its_wal_it_is_counted_anew_or_exact(self):
        """The WAL of a killed daemon gives some of the pages back, but not all."""
        self.files = harness.made_stream(seed=72, n_files=4, n_lines=120)
        daemon = self.daemon().start()
        for number, text in enumerate(self.files):
            daemon.write("f%d" % number, text)
            daemon.process_all()
        daemon.stop(signal.SIGKILL)
        good = daemon.state + ".good"
        shutil.copytree(daemon.state, good)
        self.assertGreater(os.path.getsize(self.path(daemon) + "-wal"), 0)
        n_damaged = 0
        for size in range(4096, os.path.getsize(self.path(daemon)), 4096):
            shutil.rmtree(daemon.state)
            shutil.copytree(good, daemon.state)
            os.truncate(self.path(daemon), size)
            daemon.start()
            self.exact(daemon, self.files)
            daemon.stop(signal.SIGKILL)
            n_damaged += any(".damaged-" in name for name in os.listdir(daemon.state))
        self.assertGreater(n_damaged, 0)

    def test_where_a_counted_file_is_gone_it_is_refused_until_that_is_accepted(self):
        daemon = self.counted()
        os.unlink(os.path.join(daemon.events, "f1"))
        # The next run learns that it is gone; so would the list beside the checkpoint.
        good = daemon.state + ".good"
        shutil.copytree(daemon.state, good)
        for kind, damage in KINDS:
            with self.subTest(kind):
                daemon.stop(signal.SIGKILL)
                shutil.rmtree(daemon.state)
                shutil.copytree(good, daemon.state)
                damage(self.path(daemon))
                self.refused(daemon, "f1 has been counted and is gone", "--rebuild")
                daemon.start("--rebuild")
                self.exact(daemon, [self.files[0]] + self.files[2:])
                self.assertEqual(daemon.stop(), 0)
                daemon.start()
                self.exact(daemon, [self.files[0]] + self.files[2:])
                self.assertEqual(daemon.stop(), 0)

    def test_where_the_list_of_counted_files_is_lost_too_it_is_refused(self):
        daemon = self.counted()
        truncate(0)(self.path(daemon))
        for damage in (os.unlink, truncate(0), truncate(10)):
            with self.subTest(damage):
                ledger = os.path.join(daemon.state, "counted")
                if not os.path.exists(ledger):
                    write(b"nonsense\n")(ledger)
                damage(ledger)
                self.refused(daemon, "which files have been counted is not known")

    def test_a_missing_checkpoint_alone_is_a_first_start(self):
        daemon = self.counted()
        shutil.rmtree(daemon.state)
        daemon.start()
        self.exact(daemon, self.files)
        self.assertNotIn("damaged", daemon.log())
        self.assertNotIn("missing", daemon.log())

    def test_a_checkpoint_missing_from_beside_its_other_files_is_told(self):
        daemon = self.counted()
        os.unlink(self.path(daemon))
        daemon.start()
        self.exact(daemon, self.files)
        daemon.wait_logged(re.compile(
            r"(?m) warning: %s is missing, and %s/counted says that there was one: "
            r"counting begins anew from the files that are there \(every file that was "
            r"counted still is\)$" % (self.path(daemon), daemon.state)))
        self.assertEqual(daemon.ask("select message from queries"),
                         [["Waiting for data to arrive (counted anew since the checkpoint was missing)"]])
        daemon.stop(signal.SIGKILL)
        os.unlink(self.path(daemon))
        os.unlink(os.path.join(daemon.events, "f1"))
        daemon.start()
        self.exact(daemon, [self.files[0]] + self.files[2:])
        daemon.wait_logged("are there (%s/f1 has been counted and is gone)\n" % daemon.events)
        daemon.stop(signal.SIGKILL)
        os.unlink(self.path(daemon))
        os.unlink(os.path.join(daemon.state, "counted"))
        daemon.start()
        daemon.wait_logged(re.compile(r"checkpoint-wal says that .* \(which files have been counted "
                                      r"is not known, their list is lost too\)\n"))
        self.assertEqual(daemon.log().count("is missing"), 3)
        self.assertEqual(daemon.stop(), 0)
        daemon.start()
        self.exact(daemon, [self.files[0]] + self.files[2:])
        self.assertEqual(daemon.log().count("is missing"), 3)

    def test_a_checkpoint_that_is_no_file_is_refused_and_left_alone(self):
        daemon = self.counted()
        path = self.path(daemon)
        elsewhere = os.path.join(daemon.directory, "elsewhere")
        os.rename(path, elsewhere)
        with open(elsewhere, "rb") as file:
            before = file.read()
        os.symlink(elsewhere, path)
        self.refused(daemon, "symbolic link")
        with open(elsewhere, "rb") as file:
            self.assertEqual(file.read(), before)
        os.unlink(path)
        os.mkdir(path)
        self.refused(daemon, "directory")
        os.rmdir(path)
        os.rename(elsewhere, path)
        daemon.start()
        self.exact(daemon, self.files)


class Removed(State):
    ONE = "[source events]\npath = @EVENTS@\n[query counts]\n"
    LINE = "# query others: removed, its counts are kept in %s until tallyd --forget others\n"

    def shown(self, daemon):
        """The comment lines of --print-config; looking changes nothing in the directory."""
        before = self.content(daemon)
        done = daemon.run("--print-config")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(self.content(daemon), before)
        return "".join(re.findall(r"(?m)^#.*\n", done.stdout))

    def content(self, daemon):
        if not os.path.isdir(daemon.state):
            return None
        found = {}
        for name in os.listdir(daemon.state):
            path = os.path.join(daemon.state, name)
            with open(path, "rb") as file:
                found[name] = (file.read(), os.stat(path).st_mtime_ns)
        return found

    def test_removed_queries_are_mentioned_until_they_are_forgotten(self):
        daemon = self.daemon(config=self.ONE + "[query others]\n")
        self.assertEqual(self.shown(daemon), "")
        self.assertFalse(os.path.exists(daemon.state))
        daemon.start()
        daemon.write("f", harness.made_stream(seed=73, n_files=1, n_lines=200)[0])
        daemon.process_all()
        line = self.LINE % daemon.state
        with self.subTest("beside a daemon that runs, all of it in the WAL"):
            self.assertGreater(os.path.getsize(self.path(daemon) + "-wal"), 0)
            self.assertEqual(self.shown(daemon), "")
            daemon.config = self.ONE
            self.assertEqual(self.shown(daemon), line)
            self.assertEqual(len(daemon.ask("select name from queries")), 2)
        with self.subTest("after a kill"):
            daemon.stop(signal.SIGKILL)
            self.assertEqual(self.shown(daemon), line)
            daemon.start()
            self.assertEqual(daemon.ask("select name from queries"), [["counts"]])
            self.assertEqual(self.shown(daemon), line)
            self.assertEqual(daemon.stop(), 0)
        with self.subTest("without a WAL"):
            self.assertEqual(self.shown(daemon), line)
            if os.path.exists(self.path(daemon) + "-wal"):
                os.unlink(self.path(daemon) + "-wal")
            self.assertEqual(self.shown(daemon), line)
        with self.subTest("what is shown reads back as a configuration"):
            daemon.config = daemon.run("--print-config").stdout
            self.assertEqual(self.shown(daemon), line)
            daemon.config = self.ONE
        self.assertEqual(daemon.run("--forget", "others").returncode, 0)
        self.assertEqual(self.shown(daemon), "")

    def test_what_is_lost_with_a_wal_is_told(self):
        daemon = self.daemon(config=self.ONE).start()
        files = harness.made_stream(seed=79, n_files=4, n_lines=50)
        daemon.write("a", files[0])
        daemon.process_all()
        self.assertEqual(daemon.stop(), 0)
        daemon.start()
        for name, data in zip("bcd", files[1:]):
            daemon.write(name, data)
        daemon.process_all()
        daemon.stop(signal.SIGKILL)
        os.unlink(self.path(daemon) + "-wal")
        os.unlink(os.path.join(daemon.events, "b"))
        os.unlink(os.path.join(daemon.events, "c"))
        daemon.start()
        daemon.process_all()
        self.assertEqual(daemon.ask("select sum(count) from counts"), [[100]])
        daemon.wait_logged(re.compile(r"warning: .*/checkpoint is older than its list of counted "
                                      r"files, .* checkpoint-wal was removed: .*/b and 1 more have been "
                                      r"counted and are gone, and not counted any more"))
        self.assertEqual(daemon.stop(), 0)
        n = daemon.log().count("is older than")
        daemon.start()
        self.assertEqual(daemon.log().count("is older than"), n, "it is told once")

    def test_a_damaged_checkpoint_is_left_alone_and_says_what_can_be_read_or_nothing(self):
        daemon = self.daemon(config=self.ONE + "[query others]\n").start()
        daemon.write("f", harness.made_stream(seed=73, n_files=1, n_lines=200)[0])
        daemon.process_all()
        self.assertEqual(daemon.stop(), 0)
        daemon.config = self.ONE
        line = self.LINE % daemon.state
        self.assertEqual(self.shown(daemon), line)
        good = daemon.state + ".good"
        shutil.copytree(daemon.state, good)
        for kind, damage in KINDS + [("missing", os.unlink)]:
            with self.subTest(kind):
                shutil.rmtree(daemon.state)
                shutil.copytree(good, daemon.state)
                damage(self.path(daemon))
                self.assertIn(self.shown(daemon), ("", line) if "flipped" in kind or "page" in kind else ("",))


class Formats(State):

    def test_a_newer_format_is_refused_and_left_alone(self):
        daemon = self.counted()
        change(self.path(daemon), "pragma user_version=99")
        with open(self.path(daemon), "rb") as file:
            before = file.read()
        self.refused(daemon, "newer tallyd (format 99, this one knows 1 to 3)", "install that release")
        with open(self.path(daemon), "rb") as file:
            self.assertEqual(file.read(), before)

    def older(self, daemon):
        """As format 1 was: without how far a compressed file was unpacked and what was missed."""
        change(self.path(daemon), 'alter table "state:offsets" drop column unpacked',
               'alter table "state:queries" drop column n_missed', "pragma user_version=1")

    def test_an_older_format_is_brought_up_and_kept_for_the_way_back(self):
        daemon = self.counted()
        # Files that are gone: nothing can be counted again, so what is shown was carried over.
        for number in range(2):
            os.unlink(os.path.join(daemon.events, "f%d" % number))
        daemon.append("growing", '{"time":1469501107,"action":"Open"}\n{"time":14695')
        daemon.start()
        daemon.process_all()
        self.assertEqual(daemon.stop(), 0)
        self.older(daemon)
        with open(self.path(daemon), "rb") as file:
            before = file.read()
        daemon.start()
        text = '{"time":1469501107,"action":"Open"}\n'
        self.exact(daemon, self.files + [text])
        daemon.append("growing", '01108,"action":"Close"}\n')
        text += '{"time":1469501108,"action":"Close"}\n'
        self.exact(daemon, self.files + [text])
        daemon.wait_logged("was brought from format 1 to 3")
        self.assertEqual(daemon.stop(), 0)
        daemon.start()
        self.exact(daemon, self.files + [text])
        self.assertEqual(daemon.log().count("was brought from format"), 1)
        self.assertEqual(daemon.stop(), 0)
        # The way back, and forward again: the file of the older format holds what it held.
        os.unlink(self.path(daemon))
        os.rename(self.path(daemon) + ".format-1", self.path(daemon))
        db = sqlite3.connect("file:%s?mode=ro" % self.path(daemon), uri=True)
        self.assertEqual(db.execute("pragma user_version").fetchone(), (1,))
        db.close()
        self.assertGreater(len(before), 4096)
        daemon.start()
        self.exact(daemon, self.files + [text])

    def test_killed_while_it_is_brought_up_it_starts_again(self):
        daemon = self.counted()
        for number in range(2):
            os.unlink(os.path.join(daemon.events, "f%d" % number))
        self.older(daemon)
        source = random.Random(5)
        good = daemon.state + ".good"
        shutil.copytree(daemon.state, good)
        for _ in range(10):
            shutil.rmtree(daemon.state)
            shutil.copytree(good, daemon.state)
            process = subprocess.Popen(daemon.command(), env=daemon.env, stderr=subprocess.DEVNULL)
            try:
                process.wait(source.uniform(0.005, 0.04))
            except subprocess.TimeoutExpired:
                process.kill()
            process.wait()
            daemon.start()
            self.exact(daemon, self.files)
            self.assertEqual(daemon.stop(), 0)

    def test_tables_that_do_not_fit_their_number_are_damage(self):
        daemon = self.counted()
        change(self.path(daemon), "pragma user_version=1")
        daemon.start()
        self.exact(daemon, self.files)
        daemon.wait_logged("everything is counted anew")


class Limits(State):

    def test_a_limit_on_file_sizes_holds_the_batch_back_and_kills_nobody(self):
        files = harness.made_stream(seed=72, n_files=3, n_lines=2000)
        daemon = self.daemon()
        limit = 256 * 1024

        def lower():
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        daemon.start(preexec_fn=lower)
        for number, text in enumerate(files):
            daemon.write("f%d" % number, re.sub('"(Open|Close)"', lambda match: '"%s-%d"' % (
                match.group(1), match.start() % 5000), text))
        harness.wait_until(lambda: "File too large" in daemon.ask("select message from queries")[0][0],
                           "queries.message says why")
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE,
                         resource.getrlimit(resource.RLIMIT_FSIZE))
        harness.wait_until(lambda: daemon.ask("select sum(count) from counts") == [[6000]],
                           "what waited is counted")
        daemon.stop(signal.SIGKILL)
        daemon.start()
        daemon.process_all()
        self.assertEqual(daemon.ask("select sum(count) from counts"), [[6000]])

    @unittest.skipIf(shutil.which("strace") is None, "strace is not installed")
    def test_without_threads_it_does_not_start_and_says_so(self):
        daemon = self.daemon(under=["strace", "-f", "-o", "/dev/null", "-e", "trace=clone3",
                                    "-e", "inject=clone3:error=EAGAIN"])
        done = subprocess.run(daemon.under + daemon.command(), env=daemon.env, text=True,
                              stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              timeout=harness.DEADLINE)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("thread", done.stderr)


if __name__ == "__main__":
    if "--long" in sys.argv:
        sys.argv.remove("--long")
    harness.main()
