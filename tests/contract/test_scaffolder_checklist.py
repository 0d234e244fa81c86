"""The conformance checklist of the scaffolder: every number is asked for, of both backends where they can be."""

from pathlib import Path

from tests.contract.cases import load_cases

TESTS = Path(__file__).parents[1]
LAST = 160
# What the service does not have, and why nobody calls for it.
ABSENT = {
    27: "backend.rateLimit is a proxy's work",
    110: "no stock plugin listens to the topic scaffolder.task",
    145: "the switch to the template engine before 4.0.3, off by default in the stock scaffolder too",
}
CASES = "contract/requests/scaffolder.yaml"
PARITY = "contract/test_scaffolder_parity.py"
PERMISSIONS = "contract/test_scaffolder_permissions.py"
ACTIONS = "contract/test_scaffolder_actions.py"
RUNNER = "contract/test_scaffolder_runner.py"
GENERATED = "contract/test_scaffolder_generated.py"
DIFFERENCES = "contract/test_differences.py"
NUNJITSU = "contract/nunjitsu/test_nunjitsu.py"
AUTHENTICATOR = "unit/identity/test_authenticator.py"
ISSUING = "unit/identity/test_issuing.py"
KEYS = "unit/identity/test_keys.py"
INTERPRETER = "unit/scaffolder/test_interpreter.py"
FETCH = "unit/actions/test_fetch.py"
FILES = "unit/actions/test_files.py"
TEMPLATES = "unit/scaffolder/test_templates_api.py"
TASKS = "store/test_scaffolder_tasks.py"
API = "store/test_scaffolder_api.py"
WORKERS = "crash/test_scaffolder_workers.py"
ROAD = "store/test_scaffolder_road.py"
# Number to the file, and the test or the text in it that asks.
WHERE: dict[int, tuple[str, str]] = {
    1: (CASES, '{get: "/v2/actions", anonymous: true}'),
    2: (CASES, '"Basic x"'),
    3: (CASES, '"Bearer nope"'),
    4: ("contract/test_sidecar.py", "def test_forged_tokens_are_refused"),
    5: (AUTHENTICATOR, "def test_plugin_token_for_another_plugin_is_refused"),
    6: (AUTHENTICATOR, "def test_plugin_id_of_a_token_cannot_lead_a_request_elsewhere"),
    7: (AUTHENTICATOR, "def test_plugin_token_on_behalf_of_a_user_gives_the_user_and_can_be_passed_on"),
    8: (AUTHENTICATOR, "def test_plugin_token_gives_the_service"),
    9: (AUTHENTICATOR, "def test_limited_token_proves_the_user_where_it_is_allowed_only"),
    10: (AUTHENTICATOR, "def test_static_token_gives_its_subject_as_it_is"),
    11: ("contract/test_sidecar.py", "def test_static_tokens_reach_the_plugins_they_are_for"),
    12: (API, "def test_a_token_that_may_only_read_creates_nothing"),
    13: (KEYS, "def test_nothing_is_published_before_something_is_signed"),
    14: (ISSUING, "def test_plugin_token_has_exactly_the_stock_claims"),
    15: (ISSUING, "def test_plugin_token_ends_with_the_user_it_carries"),
    16: (ISSUING, "def test_plugin_token_ends_with_the_user_it_carries"),
    17: (KEYS, "def test_one_key_signs_for_an_hour_and_is_published_for_three"),
    18: (CASES, "differs: cookies"),
    19: ("unit/platform/test_plugin.py", "def test_unknown_paths_and_methods_are_404_with_an_empty_body"),
    20: (CASES, '{delete: "/v2/tasks"}'),
    21: ("contract/requests/edge.yaml", "liveness"),
    22: ("contract/test_sidecar.py", "def test_a_page_of_the_stock_origin_may_call_our_catalog"),
    23: (CASES, '{get: "/v2/tasks?foo=bar"}'),
    24: (CASES, '{get: "/v2/tasks?foo=bar"}'),
    25: ("contract/scaffolder_requests.py", "raw_bodies"),
    26: ("unit/platform/test_requests.py", "def test_a_body_is_parsed_and_limited"),
    28: (AUTHENTICATOR, "def test_without_default_policy_nobody_may_call_but_a_bad_token_is_still_refused"),
    29: (CASES, "template/nope/parameter-schema"),
    30: (CASES, "component/artist-web/parameter-schema"),
    31: (TEMPLATES, "def test_what_is_no_template_is_refused"),
    32: (CASES, "template/no-pages/parameter-schema"),
    33: (CASES, "template/params/parameter-schema"),
    34: (CASES, "template/one-page/parameter-schema"),
    35: (CASES, "template/params/parameter-schema"),
    36: (CASES, "template/no-pages/parameter-schema"),
    37: (PERMISSIONS, "def test_pages_and_steps_are_shown_to_those_who_may_see_them"),
    38: (CASES, "template/one-page/parameter-schema"),
    39: (ACTIONS, "def test_the_actions_of_other_plugins_are_those_of_templates_too"),
    40: (PARITY, "def test_every_stock_action_is_there_with_the_same_fields"),
    41: ("unit/scaffolder/test_remote_actions.py", "def test_an_action_of_this_process_goes_before_one_of_the_same_id"),
    42: (PARITY, "def test_templates_have_the_same_filters_and_globals"),
    43: ("store/test_openapi.py", "def test_every_route_is_in_the_document"),
    44: (CASES, "/v2/autocomplete/somebody/repos"),
    45: (PARITY, "def test_tasks_run_alike"),
    46: ("contract/scaffolder_requests.py", "orders_of_tasks"),
    47: (CASES, '"name": "Bad Name"'),
    48: (CASES, '"templateRef": "template:default/params", "values": {"name": "x"}'),
    49: (CASES, '"templateRef": "template:default/one-page", "values": {}'),
    50: ("unit/scaffolder/test_parameters.py", "def test_only_the_first_page_with_errors_is_reported"),
    51: ("contract/scaffolder_requests.py", "checked_secrets"),
    52: (ACTIONS, '"templateRef": "trivial"'),
    53: (PARITY, "def test_tasks_run_alike"),
    54: ("unit/model/test_template.py", "def test_relative_paths_start_where_the_template_is"),
    55: (PERMISSIONS, "def test_what_is_denied_is_refused_alike"),
    56: (PERMISSIONS, "def test_pages_and_steps_are_shown_to_those_who_may_see_them"),
    57: (PERMISSIONS, "def test_a_service_is_not_asked_about_and_creates_tasks_of_nobody"),
    58: (GENERATED, '"values": {"number": number}'),
    59: (GENERATED, '"lists of tasks"'),
    60: (API, "def test_lists_are_filtered_ordered_and_paged"),
    61: (GENERATED, '"lists of tasks"'),
    62: (GENERATED, '"malformed lists of tasks"'),
    63: (CASES, '{get: "/v2/tasks?limit=-1"}'),
    64: (PERMISSIONS, "def test_tasks_are_seen_and_cancelled_by_those_who_may"),
    65: (CASES, '{get: "/v2/tasks/00000000-0000-0000-0000-000000000000"}'),
    66: (PERMISSIONS, "def test_tasks_are_seen_and_cancelled_by_those_who_may"),
    67: (PARITY, "def test_tasks_run_alike"),
    68: (ACTIONS, '"after": 10**6'),
    69: (GENERATED, '"malformed positions"'),
    70: (API, "def test_a_long_poll_waits_for_news_and_gives_up_in_time"),
    71: (PARITY, "def test_an_event_stream_tells_the_same_and_ends"),
    72: (DIFFERENCES, "def test_event_streams_have_numbers_and_are_kept_open"),
    73: (CASES, "00000000-0000-0000-0000-000000000000/eventstream"),
    74: (API, "def test_a_task_that_may_start_over_keeps_its_stream_and_hides_what_was_before"),
    75: (DIFFERENCES, "def test_event_streams_have_numbers_and_are_kept_open"),
    76: (API, "def test_nobody_reads_for_a_client_that_has_gone"),
    77: (DIFFERENCES, "def test_a_cancelled_task_tells_of_the_step_that_was_cancelled"),
    78: (RUNNER, "def test_what_is_said_comes_in_the_same_order"),
    79: (RUNNER, '"conditions"'),
    80: (RUNNER, '"conditions"'),
    81: (RUNNER, '"loops"'),
    82: (RUNNER, '"a loop over null"'),
    83: (RUNNER, '"loops"'),
    84: (RUNNER, '"loops"'),
    85: (RUNNER, '"names of errors"'),
    86: (RUNNER, '"names of errors"'),
    87: (RUNNER, "Additional error occurred"),
    88: (RUNNER, '"an unknown action"'),
    89: (RUNNER, '"an input that is refused"'),
    90: (INTERPRETER, "def test_an_unknown_input_is_refused"),
    91: (PERMISSIONS, "def test_actions_are_run_for_those_who_may_run_them"),
    92: ("unit/scaffolder/test_rules.py", "def test_names_on_some_forges_are_the_same_in_any_case"),
    93: (RUNNER, '"conditions"'),
    94: ("unit/scaffolder/test_interpreter.py", "def test_users_and_context_are_visible_to_templates"),
    95: (RUNNER, '"secrets"'),
    96: (RUNNER, '"secrets"'),
    97: (RUNNER, "Entity *** not found"),
    98: (RUNNER, '"secrets"'),
    99: (RUNNER, '"a secret with blanks"'),
    100: (RUNNER, "INFO"),
    101: (RUNNER, '"conditions"'),
    102: (RUNNER, '"conditions"'),
    103: (RUNNER, '"conditions"'),
    104: (CASES, "differs: twin-steps"),
    105: ("store/test_scaffolder_resilience.py", "def test_folders_that_a_killed_process_left_are_removed"),
    106: (TASKS, "def test_no_more_tasks_run_at_once_than_may"),
    107: (WORKERS, "def test_an_action_that_blocks_the_process_does_not_lose_its_task"),
    108: (WORKERS, "def test_a_killed_worker_is_replaced_and_no_finished_step_repeats"),
    109: (TASKS, "def test_no_secret_is_stored_in_clear_and_none_after_the_end"),
    111: ("store/test_scaffolder_resilience.py", "def test_the_audit_log_tells_how_each_run_ended"),
    112: (PARITY, "def test_a_running_task_is_cancelled"),
    113: (ROAD, "def test_a_cancelled_step_says_so_and_its_lines_are_kept"),
    114: (PARITY, "def test_a_running_task_is_cancelled"),
    115: (PERMISSIONS, "def test_tasks_are_seen_and_cancelled_by_those_who_may"),
    116: (TASKS, "def test_a_running_task_cannot_be_retried"),
    117: (PARITY, "def test_a_failed_task_is_retried"),
    118: (ROAD, "def test_a_retry_brings_the_secrets_that_the_template_asks_for"),
    119: (API, "def test_a_task_that_may_start_over_keeps_its_stream_and_hides_what_was_before"),
    120: (INTERPRETER, "def test_a_checkpoint_is_not_done_again"),
    121: (ROAD, "def test_a_checkpoint_that_failed_is_done_again"),
    122: ("crash/test_scaffolder_road.py", "def test_a_killed_process_loses_no_step_and_repeats_none"),
    123: ("store/test_scaffolder_workspaces.py", "def test_a_task_goes_on_with_the_workspace_that_the_store_has"),
    124: ("store/test_scaffolder_workspaces.py", "def test_an_address_that_keeps_nothing_is_refused"),
    125: (PERMISSIONS, "def test_what_is_denied_is_refused_alike"),
    126: (CASES, '"template": {"kind": "x"}'),
    127: (CASES, "Writing directory sub/ to"),
    128: (TEMPLATES, "def test_a_dry_run_shows_log_files_and_output"),
    129: (TEMPLATES, "def test_inputs_of_a_dry_run_hide_secrets"),
    130: (CASES, '"path": "../../etc/x"'),
    131: (TEMPLATES, "def test_a_dry_run_that_fails_answers_with_the_status_of_the_error"),
    132: (TEMPLATES, "def test_a_dry_run_shows_log_files_and_output"),
    133: ("unit/scaffolder/test_remote_actions.py", "def test_a_dry_run_calls_what_only_reads"),
    **dict.fromkeys((134, 135, 136, 138, 139, 140, 141, 142, 143), (NUNJITSU, "def test_")),
    137: (DIFFERENCES, '"broken-expressions"'),
    144: ("unit/scaffolder/test_filters.py", "def test_repo_urls_that_lack_something"),
    146: (FETCH, "def test_template_renders_names_contents_modes"),
    147: (FETCH, "def test_cookiecutter_syntax_and_block_options"),
    148: (FETCH, "def test_targets_outside_of_the_workspace"),
    149: (FILES, "def test_readdir"),
    150: ("unit/actions/test_catalog_actions.py", "def test_register_tells_the_entity"),
    151: (PERMISSIONS, "permissions/metadata"),
    152: (PERMISSIONS, "def test_the_permission_backend_asks_about_tasks"),
    153: ("unit/identity/test_authorizer.py", "def test_person_is_asked_about_on_their_behalf"),
    154: (ACTIONS, "def test_actions_attributes_and_schemas_are_the_same"),
    155: ("unit/identity/test_actions.py", "def test_what_a_permission_hides_cannot_be_called"),
    156: ("unit/identity/test_actions.py", '"pluginSources": ["other"]'),
    157: (ACTIONS, "def test_steps_call_the_actions_of_other_plugins"),
    158: (ACTIONS, "def test_a_template_is_executed_listed_and_its_log_told"),
    159: (
        "unit/identity/test_authorizer.py",
        "def test_everything_is_allowed_without_asking_while_permissions_are_off",
    ),
    160: ("unit/portal/test_guest.py", "def test_user_info_of_a_token"),
}


def test_every_number_is_asked() -> None:
    asked = {number for case in load_cases("scaffolder") for number in case.checks}
    assert asked | WHERE.keys() | ABSENT.keys() == set(range(1, LAST + 1))
    assert not WHERE.keys() & ABSENT.keys()
    for number, (file, text) in WHERE.items():
        assert text in (TESTS / file).read_text(encoding="utf-8"), f"{number}: {file}: {text}"
