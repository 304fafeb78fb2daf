"""The AI that runs beside the agent when no provider is named by URL.

Each model server is a process of its own and speaks OpenAI's HTTP on loopback, so the
conversation knows only URLs, and no model can stall the loop that moves audio.
"""
