# SPDX-License-Identifier: MIT
"""Tests that are meant to fail: test_negative_controls.py runs them and looks at how they do.

No file here is collected by itself, as no name begins with ``test_``.
"""
