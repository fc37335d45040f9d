"""Picture files taken apart and put together: what they carry beside their pixels, as bytes.

Each module knows one container. What decoders of pixels get is the file without its metadata, so that a damaged block
never costs the picture; what encoders wrote gets the metadata added afterwards, as segments, chunks or tags.
"""
