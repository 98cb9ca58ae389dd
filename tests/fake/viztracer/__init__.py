# SPDX-License-Identifier: MIT
"""Stands in for VizTracer where it is not installed: the same command line, the same JSON."""
