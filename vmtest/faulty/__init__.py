# SPDX-License-Identifier: MIT
"""Negative controls: a module that misbehaves on demand, and what a harness must then say."""

from pathlib import Path

from vmtest.faulty.faults import FAULTS, TRIGGER, After, Fault, enabled_options

#: Folder with the sources of vmtest_faulty.ko and their Kbuild.
SOURCE = Path(__file__).parent

__all__ = ["FAULTS", "SOURCE", "TRIGGER", "After", "Fault", "enabled_options"]
