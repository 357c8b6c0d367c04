"""A GIMP image from outside: its pixels as bytes, what of it is seen, its windows. Knows neither clients nor calls.

May import: core.
"""
