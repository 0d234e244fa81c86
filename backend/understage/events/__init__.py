"""The events plugin: webhooks of forges come in by HTTP, or from the events backend beside us, and go to the event bus."""
