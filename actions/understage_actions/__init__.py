"""The actions that come with Understage; each registers by an entry point, as a third party would."""
