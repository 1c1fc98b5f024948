# SPDX-License-Identifier: MIT
"""Functions that scenarios run in the guest; they import only the standard library and zosbd2."""
