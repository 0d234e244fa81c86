"""Bitbucket Cloud and Bitbucket Server: reading by their APIs."""
