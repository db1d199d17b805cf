"""Hypothesis measures the rules, not the machine: no deadline per example."""

from hypothesis import settings

settings.register_profile("dialtone", deadline=None, print_blob=True)
settings.load_profile("dialtone")
