#!/bin/sh
# Makes the Git repository of the prompts at FOLDER, with the label production on each: make.sh FOLDER
set -eu
if [ -e "$1" ]; then
    echo "$1 is there already: nothing to do"
    exit 0
fi
made=$1.unfinished
rm -rf "$made"
mkdir -p "$made"
cp -R "$(dirname "$0")"/promptctl.yaml "$(dirname "$0")"/prompts "$(dirname "$0")"/datasets "$made"
git -C "$made" init --quiet --initial-branch=main
if ! git -C "$made" config user.email >/dev/null; then
    git -C "$made" config user.name "Service Example"
    git -C "$made" config user.email service@example.com
fi
git -C "$made" add .
git -C "$made" -c commit.gpgSign=false commit --quiet --message "Add the prompts of the service"
for prompt in chat/assistant issues/feedback; do
    "${PYTHON:-python3}" -m promptctl -C "$made" label set "$prompt@production"
done
mv "$made" "$1"
