# SPDX-License-Identifier: MIT
"""What an I/O costs, counted in instructions: zosbd2 beside others, the same in every run.

A guest under ``-icount`` counts the instructions that it executes. What is measured runs in a
machine without network, disk or clock from outside (`machine`), from its power-on to its end, so
that a figure follows from what was put into the machine and from nothing else.
"""
