"""Makes the pictures of docs/images: what people see, from the real program and a fixed world."""
