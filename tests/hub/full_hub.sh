#!/usr/bin/env bash
# --model ORG/NAME against a hub on loopback (mock_hub.py): layout of the cache, redirects, ranges, checksums, tokens,
# refusals, broken transfers, offline. bertcl tokenize asks for the model: it needs no device.
set -u
: "${BERTCL:?}" "${BERTCL_TESTS:?}" "${BERTCL_BUILD:?}"
command -v python3 >/dev/null || { echo "skipped: no python3"; exit 77; }
tmp=$(mktemp -d) || exit 1
mkfifo "$tmp/life"
"$BERTCL_BUILD/tests/make_tiny_model" "$tmp/source" || exit 1
python3 "$BERTCL_TESTS/hub/mock_hub.py" "$tmp/source" "$tmp/log" "$tmp/ports" <"$tmp/life" &
server=$!
exec 3>"$tmp/life"
trap 'exec 3>&-; wait $server; rm -rf "$tmp"' EXIT
until [ -s "$tmp/ports" ] || ! kill -0 $server 2>/dev/null; do sleep .1; done
read -r port _ <"$tmp/ports" || exit 1
failed=0
commit=0123456789abcdef0123456789abcdef01234567
for name in HF_TOKEN HUGGING_FACE_HUB_TOKEN HF_HUB_OFFLINE TRANSFORMERS_OFFLINE HF_HUB_CACHE HUGGINGFACE_HUB_CACHE HF_TOKEN_PATH \
    XDG_CACHE_HOME http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY; do
    unset "$name"
done
export HF_ENDPOINT=http://127.0.0.1:$port HF_HOME=$tmp/home no_proxy=127.0.0.1
hub=$HF_HOME/hub

check() { # name expected found
    if [ "$2" != "$3" ]; then
        printf 'FAILED %s\n  expected %s\n  found    %s\n' "$1" "$2" "$3" >&2
        failed=1
    fi
}
ask() { # MODEL: tokenizes a word with it
    : >"$tmp/log"
    echo ab | "$BERTCL" tokenize --model "$@" >"$tmp/out" 2>"$tmp/err"
}
works() { # name model
    local name=$1
    shift
    ask "$@"
    check "$name" "0 {\"ids\":[2,5,42,3]" "$? $(cut -d, -f1-4 "$tmp/out")$(cat "$tmp/err")"
}
refuse() { # name part model
    ask "$3"
    check "$1: exit code, lines" "1 0 1" "$? $(wc -l <"$tmp/out") $(wc -l <"$tmp/err")"
    grep -qF -- "$2" "$tmp/err" || check "$1: message" "$2" "$(cat "$tmp/err")"
}
same() { # name folder: a snapshot equals the source
    local file
    for file in config.json vocab.txt tokenizer_config.json model.safetensors; do
        cmp "$2/$file" "$tmp/source/$file" || check "$1: $file" same different
    done
}

# a path wins; what cannot be a name is a path
mkdir -p "$tmp/here/acme"
cp -r "$tmp/source" "$tmp/here/acme/tiny"
(cd "$tmp/here" && works "a path wins over a name" acme/tiny && exit $failed) || failed=1
check "a path wins: no question" "" "$(cat "$tmp/log")"
refuse "a path that is missing" "$tmp/none" "$tmp/none"
refuse "a path in a path" "a/b/c: no such folder" a/b/c
refuse "a name that leads away" "../etc: no such folder" ../etc

# offline, nothing in the cache
HF_HUB_OFFLINE=1 refuse "offline" "acme/tiny: no such folder" acme/tiny
check "offline: no question" "" "$(cat "$tmp/log")"

