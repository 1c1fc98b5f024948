# SPDX-License-Identifier: MIT
"""Checks of the module and of its UAPI headers, most of them with the kernel's own scripts."""

from __future__ import annotations

import os
import re

from vmtest.build import INSIDE
from vmtest.checks.check import SCRIPTS, Bench, Check, Step

# Debian's kernel is configured for gcc. make takes what is given on its command line before what
# stands in that configuration, so it builds for clang with what differs: which compiler it is, and
# options that only gcc has.
_FOR_CLANG = (
    "CC=clang", "CONFIG_CC_IS_GCC=", "CONFIG_CC_IS_CLANG=y", "CONFIG_GCC_VERSION=0",
    "CONFIG_CLANG_VERSION=190107", "CONFIG_CC_NO_ARRAY_BOUNDS=", "CONFIG_GCC10_NO_ARRAY_BOUNDS=",
    "CONFIG_CC_IMPLICIT_FALLTHROUGH=-Wimplicit-fallthrough",
    "CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT=", "CONFIG_FTRACE_MCOUNT_USE_CC=",
    # The configuration that C sees is gcc's too: with its named address spaces, current.h of the
    # kernel qualifies a type twice.
    "KCFLAGS=-Wno-duplicate-decl-specifier",
)  # fmt: skip

# What checkpatch is wrong about, and where. Everywhere else it has its full say.
_STYLE_OF_ITS_OWN = {
    # It means code that is merged into one kernel. This file is there to build for several: with a
    # type and macros, some of them empty, of one kernel's API in another. A constant is what it
    # takes LINUX_VERSION_CODE for.
    "kmod/compat.h": (
        "LINUX_VERSION_CODE", "CONSTANT_COMPARISON", "NEW_TYPEDEFS", "MACRO_ARG_UNUSED",
    ),
    # Trace events are laid out like this in all of the kernel.
    "kmod/zosbd2_trace.h": ("PARENTHESIS_ALIGNMENT", "OPEN_ENDED_LINE"),
    # A macro whose argument is a member's name may use it twice.
    "kmod/zosbd2_stats.c": ("MACRO_ARG_REUSE",),
    # Crashes on purpose: at constants, with BUG(), and so that the compiler does not see it.
    "vmtest/faulty/crash.c": (
        "AVOID_BUG", "VOLATILE", "TYPECAST_INT_CONSTANT", "FUNCTION_ARGUMENTS",
    ),
    # There is no BIT() for userspace. It knows that of include/uapi only.
    "kmod/uapi/linux/zosbd2.h": ("BIT_MACRO",),
    "kmod/uapi/linux/zosbd2_ext.h": ("BIT_MACRO",),
    "kmod/uapi/linux/zosbd2_ring.h": ("BIT_MACRO",),
}  # fmt: skip

# Semantic patches that are left out, and why.
_NO_SEMANTIC_PATCH = {
    "api/check_bq27xxx_data.cocci": "is about one battery driver, and needs an OCaml compiler",
    "null/badzero.cocci": "needs an OCaml compiler; sparse finds a 0 that is a NULL",
    # They do not know that a function they call drops the lock, as its __releases() says. sparse
    # knows, and follows the balance of locks.
    "locks/double_lock.cocci": "takes a lock for held that a called function has dropped",
    "locks/mini_lock.cocci": "takes a lock for held that a called function has dropped",
}

_UAPI = "kmod/uapi/linux/*.h"
_SOURCES = ("kmod/*.c", "kmod/*.h", _UAPI)


def _coccinelle(bench: Bench) -> list[Step]:
    where = ["--dir", "kmod"]
    kernel = (f"{bench.kernel}/include", f"{bench.kernel}/arch/x86/include")
    for folder in ("kmod", "kmod/uapi", *kernel):
        where += ["-I", folder]
    steps = []
    for path, text in bench.semantic_patches():
        name = str(path.relative_to(SCRIPTS / "coccinelle"))
        if name in _NO_SEMANTIC_PATCH:
            continue
        # As scripts/coccicheck finds them.
        options = [word for line in re.findall(r"Options:(.*)", text) for word in line.split()]
        command = ("spatch", "-D", "report", "--very-quiet", "--no-show-diff", "--cocci-file")
        steps.append(Step(f"coccinelle {name}", (*command, str(path), *options, *where)))
    return steps


def _built(bench: Bench, what: str, *variables: str) -> list[Step]:
    kbuild = ("make", "-C", str(bench.headers), f"-j{os.cpu_count()}", "--keep-going")
    return [Step(what, (*kbuild, f"M={INSIDE}/kmod", "W=1", *variables, "modules"))]


def _sparse(bench: Bench) -> list[Step]:
    flags = "-D__CHECK_ENDIAN__ -Wcast-from-as -Wbitwise-pointer -Wreturn-void -Wdo-while"
    return _built(bench, "gcc W=1, and sparse C=2", "C=2", f"CF={flags}")


def _clang(bench: Bench) -> list[Step]:
    return _built(bench, "clang W=1", *_FOR_CLANG)


def _checkpatch(bench: Bench) -> list[Step]:
    files = bench.files(*_SOURCES, "vmtest/faulty/*.c", "vmtest/faulty/*.h")
    return bench.checkpatch(files, _STYLE_OF_ITS_OWN)


def _kernel_doc(bench: Bench) -> list[Step]:
    command = ("perl", str(SCRIPTS / "kernel-doc"), "-none", "-Wall", "-Werror")
    return [Step("kernel-doc", (*command, *bench.files(*_SOURCES)))]


# Prints what differs: -Wpadded tells of padding, but not of a type of another size. The system's
# structs, which differ, are in the dumps too.
_SAME_LAYOUT = """
for bits in 32 64; do
	clang -m$bits "$@" >/tmp/dump || exit
	perl -00 -ne 'print if /struct zosbd2_/' /tmp/dump >/tmp/$bits
done
diff /tmp/32 /tmp/64
"""


def _uapi(bench: Bench) -> list[Step]:
    # The image has no C library for 32 bits. What the headers need of the system's is for both.
    find = ("-Ikmod/uapi", "-isystem", "/usr/include/x86_64-linux-gnu")
    strict = ("-Wall", "-Wextra", "-Wpadded", "-Werror", "-fsyntax-only", *find)
    languages = (("gcc", "-xc", "-std=c90"), ("clang++", "-xc++", "-std=c++98"))
    steps = []
    for header in bench.files(_UAPI):
        for language in languages:
            for bits in ("-m32", "-m64"):
                what = f"{header} alone, {language[-1]} {bits}"
                steps.append(Step(what, (*language, bits, *strict, header)))
        dump = ("-xc", "-fsyntax-only", "-Xclang", "-fdump-record-layouts-complete", *find)
        command = ("sh", "-c", _SAME_LAYOUT, "layout", *dump, header)
        steps.append(Step(f"{header}, layout with 32 and 64 bits", command))
    return steps


CHECKS = (
    Check("coccinelle", "the kernel's semantic patches, on the module", ("kmod",), _coccinelle),
    Check("sparse", "the module with gcc W=1, and sparse with endianness", ("kmod",), _sparse),
    Check("module-clang", "the module with clang W=1", ("kmod",), _clang),
    Check(
        "checkpatch",
        "checkpatch.pl --strict on the module, and on the one of the negative controls",
        ("kmod", "vmtest/faulty"),
        _checkpatch,
    ),
    Check("kernel-doc", "the module's documentation comments", ("kmod",), _kernel_doc),
    Check("uapi", "UAPI headers alone: C90, C++98, 32 bits, layout", ("kmod/uapi",), _uapi),
)
