"""Order books for people, around the C engine: `engine` for many symbols, `order_book` for one, `order_management` for
a trader's list with prices. What a call may say is in `terms`, what it gets back in `outcomes`; `names` and `notices`
are what an engine keeps beside the books. All of it is imported from `fillstream` itself.
"""
