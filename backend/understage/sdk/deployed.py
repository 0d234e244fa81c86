"""Where a service is deployed, as its entity says it, for actions that write or read entities."""

from understage.model.deployed import Deployed, dashboard_tag, dashboard_uid, dashboard_url, is_deployed

__all__ = ["Deployed", "dashboard_tag", "dashboard_uid", "dashboard_url", "is_deployed"]
