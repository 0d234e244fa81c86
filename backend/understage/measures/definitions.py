"""What each figure means, in words: part of every answer, of the guide and of the command's output."""

from collections.abc import Mapping

DEFINITIONS: Mapping[str, str] = {
    "timeToProduction": (
        "From the beginning of a service until an application of it in a production environment was first healthy after its "
        "first sync. The beginning is the earliest of: the creation of the task that made its component, a start that was "
        "told, the commit of any revision of it that was deployed. Counted in the period in which production was reached."
    ),
    "deploymentFrequency": (
        "Changes deployed to production in the period: syncs to another revision. The same revision again, and a return to "
        "one that ran before (a rollback), are no changes."
    ),
    "leadTime": (
        "From the commit of the deployed revision until its sync to production, of the changes whose commit is known. Where "
        "clocks disagree and the commit would be later than the sync, it counts as zero and is reported as skewed."
    ),
    "changeFailureRate": (
        "The share of the period's changes that failed: the application became degraded within the failure window and before "
        "the next revision came, or the next revision was a rollback."
    ),
    "timeToRestore": (
        "Of the failures of the period's changes: from the first sign (degraded; without one, the failed change itself) until "
        "the application was healthy again, for a rollback healthy after it. Failures that are not restored are counted as open."
    ),
    "tickets": "Imported tickets that were opened, and closed, in the period.",
    "satisfaction": (
        "The mean of the answers, from 1 to 5, to the one question of the survey in the period; about the whole platform, "
        "whatever is asked for. Withheld while fewer than three people answered."
    ),
}
