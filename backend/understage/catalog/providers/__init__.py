"""The built-in entity providers, and the connection by which every provider changes the catalog."""
