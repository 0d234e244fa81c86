"""Who calls, and what they may do.

    Authorization header -> authenticator -> Credentials -> authorizer -> ALLOW, DENY or conditions

The composition root builds one `Authenticator` and one `Authorizer` per plugin; the API edges of catalog and scaffolder
ask them. Nothing here knows a web framework: HTTP goes out through the `Fetch` handed in. The protocol is that of
Backstage backend-defaults 0.18.0.
"""
