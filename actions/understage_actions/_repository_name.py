"""How a step names a repository on a forge. Part of the inputs of actions that find one, or want one to be free."""

from pydantic import Field

from understage.sdk import ActionModel


class RepositoryName(ActionModel):
    """A repository on a forge."""

    host: str | None = Field(default=None, description="Host of the forge; default: the platform's forge")
    owner: str
    name: str
