"""What could be registered at a URL: the installed analyzers find catalog files, else a component is proposed."""
