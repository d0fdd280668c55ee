#!/bin/sh
# The main job, on this repository's own workspace, with no key and no network. Run by `make demo`.
set -eu
cd "$(dirname "$0")/.."
promptctl=${PROMPTCTL:-promptctl}

step() {
    printf '\n\033[1m$ promptctl'
    for word in "$@"; do
        case $word in
            *[\ \[]*) printf " '%s'" "$word" ;;
            *) printf ' %s' "$word" ;;
        esac
    done
    printf '\033[0m\n'
    "$promptctl" "$@"
}

feedback='Searching takes ten seconds with my 3000 notes. It used to be instant.'

step validate
step list
step render github/feedback-issue -i "feedback=$feedback" -i area=Search -i 'product=Lumen Notes'
step run github/feedback-issue -i "feedback=$feedback" -i area=Search -i 'product=Lumen Notes' --model replay/sample
step run chat-assistant -i 'message=What can you do?' --user demo
step log list -n 2
step log stats
step eval --all --model replay/sample
