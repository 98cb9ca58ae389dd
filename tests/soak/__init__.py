# SPDX-License-Identifier: MIT
"""Short runs with random faults, for as long as wanted: scripts/test --soak."""
