"""Who is measured: how each is started, how many threads it gets, which version it is, and why
it is left out where it is."""

import dataclasses
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.environ.get("top_builddir", os.path.join(HERE, "../.."))
# Where the Python packages of the peers are kept; made at the first run.
HOME = os.environ.get("TALLY_PEERS_HOME", os.path.join(os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "tallyd-peers"))
PYTHON = os.path.join(HOME, "bin", "python3")
MB = 1_000_000


@dataclasses.dataclass
class Peer:
    """`limit`: bytes it is given at most, for those who would take minutes; `counts`: its answer
    is the table (the floor under all of them only reads); `warm`: it counts something before its
    clock starts, so its first pass is good."""

    name: str
    program: str
    threads: tuple = (1, 2)
    package: str = ""  # a Python package
    tool: str = ""  # a command that must be there
    version_of: tuple = ()
    limit: int = 0
    counts: bool = True
    warm: bool = False

    def command(self, shape, threads, directory):
        program = self.program if os.path.isabs(self.program) else os.path.join(HERE, self.program)
        python = [PYTHON if self.package else sys.executable] if program.endswith(".py") else []
        return [*python, program, shape, str(threads), directory]

    def missing(self):
        """Why it cannot run here, or None."""
        if self.package and not has_package(self.package):
            return f"the Python package {self.package} cannot be installed here"
        if self.name == "Spark" and not shutil.which("java"):
            return "java is not installed"
        if self.tool and not shutil.which(self.tool):
            return f"{self.tool} is not installed"
        if self.program == SIMDJSON and build_simdjson_trouble:
            return build_simdjson_trouble
        return None

    def version(self):
        if self.version_of and shutil.which(self.version_of[0]):
            command = self.version_of
        elif self.package:
            command = [PYTHON, "-c", f"import importlib.metadata as m; print(m.version('{self.package}'))"]
        else:
            return ""
        done = subprocess.run(command, capture_output=True, text=True)
        return ((done.stdout or done.stderr).splitlines() or [""])[0]


def has_package(name):
    return subprocess.run([PYTHON, "-c", f"import {name}"], capture_output=True).returncode == 0 if os.path.exists(PYTHON) else False


SIMDJSON = os.path.join(HOME, "count_simdjson")
build_simdjson_trouble = ""

COUNTERS = [
    Peer("read()", "count_read", counts=False),
    Peer("wc -l", "count_wc", (1,), counts=False, version_of=("wc", "--version")),
    Peer("tallyd", "count_tallyd", version_of=(os.path.join(TOP, "tallyd"), "--version")),
    Peer("simdjson", SIMDJSON, (1,), version_of=("dpkg-query", "-W", "-f", "${Version}", "libsimdjson-dev")),
    Peer("ClickHouse", "count_clickhouse.py", package="chdb", version_of=(PYTHON, "-c", "import chdb; print(chdb.query('select version()'))")),
    Peer("DuckDB", "count_duckdb.py", package="duckdb"),
    Peer("Polars", "count_polars.py", package="polars"),
    Peer("Spark", "count_spark.py", package="pyspark", warm=True),
    Peer("mawk", "count_mawk", (1,), tool="mawk", version_of=("mawk", "-W", "version"), limit=200 * MB),
    Peer("sqlite3", "count_sqlite3", (1,), tool="sqlite3", version_of=("sqlite3", "--version"), limit=50 * MB),
    Peer("Python", "count_python.py", (1,), version_of=(sys.executable, "--version"), limit=50 * MB),
    Peer("jq", "count_jq", (1,), tool="jq", version_of=("jq", "--version"), limit=20 * MB),
]


def install():
    """Fetches and builds what can be had; what cannot is left out with the reason."""
    if not os.path.exists(PYTHON):
        subprocess.run([sys.executable, "-m", "venv", HOME], check=False)
    for package in sorted({peer.package for peer in COUNTERS if peer.package}):
        if not has_package(package):
            subprocess.run([PYTHON, "-m", "pip", "install", "--quiet", package], check=False)
    if any(peer.program == SIMDJSON for peer in COUNTERS):
        build_simdjson()


def build_simdjson():
    global build_simdjson_trouble
    source = os.path.join(HERE, "count_simdjson.cpp")
    if os.path.exists(SIMDJSON) and os.path.getmtime(SIMDJSON) > os.path.getmtime(source):
        return
    try:
        done = subprocess.run(["c++", "-O3", "-march=native", "-std=c++17", source, "-o", SIMDJSON, "-lsimdjson"], capture_output=True)
        build_simdjson_trouble = "" if done.returncode == 0 else "its library is missing (apt install libsimdjson-dev)"
    except FileNotFoundError:
        build_simdjson_trouble = "there is no C++ compiler"
