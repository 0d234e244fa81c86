"""The embedded git server: bare repositories in the data folder. `understage.portal.git_server` serves them over HTTP."""
