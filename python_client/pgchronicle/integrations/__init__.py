"""What surrounds a request, told to the database: one module for each framework.

No framework is imported until a function or class of its module is used.
"""
