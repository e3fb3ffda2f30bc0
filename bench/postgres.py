"""A PostgreSQL for comparisons: Debian's, settings as shipped, in a cluster of its own that goes
with its directory, on a Unix socket there, holding the rows of a table of counts."""

import contextlib
import glob
import os
import pwd
import shutil
import subprocess


class Missing(Exception):
    """PostgreSQL is not there; the text says what to install."""


def binaries():
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
    if not found or not shutil.which("pgbench"):
        raise Missing("PostgreSQL and pgbench are not installed (apt install postgresql)")
    return found[-1]


@contextlib.contextmanager
def running(place, rows):
    """Yields `place`, the directory of the socket; `rows` is the table as CSV in bytes. The user is
    called bench, the database postgres."""
    programs = binaries()
    os.makedirs(place)
    as_user = []
    if os.getuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(place, user.pw_uid, user.pw_gid)
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]

    def run(program, *words):
        subprocess.run([*as_user, os.path.join(programs, program), "-D", place + "/data", *words], check=True, capture_output=True, cwd=place)

    run("initdb", "-A", "trust", "-U", "bench")
    run("pg_ctl", "-o", f"-k {place} -c listen_addresses=", "-l", place + "/log", "-w", "start")
    try:
        table = "create table counts(action text, window_start timestamp, window_end timestamp, count bigint, primary key(action, window_start))"
        psql = ["psql", "-q", "-h", place, "-U", "bench", "postgres"]
        subprocess.run([*psql, "-c", table], check=True)
        subprocess.run([*psql, "-c", "copy counts from stdin csv", "-c", "analyze counts"], input=rows, check=True)
        yield place
    finally:
        run("pg_ctl", "-m", "immediate", "stop")
