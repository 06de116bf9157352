"""What of a text may be kept, by whom and for how long: masking before anything is stored, no content, retention."""
