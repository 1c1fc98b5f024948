# SPDX-License-Identifier: MIT
"""What a run leaves behind: HTML, JUnit properties, KTAP, workflow commands, terminal summary."""

from vmtest.report.model import Environment, Outcome, RunResult, TestResult

__all__ = ["Environment", "Outcome", "RunResult", "TestResult"]
