"""`offhook doctor` and `offhook config`: what is wrong with an installation, and where.

A check is a function of the Site that returns findings. It never repairs anything.
"""
