"""The composition root: the only package that knows all others. `cli` starts what it makes.

settings -> identity, integrations -> catalog, scaffolder, portal -> one web application
"""

from understage.app.service import Service, create_service

__all__ = ["Service", "create_service"]
