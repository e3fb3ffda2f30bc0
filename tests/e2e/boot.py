#!/usr/bin/env python3
"""The Debian packages on a Debian 12 that a real systemd has booted, in a container.

Outside, as root: makes a root with debootstrap, puts the packages in, boots it with
systemd-nspawn, without a network, and prints what was seen inside. Inside (boot.py --inside, as a
service of the container) the tests run in the order of their names, each on what the one before
has left: the life of a service from the first installation to the purge.

    make deb && tests/e2e/boot.py

BOOT_BASE=DIR names a root to copy instead of making one, BOOT_ONLY="01 19" the tests inside.
"""

import glob
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(os.path.dirname(HERE))
EVENTS, CONF = "/var/lib/tallyd/events", "/etc/tallyd/tallyd.conf"
UNITS = ["tallyd.socket", "tallyd-postgres.socket", "tallyd.service"]
SAID_DONE = "the tests inside are over"

# --- outside: making a machine and booting it ------------------------------------------------

PROBE = """[Unit]
Description=What is to be seen
After=multi-user.target
SuccessAction=poweroff
FailureAction=poweroff
[Service]
Type=oneshot
WorkingDirectory=/probe
ExecStart=/usr/bin/python3 /probe/boot.py --inside
StandardOutput=append:/probe/log
StandardError=inherit
[Install]
WantedBy=default.target
"""


def run(*words, **options):
    options = dict({"text": True, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT,
                    "timeout": 120}, **options)
    return subprocess.run(words, **options)


def packages():
    """The two packages of the last `make deb`."""
    top = os.environ.get("DEBS", "build-deb")
    return sorted(path for name in ("tallyd", "tally")
                  for path in glob.glob(os.path.join(top, name + "_*.deb")))


def mirror():
    """Where this machine takes its own Debian from."""
    sources = glob.glob("/etc/apt/sources.list") + glob.glob("/etc/apt/sources.list.d/*")
    for path in sources:
        with open(path) as text:
            found = re.search(r"^(?:URIs:|deb(?: \[[^]]*\])?) (\S+/debian/?)(?:\s|$)",
                              text.read(), re.M)
        if found:
            return found.group(1)
    return None


def why_not():
    if os.geteuid() != 0:
        return "it needs root"
    for program in ("debootstrap", "systemd-nspawn", "dpkg-deb"):
        if shutil.which(program) is None:
            return program + " is not installed"
    if shutil.which("systemd-detect-virt") and \
            "systemd-nspawn" in run("systemd-detect-virt", "--container").stdout:
        return "this machine is such a container itself"
    if len(packages()) != 2:
        return "there are no packages; make deb"
    if "BOOT_BASE" not in os.environ and mirror() is None:
        return "this machine's sources name no Debian mirror"
    return None


def dependencies(path):
    """Names of the packages that a package needs, the first of alternatives."""
    text = subprocess.run(["dpkg-deb", "-f", path, "Depends"], check=True, text=True,
                          stdout=subprocess.PIPE).stdout
    return {re.match(r"[a-z0-9.+-]+", word.strip()).group() for word in text.split(",")}


def next_version(path, directory):
    """The same package with a higher version: for an upgrade."""
    tree = os.path.join(directory, "tree")
    subprocess.run(["dpkg-deb", "-R", path, tree], check=True)
    control = os.path.join(tree, "DEBIAN/control")
    with open(control) as text:
        changed = re.sub(r"^Version: (.*)$", r"Version: \1+next", text.read(), flags=re.M)
    with open(control, "w") as out:
        out.write(changed)
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tree,
                    os.path.join(directory, "next.deb")], check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(tree)


