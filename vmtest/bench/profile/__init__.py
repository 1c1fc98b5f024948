# SPDX-License-Identifier: MIT
"""Where the instructions of an I/O go: each one counted, by function and by program.

A plugin of QEMU's counts how often each instruction is executed, in the kernel with or without
interrupts and in every process. It does so while jobs of few and of many I/Os run, as a figure is
measured, and takes the difference: the sum of a profile is the figure.
"""
