"""The measures, in groups that share a service. Each group gives its figures by name; None is a figure that could not
be had, and the progress on stderr says why."""
