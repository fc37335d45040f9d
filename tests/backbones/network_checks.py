"""What tests of networks share."""

from __future__ import annotations

from torch import Tensor

from intarsia.backbones.sd_inpainting import StableDiffusionInpainter

HEIGHT, WIDTH = 32, 48


def watch_decoded(network: StableDiffusionInpainter) -> list[Tensor]:
    """The latents that a network decodes from now on, in this order."""
    decoded: list[Tensor] = []
    decode = network.parts.decode_latents

    def kept(latents: Tensor) -> Tensor:
        decoded.append(latents)
        return decode(latents)

    network.parts.decode_latents = kept  # type: ignore[method-assign]
    return decoded
