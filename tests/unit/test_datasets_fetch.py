"""Downloads: verified, whole or nothing, bounded, from whichever mirror works."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from memlearn.core.errors import DataError
from memlearn.datasets.cache import RemoteFile, cache_folder, store
from memlearn.datasets.fetch import fetch

CONTENT = bytes(range(256)) * 300
FILE = RemoteFile("labels.gz", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
WRONG = CONTENT[:-1] + b"!"


class Handler(BaseHTTPRequestHandler):
    """Behaves as the first part of the address says."""

    server: Server

    def do_GET(self) -> None:
        behaviour = self.path.split("/")[1]
        first = behaviour not in self.server.asked
        self.server.asked.append(behaviour)
        if behaviour == "hang":
            self.server.closing.wait(30)
        elif behaviour == "nonsense":
            self.wfile.write(b"this is no HTTP\r\n\r\n")
        elif behaviour == "slow":
            self._answer(CONTENT[:10])
            self.server.closing.wait(0.3)
            self.wfile.write(CONTENT[10:20])
        elif behaviour == "pair":
            self.server.both.wait(60)
            self._answer(CONTENT)
        elif behaviour == "missing" or (behaviour == "busy" and first):
            self.send_error(404 if behaviour == "missing" else 503)
        else:
            bodies = {"short": CONTENT[:1000], "corrupt": WRONG, "long": CONTENT * 2}
            self._answer(bodies.get(behaviour, CONTENT), length=None if behaviour == "long" else len(CONTENT))

    def _answer(self, body: bytes, *, length: int | None = len(CONTENT)) -> None:
        self.send_response(200)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """A web server of this machine that remembers what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []
        self.closing = threading.Event()
        self.both = threading.Barrier(2)

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are part of the tests."""

    def mirrors(self, *behaviours: str) -> list[str]:
        """Addresses that behave as named."""
        return [f"http://127.0.0.1:{self.server_address[1]}/{name}/" for name in behaviours]


def names(folder: Path) -> list[str]:
    """What is in a folder."""
    return [path.name for path in folder.iterdir()]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.closing.set()
        server.shutdown()
        thread.join()


def test_download_is_stored_once(server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "cache"
    for _ in range(2):
        path = fetch(FILE, folder, mirrors=server.mirrors("good"))
        assert path == folder / FILE.name and path.read_bytes() == CONTENT
    assert server.asked == ["good"] and names(folder) == [FILE.name]


@pytest.mark.parametrize(
    ("behaviour", "tries", "reason"),
    [
        ("short", 2, f"broke off after 1000 of {len(CONTENT)} bytes"),
        ("corrupt", 1, "delivered other bytes (sha256 differs)"),
        ("long", 1, "delivered other bytes (sha256 differs)"),
        ("missing", 1, "HTTP 404"),
        ("nonsense", 2, "this is no HTTP"),
        ("hang", 2, "no answer within 0.2 s"),
    ],
)
def test_failing_mirror(server: Server, tmp_path: Path, behaviour: str, tries: int, reason: str) -> None:
    """Alone it is an error that leaves nothing behind; with a second mirror the file comes from there."""
    patience = {"attempts": 2, "pause": 0.0, "timeout": 0.2}
    with pytest.raises(DataError) as caught:
        fetch(FILE, tmp_path, mirrors=server.mirrors(behaviour), **patience)
    text = str(caught.value)
    assert f"/{behaviour}/{FILE.name}: " in text and reason in text and "--data DIR or MEMLEARN_DATA" in text
    assert server.asked == [behaviour] * tries and not names(tmp_path)

    path = fetch(FILE, tmp_path, mirrors=server.mirrors(behaviour, "good"), **patience)
    assert path.read_bytes() == CONTENT and names(tmp_path) == [FILE.name]


def test_busy_server_is_asked_again(server: Server, tmp_path: Path) -> None:
    assert fetch(FILE, tmp_path, mirrors=server.mirrors("busy"), pause=0.0).read_bytes() == CONTENT
    assert server.asked == ["busy", "busy"]


def test_one_try_is_bounded_in_time(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"too slow, 20 of {len(CONTENT)} bytes in 0.1 s"):
        fetch(FILE, tmp_path, mirrors=server.mirrors("slow"), limit=0.1)


def test_unreachable_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as gone:
        mirrors = gone.mirrors("good")
    with pytest.raises(DataError, match="refused"):
        fetch(FILE, tmp_path, mirrors=mirrors, pause=0.0)


def test_no_mirror(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no source delivered it"):
        fetch(FILE, tmp_path, mirrors=[])


@pytest.mark.parametrize("damaged", [WRONG, CONTENT[:100]])
def test_damaged_cached_file_is_replaced(server: Server, tmp_path: Path, damaged: bytes) -> None:
    (tmp_path / FILE.name).write_bytes(damaged)
    with pytest.raises(DataError, match="not the published file"):
        fetch(FILE, tmp_path, mirrors=server.mirrors("missing"))
    assert fetch(FILE, tmp_path, mirrors=server.mirrors("good")).read_bytes() == CONTENT


def test_two_processes_at_once(server: Server, tmp_path: Path) -> None:
    """The server answers neither before both have asked; both must end up with the whole file."""
    mirrors = server.mirrors("pair")
    code = (
        "from pathlib import Path; from memlearn.datasets.cache import RemoteFile; "
        "from memlearn.datasets.fetch import fetch; "
        f"fetch(RemoteFile{tuple(FILE)!r}, Path({str(tmp_path)!r}), mirrors={mirrors!r}, timeout=60.0)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "no_proxy": "127.0.0.1"}
    with subprocess.Popen([sys.executable, "-c", code], env=environment) as other:
        path = fetch(FILE, tmp_path, mirrors=mirrors, timeout=60.0)
    assert other.returncode == 0 and server.asked == ["pair", "pair"]
    assert path.read_bytes() == CONTENT and names(tmp_path) == [FILE.name]


def check_unusable(server: Server, folder: Path, reason: str) -> None:
    """The folder is refused, with advice, before anything is downloaded."""
    with pytest.raises(DataError) as caught:
        fetch(FILE, folder, mirrors=server.mirrors("good"))
    text = str(caught.value)
    assert str(folder) in text and reason in text
    assert "--data DIR or MEMLEARN_DATA" in text and "MEMLEARN_CACHE" in text


def test_file_in_the_way_of_the_cache(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    check_unusable(server, tmp_path / "file" / "cache", "Not a directory")
    assert not server.asked


def test_read_only_cache(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read-only folder takes no file, but serves the one that it holds."""
    tmp_path.chmod(0o555)
    if os.access(tmp_path, os.W_OK):  # the superuser may write anywhere
        monkeypatch.setattr(os, "access", lambda *_: False)
    check_unusable(server, tmp_path, "it is read-only")
    assert not server.asked
    tmp_path.chmod(0o755)
    (tmp_path / FILE.name).write_bytes(CONTENT)
    tmp_path.chmod(0o555)
    assert fetch(FILE, tmp_path, mirrors=[]).read_bytes() == CONTENT
    tmp_path.chmod(0o755)


