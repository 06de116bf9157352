"""Replaying finished runs against a live service, and what that shows.

What may live here: the client side of a replay, its figures and its table. What may not: anything that scores, or
knows a service from the inside; a replay sees what any agent sees.
"""
