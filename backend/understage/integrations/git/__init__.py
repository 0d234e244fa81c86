"""Git by its own binary: no hook, credential helper, prompt, user configuration or protocol that was not asked for."""
