"""The rooms of the `fillstream` command: every module here has a `register(app)` that adds its commands.

A module needs no other place to be named: `cli.app` finds it here. A room reads options, asks, and shows; what it asks
lives elsewhere. It raises `cli.exit_codes.Stop`, or lets an error through that `cli.app` has a code for. Commands name
their panel of `fillstream --help`: RUN, TRADE, LOOK or REPAIR.
"""

RUN = "Run a desk"
TRADE = "Trade"
LOOK = "Look"
REPAIR = "Repair"
PANELS = (RUN, TRADE, LOOK, REPAIR)
"""In the order in which a newcomer needs them."""
