"""What tests of networks share."""

from __future__ import annotations

HEIGHT, WIDTH = 32, 48
