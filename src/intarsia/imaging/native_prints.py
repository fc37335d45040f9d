"""What the library for JPEG files writes to the terminal itself, past Python, kept from it."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

LIBJPEG = tuple(
    line.encode()
    for line in """\
ALIGN_TYPE is wrong
Application transferred too
Arithmetic table 0x
Backing store not supported
Bogus
Buffer passed to JPEG library
CCIR601 sampling not implemented
Cannot quantize
Cannot transcode due to multiple use
Caution: quantization tables
Component index
Corrupt JPEG data
DCT coefficient out of range
DCT scaled block size
Didn't expect more than one scan
Empty JPEG image
Empty input file
Failed to create temporary file
Fractional sampling not implemented
Huffman code size table
Huffman table 0x
I/O suspension not supported
IDCT output block size
Image too wide for this implementation
Improper call to JPEG library
Inconsistent progression sequence
Input file read error
Insufficient memory (case
Invalid JPEG file structure
Invalid SOS parameters
Invalid color quantization mode
Invalid component ID
Invalid crop request
Invalid memory pool code
Invalid progressive parameters
Invalid scan script
JPEG datastream contains no image
JPEG parameter struct mismatch
MAX_ALLOC_CHUNK is wrong
Maximum supported image dimension
Missing Huffman code table entry
Not a JPEG file
Not implemented yet
Output file write error
Premature end of
Quantization table 0x
Read failed on temporary file
Requested feature was omitted
Sampling factors too large
Scan script does not transmit
Seek failed on temporary file
Smoothing not supported with
Sorry, there are legal restrictions
Suspension not allowed here
Too many color components
Too many markers
Unexpected marker 0x
Unknown Adobe color transform
Unrecognized component IDs
Unsupported JPEG
Unsupported color conversion
Unsupported marker type
Virtual array controller messed up
Warning: thumbnail image size
Warning: unknown JFIF revision
Write failed on temporary file
Wrong JPEG library version
jmemmgr.c:
not possible to open
unquantized loading
""".splitlines()
)
"""How the warnings and errors of libjpeg, in its several versions, and of jpeglib around it begin."""

_turn = threading.Lock()


@contextmanager
def without_libjpegs_words() -> Iterator[None]:
    """Take what libjpeg says out of what this process writes to its standard error.

    It has no other way to be silenced, and of a damaged file all is said by our own reader. What other threads write in
    the meantime comes out at the end.
    """
    with _turn, tempfile.TemporaryFile() as taken:
        try:
            terminal = os.dup(2)
        except OSError:  # closed: nobody reads it
            yield
            return
        os.dup2(taken.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
            taken.seek(0)
            others = b"".join(line for line in taken if not line.startswith(LIBJPEG))
            if others:
                os.write(2, others)