@unittest.skipIf(why_not() is not None, why_not())
class Boot(unittest.TestCase):

    def make_root(self, root):
        base = os.environ.get("BOOT_BASE")
        if base:
            subprocess.run(["cp", "-a", base, root], check=True)
            return
        needed = set().union(*map(dependencies, packages()))
        done = subprocess.run(
            ["debootstrap", "--variant=minbase",
             "--include=systemd-sysv,python3,logrotate," + ",".join(sorted(needed)),
             "bookworm", root, mirror()], text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)
        if done.returncode != 0:
            self.skipTest("debootstrap: " + done.stdout[-300:])

    def furnish(self, root):
        probe = os.path.join(root, "probe")
        os.makedirs(probe)
        for path in packages():
            name = os.path.basename(path).split("_")[0] + ".deb"
            shutil.copy(path, os.path.join(probe, name))
        next_version(os.path.join(probe, "tallyd.deb"), probe)
        for name in ("boot.py", "harness.py", "restart.py"):
            shutil.copy(os.path.join(HERE, name), probe)
        shutil.copytree(os.path.join(TREE, "examples"), os.path.join(probe, "examples"))
        with open(os.path.join(root, "etc/systemd/system/probe.service"), "w") as out:
            out.write(PROBE.replace("--inside", "--inside " + os.environ.get("BOOT_ONLY", "")))
        wants = os.path.join(root, "etc/systemd/system/default.target.wants")
        os.makedirs(wants, exist_ok=True)
        os.symlink("../probe.service", os.path.join(wants, "probe.service"))

    def test_a_machine_is_booted_and_lived_through(self):
        directory = tempfile.mkdtemp(prefix="tallyd-boot-")
        self.addCleanup(shutil.rmtree, directory)
        root = os.path.join(directory, "root")
        self.make_root(root)
        self.furnish(root)
        with open(os.path.join(directory, "console"), "wb") as console:
            machine = subprocess.Popen(
                ["systemd-nspawn", "-q", "-D", root, "--register=no", "--keep-unit",
                 "--private-network", "-b"], stdin=subprocess.DEVNULL, stdout=console,
                stderr=subprocess.STDOUT)
            try:
                machine.wait(900)
            except subprocess.TimeoutExpired:
                machine.send_signal(signal.SIGTERM)
                machine.wait(60)
        log = os.path.join(root, "probe/log")
        if not os.path.exists(log):
            with open(os.path.join(directory, "console"), errors="replace") as console:
                text = console.read()
            if "Welcome to" in text:
                self.fail(text[-3000:])
            self.skipTest("no container boots here: " + text[-300:])
        with open(log) as text:
            said = text.read()
        sys.stderr.write("\n" + said)
        self.assertIn(SAID_DONE, said)
        self.assertRegex(said, r"(?m)^OK( \(skipped=\d+\))?$")


# --- inside: the life of the service ---------------------------------------------------------

def must(*words, **options):
    done = run(*words, **options)
    if done.returncode != 0:
        raise AssertionError("%s: exit %d: %s" % (" ".join(words), done.returncode, done.stdout))
    return done.stdout


def tally(sql):
    return must("tally", sql).strip()


def shown(unit, *properties):
    text = must("systemctl", "show", unit, "-p", ",".join(properties))
    return dict(line.split("=", 1) for line in text.splitlines())


def journal(*words):
    return must("journalctl", "-u", "tallyd", "--no-pager", "-o", "cat", *words)


def everything():
    """All files of the machine that a package could leave behind."""
    found = set()
    for top in ("/etc", "/usr", "/lib/systemd", "/run", "/var", "/opt", "/srv"):
        for directory, directories, files in os.walk(top):
            directories[:] = [name for name in directories
                              if os.path.join(directory, name) not in
                              ("/run/systemd", "/run/user", "/var/lib/dpkg", "/var/log",
                               "/var/cache", "/var/lib/systemd", "/run/host", "/run/udev")]
            found.update(os.path.join(directory, name) for name in files + directories)
    return {path for path in found if "__pycache__" not in path}


