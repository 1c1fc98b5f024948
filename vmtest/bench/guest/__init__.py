# SPDX-License-Identifier: MIT
"""What runs in the guest, as its init: it does what the plan says, and switches the guest off."""
