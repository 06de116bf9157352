#!/bin/sh
# Shows: a run by curl alone: post steps, wait for the score, read the curve, say how it went.
# Run:   sh examples/curl.sh
# Reads: FOREWARN_URL (http://127.0.0.1:8080) and, where the service has keys, FOREWARN_API_KEY.
set -eu

url=${FOREWARN_URL:-http://127.0.0.1:8080}
run=curl-$(date +%s)-$$

# ask PATH [BODY]: GET, or POST where there is a body. With a key it goes along; without one nothing does.
ask() {
    path=$1
    shift
    [ $# = 0 ] || set -- -X POST -H 'Content-Type: application/json' -d "$1"
    [ -z "${FOREWARN_API_KEY:-}" ] || set -- -H "Authorization: Bearer $FOREWARN_API_KEY" "$@"
    curl -sS --fail-with-body --max-time 30 "$@" "$url$path"
    echo
}

curl -sf --max-time 5 "$url/livez" >/dev/null || {
    echo "no forewarn service answers at $url: start one with 'forewarn serve --bundle my-bundle' or 'make demo KEEP=1'" >&2
    exit 1
}

echo "1. post a step as the agent emits it; the answer waits for its score"
ask "/v1/runs/$run/steps?wait=score&timeout_ms=5000" '{"role": "user", "content": "Hello, where is my order?"}'

echo "2. another, with an id: sending it again is safe (the second answer says duplicate)"
step='[{"step": {"role": "assistant", "content": "Let me look that up."}, "id": "look-up"}]'
ask "/v1/runs/$run/steps?envelope=true" "$step"
ask "/v1/runs/$run/steps?envelope=true" "$step"

echo "3. no more steps will come"
ask "/v1/runs/$run/end" '{}'

echo "4. the run with its curve: one score a step"
ask "/v1/runs/$run"

echo "5. how it went, once you know: live precision and recall, and the next training, come from this"
ask "/v1/runs/$run/outcome" '{"success": true}'
