"""A bench for gates: honest tasks, a fully hijacked model, changed writes; suites of our own and yours.

``report.measure(suites.shipped(), Gate).table()`` examines a gate on the development suites.
``suite.from_json(text)`` reads a suite of your own.
"""
