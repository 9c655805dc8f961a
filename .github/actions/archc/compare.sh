#!/usr/bin/env bash
# Writes what changed in the networks since BASE, a commit, to $RUNNER_TEMP/archc.md and to the
# job's summary. SPECS are patterns; with GROWTH (of parameters) or MACS_GROWTH it exits with 1 where
# a network has grown more.
set -euo pipefail
shopt -s globstar nullglob

git cat-file -e "$BASE^{commit}" 2> /dev/null || git fetch --quiet --depth=1 origin "$BASE"
text="$RUNNER_TEMP/archc.md"
status=0
# What archc tells of a spec holds text of it: no line of that is a command to the runner.
quiet="archc-$RANDOM$RANDOM$RANDOM"
echo "::stop-commands::$quiet"
exec 2>&1 3>&1  # two streams would reach the runner in any order
trap 'echo "::$quiet::" >&3' EXIT

# A file may be called anything.
shown() {
  basename -- "$1" | tr -cd "A-Za-z0-9_.-"
}

{
  echo "<!-- archc -->"
  echo "## Networks"
} > "$text"
before=$(wc -l < "$text")
limits=()
if [ -n "${GROWTH:-}" ]; then limits+=(--max-params-growth "$GROWTH"); fi
if [ -n "${MACS_GROWTH:-}" ]; then limits+=(--max-macs-growth "$MACS_GROWTH"); fi

for spec in $SPECS; do
  [ -e "$spec" ] || continue  # a name that is no pattern stays
  name=$(shown "$spec")
  if [ -e "$BASE:$spec" ]; then
    # archc would take it for the spec as it was.
    echo "archc: a file is called like $name in the base revision"
    exit 1
  fi
  if ! git cat-file -e "$BASE:$spec" 2> /dev/null; then
    {
      echo
      echo "<details><summary>New: <code>$name</code></summary>"
      echo
      archc report --format markdown -- "$spec"
      echo
      echo "</details>"
    } >> "$text"
    continue
  fi
  compared=0
  archc diff --format markdown --exit-code -- "$BASE:$spec" "$spec" > "$RUNNER_TEMP/spec.md" || compared=$?
  if [ "$compared" != 0 ]; then
    echo >> "$text"
    if [ -s "$RUNNER_TEMP/spec.md" ]; then
      cat "$RUNNER_TEMP/spec.md" >> "$text"
    else
      echo "\`$name\` cannot be compared: what it was is no sound spec." >> "$text"
    fi
  fi
  if [ "${#limits[@]}" != 0 ] && [ -s "$RUNNER_TEMP/spec.md" ]; then
    archc diff "${limits[@]}" -- "$BASE:$spec" "$spec" > /dev/null || status=1
  fi
done

# The patterns say which of the files that are gone were specs: empty files stand for them.
gone="$RUNNER_TEMP/archc-gone"
rm -rf "$gone"
mkdir -p "$gone"
while IFS= read -r -d "" path; do
  mkdir -p "$gone/$(dirname -- "$path")"
  : > "$gone/$path"
done < <(git diff --relative --name-only --no-renames --diff-filter=D -z "$BASE" --)
(
  cd "$gone"
  for spec in $SPECS; do
    if [ -e "$spec" ]; then printf '\nRemoved: `%s`\n' "$(shown "$spec")"; fi
  done
) >> "$text"

if [ "$(wc -l < "$text")" = "$before" ]; then
  echo "No network has changed." >> "$text"
fi
# GitHub takes 65,536 characters.
if [ "$(wc -c < "$text")" -gt 60000 ]; then
  head -c 60000 "$text" | sed '$d' > "$text.short"
  printf '\n\n</details>\n\nThe rest is too long for a comment.\n' >> "$text.short"
  mv "$text.short" "$text"
fi
cat "$text" >> "$GITHUB_STEP_SUMMARY"
exit "$status"
