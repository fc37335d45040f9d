"""Images: files <-> photos <-> tensors, and the geometry, masks and pixels between them."""
