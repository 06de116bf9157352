"""Scored steps in files: what leaves the log is kept here, by day, for as long as the retention says."""
