"""A real Neo4j for tests: Maven's jars, started with Java, which may be stopped and started in the middle.

python -m tests.memory.provenance.neo4j_server    # serves until it is interrupted, says where
"""

from __future__ import annotations

import fcntl
import hashlib
import re
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from platformdirs import user_cache_path
from tests.patience import PROCESS_PATIENCE

POM = Path(__file__).with_name("pom.xml")
HOW = "install Java 17 and Maven, or set PILOTMAN_TEST_NEO4J_URL"
_OPENS = ("java.nio", "java.io", "sun.nio.ch")
_CONF = """
server.default_listen_address=127.0.0.1
server.bolt.listen_address=127.0.0.1:{port}
server.http.enabled=false
server.https.enabled=false
dbms.security.auth_enabled=false
dbms.usage_report.enabled=false
server.memory.heap.max_size=512m
server.memory.pagecache.size=128m
"""


class Missing(Exception):
    """There is no Neo4j to be had here; says why."""


def jars() -> Path:
    """The folder with Neo4j's jars, fetched at the first call on this machine; others wait for it.

    Raises:
        Missing: Java 17 or Maven is not there, or the jars cannot be fetched.
    """
    _check_java()
    version = hashlib.sha256(POM.read_bytes()).hexdigest()[:12]
    folder = user_cache_path("pilotman-tests", ensure_exists=True) / f"neo4j-{version}"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            _fetch(folder)
    return folder


def _check_java() -> None:
    java = shutil.which("java")
    if java is None:
        raise Missing(f"no java: {HOW}")
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < 17:
        raise Missing(f"java is too old: {HOW}")


def _fetch(folder: Path) -> None:
    if shutil.which("mvn") is None:
        raise Missing(f"no mvn: {HOW}")
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        shutil.copy(POM, work)
        done = subprocess.run(
            [
                "mvn",
                "-q",
                "-B",
                "dependency:copy-dependencies",
                "-DoutputDirectory=lib",
                "-DincludeScope=runtime",
            ],
            cwd=work,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise Missing(f"mvn cannot fetch Neo4j: {done.stdout.strip()[-500:]}")
        (Path(work) / "lib").rename(folder)


class Neo4jServer:
    """One server with its data; the same URL after each ``start``."""

    def __init__(self, lib: Path, home: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port: int = free.getsockname()[1]
        self._lib, self._home = lib, home
        self._process: subprocess.Popen[str] | None = None
        (home / "conf").mkdir(parents=True)
        (home / "conf" / "neo4j.conf").write_text(_CONF.format(port=self._port))

    @property
    def url(self) -> str:
        return f"bolt://127.0.0.1:{self._port}"

    @property
    def home(self) -> Path:
        """Where its data lies."""
        return self._home

    def start(self) -> None:
        """Returns when it serves."""
        opens = [f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in _OPENS]
        memory = ["-Xmx512m", "-XX:+UseSerialGC"]
        home = [f"--home-dir={self._home}", f"--config-dir={self._home / 'conf'}", "--console-mode"]
        main = ["-cp", f"{self._lib}/*", *opens, "org.neo4j.server.CommunityEntryPoint", *home]
        self._process = subprocess.Popen(
            ["java", *memory, *main], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert self._process.stdout is not None
        started = threading.Event()
        said: list[str] = []
        threading.Thread(target=_listen, args=(self._process.stdout, said, started), daemon=True).start()
        if not started.wait(PROCESS_PATIENCE) or self._process.poll() is not None:
            self.stop()
            raise Missing(f"Neo4j does not start: {''.join(said[-20:])}")

    def stop(self) -> None:
        """Returns when it is gone."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(PROCESS_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _listen(output: IO[str], said: list[str], started: threading.Event) -> None:
    """Read on, so that the server never waits for a reader."""
    with output:
        for line in output:
            said.append(line)
            if "Started." in line:
                started.set()
    started.set()  # it ended


@contextmanager
def served() -> Generator[Neo4jServer]:
    """A server in a temporary folder.

    Raises:
        Missing: there is none to be had here.
    """
    lib = jars()
    with tempfile.TemporaryDirectory(prefix="pilotman-neo4j-", ignore_cleanup_errors=True) as folder:
        server = Neo4jServer(lib, Path(folder) / "home")
        server.start()
        try:
            yield server
        finally:
            server.stop()


if __name__ == "__main__":
    with served() as running:
        print(running.url, flush=True)
        threading.Event().wait()
