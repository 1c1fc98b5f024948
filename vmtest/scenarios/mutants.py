# SPDX-License-Identifier: MIT
"""Modules with a fault put into them on purpose, for checks that must see it."""

from __future__ import annotations

import argparse
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from vmtest import accel, build, kernels
from vmtest.cache import Say, nobody_listens
from vmtest.fuzz.bench import Bench
from vmtest.fuzz.engine import built_engine, script_of
from vmtest.fuzz.minimise import render
from vmtest.images import TOP
from vmtest.kernels import Kernel
from vmtest.vm import VmConfig


@dataclass(frozen=True)
class Mutant:
    """``wrong`` in place of ``right``, which is once in ``file``; and the ``report`` of that."""

    file: str
    right: str
    wrong: str
    #: A regular expression.
    report: str

    def build(self, kernel: Kernel, folder: Path, say: Say = nobody_listens) -> build.Built:
        """Compile it, from a copy of the sources below ``folder``."""
        source = folder / "kmod"
        shutil.copytree(TOP / "kmod", source)
        file = source / self.file
        text = file.read_text()
        assert text.count(self.right) == 1, f"{self.file} has changed: change this mutant too"
        file.write_text(text.replace(self.right, self.wrong))
        return build.module(kernel, source, say)


#: A session uses its device without a reference to it.
UNCOUNTED = Mutant(
    "zosbd2_session.c",
    "	kref_get(&dev->ref);\n",
    "",
    "refcount|use-after-free|invalid-load|general protection|page fault|list",
)

#: An answer to a request that has ended, or that another thread is copying, is taken.
ANY_STATE = Mutant(
    "zosbd2_answer.c",
    "slot->state != ZOSBD2_SLOT_FETCHED || (u32)slot->id != id",
    "(u32)slot->id != id",
    "null-ptr-deref|NULL pointer|general protection|page fault|BUG|WARNING|list",
)

#: Who asks for a status keeps the device for ever.
LEAKING = Mutant(
    "zosbd2_ext.c",
    "	zosbd2_dev_put(dev);\n	return copy_to_user(arg, &status",
    "	return copy_to_user(arg, &status",
    "hang: rmmod",
)

#: A channel answers requests that another server of its queue has.
ANY_SERVER = Mutant(
    "zosbd2_commit.c",
    "slot->id == id && slot->server == server ? slot : NULL",
    "slot->id == id ? slot : NULL",
    "another server's request was answered|a wrong answer was carried out",
)

#: What an answer says of a request's data is not compared with the request.
ANY_PLACE = Mutant(
    "zosbd2_commit.c",
    "	if (answer->offset > bytes)\n		return -EBADMSG;\n",
    """	if (!answer->length_bytes)
		answer->length_bytes = bytes - answer->offset;
	return 0;
""",
    "a wrong answer|data was copied behind its place|usercopy|out-of-bounds|page fault",
)

#: Which request an answer is for is read a second time when it ends.
READ_TWICE = Mutant(
    "zosbd2_commit.c",
    "	for (; reply < end; reply++)\n		zosbd2_settle(",
    """	for (; reply < end; reply++) {
		u32 at = channel->answer_head + (reply - channel->round);

		reply->slot = zosbd2_find_own(queue, channel->server,
			channel->answers[at & (channel->entries - 1)].id);
	}
	for (reply = channel->round; reply < end; reply++)
		zosbd2_settle(""",
    "hang|a request did not end|NULL|general protection|list|WARNING|BUG",
)

#: Of two answers to a request, both are carried out.
CLAIMED_TWICE = Mutant(
    "zosbd2_commit.c",
    """		if (slot && slot->state == ZOSBD2_SLOT_OWNED)
			break;
		if (!slot || slot->state != ZOSBD2_SLOT_FETCHED) {
""",
    "		if (!slot) {\n",
    "null-ptr-deref|NULL pointer|general protection|page fault|BUG|WARNING|list",
)


def _main() -> None:
    """Have the fuzzer find each mutant, or the named ones: ``NAME... [--seed N]``."""
    parser = argparse.ArgumentParser(description=_main.__doc__)
    mutants = {name: one for name, one in globals().items() if isinstance(one, Mutant)}
    parser.add_argument("names", nargs="*", default=list(mutants), choices=mutants)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--kernel")
    options = parser.parse_args()
    kernel = kernels.resolve(options.kernel)
    config = VmConfig(kernel, accel.choose("auto", kernel.image.kernel))
    engine = built_engine(kernel.image)
    for name in options.names:
        with tempfile.TemporaryDirectory(prefix="vmtest-mutant-") as folder:
            module = mutants[name].build(kernel, Path(folder))
            with Bench(config, module, engine, Path(folder), print) as bench:
                _hunt(name, mutants[name], bench, options.seed)


def _hunt(name: str, mutant: Mutant, bench: Bench, seed: int) -> None:
    found = bench.judge(bench.engine.run(seed, 1800))
    if found.failure is None:
        raise SystemExit(f"{name}: not found by {found.numbers['calls']} calls")
    print(f"{name}: {found.failure.title}, after {found.numbers.get('calls', 0)} calls")
    names = [one for one in found.failure.programs if one[0].isdigit()]
    short = bench.minimise(script_of(bench.built, seed, names[-100:]))
    if short is None or bench.seen is None:
        raise SystemExit(f"{name}: it did not fail again")
    print(render(short, bench.seen.title))
    if not re.search(mutant.report, bench.seen.title):
        raise SystemExit(f"{name}: that is not what it was made for")


if __name__ == "__main__":
    _main()
