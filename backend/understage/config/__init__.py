"""The configuration: Backstage's app-config files and environment, then one typed tree.

    files, APP_CONFIG_* -> sources -> merge -> Configuration (plain data) -> Settings (typed)

`app` and `cli` load it once at start and hand parts of `Settings` down; nothing below reads files or the environment
for its configuration. Semantics are those of Backstage config-loader 1.11.3 and config 1.3.
"""
