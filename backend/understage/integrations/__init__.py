"""The ports of the SDK, implemented: one folder for each system that catalog and actions reach. Wired by `app`."""
