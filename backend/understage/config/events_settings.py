"""The `events` section: which topics are taken over HTTP, and the secrets that forges sign with."""

from understage.config.integration_settings import Secret
from understage.config.section import Section, Text


class HttpTopics(Section):
    """`events.http`."""

    topics: tuple[Text, ...] = ()


class EventModule(Section):
    """The secret of one forge's webhooks."""

    webhook_secret: Secret | None = None


class EventModules(Section):
    """`events.modules`; a forge's topic is open when its secret is set."""

    github: EventModule = EventModule()
    gitlab: EventModule = EventModule()
    gitea: EventModule = EventModule()
    bitbucket_cloud: EventModule = EventModule()


class EventsSettings(Section):
    """The `events` section."""

    http: HttpTopics = HttpTopics()
    modules: EventModules = EventModules()