# the download
works "download" acme/tiny
snapshot=$hub/models--acme--tiny/snapshots/$commit
same "download" "$snapshot"
check "ref" $commit "$(cat "$hub/models--acme--tiny/refs/main")"
sum=$(sha256sum <"$tmp/source/model.safetensors" | cut -d' ' -f1)
check "link of the weights" "../../blobs/$sum" "$(readlink "$snapshot/model.safetensors")"
size=$(stat -c %s "$tmp/source/vocab.txt")
sum=$({ printf 'blob %d\0' "$size"; cat "$tmp/source/vocab.txt"; } | sha1sum | cut -d' ' -f1)
check "link of a small file" "../../blobs/$sum" "$(readlink "$snapshot/vocab.txt")"
check "nothing unfinished" "" "$(find "$hub" -name '*.incomplete')"
works "from the cache" acme/tiny
check "from the cache: no question" "" "$(cat "$tmp/log")"
HF_HUB_OFFLINE=1 works "from the cache, offline" acme/tiny
TRANSFORMERS_OFFLINE=YES works "from the cache by its commit" acme/tiny@$commit
HF_HOME=$tmp/none HF_HUB_CACHE=$hub HF_HUB_OFFLINE=1 works "HF_HUB_CACHE" acme/tiny
HF_ENDPOINT=http://127.0.0.1:1 works "from the cache without a network" acme/tiny

# a name without an organisation, as old models have
HF_HUB_OFFLINE=1 refuse "a bare name, offline" "; the cache has acme/tiny" tiny
works "a bare name" tiny
check "a bare name's place" $commit "$(cat "$hub/models--tiny/refs/main")"
same "a bare name" "$hub/models--tiny/snapshots/$commit"
HF_HUB_OFFLINE=1 works "a bare name, from the cache" tiny
works "a bare name's tag" tiny@v1

# a missing file is named
for file in config.json vocab.txt model.safetensors; do
    mv "$snapshot/$file" "$tmp/kept"
    HF_HUB_OFFLINE=1 refuse "without $file, offline" "(missing: $file" acme/tiny
    HF_ENDPOINT=http://127.0.0.1:1 refuse "without $file, nobody there" "cannot be reached for its" acme/tiny
    mv "$tmp/kept" "$snapshot/$file"
done
echo '{"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}' >"$snapshot/model.safetensors.index.json"
mv "$snapshot/model.safetensors" "$snapshot/one.safetensors"
HF_HUB_OFFLINE=1 refuse "without a shard, offline" "(missing: two.safetensors)" acme/tiny
mv "$snapshot/one.safetensors" "$snapshot/model.safetensors"
rm "$snapshot/model.safetensors.index.json"

# a run of bertcl train
mkdir -p "$tmp/run"
echo '{}' >"$tmp/run/run.json"
refuse "a run without a model" "neither best nor model yet" "$tmp/run"
cp -r "$tmp/source" "$tmp/run/model"
ask "$tmp/run"
check "a run's model" "bertcl: $tmp/run is a run: its model is $tmp/run/model" "$(cat "$tmp/err")"
cp -r "$tmp/source" "$tmp/run/best"
ask "$tmp/run/"
check "a run's best" "$tmp/run/best" "$(sed 's/.* //' "$tmp/err" | tr -s /)"
check "a run's best: ids" '{"ids":[2,5,42,3]' "$(cut -d, -f1-4 "$tmp/out")"
ask "$tmp/run/model"
check "a run's folder by its name" "" "$(cat "$tmp/err")"

# revisions
works "a tag" acme/tiny@v1
check "a tag's ref" fedcba9876543210fedcba9876543210fedcba98 "$(cat "$hub/models--acme--tiny/refs/v1")"
check "a blob is downloaded once" "" "$(grep GET "$tmp/log")"
works "a pull request" acme/tiny@refs/pr/1
check "a pull request's ref" $commit "$(cat "$hub/models--acme--tiny/refs/refs/pr/1")"
refuse "no such revision" 'has no revision "v2"' acme/tiny@v2
works "a renamed model" old/renamed
check "a renamed model's place" 1 "$(ls -d "$hub/models--old--renamed/snapshots/$commit" | wc -l)"

