"""The process that owns partitions: takes leases, reads on from the cursor, scores micro-batches, commits them."""
