"""What is discovered on GitHub; made only when the configuration asks for it."""
