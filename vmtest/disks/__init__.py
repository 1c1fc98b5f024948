# SPDX-License-Identifier: MIT
"""Disks for guests that outlive them: plugged into a VM, and into the next when that one has died.

They live in the memory of the process that runs the tests, behind an NBD server, so nothing of them
can be left behind, and the moment at which the power goes is known exactly.
"""

from vmtest.disks.crash_image import CrashImage, crash_image
from vmtest.disks.disk import Disk
from vmtest.disks.volatile import PAGE, VolatileStore

__all__ = ["PAGE", "CrashImage", "Disk", "VolatileStore", "crash_image"]
