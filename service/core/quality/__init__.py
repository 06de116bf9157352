"""What live runs say of a monitor: how often it is right, whether it keeps its promise, whether it still sees what it
was calibrated on. Pure functions of counts and of finished runs' records, and the keeper that looks now and then.

Plain Python: an API process pays for no more than it has loaded anyway."""