class Inside(unittest.TestCase):

    said = 0  # events that were written so far, all with the action Open
    n_files = 0

    def wait(self, condition, what, deadline=60):
        import harness
        return harness.wait_until(condition, what, deadline)

    def is_logged(self, word, *words):
        """The journal takes its lines in its own time."""
        try:
            self.wait(lambda: word in journal(*words), "a line of the journal")
        except AssertionError:
            self.assertIn(word, journal(*words))

    def write(self, n, name=None, directory=EVENTS):
        """n more events in a file of their own, by a member of the group, as a stranger would."""
        type(self).n_files += 1
        path = os.path.join(directory, name or "f%04d.json" % self.n_files)
        line = '{"time":1469501107,"action":"Open"}\n'
        with open("/tmp/next", "w") as out:
            out.write(line * n)
        must("setpriv", "--reuid=writer", "--regid=writer", "--groups=tally",
             "sh", "-c", 'umask 027 && cat >"$1.tmp" && mv "$1.tmp" "$1"', "sh", path,
             stdin=open("/tmp/next"))
        type(self).said += n
        return path

    def is_exact(self):
        self.assertEqual(int(tally("select process_all_available()")) >= 0, True)
        self.assertEqual(tally("select sum(count) from counts"), str(self.said))

    def configure(self, text):
        with open(CONF, "w") as out:
            out.write(text)

    def drop_in(self, text, name="test.conf"):
        os.makedirs("/etc/systemd/system/tallyd.service.d", exist_ok=True)
        with open("/etc/systemd/system/tallyd.service.d/" + name, "w") as out:
            out.write(text)
        must("systemctl", "daemon-reload")

    def no_drop_ins(self):
        shutil.rmtree("/etc/systemd/system/tallyd.service.d", ignore_errors=True)
        must("systemctl", "daemon-reload")

    def test_01_an_installation_is_a_running_and_enabled_service(self):
        type(self).before = everything()
        must("useradd", "--no-create-home", "writer")
        must("apt-get", "install", "-y", "/probe/tallyd.deb", "/probe/tally.deb",
             env=dict(os.environ, DEBIAN_FRONTEND="noninteractive"))
        for unit in UNITS:
            self.assertEqual(must("systemctl", "is-active", unit).strip(), "active")
            self.assertEqual(must("systemctl", "is-enabled", unit).strip(), "enabled")
        self.write(1000)
        self.is_exact()
        type(self).default_conf = open(CONF).read()

    def test_02_its_status_says_what_it_does(self):
        self.wait(lambda: "1,000 events" in shown("tallyd", "StatusText")["StatusText"] or
                  "1000 events" in shown("tallyd", "StatusText")["StatusText"], "the status")
        text = shown("tallyd", "StatusText")["StatusText"]
        self.assertRegex(text, r"1 file", text)
        self.assertRegex(text, r"behind|lag", text)
        self.assertEqual(must("systemctl", "--failed", "--no-legend", "--plain").count("tally"), 0)

    def exposure(self):
        text = must("systemd-analyze", "security", "--no-pager", "tallyd.service")
        return float(re.search(r"Overall exposure level for tallyd.service: ([0-9.]+)",
                               text).group(1))

    def test_03_the_exposure_of_the_running_unit_is_at_most_one(self):
        self.assertLessEqual(self.exposure(), 1.0)
        for unit in UNITS:
            # The manual is left out of a small image by dpkg's own settings.
            self.assertEqual(must("systemd-analyze", "verify", "--man=no", unit), "")

    def test_04_who_may_ask_is_the_group(self):
        refused = run("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups",
                      "tally", "/run/tallyd/tallyd.sock", "select 1")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("ermission denied", refused.stdout)
        member = run("setpriv", "--reuid=nobody", "--regid=nogroup", "--groups=tally",
                     "tally", "/run/tallyd/tallyd.sock", "select start('counts')")
        self.assertNotEqual(member.returncode, 0, "a member of the group may ask, not stop")
        self.assertEqual(must("setpriv", "--reuid=nobody", "--regid=nogroup", "--groups=tally",
                              "tally", "/run/tallyd/tallyd.sock", "select 1").strip(), "1")

    def polled(self, change):
        """Calls change() while somebody polls a hundred times a second."""
        import restart
        poller = restart.Poller({"sql": "/run/tallyd/tallyd.sock",
                                 "pg": "/run/tallyd/.s.PGSQL.5432"})
        poller.start()
        try:
            self.wait(lambda: poller.n_answered > 10, "it is asked")
            change(poller)
            before = poller.n_answered
            self.wait(lambda: poller.n_answered > before + 10, "it is asked afterwards")
        finally:
            poller.is_over = True
            poller.join()
        self.assertEqual(poller.failures, [])
        self.assertEqual(poller.went_back, [])
        self.assertEqual(poller.n_answered, poller.n_begun)
        sys.stderr.write("%d polls " % poller.n_answered)

    def test_05_restarts_under_load_fail_no_poll_and_count_exactly(self):
        def change(poller):
            for _ in range(5):
                self.write(20000)
                must("systemctl", "restart", "tallyd")
                before = poller.n_answered
                self.wait(lambda: poller.n_answered > before + 20, "it is asked")
        self.polled(change)
        self.is_exact()

    def test_06_after_a_stop_the_first_client_starts_it_again(self):
        before = shown("tallyd", "MainPID")["MainPID"]
        must("systemctl", "stop", "tallyd")
        self.assertEqual(run("systemctl", "is-active", "tallyd").stdout.strip(), "inactive")
        self.write(10)
        self.is_exact()
        self.assertNotEqual(shown("tallyd", "MainPID")["MainPID"], before)
        must("systemctl", "stop", *UNITS)
        self.assertEqual(run("tally", "select 1").returncode, 1)
        must("systemctl", "start", *UNITS)
        self.is_exact()

    def test_07_a_reload_takes_what_changed_and_refuses_what_is_wrong(self):
        self.configure(self.default_conf + "[query daily]\nwindow = 1 day\n")
        must("systemctl", "reload", "tallyd")
        self.wait(lambda: run("tally", "select sum(count) from daily").stdout.strip() ==
                  str(self.said), "the new query has caught up")
        self.configure(self.default_conf + "[query daily]\nwindow = never\n")
        refused = run("systemctl", "reload", "tallyd")
        self.assertNotEqual(refused.returncode, 0)
        self.is_logged("daily.window")
        self.assertEqual(must("systemctl", "is-active", "tallyd").strip(), "active")
        self.is_exact()

    def test_08_a_configuration_that_only_a_person_can_mend_is_no_loop(self):
        refused = run("systemctl", "restart", "tallyd")
        self.assertNotEqual(refused.returncode, 0)
        state = shown("tallyd", "NRestarts", "ActiveState", "ExecMainStatus")
        self.assertEqual(state["NRestarts"], "0")
        self.assertEqual(run("systemctl", "is-active", "tallyd").stdout.strip(), "failed")
        # Who asks meanwhile starts it in vain, and is refused soon; that does not go on for ever.
        self.assertEqual(run("tally", "select 1", timeout=60).returncode, 1)
        self.wait(lambda: run("systemctl", "is-active", "tallyd.socket").stdout.strip() ==
                  "failed", "the socket is given up")
        self.configure(self.default_conf)
        time.sleep(11)  # as long as the limit of starts counts back
        must("systemctl", "restart", "tallyd")
        self.is_exact()
        self.assertEqual(must("systemctl", "is-active", *UNITS).split(), ["active"] * 3)

    def is_back_after(self, pid):
        now = shown("tallyd", "MainPID", "ActiveState")
        return now["ActiveState"] == "active" and now["MainPID"] not in (pid, "0")

    def test_09_a_killed_daemon_comes_back_and_has_lost_nothing(self):
        for _ in range(6):
            pid = shown("tallyd", "MainPID")["MainPID"]
            self.write(5000)
            os.kill(int(pid), signal.SIGKILL)
            self.wait(lambda: self.is_back_after(pid), "it is back")
        self.is_exact()
        # Somebody killed it more often than any limit of starts allows, and the sockets live.
        self.assertEqual(must("systemctl", "is-active", *UNITS).split(), ["active"] * 3)

    def test_10_a_daemon_that_hangs_is_killed_by_the_watchdog(self):
        self.drop_in("[Service]\nWatchdogSec=4\n")
        must("systemctl", "restart", "tallyd")
        pid = shown("tallyd", "MainPID")["MainPID"]
        time.sleep(5)
        self.assertEqual(shown("tallyd", "MainPID")["MainPID"], pid, "it feeds the watchdog")
        os.kill(int(pid), signal.SIGSTOP)
        self.write(10)
        self.wait(lambda: self.is_back_after(pid), "it was killed, and is back")
        self.is_exact()
        self.is_logged("Watchdog timeout")
        self.no_drop_ins()
        must("systemctl", "restart", "tallyd")

    def refused_with(self, path, *words):
        self.configure("[source events]\npath = %s\n" % path)
        since = must("date", "+%Y-%m-%d %H:%M:%S.%6N").strip()
        self.assertNotEqual(run("systemctl", "restart", "tallyd").returncode, 0)
        for word in words:
            self.is_logged(word, "--since", since)

    def test_11_a_directory_that_the_sandbox_hides_is_named_with_the_directive(self):
        for path, directive in (("/home/writer/events", "ProtectHome="),
                                ("/root/events", "ProtectHome="),
                                ("/tmp/events", "PrivateTmp="), ("/var/tmp/events", "PrivateTmp=")):
            os.makedirs(path, exist_ok=True)
            self.refused_with(path, path, directive)
        os.makedirs("/srv/here/events", exist_ok=True)
        os.makedirs("/srv/here/archive", exist_ok=True)
        must("chown", "-R", "tally:tally", "/srv/here")
        self.refused_with("/srv/here/events\nclean_source = archive\n"
                          "archive_dir = /srv/here/archive", "/srv/here", "ReadWritePaths=")
        os.symlink("/home/writer/events", "/srv/link")
        self.refused_with("/srv/link", "/srv/link", "ProtectHome=")
        self.configure(self.default_conf)
        must("systemctl", "restart", "tallyd")
        self.is_exact()

    def example(self, name):
        with open("/probe/examples/drop-ins/" + name) as text:
            return text.read()

    def test_12_the_drop_in_for_archiving_opens_what_it_needs(self):
        self.drop_in(self.example("archive.conf").replace("/srv/events /srv/archive", "/srv/here"))
        self.configure("[source events]\npath = /srv/here/events\nclean_source = archive\n"
                       "archive_dir = /srv/here/archive\n[query counted_there]\n")
        must("systemctl", "restart", "tallyd")
        with open("/srv/here/events/a", "w") as out:
            out.write('{"time":1469501107,"action":"Open"}\n' * 3)
        tally("select process_all_available()")
        self.assertEqual(tally("select sum(count) from counted_there"), "3")
        with open("/srv/here/events/b", "w") as out:
            out.write('{"time":1469501107,"action":"Open"}\n')
        tally("select process_all_available()")
        self.wait(lambda: any("a" in files for _, _, files in os.walk("/srv/here/archive")),
                  "the file is archived")

    def test_13_the_drop_in_for_home_directories_shows_them(self):
        self.drop_in(self.example("home.conf"), "home.conf")
        os.makedirs("/home/shown/events", exist_ok=True)
        with open("/home/shown/events/a", "w") as out:
            out.write('{"time":1469501107,"action":"Open"}\n')
        self.configure("[source events]\npath = /home/shown/events\n[query at_home]\n")
        must("systemctl", "restart", "tallyd")
        tally("select process_all_available()")
        self.assertEqual(tally("select sum(count) from at_home"), "1")

    def test_14_the_drop_in_for_http_over_tcp_answers_and_stays_hardened(self):
        import urllib.request
        self.no_drop_ins()
        self.configure(self.default_conf + "[http]\nlisten = 127.0.0.1:9188\n")
        self.assertNotEqual(run("systemctl", "restart", "tallyd").returncode, 0)
        self.is_logged("RestrictAddressFamilies= forbids it: the drop-in http-tcp.conf opens",
                       "-n", "20")
        self.drop_in(self.example("http-tcp.conf"), "http.conf")
        self.drop_in(self.example("memory.conf"), "memory.conf")
        must("ip", "link", "set", "lo", "up") if shutil.which("ip") else None
        must("systemctl", "restart", "tallyd")
        with urllib.request.urlopen("http://127.0.0.1:9188/metrics", timeout=20) as answer:
            self.assertIn("tallyd_up 1", answer.read().decode())
        with urllib.request.urlopen("http://127.0.0.1:9188/healthz", timeout=20) as answer:
            self.assertEqual(answer.read(), b"ok\n")
        self.assertLessEqual(self.exposure(), 2.0)
        self.no_drop_ins()
        self.configure(self.default_conf)
        must("systemctl", "restart", "tallyd")
        self.is_exact()

    def test_15_the_drop_in_for_a_user_of_the_moment_serves(self):
        self.drop_in(self.example("dynamic-user.conf"))
        os.makedirs("/srv/moment", exist_ok=True)
        with open("/srv/moment/a", "w") as out:
            out.write('{"time":1469501107,"action":"Open"}\n' * 4)
        self.configure("[source events]\npath = /srv/moment\n[query moment]\n")
        for _ in range(2):
            must("systemctl", "restart", "tallyd")
            tally("select process_all_available()")
            self.assertEqual(tally("select sum(count) from moment"), "4")
        pid = shown("tallyd", "MainPID")["MainPID"]
        with open("/proc/%s/status" % pid) as status:
            uid = int(re.search(r"^Uid:\s+(\d+)", status.read(), re.M).group(1))
        self.assertGreaterEqual(uid, 61184, "a user of the moment")
        self.assertLessEqual(self.exposure(), 1.0)
        self.no_drop_ins()
        self.configure(self.default_conf)
        must("systemctl", "restart", "tallyd")
        self.is_exact()
        os.unlink("/var/lib/tally-moment")
        shutil.rmtree("/var/lib/private")

    def test_16_no_name_and_no_statement_forges_a_line_of_the_journal(self):
        self.write(1, name="x\n<0>tallyd: forged by a name")
        # The second is no UTF-8, of which the journal would show nothing but its length.
        hidden = [os.path.join(os.fsencode(EVENTS), name)
                  for name in (b"y\n<0>forged too", b"z\xff hidden")]
        for path in hidden:
            with open(path, "w") as out:
                out.write("no event\n")
            os.chmod(path, 0)
        run("tally", "select '\n<0>forged by a statement' from nowhere")
        self.is_exact()
        for line in must("journalctl", "-u", "tallyd", "--no-pager", "-o", "json").splitlines():
            entry = json.loads(line)
            if entry.get("_COMM") != "tallyd":
                continue
            message = entry["MESSAGE"]
            self.assertIsInstance(message, str, line)
            # The last words of the one that the watchdog killed are critical.
            self.assertIn(entry["PRIORITY"], "2" if message.startswith("killed by SIG") else
                          ("3", "4", "6", "7"), line)
            self.assertFalse(message.startswith(("tallyd: forged", "forged")), line)
        self.is_logged("z\\xff hidden")
        for path in hidden:
            os.unlink(path)

    def test_17_the_plain_file_is_readable_by_who_may_ask(self):
        import sqlite3
        self.configure(self.default_conf + "[tallyd]\nsnapshot_file = /var/lib/tallyd/counts.db\n"
                       "snapshot_interval = 1 second\n")
        must("systemctl", "restart", "tallyd")
        self.write(10)

        def total():
            if not os.path.exists("/var/lib/tallyd/counts.db"):
                return None
            with sqlite3.connect("file:/var/lib/tallyd/counts.db?mode=ro", uri=True) as db:
                return db.execute("select sum(count) from counts").fetchone()[0]
        self.wait(lambda: total() == self.said, "the file follows")
        read = ["setpriv", "--reuid=nobody", "--regid=nogroup", "python3", "-c",
                "import sqlite3; print(sqlite3.connect('file:/var/lib/tallyd/counts.db?mode=ro',"
                " uri=True).execute('select sum(count) from counts').fetchone()[0])"]
        self.assertEqual(must(*read[:3], "--groups=tally", *read[3:]).strip(), str(self.said))
        self.assertNotEqual(run(*read[:3], "--clear-groups", *read[3:]).returncode, 0)
        os.unlink("/var/lib/tallyd/counts.db")
        self.configure(self.default_conf)
        must("systemctl", "restart", "tallyd")

    def test_18_the_timer_for_prometheus_writes_its_file(self):
        must("useradd", "--system", "prometheus")
        must("install", "-d", "-o", "prometheus", "/var/lib/prometheus/node-exporter")
        for unit in ("tally-prometheus.service", "tally-prometheus.timer"):
            shutil.copy("/probe/examples/" + unit, "/etc/systemd/system/")
        must("systemctl", "daemon-reload")
        must("systemctl", "start", "tally-prometheus.timer", "tally-prometheus.service")
        with open("/var/lib/prometheus/node-exporter/tallyd.prom") as text:
            self.assertRegex(text.read(), r'tallyd_events_total\{[^}]*\} %d\n' % self.said)
        must("systemctl", "stop", "tally-prometheus.timer")
        for unit in ("tally-prometheus.service", "tally-prometheus.timer"):
            os.unlink("/etc/systemd/system/" + unit)
        shutil.rmtree("/var/lib/prometheus")
        must("userdel", "prometheus")

    def test_19_the_example_of_logrotate_loses_and_doubles_nothing(self):
        if shutil.which("logrotate") is None:
            self.skipTest("logrotate is not installed")
        rotating = "/var/lib/tallyd/rotating"
        must("install", "-d", "-o", "tally", "-g", "tally", "-m", "2770", rotating)
        with open("/probe/examples/logrotate") as example:
            text = example.read().replace(EVENTS, rotating)
        with open("/etc/logrotate.d/tallyd", "w") as out:
            out.write(text)
        os.chmod("/etc/logrotate.d/tallyd", 0o644)
        self.configure("[source events]\npath = %s\nglob = *.json\n[query rotated]\n" % rotating)
        must("systemctl", "restart", "tallyd")
        line = '{"time":1469501107,"action":"Open"}\n'
        for day in ("20260101", "20260102", "20260103"):
            with open(rotating + "/app.json", "a") as writer:
                shutil.chown(writer.name, "tally", "tally")
                writer.write(line * 2)
                writer.flush()
                must("logrotate", "--force", "/etc/logrotate.d/tallyd")
                # Until it opens the new file its writer has the old one, and a day goes by.
                writer.write(line)
            tally("select process_all_available()")
            for path in glob.glob(rotating + "/app-*.json"):
                if "-2026010" not in path:
                    os.rename(path, "%s/app-%s.json" % (rotating, day))
        self.assertTrue(glob.glob(rotating + "/*.gz"))
        self.assertEqual(tally("select sum(count) from rotated"), "9")
        self.configure(self.default_conf)
        must("systemctl", "restart", "tallyd")
        self.is_exact()
        shutil.rmtree(rotating)
        os.unlink("/etc/logrotate.d/tallyd")
        if os.path.exists("/var/lib/logrotate/status"):
            os.unlink("/var/lib/logrotate/status")

    def test_20_an_upgrade_with_clients_connected_fails_no_poll(self):
        pid = shown("tallyd", "MainPID")["MainPID"]
        idle = socket.socket(socket.AF_UNIX)
        idle.connect("/run/tallyd/tallyd.sock")
        idle.sendall(b"select 1;\n")
        self.assertEqual(idle.recv(100), b"1\n")

        def change(poller):
            self.write(20000)
            must("dpkg", "-i", "/probe/next.deb")
        self.polled(change)
        self.assertNotEqual(shown("tallyd", "MainPID")["MainPID"], pid, "the new program runs")
        self.assertEqual(idle.recv(100), b"", "who was connected is told the end")
        idle.close()
        self.is_exact()
        self.assertEqual(open(CONF).read(), self.default_conf)

    def test_21_a_purge_leaves_nothing_but_the_state(self):
        must("apt-get", "remove", "-y", "tallyd", "tally")
        self.assertTrue(os.path.exists(CONF), "a removal keeps the configuration")
        must("apt-get", "purge", "-y", "tallyd", "tally")
        must("userdel", "writer")
        # The package manager keeps books of its own.
        left = {path for path in everything() - self.before
                if not path.startswith(("/var/lib/tallyd/", "/var/lib/apt/"))}
        self.assertEqual(left - {"/var/lib/tallyd", "/etc/.pwd.lock", "/etc/passwd-",
                                 "/etc/group-", "/etc/shadow-", "/etc/gshadow-",
                                 "/var/lib/logrotate", "/run/shadow", "/run/lock",
                                 "/var/tmp/events", "/run/agetty.reload"} -
                         {path for path in left if path.startswith(("/srv/", "/etc/subuid",
                                                                   "/etc/subgid"))}, set())
        self.assertTrue(os.path.isdir(EVENTS), "the events are the user's")
        self.assertNotIn("tallyd", must("systemctl", "list-units", "--all", "--no-legend"))


class Result(unittest.TextTestResult):
    """Says at once what failed: a machine may not live to the end."""

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.stream.writeln(self._exc_info_to_string(err, test))
        self.stream.writeln(run("journalctl", "--no-pager", "-n", "40", "-u", "tallyd*").stdout)

    addError = addFailure


if __name__ == "__main__":
    if "--inside" in sys.argv:
        sys.path.insert(0, "/probe")
        os.environ["TALLYD"] = "/bin/true"  # for harness.py, which looks into the program
        loader = unittest.defaultTestLoader
        loader.testNamePatterns = ["*test_%s_*" % number for number in sys.argv[2:]] or None
        suite = loader.loadTestsFromTestCase(Inside)
        unittest.TextTestRunner(stream=sys.stderr, verbosity=2, resultclass=Result).run(suite)
        sys.stderr.write(SAID_DONE + "\n")
    else:
        if "--long" in sys.argv:
            sys.argv.remove("--long")
        unittest.main(verbosity=2, defaultTest="Boot")
