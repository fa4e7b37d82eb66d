"""How child processes are kept running, heard and ended, with shell commands for children."""

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from descent import alive, command_of, descendants

from fleet import wait_until

MANAGED = Path(__file__).with_name("managed.py")

OBEDIENT = "trap 'echo bye; exit 0' TERM; echo hello; while :; do sleep 0.05; done"
STUBBORN = "trap '' TERM; echo hello; while :; do sleep 0.05; done"


class Managed:
    """`managed.py` as a process, with what it says in a file."""

    def __init__(self, said: Path, commands: dict[str, str], *, pass_fds: tuple[int, ...] = (), **asked: Any) -> None:
        self._said = said
        with said.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(MANAGED), json.dumps({"commands": commands, **asked})],
                stdout=output,
                stderr=output,
                pass_fds=pass_fds,
                env=os.environ | {"TERM": "xterm"},
            )

    def said(self) -> str:
        return self._said.read_text(errors="replace")

    def wait_for(self, words: str, times: int = 1) -> None:
        try:
            wait_until(lambda: self.said().count(words) >= times, 60, words)
        except AssertionError as error:
            raise AssertionError(f"{error}; it said:\n{self.said()}") from None

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self, number: int = signal.SIGTERM) -> int:
        self.send(number)
        return self.process.wait(60)


@pytest.fixture
def managed(tmp_path: Path) -> Iterator[Callable[..., Managed]]:
    opened: list[Managed] = []

    def open_one(commands: dict[str, str], **asked: Any) -> Managed:
        opened.append(Managed(tmp_path / f"said-{len(opened)}", commands, **asked))
        return opened[-1]

    yield open_one
    for one in opened:
        one.process.kill()
        one.process.wait()


def test_every_line_bears_the_name_of_who_said_it(managed: Callable[..., Managed]) -> None:
    one = managed({"clock": OBEDIENT, "a-worker": "echo out; echo err >&2; printf unfinished; " + OBEDIENT})
    one.wait_for("hello", 2)
    assert one.end() == 0
    lines = one.said().splitlines()
    for line in (
        "clock    | hello",
        "clock    | bye",
        "a-worker | out",
        "a-worker | err",
        "a-worker | unfinishedhello",
    ):
        assert line in lines
    assert "up       | SIGTERM: ending in order" in one.said()
    assert all(line[8:11] == " | " for line in lines)


def test_as_json_every_line_is_an_object_that_names_its_process(managed: Callable[..., Managed]) -> None:
    said = '{"event":"task enqueued","task":"ن"}'
    one = managed({"clock": f"echo '{said}'; echo 'not {{json}}'; {OBEDIENT}"}, as_json=True)
    one.wait_for("hello")
    assert one.end() == 0
    lines = [json.loads(line) for line in one.said().splitlines()]
    assert lines[0] == {"process": "clock", "event": "task enqueued", "task": "ن"}
    assert (lines[1]["process"], lines[1]["event"]) == ("clock", "not {json}")
    assert {line["process"] for line in lines} == {"clock", "up"}


def test_the_last_words_of_a_dying_child_are_heard(managed: Callable[..., Managed]) -> None:
    one = managed({"talker": "head -c 60000 /dev/zero | tr '\\0' x; printf 'the end'; exit 3"})
    one.wait_for("the end")
    one.wait_for("talker ended with exit code 3")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP])
def test_any_signal_to_stop_ends_all_in_order(managed: Callable[..., Managed], number: signal.Signals) -> None:
    one = managed({"clock": OBEDIENT, "worker": OBEDIENT})
    one.wait_for("hello", 2)
    family = descendants(one.process.pid)
    assert one.end(number) == 0
    assert one.said().count("bye") == 2
    wait_until(lambda: not alive(family), what="all to be gone")


def test_a_child_that_dies_is_started_again(managed: Callable[..., Managed]) -> None:
    one = managed({"clock": f"echo pid $$; {OBEDIENT}", "worker": OBEDIENT})
    one.wait_for("hello", 2)
    pid = int(one.said().partition("pid ")[2].split()[0])
    os.kill(pid, signal.SIGKILL)
    one.wait_for("hello", 3)
    assert "up     | clock was killed by SIGKILL after " in one.said()
    assert one.end() == 0


def test_a_child_that_ends_by_itself_is_started_again(managed: Callable[..., Managed], tmp_path: Path) -> None:
    once = tmp_path / "once"
    one = managed({"worker": f"[ -e {once} ] || {{ touch {once}; exit 0; }}; {OBEDIENT}"})
    one.wait_for("hello")
    assert "worker ended with exit code 0 after " in one.said()
    assert one.end() == 0


