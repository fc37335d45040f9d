"""Training code of the pocket models; it is not part of the installed package."""
