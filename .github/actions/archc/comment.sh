#!/usr/bin/env bash
# Puts $RUNNER_TEMP/archc.md on pull request NUMBER: one comment, which later runs update.
set -euo pipefail

text="$RUNNER_TEMP/archc.md"
[ -f "$text" ] || exit 0  # the comparison did not get so far
comments="repos/$GITHUB_REPOSITORY/issues/$NUMBER/comments"
own='.[] | select(.user.type == "Bot" and (.body | startswith("<!-- archc -->"))) | .id'

post() {
  local found
  found=$(gh api --paginate "$comments" --jq "$own") || return 1
  found=${found%%$'\n'*}
  if [ -n "$found" ]; then
    gh api --method PATCH "repos/$GITHUB_REPOSITORY/issues/comments/$found" -F "body=@$text" --silent
  elif ! grep -q "^No network has changed" "$text"; then
    gh api --method POST "$comments" -F "body=@$text" --silent
  fi
}

# From a fork the token may only read: the job's summary holds the same text.
post || echo "::warning::archc could not comment on the pull request; see the job's summary"
