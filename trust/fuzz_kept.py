"""Inputs that failed once, made by code; every run begins with them."""

from __future__ import annotations

from trust.fuzz_cases import Case

KEPT: dict[str, Case] = {}
