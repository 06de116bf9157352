"""The LLM-assisted proposer: asks a chat endpoint for an adapter, and believes nothing of what it says.

What goes out is sampled, cut short and masked; what comes back is text that only the spec's parser reads, and the same
validator judges the result as any other proposal. Nothing in here can stop an induction: every failure ends in a line
that says what happened.
"""
