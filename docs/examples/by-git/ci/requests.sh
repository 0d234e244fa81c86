#!/bin/sh
# What CI does with requests: `check BASE` before the merge, `run BASE` after it. BASE is the commit before the change.
#
# A request is a file requests/TEMPLATE/NAME.yaml with the values of the form. Each is run once: when it is added. Needs git and
# understage; helm, where charts are to be rendered. What the environment names beside the forge is asked, too.
set -eu

what=$1
base=$2
case $what in check | run) ;; *) echo "usage: $0 check|run BASE" >&2; exit 2 ;; esac

set -- --config app-config.yaml
[ -z "${CATALOG_URL:-}" ] || set -- "$@" --config ci/catalog.yaml
[ -z "${ARGOCD_URL:-}" ] || set -- "$@" --config ci/argocd.yaml
[ -z "${KUBECONFIG:-}" ] || set -- "$@" --config ci/cluster.yaml

mkdir -p made
git diff --name-only --diff-filter=A "$base" HEAD -- requests >made/added
status=0
while IFS= read -r request; do
  template=platform/skeletons/$(basename "$(dirname "$request")")/template.yaml
  name=$(basename "$request" .yaml)
  echo "== $request: $what"
  if [ "$what" = check ]; then
    rm -rf "made/$name"
    # Renders everything, asks the guardrails, and makes nothing.
    understage template run "$template" --values "$request" "$@" --dry-run --target "made/$name" || status=1
    if [ -d "made/$name/gitops/rendered" ]; then
      understage policy check --rules platform/skeletons/policies/rules.yaml "made/$name/gitops/rendered" || status=1
    fi
  else
    understage template run "$template" --values "$request" "$@" || status=1
  fi
done <made/added
exit $status
