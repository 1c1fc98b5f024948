# SPDX-License-Identifier: MIT
"""Runs of several kernels, with trivial tests and no VM: what goes wrong, and what goes on."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vmtest import accel, cli_matrix, images, kernels
from vmtest.errors import BootFailed, BuildError, SetupError
from vmtest.matrix import Matrix, chosen
from vmtest.report.matrix import Column, State, read_matrix
from vmtest.vm import VM

pytest_plugins = ["pytester"]

# Stands for the plugin's fixture: a kernel without a VM.
_CONFTEST = """
import pytest
from vmtest import pytest_plugin
from vmtest.pytest_parallel import share_of
from vmtest.report import Environment

@pytest.fixture
def kernel(request):
    class Kernel:
        environment = Environment(request.config.getoption("kernel"), "tcg", "no need")
        pool = type("Pool", (), {"kept": (), "close": lambda self: None})()
    share_of(request.config).make_directory()
    request.config.stash[pytest_plugin.SESSION] = Kernel()
"""

_TESTS = """
import pytest
def test_good(kernel): pass
def test_bad(kernel): assert 0, "on purpose"
def test_skipped(kernel): pytest.skip("CONFIG_X is not set in this kernel")
"""


@pytest.fixture
def plan(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Matrix:
    """Three tests on kernels that all boot."""
    for name in list(os.environ):
        if name.startswith(("VMTEST_RUN", "PYTEST_XDIST", "PYTEST_ADDOPTS", "GITHUB_")):
            monkeypatch.delenv(name)
    monkeypatch.setattr(Matrix, "_why_unfit", lambda *_: None)
    pytester.makeconftest(_CONFTEST)
    pytester.makepyfile(test_them=_TESTS)
    return Matrix(pytester.path / "matrix", paths=[str(pytester.path)])


def test_a_column_has_the_results_of_its_kernel(plan: Matrix) -> None:
    said: list[str] = []
    column = plan.run("trixie-rt", said.append)
    assert (column.kernel, column.state) == ("trixie-rt", State.DONE)
    assert column.run is not None
    assert column.run.environment.kernel == "trixie-rt"
    assert (column.total.passed, column.total.failed, column.total.skipped) == (1, 1, 1)
    assert column.failures[0].title == "AssertionError: on purpose"
    assert column.skips() == [("CONFIG_X is not set in this kernel", 1, ["test_them"])]
    assert any(re.search(r"test_bad FAILED .*%\]", line) for line in said)
    assert "on purpose" in (plan.directory / "trixie-rt" / "pytest.log").read_text()


def test_only_some_tests_can_be_run(plan: Matrix) -> None:
    [path] = plan.paths
    column = plan.run("trixie", lambda _: None, [f"{path}/test_them.py::test_good"])
    assert [test.name for test in column.tests] == ["test_good"]


def test_a_run_without_tests_is_no_good_one(plan: Matrix) -> None:
    column = Matrix(plan.directory, "no_such_test", paths=plan.paths).run("6.1", lambda _: None)
    assert (column.state, column.bad) == (State.NO_RESULT, True)
    assert column.problem.startswith("no test was chosen; log: ")


def test_a_run_that_breaks_shows_where_its_log_is(plan: Matrix, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_broken="import nonsense")
    column = plan.run("trixie", lambda _: None)
    assert column.state is State.NO_RESULT
    assert re.match(r"pytest ended with status 2; log: .*/trixie/pytest\.log", column.problem)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_leaves_what_is_known_so_far(plan: Matrix, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_them="""
        import pathlib, time
        def test_good(kernel): pass
        def test_long(kernel):
            pathlib.Path(__file__).with_name("started").touch()
            time.sleep(600)
        """
    )

    def interrupt() -> None:
        deadline = time.monotonic() + 60
        while not (pytester.path / "started").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    column = plan.run("trixie", lambda _: None)
    thread.join()
    assert column.state is State.INTERRUPTED
    assert column.total.passed == 1


def _raising(error: Exception) -> Callable[..., object]:
    def fail(*_: object) -> object:
        raise error

    return fail


def test_an_image_that_is_not_built_is_a_column(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(kernels, "resolve", _raising(BuildError("no mirror")))
    column = Matrix(tmp_path).run("6.1", lambda _: None)
    assert (column.state, column.problem) == (State.NOT_BUILT, "no mirror")


def test_a_kernel_that_does_not_boot_is_a_column(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    recipe = images.recipe_named(None)
    image = images.Image(recipe, tmp_path)
    image.__dict__["facts"] = {"release": "1.2"}
    monkeypatch.setattr(kernels, "resolve", lambda *_: kernels.Kernel("one", image))
    monkeypatch.setattr(accel, "choose", lambda *_: accel.Accelerator("tcg", "no need"))
    monkeypatch.setattr(VM, "start", _raising(BootFailed("no sshd", log="/x")))
    column = Matrix(tmp_path).run("6.1", lambda _: None)
    assert (column.state, column.problem) == (State.NOT_BOOTED, "no sshd\n  log: /x")


def test_the_recipes_say_what_is_in_the_matrix() -> None:
    assert chosen(None) == ["bookworm", "trixie", "trixie-rt", "trixie-backports"]
    assert chosen("7.3, 6.12-debug,debug") == ["trixie-backports", "debug"]
    with pytest.raises(SetupError, match="no kernel is called 'sarge'"):
        chosen("6.1,sarge")
    with pytest.raises(SetupError, match="no kernel is named"):
        chosen(" , ")


def test_the_workflow_has_no_list_of_its_own() -> None:
    text = (images.TOP / ".github/workflows/ci.yml").read_text()
    assert "fromJSON(needs.kernels.outputs.matrix)" in text
    words = re.findall(r"[\w.-]+", text)
    assert not [r for r in images.recipes() if r.boots and set(r.names) & set(words)]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """Runs ``vmtest matrix``; kernels end as ``states`` says, done by default."""
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(cli_matrix, "_JSON", tmp_path / "matrix.json")

    def run(*words: str, **states: State) -> tuple[int, str]:
        def column(_plan: Matrix, kernel: str, _say: object, _only: object = ()) -> Column:
            return Column(kernel, states.get(kernel, State.DONE))

        monkeypatch.setattr(Matrix, "run", column)
        result = CliRunner().invoke(cli_matrix.app, list(words))
        return result.exit_code, result.output

    return run


def test_all_kernels_done_is_success(command: Callable[..., tuple[int, str]]) -> None:
    assert command()[0] == 0


def test_a_kernel_that_fails_does_not_keep_the_others(
    command: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    code, said = command(bookworm=State.NOT_BUILT)
    assert code == 1
    assert "bookworm: not built" in said
    states = [column.state for column in read_matrix(tmp_path / "matrix.json")]
    assert states == [State.NOT_BUILT, State.DONE, State.DONE, State.DONE]
    assert "not built" in (tmp_path / "matrix.md").read_text()


def test_an_interrupt_ends_all_and_shows_the_table(
    command: Callable[..., tuple[int, str]],
) -> None:
    code, said = command("--kernels", "6.1,6.12,7.3", trixie=State.INTERRUPTED)
    assert code == 130
    assert "3 kernels: 0 passed; trixie: interrupted; trixie-backports: not run" in said


def test_only_what_failed_is_run_again(
    command: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    command(bookworm=State.NOT_BOOTED)
    code, _ = command("--only-failed", trixie=State.NOT_BUILT)  # which is not run
    assert code == 0
    columns = read_matrix(tmp_path / "matrix.json")
    assert {column.state for column in columns} == {State.DONE}
    assert [column.kernel for column in columns] == chosen(None)


def test_tables_of_several_machines_are_merged(
    command: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    files = []
    for kernel in ("7.3", "6.1"):
        command("--kernels", kernel)
        files.append(str((tmp_path / "matrix.json").rename(tmp_path / f"{kernel}.json")))
    code, said = command("merge", *files)
    assert code == 1  # two machines have said nothing
    assert "4 kernels: 0 passed; trixie: not run; trixie-rt: not run" in said
    columns = read_matrix(tmp_path / "matrix.json")
    assert [column.kernel for column in columns] == chosen(None)
