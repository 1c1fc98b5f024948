# SPDX-License-Identifier: MIT
"""One pytest run whose tests are meant to fail, and what it said about each of them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vmtest.pytest_plugin import Session

_INNER = Path(__file__).parent / "inner"
_TIMEOUT = 1800.0
_END_TIMEOUT = 5.0
_CLOCK = re.compile(r"\[ *(?P<kernel>\d+\.\d+)\].*vmtest-clock (?P<host>\d+\.\d+)")
_PANIC = re.compile(r"\[ *(?P<kernel>\d+\.\d+)\].*Kernel panic - not syncing")


@dataclass(frozen=True)
class InnerTest:
    """What junit.xml and the test's dmesg file tell."""

    name: str
    #: passed, failed (in its own code), error (in set-up or tear-down) or skipped.
    outcome: str
    #: The failure's text, or why it was skipped.
    text: str
    printed: str
    seconds: float
    #: Name of the VM.
    vm: str
    dmesg: str
    #: When the test's own code ended, by the host's clock; 0 when it never began.
    call_ended: float

    @property
    def title(self) -> str:
        """The first line of the failure."""
        return self.text.partition("\n")[0]

    @property
    def died_at(self) -> float | None:
        """When the kernel printed its panic line, by the host's clock, or a bit earlier.

        From the kernel's own time stamps: it does not matter when anybody read the line.
        """
        clock, panic = _CLOCK.search(self.dmesg), _PANIC.search(self.dmesg)
        if clock is None or panic is None:
            return None
        return float(clock["host"]) + float(panic["kernel"]) - float(clock["kernel"])


@dataclass(frozen=True)
class InnerRun:
    """The whole run."""

    status: int
    output: str
    directory: Path
    tests: dict[str, InnerTest]

    def test(self, name: str) -> InnerTest:
        """A test by its name, such as ``test_fault[oops]``."""
        assert name in self.tests, f"the inner run has no {name}; its folder: {self.directory}"
        return self.tests[name]


def run_inner(session: Session, name: str, *files: str) -> InnerRun:
    """Run pytest on ``files`` of ``inner/``, with the kernel and accelerator of ``session``.

    Its artefacts are in the folder ``name`` of the session's own.
    """
    session.say(f"running the negative controls of {', '.join(files)}, which takes some minutes")
    directory = session.directory / name
    directory.mkdir(parents=True)
    command = [
        sys.executable, "-m", "pytest", *(str(_INNER / file) for file in files),
        "--accel", session.default.accelerator.name, *session.kernel_option,
        "-p", "no:cacheprovider", "--run-dir", str(directory),
        "-o", "junit_logging=system-out",
    ]  # fmt: skip
    # Nobody is to be told of failures that are wanted.
    dropped = ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "PYTEST_ADDOPTS", "PYTEST_CURRENT_TEST")
    env = {name: value for name, value in os.environ.items() if name not in dropped}
    log = directory / "pytest.log"
    with (
        log.open("w") as sink,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT, env=env
        ) as process,
    ):
        try:
            status = process.wait(_TIMEOUT)
        except BaseException:
            process.terminate()  # it has VMs to end
            with suppress(subprocess.TimeoutExpired):
                process.wait(_END_TIMEOUT)
            process.kill()
            raise
    output = log.read_text(errors="replace")
    folder = directory / "latest"
    junit = folder / "junit.xml"
    if not junit.exists():
        raise RuntimeError(f"the inner run left no {junit}; it said:\n{output[-4000:]}")
    tests: dict[str, InnerTest] = {}
    for case in ElementTree.parse(junit).iter("testcase"):
        test = _inner_test(case, folder)
        # A second entry of the same name is an error in tear-down after the failure.
        tests.setdefault(test.name, test)
    return InnerRun(status, output, folder.resolve(), tests)


def _inner_test(case: ElementTree.Element, folder: Path) -> InnerTest:
    kinds = {"failure": "failed", "error": "error", "skipped": "skipped"}
    result = next((child for child in case if child.tag in kinds), None)
    text = ""
    if result is not None:
        text = (result.get("message") if result.tag == "skipped" else result.text) or ""
    properties = {one.get("name"): one.get("value", "") for one in case.iter("property")}
    dmesg = Path(properties.get("dmesg", folder / "none"))
    return InnerTest(
        name=case.get("name", ""),
        outcome="passed" if result is None else kinds[result.tag],
        text=text,
        printed=case.findtext("system-out", ""),
        seconds=float(case.get("time", 0)),
        vm=properties.get("vm", ""),
        dmesg=dmesg.read_text(errors="replace") if dmesg.exists() else "",
        call_ended=float(properties.get("call-ended", 0)),
    )
