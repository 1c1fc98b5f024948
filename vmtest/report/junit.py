# SPDX-License-Identifier: MIT
"""Adds what only this harness knows to the junit.xml that pytest wrote."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from junitparser import JUnitXml, Properties, Property, TestCase, TestSuite

from vmtest.klog import distinct
from vmtest.report.model import Environment, TestResult


def add_properties(path: Path, tests: Iterable[TestResult], environment: Environment) -> None:
    """Add to `path`: kernel report titles and VM to the cases, the environment to the suites.

    A case is found by the class and test names that pytest derives from the node id.
    """
    by_name = {_junit_name(test.nodeid): test for test in tests}
    xml = JUnitXml.fromfile(str(path))
    for suite in _suites(xml):
        for name, value in environment.rows():
            suite.add_property(name, value)
        for case in suite:
            if not isinstance(case, TestCase):
                continue
            test = by_name.get((case.classname or "", case.name or ""))
            if test is None:
                continue
            values = [("kernel-report", report.title) for report in distinct(test.reports)]
            values += [("vm", test.vm)] if test.vm else []
            values += [("dmesg", str(test.dmesg))] if test.dmesg else []
            _add_case_properties(case, values)
    xml.write(str(path))


def _suites(xml: JUnitXml | TestSuite) -> list[TestSuite]:
    return [xml] if isinstance(xml, TestSuite) else list(xml)


def _add_case_properties(case: TestCase, values: list[tuple[str, str]]) -> None:
    if not values:
        return
    properties = case.child(Properties)  # type: ignore[no-untyped-call]
    if properties is None:
        properties = Properties()  # type: ignore[no-untyped-call]
        case.append(properties)  # type: ignore[no-untyped-call]
    for name, value in values:
        properties.add_property(Property(name, value))


def _junit_name(nodeid: str) -> tuple[str, str]:
    """What pytest writes for a/test_b.py::TestC::test_d[x]: "a.test_b.TestC" and "test_d[x]"."""
    path, *names = nodeid.split("[", 1)[0].split("::")
    parameters = "[" + nodeid.split("[", 1)[1] if "[" in nodeid else ""
    classname = ".".join([path.removesuffix(".py").replace("/", "."), *names[:-1]])
    return classname, (names[-1] if names else "") + parameters
