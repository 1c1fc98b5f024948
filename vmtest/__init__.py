# SPDX-License-Identifier: MIT
"""A harness that boots throwaway virtual machines to develop and prove kernel modules."""
