#!/usr/bin/env bash
# Sends the errors and warnings of SPECS, patterns, to code scanning as SARIF, by GH_TOKEN.
set -euo pipefail
shopt -s globstar

sarif="$RUNNER_TEMP/archc.sarif"
archc validate --format sarif -- $SPECS > "$sarif" || true  # the step `validate` fails for errors
# GitHub takes it compressed and in base64.
gzip -c "$sarif" | base64 | tr -d '\n' > "$sarif.base64"
if ! gh api --silent --method POST "repos/$GITHUB_REPOSITORY/code-scanning/sarifs" \
  -f "commit_sha=$GITHUB_SHA" -f "ref=$GITHUB_REF" -F "sarif=@$sarif.base64"; then
  echo "::warning::archc: code scanning takes no results: the job needs security-events: write"
fi
