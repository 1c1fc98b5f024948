# SPDX-License-Identifier: MIT
"""The fuzzer of the module's calls.

`engine/` is a program that makes them in a guest; what is here builds it, runs it, and makes of a
failure a short script with which it can be seen again.
"""
