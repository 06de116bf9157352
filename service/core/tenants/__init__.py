"""Who may do what, in whose name, and how much of it: keys, limits, and the log of what admins did."""
