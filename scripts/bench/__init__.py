"""`make bench`: what the live service does on this machine, measured from outside in one run.

`service` starts it, `load` makes the load (wrk), `probes` sends single steps whose way is timed, `measures/` holds the
measures, `yardsticks` what the machine can do without us, `bars` what is promised, `report` the one line of JSON.
docs/performance.md says what each figure means.
"""
