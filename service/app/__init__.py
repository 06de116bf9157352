"""The composition root: the one place that names real adapters and puts processes together out of them."""
