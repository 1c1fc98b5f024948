# SPDX-License-Identifier: MIT
"""The crash oracle: a workload whose orders and promises are known outside the guest, and the check
of what is found after a crash against them.

    with Journal(path) as journal, Workload(python, "/mnt/disk", seed, journal) as workload:
        workload.run(until=200)         # acknowledgements
        ...                             # a crash
        workload.drain()                # what else the guest has said
    verdict = check(journal, read_files(guest, "/mnt/disk"))
    assert not verdict.problems, verdict

Where only a server has died, and not the system, `check(…, crashed=False)` holds the system to all
that it has acknowledged, synced or not.
"""

from vmtest.scenarios.oracle.checker import Verdict, check
from vmtest.scenarios.oracle.journal import Journal
from vmtest.scenarios.oracle.orders import Order, Verb, plan
from vmtest.scenarios.oracle.workload import Workload, read_files

__all__ = ["Journal", "Order", "Verb", "Verdict", "Workload", "check", "plan", "read_files"]
