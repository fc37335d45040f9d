"""Make an input that fails smaller, as long as it fails alike."""

from __future__ import annotations

import time
from dataclasses import replace

from trust.fuzz_cases import Case
from trust.fuzz_oracle import Outcome
from trust.fuzz_workers import run_alone

BUDGET = 15.0
"""Seconds that one input may take to be made smaller."""


def minimised(case: Case, outcome: Outcome) -> Case:
    """The case with blocks of its changed file left out, while the same does not hold."""
    if not case.files or outcome.fault in ("hang", "slow", "memory"):
        return case
    name = next(iter(case.files))
    data = case.files[name]
    began = time.monotonic()
    block = len(data) // 2
    while block >= 1 and time.monotonic() - began < BUDGET:
        start = 0
        while start < len(data) and time.monotonic() - began < BUDGET:
            smaller = replace(case, files={**case.files, name: data[:start] + data[start + block :]})
            if run_alone(smaller).fault == outcome.fault:
                case, data = smaller, smaller.files[name]
            else:
                start += block
        block //= 2
    return case