# a damaged snapshot is completed
rm "$snapshot/config.json"
works "a file that is missing in a snapshot" acme/tiny
same "a file that is missing" "$snapshot"
rm "$hub"/models--acme--tiny/blobs/*
works "links that lead nowhere" acme/tiny
same "links that lead nowhere" "$snapshot"
echo nonsense >"$hub/models--acme--tiny/refs/main"
refuse "a ref of another kind" "refs/main: found \"nonsense\"" acme/tiny

# who is let in, and who sees the token
refuse "private, no token" "acme/private: no such folder, and $HF_ENDPOINT gives no access to it (HTTP 401): set HF_TOKEN" acme/private
HF_TOKEN=wrong refuse "private, wrong token" "HF_TOKEN is not accepted" acme/private
HF_TOKEN=' secret
' works "private" acme/private
check "the token reaches the hub" 0 "$(grep -c '^hub.* None$' "$tmp/log")"
check "the token reaches nobody else" "0 1" "$(grep -c '^store.*secret' "$tmp/log") $(grep -c ^store "$tmp/log")"
mkdir -p "$tmp/home2"
echo secret >"$tmp/home2/token"
HF_HOME=$tmp/home2 works "a token that was kept" acme/private
refuse "gated" "gives no access to it (HTTP 403)" acme/gated
refuse "no such model" "set HF_TOKEN if it is private" acme/missing
HF_TOKEN=secret refuse "no such model, with a token" "has no such model (HTTP 404)" acme/missing
refuse "a server that is busy" "answers HTTP 503" acme/busy
refuse "no hub" "is HF_ENDPOINT a hub?" acme/nohub
HF_ENDPOINT=http://127.0.0.1:1 refuse "nobody there" "cannot be reached" acme/none
refuse "no weights" "found neither model.safetensors nor pytorch_model.bin" acme/pickle
echo pickled >"$tmp/source/pytorch_model.bin"
works "pickles only" acme/pickle
check "pickles only: downloaded" pickled "$(cat "$hub/models--acme--pickle/snapshots/$commit/pytorch_model.bin")"
rm "$tmp/source/pytorch_model.bin"

# no place for the cache
touch "$tmp/file"
HF_HOME=$tmp/file refuse "a cache that cannot be made" "set HF_HOME or HF_HUB_CACHE to a folder that you can write" acme/v2

# transfers
works "a line that breaks" acme/broken
grep -q '^store GET /broken.*bytes=[1-9]' "$tmp/log" || check "a line that breaks: goes on" "a range" "$(grep store "$tmp/log")"
same "a line that breaks" "$hub/models--acme--broken/snapshots/$commit"
works "no ranges" acme/norange
same "no ranges" "$hub/models--acme--norange/snapshots/$commit"
refuse "a dead line" "the transfer broke off at byte" acme/dead
check "a dead line: not used" "" "$(find "$hub/models--acme--dead" -name model.safetensors)"
refuse "a short file" "the transfer broke off at byte 1000 of" acme/short
refuse "a corrupt file" "its checksum is" acme/corrupt
check "a corrupt file: not used, not kept" "" "$(find "$hub/models--acme--corrupt" -name model.safetensors -o -name '*.incomplete')"
sum=$(sha256sum <"$tmp/source/model.safetensors" | cut -d' ' -f1)
mkdir -p "$hub/models--acme--resumed/blobs"
head -c 5000 "$tmp/source/model.safetensors" >"$hub/models--acme--resumed/blobs/$sum.incomplete"
works "a transfer of yesterday" acme/resumed
check "a transfer of yesterday: goes on" 1 "$(grep -c 'store GET.*bytes=5000-' "$tmp/log")"
same "a transfer of yesterday" "$hub/models--acme--resumed/snapshots/$commit"
mkdir -p "$hub/models--acme--long/blobs"
cat "$tmp/source/model.safetensors" "$tmp/log" >"$hub/models--acme--long/blobs/$sum.incomplete"
works "more than there is" acme/long
same "more than there is" "$hub/models--acme--long/snapshots/$commit"

# the weights in shards
cp "$tmp/source/model.safetensors" "$tmp/source/model-00001-of-00002.safetensors"
head -c 999 "$tmp/source/model.safetensors" >"$tmp/source/model-00002-of-00002.safetensors"
mv "$tmp/source/model.safetensors" "$tmp/whole"
echo '{"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors", "c": "model-00001-of-00002.safetensors"}}' \
    >"$tmp/source/model.safetensors.index.json"
works "shards" acme/shards
check "shards: all there" 2 "$(ls "$hub/models--acme--shards/snapshots/$commit" | grep -c of-00002)"
works "shards from the cache" acme/shards
check "shards from the cache: no question" "" "$(cat "$tmp/log")"
echo '{"weight_map": {"a": "../../../etc/passwd"}}' >"$tmp/source/model.safetensors.index.json"
refuse "an index that leads away" 'found "../../../etc/passwd"' acme/away
exit $failed
