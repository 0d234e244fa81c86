"""Which test answers which attack on files, templates, tasks and clusters; the numbers are those of the list of attacks.

What is OPEN has no test that is wholly about it. A test that is renamed or gone fails here.
"""

import re

import pytest
from tests.docs.markdown import ROOT

TESTS = {
    "A1 targets outside of the workspace": (
        "tests/unit/actions/test_fetch.py::test_targets_outside_of_the_workspace",
        "tests/unit/actions/test_fetch.py::test_targets_that_lead_outside_on_other_systems_are_names",
        "tests/unit/sdk/test_testing.py::test_workspace_paths_stay_inside",
    ),
    "A2 a link to a file of the server": (
        "tests/unit/actions/test_fetch.py::test_links_out_of_the_skeleton_fail_the_step",
        "tests/unit/actions/test_files.py::test_debug_log_shows_contents_but_not_what_links_lead_to",
    ),
    "A3 a chain of links": ("tests/unit/actions/test_fetch.py::test_links_out_of_the_skeleton_fail_the_step",),
    "A4 a link to nothing, written through": (
        "tests/unit/sdk/test_testing.py::test_workspace_paths_do_not_follow_links_outside",
    ),
    "A5 a link to a folder, written below": (
        "tests/unit/sdk/test_testing.py::test_workspace_paths_do_not_follow_links_outside",
    ),
    "A6 a folder swapped for a link between check and use": (
        "tests/unit/actions/test_workspace_races.py::test_nothing_is_written_through_a_folder_that_becomes_a_link",
        "tests/unit/actions/test_workspace_races.py::test_the_last_name_is_not_followed_either",
        "tests/unit/actions/test_workspace_reads_raced.py::test_nothing_outside_is_seen_or_touched",
        "tests/unit/actions/test_workspace_reads_raced.py::test_the_swaps_come_around_the_looks",
        "tests/unit/actions/test_trees_raced.py::test_nothing_is_unpacked_through_a_folder_that_becomes_a_link",
        "tests/unit/actions/test_trees_raced.py::test_nothing_outside_is_fetched",
        "tests/unit/actions/test_trees_raced.py::test_a_fingerprint_reads_nothing_outside",
    ),
    "A7 entries of archives": (
        "tests/unit/integrations/test_archive.py::test_entries_that_lead_outside_are_refused",
        "tests/unit/integrations/test_archive.py::test_a_hostile_zip_writes_nothing_outside",
    ),
    "A8 bombs": ("tests/unit/integrations/test_archive.py::test_bombs_end",),
    "A9 names rendered from values": (
        "tests/unit/actions/test_fetch.py::test_names_rendered_from_values_stay_in_the_target",
    ),
    "A10 fs:delete and fs:rename": (
        "tests/unit/actions/test_files.py::test_delete_stays_inside",
        "tests/unit/actions/test_files.py::test_rename_refuses",
    ),
    "A11 git's own files": (
        "tests/unit/integrations/test_git.py::test_git_folders_are_not_published",
        "tests/unit/integrations/test_git.py::test_attributes_of_a_template_start_no_program",
        "tests/unit/integrations/test_git.py::test_the_users_configuration_hooks_and_helpers_are_not_used",
    ),
    "A12 remotes and branches": (
        "tests/unit/integrations/test_git.py::test_other_remotes_are_refused",
        "tests/unit/integrations/test_git.py::test_branches_that_git_would_misread_are_refused",
    ),
    "B1 escapes": (
        "tests/unit/templating/test_hostile.py::test_no_attribute_of_a_python_object_is_reachable",
        "tests/unit/templating/test_hostile.py::test_the_ways_into_prototypes_are_refused",
    ),
    "B2 values that are expressions": ("tests/unit/actions/test_fetch.py::test_values_are_not_rendered_again",),
    "B3 loops, sizes, patterns": (
        "tests/unit/templating/test_hostile.py::test_a_bomb_is_defused_in_time_and_memory",
        "tests/unit/templating/test_hostile.py::test_a_catastrophic_pattern_answers_or_fails_in_its_second",
    ),
    "B4 keys of prototypes, huge numbers": (
        "tests/unit/templating/test_hostile.py::test_the_ways_into_prototypes_are_refused",
        "tests/unit/model/test_yaml.py::test_huge_numbers_are_doubles_as_in_javascript",
    ),
    "B5 hostile YAML": (
        "tests/unit/model/test_yaml.py::test_alias_bomb_is_refused_at_once",
        "tests/unit/model/test_yaml.py::test_deep_nesting_is_refused",
        "tests/unit/model/test_yaml.py::test_scalar_means_what_it_means_to_javascript",
    ),
    "B6 texts in YAML": ("tests/unit/actions/test_catalog_actions.py::test_written_text_stays_one_scalar",),
    "B7 values that are templates of Helm": (
        "tests/unit/skeletons/test_hostile_values.py::test_expressions_in_values_are_not_evaluated",
        "tests/unit/skeletons/test_hostile_values.py::test_no_golden_path_hands_a_form_to_the_one_value_that_is_a_template",
    ),
    "E1 tasks of others": ("tests/store/test_scaffolder_api.py::test_conditions_show_each_their_own_tasks",),
    "E2 an order by secrets": ("tests/store/test_scaffolder_api.py::test_lists_are_filtered_ordered_and_paged",),
    "E3 a retry of what runs": (
        "tests/store/test_scaffolder_tasks.py::test_a_running_task_cannot_be_retried",
        "tests/store/test_scaffolder_tasks.py::test_of_retries_at_once_one_is_taken",
    ),
    "E4 dry runs": (
        "tests/unit/scaffolder/test_templates_api.py::test_inputs_of_a_dry_run_hide_secrets",
        "tests/unit/scaffolder/test_templates_api.py::test_a_dry_run_sees_no_secret_of_the_server",
        "tests/unit/scaffolder/test_templates_api.py::test_a_dry_run_needs_its_permission",
        "tests/unit/authoring/test_plan_is_run.py::test_the_plan_is_what_the_run_does",
    ),
    "E5 what is made of secrets": (
        "tests/store/test_secret_matrix.py::test_no_secret_leaves_by_any_sink",
        "tests/store/test_scaffolder_erasure.py::test_a_completed_task_keeps_nothing_of_its_secrets",
    ),
    "E6 a denied action": (
        "tests/unit/scaffolder/test_interpreter.py::test_an_action_that_is_not_allowed_does_not_run_and_tells_nothing",
    ),
    "E7 rules look at rendered input": (
        "tests/unit/scaffolder/test_interpreter.py::test_rules_see_what_the_template_made_of_the_input",
        "tests/unit/scaffolder/test_rules.py::test_names_on_some_forges_are_the_same_in_any_case",
        "tests/unit/scaffolder/test_rules.py::test_rules_that_are_not_understood_allow_nothing",
    ),
    "E8 an unknown action, a template or an action that changes between order and run": (
        "tests/store/test_scaffolder_road.py::test_an_action_of_another_package_does_not_run_in_its_place",
        "tests/unit/scaffolder/test_actions.py::test_a_task_is_held_to_the_packages_of_its_actions",
        "tests/store/test_scaffolder_road.py::test_a_template_that_changes_meanwhile_changes_no_task",
        "tests/unit/scaffolder/test_interpreter.py::test_an_unknown_action_fails_the_step_and_names_it",
    ),
    "E9 forged tokens": (
        "tests/unit/identity/test_authenticator.py::test_weak_or_expired_user_token_is_refused",
        "tests/unit/identity/test_authenticator.py::test_plugin_token_with_a_forged_user_is_refused",
    ),
    "E10 scripts in links of outputs and in lines": (
        "tests/unit/scaffolder/test_interpreter.py::test_links_that_are_scripts_are_left_out_and_told",
        "tests/unit/scaffolder/test_log.py::test_marks_of_colour_and_of_pages_go_through_as_text",
    ),
    "E11 floods of lines, long ones, binary ones": (
        "tests/unit/scaffolder/test_log.py::test_a_line_of_a_megabyte_is_cut_and_says_so",
        "tests/unit/scaffolder/test_log.py::test_a_flood_of_lines_ends_with_a_line_that_says_so",
        "tests/unit/scaffolder/test_log.py::test_what_is_no_text_can_be_stored_and_sent",
        "tests/store/test_scaffolder_tasks.py::test_what_is_no_text_does_not_break_a_task",
        "tests/store/test_scaffolder_road.py::test_names_that_are_not_utf_8_do_not_hold_a_task",
    ),
    "F1 names of the cluster, paths, upper case, long ones, labels": (
        "tests/unit/actions/test_team_render.py::test_hostile_input_is_refused_and_nothing_is_written",
        "tests/unit/kubernetes/test_create_namespace.py::test_names_that_are_not_for_services",
        "tests/unit/kubernetes/test_create_namespace.py::test_labels_of_the_step_cannot_change_the_owner",
        "tests/unit/argocd/test_register_app.py::test_bad_input_says_what_is_wrong",
        "tests/unit/actions/test_database_render.py::test_hostile_names_are_refused_before_anything_is_written",
        "tests/unit/actions/test_environment_clone.py::test_hostile_names_are_refused_before_anything_is_read",
        "tests/unit/adoption/test_names.py::test_every_service_has_a_release_that_helm_takes",
    ),
    "F2 other teams' projects, clusters, namespaces, objects of the whole cluster": (
        "tests/unit/argocd/test_gitops_rules.py::test_what_goes_round_the_guardrails_is_refused",
        "tests/unit/argocd/test_gitops_rules.py::test_what_argo_cd_acts_on_stands_where_it_is_looked_at",
        "tests/unit/argocd/test_gitops_rules.py::test_nothing_of_a_team_is_in_another_teams_namespace",
        "tests/unit/argocd/test_gitops_rules.py::test_nothing_of_a_team_is_in_a_namespace_of_the_platform",
        "tests/unit/actions/test_team_render.py::test_files_that_are_not_the_teams_to_have_are_not_committed",
        "tests/unit/actions/test_database_render.py::test_a_namespace_of_another_team_gets_no_database_of_ours",
        "tests/unit/argocd/test_register_app.py::test_a_namespace_of_others_is_no_destination",
        "tests/cluster/test_argocd_register_app.py::test_a_repository_cannot_loosen_its_guardrails",
        "tests/cluster/test_new_team.py::test_a_team_is_made_by_a_merge_and_by_nothing_else",
    ),
    "F3 parameters, plugins, values of others and of the network": (
        "tests/unit/argocd/test_gitops_rules.py::test_what_goes_round_the_guardrails_is_refused",
        "tests/unit/argocd/test_gitops_rules.py::test_a_set_of_applications_is_what_one_application_may_be",
        "tests/unit/argocd/test_gitops_rules.py::test_a_clone_may_no_more_than_what_it_is_of",
        "tests/unit/argocd/test_register_app.py::test_bad_input_says_what_is_wrong",
    ),
    "F4 hosts of other teams": (
        "tests/cluster/test_policies.py::test_the_cluster_refuses_what_the_check_refuses_and_nothing_else",
        "tests/cluster/test_kyverno.py::test_settings_reach_kyverno_and_namespaces_of_nobody_are_not_meant",
    ),
    "F5 other teams' paths in Vault, stores of the cluster": (
        "tests/unit/actions/test_team_render.py::test_files_that_are_not_the_teams_to_have_are_not_committed",
        "tests/unit/policies/test_check.py::test_kinds_that_a_bare_cluster_does_not_know",
        "tests/cluster/test_new_team.py::test_what_is_another_teams_in_vault_is_refused_by_the_cluster_in_the_words_of_the_check",
        "tests/cluster/test_vault.py::test_a_namespace_reads_its_own_secrets_and_nobody_elses",
    ),
    "F6 ways past what is asked of pods": (
        "tests/unit/policies/test_check.py::test_an_object_breaks_what_it_should_and_nothing_else",
        "tests/cluster/test_policies.py::test_the_cluster_refuses_what_the_check_refuses_and_nothing_else",
        "tests/cluster/test_kyverno.py::test_kyverno_refuses_what_the_check_refuses_and_nothing_else",
        "tests/cluster/test_policies_before.py::test_what_is_put_into_an_old_pod_is_judged_whole",
        "tests/cluster/test_policies_before.py::test_a_claim_is_given_its_volume_by_the_cluster_and_by_nobody_else",
    ),
    "F7 exceptions, labels, what closes the namespace": (
        "tests/unit/actions/test_team_render.py::test_files_that_are_not_the_teams_to_have_are_not_committed",
        "tests/unit/argocd/test_gitops_rules.py::test_what_goes_round_the_guardrails_is_refused",
        "tests/cluster/test_kyverno.py::test_kyverno_knows_what_is_about_a_name",
        "tests/cluster/test_kyverno.py::test_what_closes_a_namespace_is_not_deleted_by_people",
        "tests/cluster/test_policies_before.py::test_what_closes_a_namespace_goes_with_it_and_not_before",
        "tests/cluster/test_new_team.py::test_a_team_is_made_by_a_merge_and_by_nothing_else",
    ),
    "F8 secrets and data that a clone would bring along": (
        "tests/unit/actions/test_environment_clone.py::test_secrets_are_issued_anew_and_never_copied",
        "tests/unit/actions/test_environment_clone.py::test_what_would_bring_secrets_or_data_along_is_refused",
        "tests/unit/actions/test_environment_clone.py::test_databases_are_small_and_empty",
        "tests/unit/actions/test_environment_clone.py::test_from_production_every_way_out_must_be_allowed_by_name",
        "tests/cluster/test_clones.py::test_a_clone_is_made_by_git_and_its_end_removes_all_of_it_and_nothing_else",
        "tests/cluster/test_vault.py::test_a_role_is_for_its_namespaces_and_their_account",
    ),
}
OPEN: dict[str, str] = {}
NUMBERS = [
    f"{letter}{number}" for letter, last in (("A", 12), ("B", 7), ("E", 11), ("F", 8)) for number in range(1, last + 1)
]


@pytest.mark.parametrize("attack", TESTS)
def test_an_attack_has_the_tests_that_are_named(attack: str) -> None:
    for place in TESTS[attack]:
        file, _, name = place.partition("::")
        assert re.search(rf"^(async )?def {name}\(", (ROOT / file).read_text("utf-8"), re.MULTILINE), place


def test_every_attack_is_answered_or_open() -> None:
    answered = [attack.split()[0] for attack in TESTS]
    assert sorted([*answered, *OPEN]) == sorted(NUMBERS)