def test_three_quick_deaths_in_a_row_stop_everything(managed: Callable[..., Managed]) -> None:
    one = managed({"clock": OBEDIENT, "worker": "echo no such queue; exit 2"})
    assert one.process.wait(60) == 1
    assert one.said().count("no such queue") == 3
    assert "worker ended with exit code 2, the third time in a row within 5 s of its start" in one.said()
    assert "clock  | bye" in one.said()


def test_a_child_that_does_not_end_is_killed_when_patience_ends(managed: Callable[..., Managed]) -> None:
    one = managed({"clock": OBEDIENT, "worker": STUBBORN}, shutdown_timeout=0.5)
    one.wait_for("hello", 2)
    family = descendants(one.process.pid)
    assert one.end() == 1
    assert "clock  | bye" in one.said()
    assert "worker was killed by SIGKILL" in one.said()
    wait_until(lambda: not alive(family), what="all to be gone")


def test_a_second_signal_is_passed_on_and_hurries(managed: Callable[..., Managed]) -> None:
    stubborn = "trap 'echo again' TERM; echo hello; while :; do sleep 0.05; done"
    one = managed({"worker": stubborn}, shutdown_timeout=600)
    one.wait_for("hello")
    one.send(signal.SIGINT)
    one.wait_for("worker | again")
    one.send(signal.SIGINT)
    one.wait_for("worker | again", 2)
    assert one.process.wait(60) == 1


def test_a_third_signal_kills(managed: Callable[..., Managed]) -> None:
    one = managed({"worker": STUBBORN}, shutdown_timeout=600)
    one.wait_for("hello")
    for words in ("ending in order", "3 s left", "killing"):
        one.send(signal.SIGINT)
        one.wait_for(words)
    assert one.process.wait(60) == 1


def test_children_do_not_outlive_a_killed_parent(managed: Callable[..., Managed]) -> None:
    one = managed({"clock": OBEDIENT, "worker": STUBBORN})
    one.wait_for("hello", 2)
    family = {pid for pid in descendants(one.process.pid) if b"hello" in command_of(pid)}
    assert len(family) == 2
    one.process.kill()
    wait_until(lambda: not alive(family), what="all to be gone")


def test_a_program_that_a_child_left_behind_is_not_waited_for(managed: Callable[..., Managed], tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    one = managed({"worker": f"yes >&1 & echo $! > {pid_file}; exit 0", "clock": OBEDIENT})
    try:
        one.wait_for("worker ended with exit code 0")
        assert one.end() == 0
    finally:
        for pid in alive({int(pid_file.read_text())}):
            os.kill(pid, signal.SIGKILL)


def test_when_nobody_reads_the_output_all_ends_in_order(tmp_path: Path) -> None:
    bye = tmp_path / "bye"
    command = f"trap 'touch {bye}; exit 0' TERM; while :; do echo hello; sleep 0.05; done"
    asked = json.dumps({"commands": {"worker": command}})
    with subprocess.Popen([sys.executable, str(MANAGED), asked], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as one:
        assert one.stdout is not None
        assert one.stderr is not None
        assert one.stdout.readline() == b"worker | hello\n"
        one.stdout.close()
        assert one.wait(60) == 0
        assert one.stderr.read() == b""
    assert bye.exists()


def test_on_a_terminal_names_are_coloured_and_ctrl_c_reaches_only_the_parent(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    said = b""
    command = "trap 'echo interrupted' INT; " + OBEDIENT
    asked = {"commands": {"worker": command}, "terminal": theirs}
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | {"TERM": "xterm"}
    with subprocess.Popen(
        [sys.executable, str(MANAGED), json.dumps(asked)], pass_fds=[theirs], env=environment
    ) as process:
        os.close(theirs)
        while b"hello" not in said:
            said += os.read(ours, 4096)
        os.write(ours, b"\x03")
        assert process.wait(60) == 0
        while b"bye" not in said:
            said += os.read(ours, 4096)
    os.close(ours)
    assert b"\x1b[32mworker |\x1b[0m hello" in said
    assert b"SIGINT: ending in order" in said
    assert b"interrupted" not in said


def test_no_colour_is_respected(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    asked = {"commands": {"worker": OBEDIENT}, "terminal": theirs}
    said = b""
    with subprocess.Popen(
        [sys.executable, str(MANAGED), json.dumps(asked)],
        pass_fds=[theirs],
        env=os.environ | {"TERM": "xterm", "NO_COLOR": "1"},
    ) as process:
        os.close(theirs)
        while b"hello" not in said:
            said += os.read(ours, 4096)
        process.terminate()
        assert process.wait(60) == 0
    os.close(ours)
    assert b"\x1b" not in said
