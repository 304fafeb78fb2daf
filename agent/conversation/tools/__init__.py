"""What an AI can do besides speaking, and what becomes of it when its model wants it.

builtin.py has the tools of the house, http.py and mcp.py those of the operator's other
systems, toolbox.py what all calls share; offers.py is the way of every use.
"""
