"""Train the pocket autoencoder: 64 px pictures <-> 16x16 cells of 4 channels.

python -m training.autoencoder --minutes 10
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import Tensor

from training import data, loop

BATCH = 16
KL_WEIGHT = 1e-4


def build() -> AutoencoderKL:
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(16, 48, 96),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=8,
        mid_block_add_attention=False,
        sample_size=data.SIDE,
        scaling_factor=1.0,
    )


def loss(model: AutoencoderKL, pictures: Tensor, weight: Tensor) -> Tensor:
    """Weighted L1, L2 and gradient error, and a little KL; objects weigh more than backgrounds.

    Args:
        pictures: (B, 3, H, W) in [-1, 1].
        weight: (B, 1, H, W), mean about 1.
    """
    posterior = model.encode(pictures).latent_dist
    decoded = model.decode(posterior.mean + posterior.std * torch.randn_like(posterior.mean)).sample
    error = (decoded - pictures).float()
    edges = (error.diff(dim=-1) * weight[..., 1:]).abs().mean() + (error.diff(dim=-2) * weight[..., 1:, :]).abs().mean()
    mean, logvar = posterior.mean.float(), posterior.logvar.float()
    kl = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).mean()
    total: Tensor = (error.abs() * weight).mean() + 2 * (error.square() * weight).mean() + 0.5 * edges + KL_WEIGHT * kl
    return total


def psnr(decoded: Tensor, pictures: Tensor) -> Tensor:
    """(B,) dB, for pictures in [-1, 1]."""
    return -10 * torch.log10((decoded.clamp(-1, 1) - pictures).square().mean((1, 2, 3)) / 4)


def main() -> None:
    chosen = loop.options(__doc__ or "", minutes=10)
    torch.manual_seed(1)
    rng = np.random.default_rng(1)
    scenes, held_out = data.pool("train", 60_000), data.pool("held_out", 2000)
    model = build().to(chosen.device, memory_format=torch.channels_last)
    run = loop.Run("autoencoder", model, peak=2e-3, decay=0.998, chosen=chosen, weight_decay=1e-3)
    for _ in run.clock():
        index = np.sort(rng.integers(0, len(scenes), BATCH))
        pictures = scenes.batch(index).to(chosen.device)
        covered = torch.from_numpy(scenes.labels[index] > 0)[:, None].float().to(chosen.device)
        weight = 0.6 + 1.8 * F.max_pool2d(covered, 3, 1, 1)
        with torch.autocast(chosen.device, dtype=torch.bfloat16):
            value = loss(model, pictures, weight)
        run.step(value)

    run.average.swap()
    model.eval().float()
    with torch.no_grad():
        pictures = held_out.batch(np.arange(400)).to(chosen.device)
        latents = model.encode(pictures).latent_dist.mean
        decoded = model.decode(latents).sample
    print(f"autoencoder: {psnr(decoded, pictures).mean():.2f} dB on 400 held-out scenes")
    shipped = AutoencoderKL.from_config({**model.config, "scaling_factor": round(float(1 / latents.std()), 4)})
    shipped.load_state_dict(model.state_dict())
    shipped.half().save_pretrained(loop.POCKET / "vae")


if __name__ == "__main__":
    main()
