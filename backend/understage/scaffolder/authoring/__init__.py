"""What authors of templates use before anybody else does: trials in memory, cases beside the template.

Called by the commands `understage template …` and by the pytest plugin. Tasks are run by the interpreter of the service, with the
installed actions; only the world around them is made up.
"""

SUFFIX = ".test.yaml"
"""How the names of files of cases end."""
