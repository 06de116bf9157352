"""One module for each verb of the command: `forewarn/commands/<verb>.py` holds the function that the verb runs.

Importing such a module must be quick: what is heavy (torch, numba, the web framework) is imported inside the function.
"""
