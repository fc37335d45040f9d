from __future__ import annotations

import subprocess
import sys

import pytest

COUNTED = """
import ctypes, sys, threading
if sys.argv[1] == "few":
    from intarsia.web.memory import few_arenas
    assert few_arenas()
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.fopen.restype = ctypes.c_void_p
ready = threading.Barrier(13)

def take():
    ready.wait()
    libc.malloc(5000)
    ready.wait()

for _ in range(12):
    threading.Thread(target=take, daemon=True).start()
ready.wait(); ready.wait()
stream = libc.fopen(sys.argv[2].encode(), b"w")
libc.malloc_info(0, ctypes.c_void_p(stream))
libc.fclose(ctypes.c_void_p(stream))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="of glibc")
def test_threads_share_their_memory(tmp_path_factory: pytest.TempPathFactory) -> None:
    """By the heaps that the C library counts: one for each of twelve threads, or two in all."""
    heaps = []
    for way in ("many", "few"):
        file = tmp_path_factory.mktemp("heaps") / "told.xml"
        ran = subprocess.run([sys.executable, "-c", COUNTED, way, str(file)], capture_output=True, text=True)
        if "malloc_info" in ran.stderr or "mallopt" in ran.stderr:
            pytest.skip("the C library is another")
        assert ran.returncode == 0, ran.stderr
        heaps.append(file.read_text().count("<heap "))
    assert heaps[0] > 4 and heaps[1] <= 2
