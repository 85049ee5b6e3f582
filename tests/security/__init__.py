"""Security, bar by bar: where each promise is tested.

========  ================================================================================
S1        web/test_auth_tokens: 28 other algorithms × 3 forgeries, two lengths of our own
S2        web/test_auth_tokens: 19 `kid`s and 4 pointers to keys, no outbound call
S3        web/test_auth_tokens: each of 10 claims dropped or wrong, leeway
S4        web/test_auth_tokens (all roles × all roles × access and refresh),
          security/test_functions (the wrong kind of token at every route)
S5        web/test_auth_tokens, members/test_sessions (30 days whatever is refreshed)
S6        members/test_sessions (each role), races/test_members_refresh (50 at once)
S7        members/test_sessions, web/test_limits (without Redis, or with one that hangs)
S8        members/test_sessions: every staff role, citizens; sources by their credential
S9, S10   security/test_objects: every route with an id × another's object; fails on a new route
S11       security/test_functions: every route × role × method; members/test_access
S13       security/test_input: every write × fields of the server, every read × parameters
S14       contract/test_schemathesis (shapes of answers), security/test_input (shapes are closed),
          members/test_access
S15       members/test_staff, races/test_members_guessing
S16       wechat/test_outages, wechat_integration/test_sign_in and test_secrets
S19       security/test_credentials: every route that makes or takes off a credential
S20       security/test_bursts: every limited route, with Redis and without; web/test_limits
S25       security/test_input: every route; web/test_limits_of_requests; records/test_routes (files)
S42       house/test_routes (addresses hold nothing personal), security/test_canaries (queries)
S43, D1   security/test_canaries: logs, metrics, Redis, jobs, pg_dump; members/test_secrets (raw
          log records), web/test_logs, wechat_integration/test_secrets
S44       web/test_problems (200 forced faults), security/test_faults (tables taken away)
S45       members/test_access, trail/test_operations
S47       house/test_gates, members/test_secrets: `compare_digest` alone; security/test_timing: it
          takes the same time wherever a guess is wrong
S48       security/test_secrets, members/test_secrets, house/test_gates, redemptions/test_codes
S49       security/test_secrets (what may be used), members/test_secrets, house/test_gates,
          kernel/test_crypto (nonces, tampering, moved values)
S50       members/test_staff, security/test_secrets
S53       house/test_grants, ledger/test_rights
S54       house/test_production, web/test_metrics, web/test_problems (TRACE)
S60       house/test_routes, contract/test_schemathesis (every operation answers as documented)
========  ================================================================================
"""
