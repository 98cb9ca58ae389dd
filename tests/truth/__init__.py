# SPDX-License-Identifier: MIT
"""Random combinations of known programs, conditions, sources and interpreters, and whether every
mark and sentence about them is true (scripts/bench truth, e2e/test_truth.py)."""
