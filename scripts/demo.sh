#!/bin/sh
# The main job, on this repository's own workspace, with no key and no network. Run by `make demo`.
set -eu
cd "$(dirname "$0")/.."
promptctl=${PROMPTCTL:-promptctl}

bold='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR-}" ] && [ "${TERM-dumb}" != dumb ]; then
    bold=$(printf '\033[1m') plain=$(printf '\033[0m')
fi

say() { # a sentence above the next command
    printf '\n%s# %s%s\n' "$bold" "$1" "$plain"
}

step() { # print a command as it could be typed, a long one on several lines, and run it
    line='$ promptctl'
    for word in "$@"; do
        case $word in
            *[!A-Za-z0-9/._=@-]*) quoted="'$word'" ;;
            *) quoted=$word ;;
        esac
        case ${#line}$word in
            [6-9][0-9]-* | [1-9][0-9][0-9]-*)
                printf '%s%s \\%s\n' "$bold" "$line" "$plain"
                line='   '
                ;;
        esac
        line="$line $quoted"
    done
    printf '%s%s%s\n' "$bold" "$line" "$plain"
    "$promptctl" "$@"
}

feedback='Searching takes ten seconds with my 3000 notes. It used to be instant.'

say 'The prompts of this repository. Each commit that changes what a prompt does is a version of it.'
step validate
step list

say 'What would be sent.'
step render github/feedback-issue -i area=Search -i 'product=Lumen Notes' -i "feedback=$feedback"

say 'The same, sent. replay/sample answers with replies that were written by hand for this repository.'
step run github/feedback-issue -i area=Search -i 'product=Lumen Notes' -i "feedback=$feedback" --model replay/sample

say 'echo/echo answers with what it was asked.'
step run chat-assistant -i 'message=What can you do?' --user demo

say 'Every call is on record, in .git/promptctl/log.db.'
step log list -n 2
step log stats --prompt github/feedback-issue

say 'Every prompt over the cases of its dataset.'
step eval --all --model replay/sample

desk=$(mktemp -d)/notes
page=${desk%/notes}/comparison.html
say 'A workspace of your own, with one version. Then somebody changes the prompt.'
step init "$desk" 2>/dev/null
git -C "$desk" add .
git -C "$desk" -c user.name=Demo -c user.email=demo@example.com -c commit.gpgSign=false commit -qm 'Add prompts'
sed 's/Welcome {{ name }} to/Welcome a colleague to/' "$desk/prompts/welcome.prompt.yaml" > "$desk/changed"
mv "$desk/changed" "$desk/prompts/welcome.prompt.yaml"
step -C "$desk" diff welcome

say 'Is it better or worse? Both versions over the same cases; a loss fails the command, and so a CI job.'
step -C "$desk" eval welcome --against @HEAD -o "$page" || printf 'exit code %s\n' "$?"

printf '\n%sThe same as a page: %s%s\n' "$bold" "$page" "$plain"
say 'With a model of your own: export OPENAI_API_KEY=… and name it with --model openai/gpt-4o-mini'
