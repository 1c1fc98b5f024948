# SPDX-License-Identifier: MIT
"""Checks of the library and the programs, and of the shell scripts."""

from __future__ import annotations

import os

from vmtest.checks.check import Bench, Check, Step

# The UAPI headers too: they are compiled with it.
_SOURCES = ("userspace", "kmod/uapi")

_MAKE = ("make", "-C", "userspace", f"-j{os.cpu_count()}", "--keep-going")

# Of clang's -Weverything, what is no fault here.
_EVERYTHING = (
    "-Weverything",
    # C11 is what it is written in.
    "-Wno-pre-c11-compat", "-Wno-declaration-after-statement",
    # Nothing but the UAPI, which has a check of its own, is laid out for others.
    "-Wno-padded",
    # It asks for C++'s std::span.
    "-Wno-unsafe-buffer-usage",
    # -Wswitch wants a case for all values, or a default for the rest: that is enough.
    "-Wno-switch-default", "-Wno-switch-enum", "-Wno-covered-switch-default",
)  # fmt: skip

# What checkpatch wants of the kernel only: its own types and macros, none of C11's names, and
# messages that can be searched for in a log, but are long only as arguments of its own functions.
_OF_THE_KERNEL = (
    "PREFER_KERNEL_TYPES", "BIT_MACRO", "PREFER_DEFINED_ATTRIBUTE_MACRO", "CAMELCASE",
    "LONG_LINE_STRING", "SPLIT_STRING",
)  # fmt: skip

# A list of initialisers cannot be in parentheses.
_STYLE_OF_ITS_OWN = {"userspace/cli/server_options.h": ("COMPLEX_MACRO",)}

_SCRIPTS = ("vmtest/bootstrap.sh",)


def _tidy(bench: Bench) -> list[Step]:
    return [
        Step(f"clang-tidy {path}", (*_MAKE, "--silent", f"{path.partition('/')[2]}.tidy"))
        for path in bench.files("userspace/*/*.c")
    ]


def _analyzer(_bench: Bench) -> list[Step]:
    return [Step("gcc -fanalyzer", (*_MAKE, "CFLAGS=-O2 -g -fanalyzer -Werror", "all"))]


def _clang(_bench: Bench) -> list[Step]:
    flags = " ".join(["-O2", "-g", *_EVERYTHING, "-Werror"])
    return [Step("clang -Weverything", (*_MAKE, "CC=clang", f"CFLAGS={flags}", "all"))]


def _style(bench: Bench) -> list[Step]:
    files = bench.files("userspace/*/*.[ch]")
    return bench.checkpatch(files, _STYLE_OF_ITS_OWN, _OF_THE_KERNEL)


def _shell(_bench: Bench) -> list[Step]:
    return [Step("shellcheck", ("shellcheck", "--format=gcc", *_SCRIPTS))]


CHECKS = (
    Check("clang-tidy", "clang-tidy on the userspace, see .clang-tidy there", _SOURCES, _tidy),
    Check("analyzer", "the userspace with gcc -fanalyzer", _SOURCES, _analyzer),
    Check("userspace-clang", "the userspace with clang -Weverything", _SOURCES, _clang),
    Check("userspace-style", "checkpatch.pl --strict on the userspace", _SOURCES, _style),
    Check("shell", "shellcheck on the scripts", _SCRIPTS, _shell),
)
