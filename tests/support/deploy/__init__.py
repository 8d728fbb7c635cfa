"""What the tests of the deployment share: its files, read, and the stack of containers, driven."""
