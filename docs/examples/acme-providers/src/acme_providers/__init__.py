"""Entity providers of Acme: the people of its directory, and the assets of its inventory."""
