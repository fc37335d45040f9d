"""The arithmetic of diffusion and the attention of its denoisers: no network is loaded here."""
