"""Raw traces as agents of many makes write them, made here with the truth of what each run holds: irregular lengths,
missing fields, parallel calls, errors, ids, times, costs, and outcomes beside the steps.
"""
