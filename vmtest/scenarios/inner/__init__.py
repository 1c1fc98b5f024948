# SPDX-License-Identifier: MIT
"""Tests that are meant to fail: test_negative_*.py run them and look at how they do.

No file here is collected by itself, as no name begins with ``test_``.
"""
