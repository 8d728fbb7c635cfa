"""The oracle of the matching engine: price-time priority written to be read, not to be fast.

Commands come in and reports go out as `libs.common.engine.frames` tuples. A book is one list of orders in the order
of their arrival; the best order to trade with is found by looking at all of them. It follows the words of
`native/include/fillstream.h` and shares no code with the C engine. `views` says what the engine's queries and
its snapshot should say.
"""

from tests.support.naive_book.book import NaiveBook
from tests.support.naive_book.orders import Order, Tape

__all__ = ["NaiveBook", "Order", "Tape"]
