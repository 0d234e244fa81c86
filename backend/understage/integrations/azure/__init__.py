"""Azure DevOps repositories, and signing in to Azure."""
