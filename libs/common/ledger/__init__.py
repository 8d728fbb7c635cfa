"""The exact ledger: quantities, averages and profit from fills; orders and positions fold the same one."""