def failing_replace(error: BaseException):
    """A `Path.replace` that fails."""

    def replace(source: object, target: object) -> None:
        raise error

    return replace


def test_full_disk_leaves_nothing_behind(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "replace", failing_replace(OSError(28, "No space left on device")))
    check_unusable(server, tmp_path, "No space left on device")
    assert not names(tmp_path)


def test_interrupt_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "replace", failing_replace(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        store(tmp_path, FILE, CONTENT)
    assert not names(tmp_path)


def test_faster_process_on_a_platform_that_locks_open_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / FILE.name).write_bytes(CONTENT)
    monkeypatch.setattr(Path, "replace", failing_replace(PermissionError(13, "in use")))
    assert store(tmp_path, FILE, CONTENT).read_bytes() == CONTENT
    assert names(tmp_path) == [FILE.name]


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {"MEMLEARN_CACHE": "/own", "XDG_CACHE_HOME": "/xdg"}, "/own"),
        ("linux", {"MEMLEARN_CACHE": "~/own"}, "/home/me/own"),
        ("linux", {"XDG_CACHE_HOME": "/xdg"}, "/xdg/memlearn"),
        ("linux", {}, "/home/me/.cache/memlearn"),
        ("darwin", {}, "/home/me/Library/Caches/memlearn"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/memlearn/Cache"),
    ],
)
def test_cache_folder(monkeypatch: pytest.MonkeyPatch, platform: str, variables: dict[str, str], expected: str) -> None:
    for name in ("MEMLEARN_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "/home/me", **variables}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    assert cache_folder() == Path(expected)


def test_no_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMLEARN_CACHE", "~nobody-of-this-name/cache")
    with pytest.raises(DataError, match="home folder is unknown"):
        cache_folder()
